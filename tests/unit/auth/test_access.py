"""Roles → actions, as tables."""

import pytest

from lightspeed_stack.auth.access import AccessPolicy
from lightspeed_stack.domain.identity import OPERATING, OTHERS, Action, Principal
from lightspeed_stack.errors import NotAllowed
from tests.spec.registry import requirement

ALL = frozenset(Action)


def who(*roles: str) -> Principal:
    return Principal("u", "name", roles=frozenset(roles))


@requirement("access:without-rules")
@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("noop", OTHERS),
        ("noop-with-token", OTHERS),
        ("k8s", OTHERS | OPERATING),
        ("jwk-token", OTHERS | OPERATING),
    ],
)
def test_without_rules_everybody_keeps_to_their_own(module: str, missing: frozenset[Action]) -> None:
    assert AccessPolicy.build(module, None).actions(who()) == ALL - missing


RULES = [
    ("*", [Action.INFO]),
    ("user", [Action.QUERY]),
    ("user", [Action.FEEDBACK]),
    ("root", [Action.ADMIN]),
]


@requirement("access:rules")
@pytest.mark.parametrize("module", ["noop", "noop-with-token", "k8s", "jwk-token"])
@pytest.mark.parametrize(
    ("roles", "action", "granted"),
    [
        ((), Action.INFO, True),
        ((), Action.QUERY, False),
        (("user",), Action.QUERY, True),
        (("user",), Action.FEEDBACK, True),
        (("user",), Action.MODEL_OVERRIDE, False),
        (("root",), Action.DELETE_OTHERS_CONVERSATIONS, True),
        (("stranger",), Action.QUERY, False),
    ],
)
def test_rules_hold_with_every_module(module: str, roles: tuple[str, ...], action: Action, granted: bool) -> None:
    policy = AccessPolicy.build(module, RULES)
    assert (action in policy.actions(who(*roles))) is granted
    if not granted:
        with pytest.raises(NotAllowed) as caught:
            policy.require(who(*roles), action)
        assert caught.value.cause == f"Insufficient permissions for action: Action.{action.name}"
