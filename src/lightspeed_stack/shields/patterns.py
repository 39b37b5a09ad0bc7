"""What redaction knows by itself: keys, tokens, passwords, addresses, account and card numbers.

Each pattern has a longest match; what may be longer goes on in ``continues``, piece after piece. Where only a part of
the match is the secret, the group ``secret`` says which. Forms of tokens are those that their issuers publish.
"""

from lightspeed_stack.shields import identifiers
from lightspeed_stack.shields.identifiers import Check
from lightspeed_stack.shields.scanning import Rule, Tail
from lightspeed_stack.shields.widths import expression

WORD = r"(?<![A-Za-z0-9])"
SIGN = "[A-Za-z0-9_-]"


def _rule(kind: str, pattern: str, check: Check = len, *, lead: str = "", continues: str | None = None) -> Rule:
    return Rule(kind, expression(pattern), lead, check, None if continues is None else Tail(expression(continues)))


def _token(kind: str, pattern: str, check: Check = identifiers.token, *, continues: str = SIGN) -> Rule:
    """A token that begins where no word goes on, and that may be longer than the pattern."""
    return _rule(kind, pattern, check, lead=WORD, continues=continues)


# Between the lines of a key: ends of lines, also as JSON writes them, indents, quotes, and what begins a comment.
_GAP = r"(?:\s|\\[nrt]|[\"'`+,>|#*])"
_HEADER = rf"{_GAP}{{0,8}}[A-Z][A-Za-z-]{{2,16}}: [^\n\\]{{0,80}}+(?=[\n\\])"
_LAST = rf"{_GAP}{{0,64}}(?:=[A-Za-z0-9+/]{{4}}{_GAP}{{0,8}})?-----END"
_PRIVATE_KEY = (
    _rule(
        "private_key",
        rf"-----BEGIN (?:[A-Z0-9]{{1,12}} ){{0,3}}PRIVATE KEY(?: BLOCK)?-----"
        rf"(?:{_HEADER}){{0,3}}{_GAP}{{0,64}}[A-Za-z0-9+/=]{{24}}",
        continues=rf"(?<!-){_GAP}{{0,64}}[A-Za-z0-9+/=]{{16,128}}"
        rf"|(?<!-){_GAP}{{0,64}}[A-Za-z0-9+/=]{{1,128}}(?={_LAST}|(?![\s\S]))"
        rf"|{_GAP}{{0,64}}-----END (?:[A-Z0-9]{{1,12}} ){{0,3}}PRIVATE KEY(?: BLOCK)?-----",
    ),
)

_QUOTES = r"[\"'`*\\]{0,4}"
_IS = rf"{_QUOTES}[ \t]{{0,8}}(?::=|=>|[:=])[ \t\"'`*\\]{{0,8}}"
_SAID = r"[^\s\"'`]"
_END = r"[^\s\"'`,;.:)\]}*\\]"  # a sentence or a list that goes on behind a value is none of it
_MORE = rf"[,;.:)\]}}*\\]{{0,16}}{_END}{{1,16}}"
_QUOTED = r"(?<=[\"'`])(?P<secret>(?:[^\"'`\\\r\n]|\\(?![\"'`])){4,200})(?=\\?[\"'`])"
_LINE_END = r"(?=[ \t,;.:)\]}*\"'`\\]{0,8}(?:[\r\n]|(?![\s\S])))"

