"""What one turn may take."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightspeed_stack.assistant.limits import Limits, tokens_of
from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.chat import Budget
from lightspeed_stack.tools.base import Tool
from tests.spec.registry import requirement

LIMITS = Limits(max_offered_tools=24, max_tool_result_tokens=4000)
TOOL = Tool(ToolSpec("a_tool", "does this or that " * 10, '{"type": "object", "properties": {}}'), "ops", "mcp")

limit = st.none() | st.integers(0, 1000)
budgets = st.builds(Budget, limit, limit, limit, limit)


@requirement("budget:lower")
@given(budgets, budgets)
def test_the_lower_limit_holds(one: Budget, other: Budget) -> None:
    both = one.within(other)
    assert both == other.within(one)
    for name in ("rounds", "calls", "tokens", "seconds"):
        given_limits = [it for it in (getattr(one, name), getattr(other, name)) if it is not None]
        assert getattr(both, name) == (min(given_limits) if given_limits else None)


@requirement("tool-turn:window")
@pytest.mark.parametrize(("window", "tools"), [(None, 24), (1_000_000, 24), (4096, 10), (512, 1), (1, 1)])
def test_descriptions_take_a_quarter_of_the_window(window: int | None, tools: int) -> None:
    offered = LIMITS.offered_tools(window, [TOOL] * 100)
    assert offered == tools or (window == 4096 and 4096 // 4 // tokens_of(TOOL) == offered)
    assert LIMITS.offered_tools(window, []) == 24


@requirement("tool-turn:window")
@pytest.mark.parametrize(("window", "tokens"), [(None, 4000), (128_000, 4000), (6000, 1000)])
def test_several_results_fit_the_window(window: int | None, tokens: int) -> None:
    assert LIMITS.tool_result_tokens(window) == tokens
