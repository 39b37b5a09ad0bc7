"""Signs of orders: to forget what was told before, to be somebody else, to do something else. Pure."""

from lightspeed_stack.shields.injection_signs import (
    ALL,
    ANY,
    BEFORE,
    IGNORE,
    IGNORE_STEMS,
    ORDER,
    TOLD,
    WORD,
    YOUR_MODEL,
    sign,
)

OVERRIDE = (
    sign("override", 1.5, rf"\b{IGNORE} {ALL}(?:{BEFORE} ){{0,2}}{WORD}{{0,2}}{TOLD}\b", IGNORE_STEMS),
    sign(
        "override",
        1.5,
        rf"(?<!\b(?:to|can|may|safely)\W)\b(?!\w{{5,9}}ing\b){IGNORE} (?:{BEFORE} ){{1,2}}{WORD}{{0,2}}{TOLD}\b",
        IGNORE_STEMS,
    ),
    sign("override", 1.0, rf"\b{IGNORE} {ALL}{WORD}{{0,2}}{BEFORE} (?:{BEFORE} )?{ORDER}\b", IGNORE_STEMS),
    sign("override", 0.7, rf"\b{IGNORE} {ANY}(?:{BEFORE} )?{WORD}{{0,3}}{TOLD}\b", IGNORE_STEMS),
    sign(
        "override",
        0.5,
        rf"\b{IGNORE} {ANY}(?:{BEFORE} {ORDER}|{WORD}{{0,2}}(?:task|question|request))\b",
        IGNORE_STEMS,
    ),
    sign(
        "override",
        1.0,
        rf"\b{IGNORE} {ANY}{TOLD} {WORD}{{0,3}}(?:above|before|previously|so far|until now)\b",
        IGNORE_STEMS,
    ),
    sign(
        "override",
        1.0,
        rf"\b{IGNORE} {ANY}(?:{TOLD}|{ORDER}) (?:that )?you (?:were|have been|got|received)\b",
        IGNORE_STEMS,
    ),
    sign(
        "override",
        1.5,
        r"\bignore(?:all)?(?:the|your|any)?(?:previous|prior|above)(?:instructions?|prompts?|rules)",
        "ignore",
    ),
    sign(
        "override",
        1.2,
        rf"""\b(?:forget|ignore|disregard) (?:absolutely |about )?(?:everything|all|anything|what
        (?:ever)?) (?:that )?(?:you(?:\W?ve)? (?:(?:were|was|have been)(?: told| taught| given)?|know|knew|
        learned|have learned|read|are)|
        (?:i|we|they|the system prompt)(?:\W?ve)? {WORD}?(?:said|told|wrote|asked|says)|(?:was )?(?:said |
        written |stated )?(?:above|before|so far|up to (?:now|here)|until (?:now|here))|came before)\b""",
        "forget ignore disregard",
    ),
    sign(
        "override",
        1.0,
        r"\b(?:disregard|ignore) what (?:the |your )(?:system|developer|user|previous|first)\b",
        "disregard ignore",
    ),
    sign(
        "override",
        1.0,
        rf"""\b(?:this|these|below|here|following)(?: \w{{1,20}}){{0,4}} (?:overrides?|supersedes?|cancels?|
        takes? (?:precedence|priority) over|replaces?) {ANY}(?:{BEFORE} )?{WORD}{{0,2}}{TOLD}\b""",
        "overrid supersede cancel precedence priority replace",
    ),
    sign(
        "override",
        0.8,
        rf"""\byour {WORD}{{0,2}}(?:instructions?|prompts?|directives?|guidelines|programming|rules|task|
        role) (?:have|has|is|are) (?:now )?(?:been )?(?:replaced|changed|revoked|updated|canceled|cancelled|
        void|obsolete|suspended)\b""",
        "replaced changed revoked updated cancel void obsolete suspended",
    ),
    sign(
        "guardrails-off",
        1.0,
        rf"""\b(?:disable|deactivate|turn off|switch off|bypass|circumvent|lift|suspend|ignore|override) {ANY}
        (?:your|ai|ethical) {WORD}{{0,2}}(?:filters?|guardrails?|guidelines|restrictions|safeguards|checks|
        measures|ethics|limitations|censorship|protocols)\b""",
        "filter guardrail guideline restriction safeguard check measure ethics limitation censorship protocol",
    ),
    sign(
        "guardrails-off",
        0.4,
        r"\b(?:skip|bypass|disable|ignore) all (?:security|safety) (?:checks|measures|rules)\b",
        "security safety",
    ),
    sign(
        "guardrails-off",
        0.5,
        r"\byou (?:have|had|follow|know) no (?:rules|restrictions|limits|limitations|filters|guidelines|ethics)\b",
        "rules restriction limit filter guideline ethics",
    ),
    sign(
        "guardrails-off",
        0.7,
        r"\byou (?:are|re) (?:now )?(?:no longer|not) (?:bound|restricted|limited|constrained|subject)\b",
        "bound restricted limited constrained subject",
    ),
    sign(
        "guardrails-off",
        0.6,
        rf"""\b{YOUR_MODEL} {WORD}{{0,2}}(?:without|with no|that has no|who has no|free (?:of|from)) (?:any |
        all )?{WORD}?(?:restrictions?|limitations?|limits|filters?|guidelines?|constraints?|rules|censorship)\b""",
        "restriction limit filter guideline constraint rule censorship",
    ),
)
"""To forget what the model was told."""

