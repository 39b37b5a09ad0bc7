"""What a number, an address or a value must fulfil besides its form: pure functions, one a kind.

Each takes a candidate that a pattern found, and gives how many of its first characters are one; 0 where it is none.
"""

import re
from collections.abc import Callable

type Check = Callable[[str], int]

IBAN_LENGTHS = {
    country: int(length)
    for country, length in re.findall(
        r"([A-Z]{2})(\d{2})",
        "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
        "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HN28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 "
        "LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 "
        "PT25 QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 "
        "YE30",
    )
}
"""Characters by country. Source: SWIFT, IBAN registry (ISO 13616)."""


def iban(candidate: str) -> int:
    """A bank account: its country's length and the check digits; what follows it in the candidate is none of it."""
    length = IBAN_LENGTHS.get(candidate[:2].upper())
    if length is None:
        return 0
    places = [at for at, sign in enumerate(candidate) if sign.isalnum()][:length]
    end = places[-1] + 1
    if len(places) < length or candidate[end : end + 1].isalnum():
        return 0
    number = "".join(candidate[at] for at in places)
    return end if _mod97(number) == 1 else 0


def _mod97(number: str) -> int:
    """The remainder that is 1 for a valid number: letters count from A = 10. Source: ISO 7064, MOD 97-10."""
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others. Source: ISO/IEC 7812-1, annex B."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(doubled) + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


CARDS = (
    ("4", "4", (13, 16, 19)),  # Visa
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("6011", "6011", (16, 17, 18, 19)),  # Discover
    ("644", "659", (16, 17, 18, 19)),
    ("3528", "3589", (16, 17, 18, 19)),  # JCB
    ("300", "305", (14, 15, 16, 17, 18, 19)),  # Diners
    ("3095", "3095", (14, 15, 16, 17, 18, 19)),
    ("36", "36", (14, 15, 16, 17, 18, 19)),
    ("38", "39", (14, 15, 16, 17, 18, 19)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    ("50", "50", (13, 14, 15, 16, 17, 18, 19)),  # Maestro
    ("56", "58", (13, 14, 15, 16, 17, 18, 19)),
    ("63", "63", (13, 14, 15, 16, 17, 18, 19)),
    ("67", "67", (13, 14, 15, 16, 17, 18, 19)),
)
"""From the first to the last prefix of an issuer, and how many digits its numbers have. Source: ISO/IEC 7812."""


def card(candidate: str) -> int:
    """A payment card: a known prefix, its length, Luhn's digit, and groups as they are printed on cards.

    A number that goes on behind the card, an expiry date or a code, is none of it.
    """
    groups = list(re.finditer(r"[0-9]+", candidate))
    for count in range(len(groups), 0, -1):
        digits = "".join(group[0] for group in groups[:count])
        if _grouped([len(group[0]) for group in groups[:count]]) and _issued(digits) and luhn(digits):
            return groups[count - 1].end()
    return 0


def _grouped(lengths: list[int]) -> bool:
    """Printed are 4-4-4-4, 4-6-5, 4-6-4, 6-13 and the like: a row of small numbers is something else."""
    return len(lengths) == 1 or lengths == [6, 13] or (lengths[0] == 4 and all(4 <= one <= 6 for one in lengths[1:-1]))


def _issued(digits: str) -> bool:
    return any(first <= digits[: len(first)] <= last and len(digits) in lengths for first, last, lengths in CARDS)


UNITS = {"service", "socket", "target", "timer", "mount", "automount", "swap", "path", "slice", "scope", "device"}
PICTURES = {"png", "jpg", "jpeg", "gif", "svg", "webp"}
NOT_DOMAINS = frozenset(UNITS | PICTURES)
"""Endings behind an ``@`` that belong to units of systemd and to pictures."""


def email(candidate: str) -> int:
    """An address, unless it is a unit of systemd, a version, a picture for dense screens, or how Git is reached."""
    local, _, domain = candidate.rpartition("@")
    first, *_, last = domain.split(".")
    harmless = local == "git" or last.lower() in NOT_DOMAINS or re.fullmatch(r"v?[0-9]+x?", first)
    return 0 if harmless else len(candidate)


def token(candidate: str) -> int:
    """A token as machines make them: its last characters are of several kinds, not a row of the same."""
    return len(candidate) if len(set(candidate[-16:])) > 4 else 0


def mixed_token(candidate: str) -> int:
    """The same for forms that words with hyphens have too: there must be a digit."""
    return token(candidate) if re.search(r"[0-9]", candidate) else 0


WORDS = frozenset(
    re.findall(
        r"\S+",
        "null none nil true false undefined empty blank string text type value bytes required optional enter plain "
        "plaintext encrypted generated random prompt default test unknown example sample placeholder redacted hidden "
        "masked secret secrets password passwords passwd passphrase pass token tokens apikey credentials user username "
        "changeme changeit replaceme basic bearer",
    )
)
"""What stands for a secret, and says none."""

PLACEHOLDER = re.compile(
    r"<|\{\{|\$\{|\$\(|%\(|!vault|!!|\.\.|…"  # <your password>, {{ name }}, ${env.X}, $(command), %(name)s
    r"|[$%][A-Z_]+%?$"
    r"|[\[({][A-Za-z _-]+[\])}]?$"  # [password], (optional)
    r"|(?i:your|my|the|some|any|example|sample|dummy|fake|placeholder|insert|enter|replace|change)(?:[-_ ]|$)"
    r"|[A-Za-z][A-Za-z0-9+.-]*://"
    r"|(?:~|\.{1,2})?/(?:run|var|etc|home|opt|usr|tmp|mnt|srv|secrets?|vault|data|app|path|root|proc)\b"
    r"|[a-z_][A-Za-z_.]*[(\[]"  # a call, or an index
    r"|[A-Za-z_]+(?:\.[A-Za-z_]+)+$"  # settings.password
    r"|(?:[A-Za-z]+_)+[A-Za-z]+$",  # the name of a variable
)


def _said(candidate: str) -> bool:
    """Whether a value says something: it is no placeholder and no word for one."""
    return (
        candidate.lower().strip("*_.") not in WORDS
        and len(set(candidate)) > 2
        and PLACEHOLDER.match(candidate) is None
        and "[REDACTED" not in candidate
    )


def line_value(candidate: str) -> int:
    """What stands alone behind ``password:``."""
    return len(candidate) if _said(candidate) else 0


def password(candidate: str) -> int:
    """What stands behind ``password:`` with other words after it: no word of a sentence itself."""
    ordinary = re.fullmatch(r"[A-Za-z]?[a-z'’-]*|[A-Z]+", candidate)
    return 0 if ordinary else line_value(candidate)


def credential(candidate: str) -> int:
    """What stands behind ``token:`` or ``secret:``, which often only name something: long, with a digit."""
    return mixed_token(candidate) if _said(candidate) else 0


def authorization(candidate: str) -> int:
    """What stands behind ``Authorization: Bearer``, where a sentence about it has a word."""
    return password(candidate) if re.search(r"[0-9=]|[a-z][A-Z]", candidate) else 0
