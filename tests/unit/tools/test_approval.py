"""Which calls go ahead where there is nobody to ask."""

import pytest

from lightspeed_stack.backends.base import ToolSpec
from lightspeed_stack.domain.chat import ToolCall
from lightspeed_stack.tools.approval import Allow, ApprovalPolicy, Decision, Deny, NobodyToAsk
from lightspeed_stack.tools.base import Tool
from tests.spec.registry import requirement


@requirement("approval:nobody")
@pytest.mark.parametrize(("needs_approval", "decision"), [(False, Allow), (True, Deny)])
def test_only_tools_that_need_no_approval_are_run(needs_approval: bool, decision: type[Decision]) -> None:
    policy: ApprovalPolicy = NobodyToAsk()
    tool = Tool(ToolSpec("now", "", "{}"), "clock", "model-context-protocol", needs_approval=needs_approval)
    decided = policy.decide(tool, ToolCall("c1", "now", '{"secret": 1}'))
    assert isinstance(decided, decision)
    assert not isinstance(decided, Deny) or (decided.reason.endswith(".") and "secret" not in decided.reason)
