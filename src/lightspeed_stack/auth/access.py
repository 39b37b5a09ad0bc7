"""Roles → actions (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lightspeed_stack.domain.identity import OPERATING, OTHERS, Action, Principal
from lightspeed_stack.errors import NotAllowed

EVERYONE = "*"
"""The role that every caller has."""

_ALL = frozenset(Action)


@dataclass(frozen=True, slots=True)
class AccessPolicy:
    """Which actions a caller has.

    ``rules`` maps roles to actions, None where the configuration has no access rules; then every caller has
    ``granted`` (decisions.md 7: the modules of local development grant all but the conversations of others).
    """

    rules: Mapping[str, frozenset[Action]] | None
    granted: frozenset[Action]

    @classmethod
    def build(cls, module: str, rules: Iterable[tuple[str, Iterable[Action]]] | None) -> "AccessPolicy":
        """From the authentication module's name and the configured access rules, as (role, actions) pairs."""
        open_to_all = _ALL - OTHERS if module in {"noop", "noop-with-token"} else _ALL - OTHERS - OPERATING
        merged: dict[str, frozenset[Action]] = {}
        for role, actions in rules or ():
            merged[role] = merged.get(role, frozenset()) | frozenset(actions)
        return cls(merged or None, open_to_all)

    def actions(self, who: Principal) -> frozenset[Action]:
        """All that a caller may do; ``admin`` brings every other action."""
        if self.rules is None:
            return self.granted
        found: frozenset[Action] = frozenset()
        for role in (EVERYONE, *who.roles):
            found |= self.rules.get(role, frozenset())
        return _ALL if Action.ADMIN in found else found

    def require(self, who: Principal, action: Action) -> None:
        """Raise NotAllowed, in the contract's words, when a caller lacks an action."""
        if action not in self.actions(who):
            raise NotAllowed(f"Insufficient permissions for action: Action.{action.name}")
