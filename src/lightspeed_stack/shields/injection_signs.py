r"""Signs that a text wants to give orders to the model that reads it, and the words that they are made of. Pure.

In a pattern a blank stands for what may part two words: up to twelve blanks, line ends and signs, so that a phrase is
found across lines, quotes, comments and Markdown; line ends of the pattern itself, with the blanks behind them, stand
for nothing. Patterns are searched in folded text (``injection_text``), which has no capitals, accents or underscores.

Words and what parts them have no character in common, and every repetition is bounded, so that a search takes time in
proportion to the text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from unicodedata import combining, normalize

import regex

_GAP = r"(?:\W{1,12})"
_LINE_END = regex.compile(r"\n\s*")


@dataclass(frozen=True, slots=True)
class Sign:
    """``name`` is what is told of it, also to callers.

    ``weight``: 1 is an attack by itself at the usual sensitivity, less is one only near signs of other names. Every
    match has one of ``needs`` in it, which are looked for first; without any the pattern is always searched.
    """

    name: str
    weight: float
    pattern: "regex.Pattern[str]"
    needs: tuple[str, ...] = ()

    def spans(self, text: str, start: int, end: int, *, timeout: float) -> Iterator[tuple[int, int]]:
        """Where it stands in this part of a folded text. Raises TimeoutError after ``timeout`` seconds."""
        if self.needs and all(text.find(need, start, end) < 0 for need in self.needs):
            return
        for found in self.pattern.finditer(text, start, end, timeout=timeout, concurrent=True):
            yield found.span()


def sign(name: str, weight: float, pattern: str, needs: str = "") -> Sign:
    """A sign by its pattern, written as the module says; ``needs`` with blanks between them."""
    spaced = _LINE_END.sub("", pattern).replace(" ", _GAP)
    return Sign(name, weight, regex.compile(_plain(spaced), regex.MULTILINE), tuple(_plain(needs).split()))


def _plain(text: str) -> str:
    return "".join(one for one in normalize("NFKD", text) if not combining(one))


# Words with what parts them from the next.
WORD = r"(?:\w{1,30} )"
ANY = r"(?:(?:all|any|every|each|the|of|your|my|our|these|those|this|that|other|such|and|or) ){0,6}"
ALL = r"(?:(?:of|the|these|those|other) ){0,2}(?:all|any|every|your|my|its) (?:(?:of|the|these|those|your|other) ){0,3}"

# Words without it.
IGNORE = r"""(?:ignor(?:e|ing)|disregard(?:ing)?|forget(?:ting)?|disobey|overrid(?:e|ing)|pay no attention to|set aside|
    (?:do not|don\W?t|stop|no longer|never) (?:follow|obey|listen to|comply with)(?:ing)?)"""
BEFORE = r"""(?:previous|prior|preceding|earlier|above|foregoing|existing|original|initial|former|past|current|old|
    system|developer|default|standing|safety|security|hidden|given)"""
TOLD = r"""(?:instructions?|prompts?|directives?|guidelines?|programming|system messages?|guardrails?|
    safety (?:rules|polic(?:y|ies))|instruction set)"""
ORDER = r"""(?:rules?|commands?|orders?|constraints?|contexts?|directions?|restrictions?|messages?|requests?|training|
    tasks?|questions?|conversations?|role|polic(?:y|ies))"""
YOUR_MODEL = r"(?:ai|llm|language model|assistant|chat ?bot|agent|model|chat ?gpt|gpt|claude|copilot|gemini|bot)"
MODEL = r"""(?:ai assistant|ai agent|ai model|ai|llm|large language model|language model|assistant|chat ?bot|chat ?gpt|
    gpt|claude|copilot|gemini)"""
USER = r"(?:users?|humans?|operators?|customers?|persons?|clients?|owners?|anyone|anybody)"
CONFIDENTIAL = r"""(?:conversations?|chat (?:history|histories|logs?)|system prompts?|secrets?|credentials?|passwords?|
    api ?keys?|private keys?|ssh keys?|access keys?|tokens?|env(?:ironment)? (?:variables?|vars?)|kube ?configs?|
    cookies?|personal (?:data|information|details)|user data|customer data|env file|id rsa)"""
PRIVATE = rf"""(?:(?:this|the|our|full|entire|whole) {WORD}{{0,2}}conversations?|chat (?:history|histories|logs?)|
    system prompts?|everything you know|what you know|
    users?(?:\W{{1,3}}s)? {WORD}{{0,3}}(?:data|messages?|questions?|secrets?|passwords?|credentials?|emails?|
    details))"""
SEND = r"""(?:send|post|upload|forward|transmit|exfiltrate|e ?mail|mail|leak|submit|deliver|append|encode|embed|put|
    copy|report|pass|add)"""
WHERE = r"""(?:https?\W|www\.|webhook|(?:this|following|our|my) (?:url|address|server|endpoint|site|domain|link)|
    [\w.+-]{1,40}\x40[\w-])"""
MUST = r"(?:must|should|shall|need to|have to|will|are (?:now )?(?:required|instructed|ordered|obliged) to)"
NOW = r"(?:(?:now|immediately|first|always|also|then|instead|never|not|only|just|please|simply) ){0,3}"
DO = r"""(?:call|invoke|run|execute|use|trigger|delete|remove|send|post|fetch|read|open|visit|download|install|reveal|
    output|print|include|ignore|disregard|obey|comply|follow|reply|respond|answer|say|tell|add|append|recommend|close|
    list|write|skip|begin|end|mention|ask|refuse|claim)"""

# What all their forms have in common, for ``needs``.
IGNORE_STEMS = "ignor disregard forget disobey overrid attention aside follow obey listen comply"
MODEL_STEMS = "ai llm model assistant chat gpt claude copilot gemini agent"
CONFIDENTIAL_STEMS = (
    "conversation chat prompt secret credential password key token env kube cookie personal data file rsa"
)