NEW_ORDERS = (
    sign(
        "persona",
        0.7,
        rf"""\b(?:from now on|henceforth|as of now|starting now|from this (?:point|
        moment) on) {WORD}{{0,2}}you (?:are|re|will|must|should|shall|only|always|have to|respond|answer|reply|
        act|speak)\b""",
        "henceforth now moment point",
    ),
    sign("persona", 1.0, r"\byou (?:are|re) (?:now )?(?:dan|do anything now|jailbroken)\b", "dan jailbroken anything"),
    sign(
        "persona",
        0.7,
        rf"""\byou (?:are|re) now (?:an? |the |my |in )?{WORD}{{0,3}}(?:{YOUR_MODEL}|dan|hacker|pirate|persona|
        developer mode|debug mode|unrestricted mode|terminal|evil)\b""",
        "you",
    ),
    sign(
        "persona",
        0.7,
        rf"\b(?:unrestricted|unfiltered|uncensored|jailbroken|evil|rogue|amoral) {YOUR_MODEL}\b",
        "unrestricted unfiltered uncensored jailbroken evil rogue amoral",
    ),
    sign(
        "persona",
        0.5,
        r"\b(?:pretend|roleplay|role play|act|behave) (?:as if|as though|like|that|to be) you\b",
        "pretend roleplay role act behave",
    ),
    sign(
        "persona",
        0.7,
        r"""\b(?:do anything now|dan mode|jailbreak mode|god mode (?:enabled|activated|on)|
        developer mode (?:is )?(?:now )?(?:enabled|activated|unlocked)|(?:enter|activate|switch to|switch into|
        unlock) (?:dan|god|jailbreak|unrestricted)mode)\b""",
        "dan jailbreak god developer unrestricted anything",
    ),
    sign(
        "new-orders",
        0.7,
        rf"""\b(?:new|updated|revised|secret|hidden|urgent|override) {WORD}?(?:instructions?|directives?|orders|
        objective|mission)(?: (?:for|to) (?:the |an? |all |any )?(?:{YOUR_MODEL}|you)s?)?\W{{0,3}}[:\n]""",
        "instruction directive orders objective mission",
    ),
    sign("new-orders", 0.7, r"\b(?:new|updated|real|actual) system (?:prompt|message)\b", "prompt message"),
    sign(
        "new-orders",
        0.7,
        r"\b(?:hidden|secret|embedded) (?:instructions?|directives?|orders)\b",
        "hidden secret embedded",
    ),
    sign(
        "new-orders",
        1.0,
        r"\b(?:begin|start|end)(?: of)? (?:hidden|secret|new|system) (?:instructions?|directives?|orders)\b",
        "hidden secret new system",
    ),
    sign(
        "new-orders",
        1.0,
        r"\byour (?:new|real|actual|true) (?:system prompt|instructions?|identity|persona) (?:is|are|reads?)\b",
        "your",
    ),
    sign(
        "new-orders",
        0.7,
        r"""\byour (?:new|real|actual|true|only|sole|updated) (?:task|job|goal|instructions?|objective|mission|role|
        purpose|directive|system prompt|identity)\b""",
        "your",
    ),
    sign(
        "new-orders",
        0.6,
        rf"""\b(?:follow|obey|execute|carry out|adhere to) (?:only )?(?:the |these |my |our )?(?:following|below|new|
        hidden|embedded|mine) {WORD}?(?:instructions?|orders|directives?|commands?)
        (?: \w{{1,12}}){{0,3}} (?:instead|now|immediately|exactly|without)\b""",
        "instruction orders directive command",
    ),
    sign(
        "remember",
        0.4,
        r"""\bremember (?:this|that|the following) (?:for|in|during) (?:\w{1,12} ){0,3}(?:conversations?|sessions?|
        chats?)\b""",
        "remember",
    ),
    sign(
        "obey",
        0.5,
        r"\bcomply (?:fully )?with (?:all|every|any) (?:of )?(?:the |my |user )?(?:users? )?requests?\b",
        "comply",
    ),
    sign("obey", 0.4, r"\bobey (?:the|this|these|my|our|only|me|every|all|it|any)\b", "obey"),
    sign(
        "say",
        0.3,
        r"""\b(?:and|instead|then|now|rather|only|please|simply|just|of) (?:instead |only |just |then |now |please |
        always |simply |kindly )?(?:say|saying|reply|respond|answer|answering|output|print|reveal|tell|pretend|
        repeat|recommend)\b""",
        "say reply respond answer output print reveal tell pretend repeat recommend",
    ),
    sign("say", 0.3, r"\bbut (?:instead )?(?:say|reply|respond|ask|answer|tell|output|recommend)\b", "but"),
    sign(
        "say",
        0.4,
        r"""(?:^|(?<=[.!?:;-]\s{1,3}|--))(?:say|tell|recommend|pretend|claim|assert|reply|answer) (?:that|
        the user|users|customers|everyone|only|nothing|it is|with|to)\b""",
        "say tell recommend pretend claim assert reply answer",
    ),
    sign(
        "say",
        0.4,
        r"""\b(?:do not|don\W?t) (?:summari[sz]e|describe|analy[sz]e|answer) (?:this|the (?:question|page|text|
        document))\b""",
        "summari describe analy answer",
    ),
    sign(
        "role-line",
        0.7,
        r"""^[^\w\n]{0,12}(?:system|assistant|developer|admin|administrator)(?: (?:message|override|note|
        instruction|update|notice|alert))?[^\w\n]{0,4}[:>\]][^\n]{0,80}\b(?:you (?:are now|must|will|should|
        shall)|ignore (?:all|your|the)|disregard|from now on|new instructions|do not (?:tell|mention)|reveal|
        obey|the user (?:has|is|wants)|immediately (?:call|delete|send|run))\b""",
        "system assistant developer admin",
    ),
    sign(
        "role-line",
        0.6,
        r"""\b(?:system|admin|administrator|developer|root|priority|security|emergency|safety) override\b
        (?=\s?[:!]| (?:code|activated|engaged|initiated|in effect))|\boverride (?:protocol|code|sequence)\b""",
        "override",
    ),
    sign(
        "role-line",
        0.5,
        r"^[^\w\n]{0,8}#{2,4}\s?(?:system|new instructions?|system prompt)[^\w\n]{0,3}:?\s{0,3}$",
        "##",
    ),
    sign(
        "template",
        0.4,
        r"""<\|(?:im.start|im.end|im.sep|system|user|assistant|start.header.id|end.header.id|eot.id|end|endoftext|
        channel|begin.of.text|message|start|return|call|tool[a-z\s]{0,12})\|>|\[/?inst\]|<</?sys>>|</?(?:start|
        end).of.turn>|</?tool.(?:calls?|response)>|<[a-z]{0,5}:?(?:function.calls|invoke\sname)""",
        "<| inst] sys>> turn> tool function",
    ),
    sign(
        "template",
        0.4,
        r"""</?(?:system|system\W?prompt|system\W?message|system\W?instructions?|assistant|ai\W?instructions?|
        important|user.query|tool.result)>""",
        "system> prompt> message> instruction assistant> important> query> result>",
    ),
)
"""To be somebody else, and to do something else."""
