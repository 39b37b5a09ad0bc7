"""Signs of whom an order is for, who is not to know of it, and what is to be taken away. Pure."""

from lightspeed_stack.shields.injection_signs import (
    ANY,
    CONFIDENTIAL,
    CONFIDENTIAL_STEMS,
    DO,
    MODEL,
    MODEL_STEMS,
    MUST,
    NOW,
    PRIVATE,
    SEND,
    USER,
    WHERE,
    WORD,
    sign,
)

ADDRESS = (
    sign(
        "to-model",
        0.7,
        rf"""\b(?:attention|note|important|message|instructions?|notice|reminder|memo|hint|warning) (?:to|
        for) (?:all |any |the |every |an? |this |whatever |our )?{WORD}?{MODEL}s?\b(?! (?:developers?|users?|
        providers?|vendors?|training|servers?|authors?|deployments?|inference|teams?|frameworks?|applications?|
        workloads?|projects?))""",
        MODEL_STEMS,
    ),
    sign(
        "to-model",
        0.7,
        r"""\b(?:dear|hey|hello|hi|attention) (?:ai|llm|language model|assistant|chat ?bot|chat ?gpt|claude|copilot|
        gemini|bot|agent)\b""",
        "dear hey hello hi attention",
    ),
    sign(
        "to-model",
        0.7,
        rf"""\b(?:if you(?: are|\W?re)|as) (?:an? |the )?(?:\w{{1,15}} )?{MODEL}\b[^.\n]{{0,60}}\b(?:you|add|do|say|
        reply|respond|ignore|include|call|must)\b""",
        MODEL_STEMS,
    ),
    sign(
        "to-model",
        0.6,
        rf"^[^\w\n]{{0,12}}(?:to )?(?:the |all |any |every )?{MODEL}s?(?: that read this)?\s?[:,]\s",
        MODEL_STEMS,
    ),
    sign(
        "to-model",
        0.7,
        rf"\b(?:important|attention|urgent|warning|note|stop)\W{{1,4}}{MODEL}s?\b ?[:,!-]",
        "important attention urgent warning note stop",
    ),
    sign("to-model", 0.7, r"\bto you (?:the )?(?:gpt|chat ?gpt|claude|gemini|copilot|assistant|ai|llm)\b", "you"),
    sign(
        "to-model",
        0.7,
        rf"""\b(?:if|when|once) (?:the |any |an? |some )?{MODEL}s? (?:reads?|sees?|finds?|encounters?|
        processes) (?:this|these|it)\b""",
        "read see find encounter process",
    ),
    sign(
        "reading",
        0.4,
        rf"""\b{MODEL}s? (?:(?:that|who|which) )?(?:read(?:s|ing)?|process(?:es|ing)?|pars(?:e|es|ing)|summari[sz]
        (?:e|es|ing)|see(?:s|ing)?|analy[sz](?:e|es|ing)|handl(?:e|es|ing)) (?:this|the following|these)\b""",
        MODEL_STEMS,
    ),
    sign("told-to", 0.7, rf"\b(?:{MODEL}|agent)s?(?: that [^.\n]{{1,60}})? {MUST} {NOW}{DO}\b", MODEL_STEMS),
    sign("told-to", 0.6, rf"\b{MODEL} ?, (?:you|please|do|ignore|call|say|add|run)\b", MODEL_STEMS),
    sign("told-to", 0.4, rf"\byou {MUST} {NOW}{DO}\b", "you"),
    sign(
        "before-answering",
        0.4,
        r"""\b(?:before|while|when|after) (?:you )?(?:answer(?:ing)?|respond(?:ing)?|reply(?:ing)?|summari[sz](?:e|
        ing)|continu(?:e|ing)|(?:can )?(?:solve|complete) (?:the|this|your) task|(?:using|calling|
        running) (?:this|any|another) tool)\b""",
        "before while when after",
    ),
    sign(
        "secrecy",
        0.6,
        rf"""\b(?:do not|don\W?t|never|must not|should not|without|and not|but not) (?:ever )?(?:tell(?:ing)?|
        inform(?:ing)?|alert(?:ing)?|warn(?:ing)?|mention(?:ing)?|reveal(?:ing)?|disclos(?:e|ing)|say(?:ing)?|
        explain(?:ing)?|let(?:ting)?) (?:{WORD}{{0,5}}to )?(?:the |any |your |our )?{USER}\b""",
        "user human operator customer person client owner any",
    ),
    sign(
        "secrecy",
        0.6,
        r"""\b(?:do not|don\W?t|never|and not) (?:ever )?(?:mention|reveal|disclose|acknowledge|refer to|repeat|
        quote|talk about) (?:this|these|that you|the (?:existence|presence) of|having|any of (?:this|these)
        ) (?:instructions?|message|note|prompt|text|paragraph|section|comment|notice|received|read|were|in your|
        fact|hint|to)\b""",
        "mention reveal disclose acknowledge refer repeat quote talk",
    ),
    sign(
        "secrecy",
        0.6,
        rf"\b(?:keep|hide|conceal) (?:this|it|these|that) {WORD}{{0,3}}(?:secret|from (?:the |your )?{USER})\b",
        "secret from",
    ),
    sign(
        "silently",
        0.5,
        r"""\b(?:silently|secretly|covertly|discreetly) (?:\w{1,12} )?(?:call|invoke|run|execute|send|post|upload|
        forward|add|include|append|delete|install|fetch|use)\b""",
        "silent secret covert discreet",
    ),
    sign(
        "consent",
        0.6,
        r"""\b(?:user|developer|administrator|operator|customer|openai|anthropic|security team|management) (?:has|
        have|had)(?: already| explicitly| previously){0,2} (?:approved (?:this|all|it|the (?:action|call|
        deletion|request))|authori[sz]ed (?:you|this|all)|agreed|consented|granted you|given (?:you )?
        (?:permission|consent|approval)|asked you to|instructed you)\b""",
        "has have had",
    ),
    sign(
        "consent",
        0.6,
        rf"""\b(?:user|developer|administrator|operator|customer|owner|security team|management) (?:wants?|
        instructs?|orders?|asks?|requests?|requires?|commands?|tells?|expects?|needs?) (?:you|(?:the |this |
        all )?{MODEL}s?) to\b""",
        "user developer admin operator customer owner team management",
    ),
    sign(
        "consent",
        0.4,
        r"""\b(?:no (?:further )?(?:confirmation|approval|permission) (?:is )?(?:needed|required|necessary)|
        (?:do not|don\W?t|never|without) (?:ask|asking|wait|waiting) (?:for )?(?:\w{1,12} )?(?:confirmation|
        permission|approval)|without (?:asking|confirming with|permission of) (?:the )?user)\b""",
        "confirm approv permission user",
    ),
    sign(
        "reply-frame",
        0.5,
        r"""\b(?:end|start|begin|finish|prefix|prepend|conclude) (?:all |every |each |any |of ){0,2}(?:your|
        the) (?:reply|replies|response|responses|answers?|messages?|output|summary) (?:with|by|in)\b""",
        "your the",
    ),
    sign(
        "reply-only",
        0.5,
        r"\b(?:reply|respond|answer|output) (?:only|just|exactly|always|solely)\b",
        "only just exactly always solely",
    ),
    sign(
        "reply-only",
        0.4,
        r"\b(?:say|reply|respond|answer|output) (?:with )?(?:the (?:word|sentence|phrase)|yes|ok)\b",
        "word sentence phrase yes ok",
    ),
    sign(
        "persistence",
        0.4,
        r"""\b(?:for the (?:rest|remainder) of (?:this|the) (?:conversation|session|chat)|(?:in|for|with) (?:all|
        every|any) (?:future|following|subsequent|further)? ?(?:reply|replies|response|responses|answers?|
        messages?|conversations?|questions?)|every (?:question|answer) with)\b""",
        "conversation session chat repl response answer message question",
    ),
)
"""To whom it speaks, and that nobody else is to know."""