_TOKENS = (
    _token("jwt", r"eyJ[A-Za-z0-9_-]{10,512}\.[A-Za-z0-9_-]{4}", len, continues=rf"{SIGN}{{1,16}}|\.(?={SIGN})"),
    _token("aws_key", r"(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}(?![A-Za-z0-9])", continues="[A-Z0-9]"),
    _token(
        "aws_key",
        rf"(?i:(?:aws_?)?secret_?access_?key){_IS}(?P<secret>[A-Za-z0-9/+]{{40}})",
        continues="[A-Za-z0-9/+=]",
    ),
    _token("github_token", r"gh[pousr]_[A-Za-z0-9]{30,64}|github_pat_[A-Za-z0-9_]{22,128}"),
    _token(
        "gitlab_token",
        r"(?:gl(?:pat|oas|dt|rt|cbt|ptt|ft|imt|agent|soat|ffct)-|GR1348941)[A-Za-z0-9_-]{20,64}",
        continues=rf"{SIGN}{{1,16}}|\.(?={SIGN})",
    ),
    _token("slack_token", r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,128}|xapp-[0-9]-[A-Za-z0-9-]{10,128}"),
    _token("slack_token", r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/]{24,80})"),
    _token("llm_key", r"sk-[A-Za-z0-9_-]{20,128}", identifiers.mixed_token),
    _token("google_key", r"AIza[A-Za-z0-9_-]{35}|GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,128}"),
    _token("stripe_key", r"[rs]k_(?:live|test)_[A-Za-z0-9]{10,128}|whsec_[A-Za-z0-9+/]{24,64}", continues="[\\w+/=]"),
    _token("npm_token", r"npm_[A-Za-z0-9]{36}"),
    _token("pypi_token", r"pypi-[A-Za-z0-9_-]{50,128}"),
    _token("huggingface_token", r"(?:hf|api_org)_[A-Za-z0-9]{30,64}"),
    _token("azure_key", r"(?:Account|SharedAccess)Key=(?P<secret>[A-Za-z0-9+/]{40,88})", continues="[A-Za-z0-9+/=]"),
    _rule("azure_key", r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/]{40,100})", identifiers.token, continues="[A-Za-z0-9%+/=]"),
    _token("openshift_token", r"sha256~[A-Za-z0-9_-]{32,64}"),
    _token(
        "authorization",
        rf"(?i:authorization){_QUOTES}[ \t]{{0,4}}[:=,][ \t]{{0,4}}{_QUOTES}(?i:bearer|basic)[ \t]{{1,4}}"
        r"(?P<secret>[A-Za-z0-9._~+/=-]{4,200})",
        identifiers.authorization,
        continues="[A-Za-z0-9._~+/=-]",
    ),
)

_PASSWORD = rf"(?i:passw(?:or)?d|passphrase|pwd|_pass){_IS}"
_CREDENTIAL = rf"(?i:secret|token|(?:api|access|secret|signing|encryption)[ _-]?key){_IS}"
_VALUE = rf"(?P<secret>{_SAID}{{3,199}}{_END})"
_PASSWORDS = (
    _rule("password", _QUOTED, identifiers.line_value, lead=_PASSWORD),
    _rule("password", f"{_VALUE}{_LINE_END}", identifiers.line_value, lead=_PASSWORD),
    _rule("password", f"(?<==){_VALUE}", identifiers.line_value, lead=_PASSWORD, continues=_MORE),
    _rule("password", _VALUE, identifiers.password, lead=_PASSWORD, continues=_MORE),
    _rule("credential", _QUOTED, identifiers.credential, lead=_CREDENTIAL),
    _rule("credential", _VALUE, identifiers.credential, lead=_CREDENTIAL, continues=_MORE),
    _rule("url_password", r"://[^\s/:@\"'`<>]{0,64}:(?P<secret>[^\s/@\"'`<>]{1,256})@", identifiers.line_value),
)

_EMAIL = (
    Rule(
        "email",
        expression(r"[\w.%+'-]{1,64}@(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"),
        r"(?<![\w.%+-])",
        identifiers.email,
        unless=r"://(?:[^\s/@:]{0,64}:)?",  # who is reached by a URL: ssh://git@host, postgres://user:password@host
    ),
)

# Blanks as models write them in numbers: those that do not break a line as well.
_BLANK = "[ \u00a0\u2009\u202f\u2011-]"
_IBAN = (
    _rule(
        "iban",
        rf"[A-Za-z]{{2}}[0-9]{{2}}(?:{_BLANK}?[A-Za-z0-9]){{11,30}}(?![A-Za-z0-9])",
        identifiers.iban,
        lead=WORD,
    ),
)
_CARD = (
    _rule(
        "card",
        rf"[2-6][0-9]{{3}}(?:{_BLANK}?[0-9]){{9,15}}(?![0-9A-Za-z_])",
        identifiers.card,
        lead=r"(?<![0-9A-Za-z_])(?<![0-9]\.)",
    ),
)

RULES = (*_PRIVATE_KEY, *_TOKENS, *_PASSWORDS, *_EMAIL, *_IBAN, *_CARD)
"""In the order in which they name what several of them find at one place."""

KINDS = tuple(dict.fromkeys(rule.kind for rule in RULES))

GROUPS = {
    "keys": tuple(rule.kind for rule in _PRIVATE_KEY),
    "tokens": tuple(dict.fromkeys(rule.kind for rule in _TOKENS)),
    "passwords": tuple(dict.fromkeys(rule.kind for rule in _PASSWORDS)),
    "cards": tuple(rule.kind for rule in _CARD),
}
"""Names for several kinds; ``email`` and ``iban`` are kinds themselves."""
