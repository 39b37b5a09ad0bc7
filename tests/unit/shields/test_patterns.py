"""What the built-in patterns take out, and what they leave."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightspeed_stack.shields.patterns import GROUPS, KINDS, RULES
from lightspeed_stack.shields.scanning import LONG, Bank, Scan, redact
from lightspeed_stack.shields.widths import MAX_WIDTH
from tests.spec.registry import requirement
from tests.unit.shields.definition import Definition, check_watch, without
from tests.unit.shields.secrets import HARMLESS, PARTS, WHOLE
from tests.unit.shields.watching import cut

BANKS = [Bank("built-in", RULES)]
BOUND = BANKS[0].reach


def shown(kind: str) -> str:
    return f"[REDACTED:{kind}]"


@requirement("redaction:kinds")
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Use ", " now."), ('"', '"'), ("(", ")\nb"), ("x: ", ", y")])
@pytest.mark.parametrize(("kind", "text"), WHOLE)
def test_secrets_are_taken_out(kind: str, text: str, before: str, after: str) -> None:
    assert redact(f"{before}{text}{after}", BANKS, shown) == f"{before}{shown(kind)}{after}"


@requirement("redaction:kinds")
@pytest.mark.parametrize(("before", "after"), [("", ""), ("a ", "\nb")])
@pytest.mark.parametrize(("kind", "text", "left"), PARTS)
def test_what_a_secret_is_for_stays(kind: str, text: str, left: str, before: str, after: str) -> None:
    assert redact(f"{before}{text}{after}", BANKS, shown) == f"{before}{left.replace('{}', shown(kind))}{after}"


@requirement("redaction:harmless")
@pytest.mark.parametrize(("before", "after"), [("", ""), ("Use ", "\nb"), ("`", "` now")])
@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_like_a_secret_stays(text: str, before: str, after: str) -> None:
    assert redact(f"{before}{text}{after}", BANKS, shown) == f"{before}{text}{after}"


@requirement("redaction:kinds")
def test_every_kind_has_an_example_and_a_bounded_width() -> None:
    assert {kind for kind, *_ in (*WHOLE, *PARTS)} == set(KINDS)
    assert {kind for kinds in GROUPS.values() for kind in kinds} | {"email", "iban"} == set(KINDS)
    assert max(rule.reach.ahead for rule in RULES) <= MAX_WIDTH


@requirement("redaction:open-ended")
@pytest.mark.parametrize("step", [1, 7, 4096])
@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("github_token", "ghp_" + "16C7e42F29" * 1000),
        ("jwt", f"{'eyJhbGciOiJSUzI1NiJ9'}.{'eyJpc3MiOiJr' * 900}.{'c2lnbmF0dXJl' * 300}"),
        ("private_key", "-----BEGIN " + "PRIVATE KEY-----" + "\nMIIEpAIBAAKCAQEA1c7+9z5Pad7OejecsQ0buOMaRC+Fj3v" * 300),
        ("password", "password: " + "Tr0ub4dor&3" * 1000),
    ],
)
def test_a_secret_of_any_length_leaks_no_tail(kind: str, text: str, step: int) -> None:
    scan = Scan(BANKS, shown)
    said = ""
    for at in range(0, len(text), step):
        said += scan.feed(text[at : at + step])
        assert scan.held <= BOUND
    said += scan.feed(" and more") + scan.feed("", last=True)
    assert said.endswith(f"{shown(kind)} and more")
    assert len(said) < 60


SECRETS = [text for _, text in WHOLE] + [text for _, text, _ in PARTS]
PIECES = st.one_of(
    st.sampled_from(SECRETS),
    st.sampled_from(HARMLESS),
    st.builds(
        lambda text, start, end: text[start:end], st.sampled_from(SECRETS), st.integers(0, 40), st.integers(-40, 80)
    ),
    st.text(max_size=6),
    st.text("aA1@:./-_=+ \n\"'", max_size=8),
    st.sampled_from(
        ["password", "token", "://", "eyJ", "AKIA", "-----BEGIN ", "@", "4", "DE89", " ", "sig=", "Bearer "]
    ),
)


DEFINITIONS = [Definition.of(rule) for rule in RULES]


@requirement("redaction:stream")
@settings(deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.lists(st.integers(1, 2 * LONG), min_size=1, max_size=8))
def test_every_cut_of_a_text_gives_the_same(text: str, sizes: list[int]) -> None:
    pieces = list(cut(text, itertools.chain(sizes, itertools.repeat(sizes[-1], len(text)))))
    check_watch(text, pieces, BANKS, without(text, DEFINITIONS))


@requirement("redaction:stream")
@settings(deadline=None)
@given(st.lists(PIECES, max_size=4).map("".join), st.data())
def test_what_is_to_come_never_changes_what_was_given_out(text: str, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(text)))
    given_out = Scan(BANKS, shown).feed(text[:cut])
    for rest in (text[cut:], "", data.draw(PIECES)):
        assert redact(text[:cut] + rest, BANKS, shown).startswith(given_out)
