"""The shield itself: its settings, its watches, and what it does when a pattern takes too long."""

import logging
from pathlib import Path

import pytest

from lightspeed_stack.config.section import Room, Section
from lightspeed_stack.shields.base import Materials, Objection, Stage
from lightspeed_stack.shields.redaction import STEP, Redaction, Settings, build
from lightspeed_stack.shields.widths import Unsuitable, expression
from tests.spec.registry import requirement
from tests.unit.config.conftest import MINIMAL, Files
from tests.unit.shields.watching import passed

SLOW = r"(?:\w{1,30}\s?){1,20}[!?]"
SLOWED = "swordfish" * 50 + ". " * 400
"""A long word for which this needs years, as no such mark follows it."""


async def nobody(_system: str, _text: str, _model: str | None) -> str:
    raise AssertionError


def shield(**settings: object) -> Redaction:
    return build(Settings.model_validate(settings), Materials("inout_secrets", False, nobody))


@requirement("redaction:settings")
@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({}, "[REDACTED:aws_key] [REDACTED:email] ACME-123456"),
        ({"kinds": ["email"]}, "AKIAIOSFODNN7EXAMPLE [REDACTED:email] ACME-123456"),
        ({"kinds": ["tokens"]}, "[REDACTED:aws_key] a@example.com ACME-123456"),
        ({"kinds": ["aws_key"], "replacement": "***"}, "*** a@example.com ACME-123456"),
        ({"kinds": []}, "AKIAIOSFODNN7EXAMPLE a@example.com ACME-123456"),
        (
            {"kinds": [], "patterns": [{"name": "ticket", "pattern": r"(?i)\bacme-\d{4}", "continues": r"\d"}]},
            "AKIAIOSFODNN7EXAMPLE a@example.com [REDACTED:ticket]",
        ),
        (
            {"kinds": ["email"], "patterns": [{"name": "ticket", "pattern": r"ACME-(?P<secret>\d{4,9})"}]},
            "AKIAIOSFODNN7EXAMPLE [REDACTED:email] ACME-[REDACTED:ticket]",
        ),
    ],
)
async def test_what_is_taken_out_is_configured(settings: dict[str, object], left: str) -> None:
    redaction = shield(**settings)
    text = "AKIAIOSFODNN7EXAMPLE a@example.com ACME-123456"
    assert redaction.clean(text) == left
    assert redaction.clean(left) == left
    watch = redaction.watch(Stage.OUTPUT)
    assert await passed(watch, text) == left
    assert watch.changed == sum(left.count(sign) for sign in ("[", "***"))


@requirement("redaction:settings")
def test_callers_see_what_is_taken_out_but_no_pattern() -> None:
    redaction = shield(kinds=["keys"], patterns=[{"name": "ticket", "pattern": "ACME-[0-9]{6}"}])
    assert (redaction.identifier, redaction.provider_id, redaction.provider_resource_id) == (
        "inout_secrets",
        "redaction",
        "patterns",
    )
    assert redaction.params == {"kinds": ["keys"], "patterns": ["ticket"]}
    assert (redaction.stage, redaction.required) == (Stage.INOUT, False)


HEAD = f"{MINIMAL}shields:\n  - id: inout_secrets\n    type: redaction\n    extra:\n"


def settings_of(_room: Room, _name: str) -> type[Section]:
    return Settings


