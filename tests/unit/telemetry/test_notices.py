"""How notices and calls of tools are counted."""

import pytest

from lightspeed_stack.domain.chat import ToolCall, ToolResult
from lightspeed_stack.domain.events import Noticed, ToolReturned, TurnEvent
from lightspeed_stack.domain.notices import Notice, NoticeKind
from lightspeed_stack.telemetry.metrics import Metrics
from tests.spec.registry import requirement


def counted(*events: TurnEvent) -> str:
    metrics = Metrics()
    for event in events:
        metrics.observe(event)
    return metrics.expose("text/plain")[0].decode()


@requirement("metrics:notices")
@pytest.mark.parametrize(
    ("notice", "labels"),
    [
        (Notice(NoticeKind.SERVER_SKIPPED, "ops", "", "timeout"), ("server_skipped", "timeout", "ops")),
        (Notice(NoticeKind.BUDGET_STOP, "rounds", ""), ("budget_stop", "", "rounds")),
        (Notice(NoticeKind.SHIELD_CHANGED, "inout_keys", ""), ("shield_changed", "", "inout_keys")),
        (Notice(NoticeKind.CALL_REPEATED, "made up by a model", ""), ("call_repeated", "", "")),
        (Notice(NoticeKind.RESULT_CUT, "named by a server", ""), ("result_cut", "", "")),
        (Notice(NoticeKind.TOOLS_CHOSEN, "17", ""), ("tools_chosen", "", "")),
    ],
)
def test_a_subject_is_a_label_where_the_operator_named_it(notice: Notice, labels: tuple[str, str, str]) -> None:
    kind, reason, subject = labels
    text = counted(Noticed((notice,)))
    assert f'ls_notices_total{{kind="{kind}",reason="{reason}",subject="{subject}"}} 1.0' in text
    assert "ls_llm_validation_errors_total 0.0" in text


@requirement("metrics:notices")
def test_a_refusal_counts_as_the_contract_says() -> None:
    refused = Noticed((Notice(NoticeKind.SHIELD_REFUSED, "inout_keys", ""),))
    assert "ls_llm_validation_errors_total 2.0" in counted(refused, refused)


@requirement("metrics:notices")
def test_calls_count_by_server_and_status() -> None:
    ours, theirs = ToolCall("a", "read_tool_result", "{}"), ToolCall("b", "add", "{}", "sums")
    text = counted(ToolReturned(ToolResult(ours, "")), ToolReturned(ToolResult(theirs, "", failed=True)))
    assert 'ls_tool_calls_total{server="",status="success"} 1.0' in text
    assert 'ls_tool_calls_total{server="sums",status="failure"} 1.0' in text