TAKING = (
    sign(
        "prompt-leak",
        1.0,
        rf"""\b(?:reveal|print|output|show|repeat|display|leak|dump|tell|disclose|send|share|give|write|recite|
        expose|include|copy|paste|reproduce|list)(?:t?ing)? (?:me |us |out |back |
        the user )?{WORD}{{0,4}}your {WORD}{{0,3}}(?:system prompts?|system messages?|initial prompts?|
        hidden prompts?|prompt|(?:system |initial |original |secret |hidden |complete |full )instructions|
        developer messages?|instructions (?:verbatim|in full|word for word|exactly))\b""",
        "prompt message instruction",
    ),
    sign(
        "prompt-leak",
        0.6,
        rf"""\b(?:reveal|print|output|repeat|leak|dump|disclose|recite|expose|contents? of) (?:me |us |out |
        back )?{ANY}(?:(?:entire|full|complete|whole|exact) )?(?:system prompts?|system messages?|
        initial prompts?|hidden prompts?)\b""",
        "prompt message",
    ),
    sign(
        "prompt-leak",
        0.8,
        r"""\b(?:repeat|print|output|recite|copy|write) (?:back |out |me )?(?:everything|every word|all (?:the )?
        (?:words|text)|the (?:words|text)) (?:\w{1,12} ){0,3}(?:above|before this|in your (?:context|prompt|
        instructions))\b""",
        "above before your",
    ),
    sign(
        "secrets",
        0.6,
        rf"""\b(?:reveal|print|output|leak|dump|disclose|expose|include|tell) (?:{WORD}{{0,4}}(?:all|your|admin|
        every|its){WORD}?{CONFIDENTIAL}|{WORD}{{0,3}}{CONFIDENTIAL} (?:from|of|in) your)\b""",
        CONFIDENTIAL_STEMS,
    ),
    sign(
        "secrets",
        0.3,
        r"(?:\.ssh/|\bid.rsa\b|\.kube/config|/etc/(?:passwd|shadow)|\.aws/credentials|\b(?:file )?\.env\b)",
        "ssh rsa kube passwd shadow aws .env",
    ),
    sign(
        "exfiltration",
        1.0,
        rf"\b{SEND} {WORD}{{0,8}}?{PRIVATE} {WORD}{{0,8}}?{WHERE}",
        "http www webhook url address server endpoint site domain link \x40",
    ),
    sign(
        "exfiltration",
        0.8,
        rf"\b{SEND} {WORD}{{0,6}}?[\w.+-]{{1,40}}\x40[\w.-]{{1,40}} {WORD}{{0,4}}{PRIVATE}\b",
        "\x40",
    ),
    sign("exfiltration", 0.7, rf"\b{SEND} all {WORD}{{0,2}}{CONFIDENTIAL} {WORD}{{0,3}}?{WHERE}", CONFIDENTIAL_STEMS),
    sign("exfiltration", 0.5, rf"\b{SEND} {WORD}{{0,8}}?{CONFIDENTIAL} {WORD}{{0,8}}?{WHERE}", CONFIDENTIAL_STEMS),
    sign(
        "exfiltration",
        0.6,
        r"""\b(?:curl|wget|invoke-webrequest)\b[^\n]{0,80}(?:\$\(|`|<|\{\{)[^\n]{0,30}(?:secret|token|password|
        \.env|id.rsa|kubeconfig|\.kube|\.ssh|\.aws|history|conversation|prompt|environ)""",
        "curl wget invoke",
    ),
    sign(
        "exfiltration",
        1.0,
        r"""!\[[^\]\n]{0,80}\]\(\s{0,4}https?:[^)\s]{1,200}[?&/=](?:\{|\[|<|%7b|\$\{|(?:insert|your|base64|encoded|
        url\W?encode|secret|conversation|history|prompt)[\w-]{0,40}\))""",
        "![",
    ),
    sign(
        "exfiltration",
        0.5,
        rf"""\b(?:include|append|render|insert|embed|display|add|output|load) {WORD}{{0,5}}(?:image|picture|pixel|
        img|link|url|markdown)\b[^\n]{{0,80}}\b(?:{CONFIDENTIAL}|encoded|base ?64|query string)""",
        "image picture pixel img link url markdown",
    ),
    sign("verbatim", 0.4, r"\b(?:verbatim|word for word)\b", "verbatim word"),
    sign(
        "into-answer",
        0.5,
        r"""\b(?:include|put|add|insert|paste|append|embed) (?:\w{1,20} ){0,6}?(?:in|into|to) your (?:next )?
        (?:answer|reply|response|output|message)\b""",
        "your",
    ),
    sign(
        "tool-order",
        0.4,
        r"""\b(?:call|invoke|run|execute|trigger|use) (?:the |your |this )?(?:\w{1,30} ){1,4}?(?:tool|function|
        plugin)\b""",
        "tool function plugin",
    ),
    sign(
        "tool-order",
        0.4,
        r"\b(?:immediately|first|now|then|automatically|must) (?:call|invoke|trigger) (?:the |your )?\w",
        "call invoke trigger",
    ),
    sign(
        "encoded",
        1.0,
        rf"""\b(?:decode|decrypt|unscramble)\b[^\n]{{0,80}}\b(?:follow|obey|carry out|comply with|do what|act on|
        adhere to) {WORD}{{0,3}}?(?:it|them|that|this|instructions?|result|says|orders?|commands?|content|
        message|directives?)\b""",
        "decode decrypt unscramble",
    ),
    sign(
        "encoded",
        0.6,
        rf"""\b(?:decode|decrypt|unscramble) {WORD}{{0,6}}(?:base ?64|rot ?13|hex|string|blob|message|payload|text)
        \b[^\n]{{0,60}}\b(?:and|then) (?:execute|run|do|use)\b""",
        "decode decrypt unscramble",
    ),
    sign(
        "hidden",
        0.3,
        r"""style\s?=\s?["'][^"'\n]{0,80}(?:display\s?:\s?none|visibility\s?:\s?hidden|font-size\s?:\s?0|
        color\s?:\s?(?:white|\#fff))""",
        "style",
    ),
)
"""What is to come out, and which ways it may go."""