@requirement("redaction:refused")
@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (
            "kinds: [emails]",
            "kinds[0]: there is no kind 'emails'\n    fix: write some of: keys, tokens, passwords, cards",
        ),
        ("patterns: [{name: a, pattern: '('}]", "patterns[0].pattern: the pattern does not compile"),
        (
            "patterns: [{name: a, pattern: 'a*'}]",
            "patterns[0].pattern: the pattern matches the empty text\n    fix: write +",
        ),
        ("patterns: [{name: a, pattern: 'a+'}]", "patterns[0].pattern: the pattern has no longest match"),
        ("patterns: [{name: a, pattern: 'a{1,1025}'}]", "the pattern can match 1025 characters; more than 1024 cannot"),
        ("patterns: [{name: a, pattern: 'a(?=b{1025})'}]", "the pattern can match 1026 characters"),
        (
            "patterns: [{name: a, pattern: 'a', continues: 'b?'}]",
            "patterns[0].continues: the pattern matches the empty",
        ),
        (
            "patterns: [{name: a, pattern: 'REDACTED'}]",
            "patterns[0].pattern: the pattern finds what is written instead",
        ),
        (
            "patterns: [{name: abc, pattern: '[a-z]{3}'}]",
            "patterns[0].pattern: the pattern finds what is written instead",
        ),
        ("replacement: a@example.com", "replacement: this is itself a finding\n    fix: write  replacement: '***'"),
        ("patterns: [{name: email, pattern: 'a'}]", "patterns[0].name: the name 'email' is taken"),
        ("patterns: [{name: a, pattern: 'x'}, {name: a, pattern: 'y'}]", "patterns[1].name: the name 'a' is taken"),
        ("patterns: [{name: 'a b', pattern: 'x'}]", "patterns[0].name: String should match pattern"),
        ("patterns: [{pattern: 'x'}]", "patterns[0].name: Field required"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, extra: str, told: str) -> None:
    assert told in Files(tmp_path).problems(f"{HEAD}      {extra}\n", settings_of=settings_of)


@requirement("redaction:refused")
@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (r"(?:foo){e<=1}", "a brace stands where nothing is repeated"),
        ("[a[:alpha:]]", "a bracket stands in a set of characters"),
        ("[[a]b]", "read in two ways"),
        ("[a--b]", "read in two ways"),
        (r"\p{L}", r"does not compile: bad escape \p"),
        (r"(?P<a>x)(?&a)", "does not compile"),
        ("a$", "looks for the end of the text"),
        (r"a\Z", "looks for the end of the text"),
        ("(?<=a|bc)d", "has no single width"),
        ("(?=a.*)b", "no longest match"),
        ("(?L)a", "does not compile"),
        ("a{99999999999999999999}", "too large"),
        ("(?x)a # [\n\\b ]", "a boundary stands behind a comment"),
    ],
)
def test_what_two_libraries_read_differently_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(Unsuitable, match=message.replace("\\", r"\\")) as raised:
        expression(pattern)
    assert raised.value.fix


@requirement("redaction:refused")
@pytest.mark.parametrize(
    ("pattern", "ahead", "behind"),
    [
        ("abc", 3, 0),
        (r"\bACME-\d{4,9}\b", 15, 1),
        ("a(?=bc(?!d))", 4, 0),
        ("(?<=x(?<!yz))a", 1, 3),
        ("(?m)^a", 1, 1),
        ("(ab?)c\\1", 5, 0),
        ("(?>a|bc){,3}d", 7, 0),
    ],
)
def test_how_far_a_pattern_looks(pattern: str, ahead: int, behind: int) -> None:
    reach = expression(pattern).reach
    assert (reach.ahead, reach.behind) == (ahead, behind)


@requirement("redaction:slow")
async def test_a_pattern_that_takes_too_long_lets_nothing_pass(caplog: pytest.LogCaptureFixture) -> None:
    redaction = shield(kinds=[], patterns=[{"name": "endless", "pattern": SLOW}])
    caplog.set_level(logging.DEBUG)
    with pytest.raises(Objection) as raised:
        await redaction.watch(Stage.OUTPUT).feed(SLOWED)
    assert raised.value.violation.shield == "inout_secrets"
    assert redaction.clean(SLOWED) == "[REDACTED:endless]"
    assert "endless" in caplog.text
    assert "swordfish" not in caplog.text


@requirement("redaction:long")
async def test_long_texts_are_searched_in_parts_with_room_for_others() -> None:
    text = f"{'All is well. ' * (3 * STEP // 13)}AKIAIOSFODNN7EXAMPLE."
    watch = shield().watch(Stage.INPUT)
    assert await passed(watch, [text]) == shield().clean(text)
    assert watch.changed == 1
