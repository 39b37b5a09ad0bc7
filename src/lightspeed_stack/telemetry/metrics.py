"""Prometheus metrics, fed by the events of turns and by the HTTP edge.

Source of names, types and labels: metrics.md. Nothing is registered at import. One process counts in its memory;
several that share a directory count in files there, and each shows the sum (``processes``).
"""

import os
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lightspeed_stack.domain.chat import ModelChoice, Usage
from lightspeed_stack.domain.events import Noticed, ToolReturned, TurnEvent
from lightspeed_stack.domain.notices import Notice, NoticeKind

SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable of ``prometheus_client`` that names the directory."""


_OF_TOOLS = frozenset(
    {NoticeKind.CALL_REPEATED, NoticeKind.CALL_REFUSED, NoticeKind.RESULT_CUT, NoticeKind.TOOLS_CHOSEN}
)
"""Notices whose subject is a tool, or a number."""


class Metrics:
    """All metrics of one process; or, where ``PROMETHEUS_MULTIPROC_DIR`` is set, of all that share the directory.

    Raises ConfigurationError where the directory cannot be used.
    """

    def __init__(self) -> None:
        directory = os.environ.get(SHARED)
        if directory is not None:
            from lightspeed_stack.telemetry import processes

            processes.join(Path(directory))
        self._calls = Counter("ls_rest_api_calls_total", "REST API calls", ["path", "status_code"], registry=None)
        self._duration = Histogram(
            "ls_response_duration_seconds", "Time to the start of a response", ["path"], registry=None
        )
        self._llm_calls = Counter(
            "ls_llm_calls_total", "Questions that a model answered", ["provider", "model"], registry=None
        )
        self._llm_failures = Counter(
            "ls_llm_calls_failures_total", "Questions that a model failed to answer", registry=None
        )
        self._violations = Counter(
            "ls_llm_validation_errors_total", "Questions and answers that a shield refused", registry=None
        )
        self._sent = Counter("ls_llm_token_sent_total", "Tokens sent to models", ["provider", "model"], registry=None)
        self._received = Counter(
            "ls_llm_token_received_total", "Tokens received from models", ["provider", "model"], registry=None
        )
        self._estimated = Counter(
            "ls_llm_usage_estimated_total",
            "Turns whose tokens were estimated because the provider sent no counts",
            ["provider", "model"],
            registry=None,
        )
        self._degraded = Counter(
            "ls_degraded_total",
            "What could not be read, made or stored, although the service went on",
            ["what"],
            registry=None,
        )
        self._notices = Counter(
            "ls_notices_total",
            "What was refused, stopped, skipped or changed while questions were answered",
            ["kind", "subject", "reason"],
            registry=None,
        )
        self._tool_calls = Counter(
            "ls_tool_calls_total", "Calls of tools by their server", ["server", "status"], registry=None
        )
        self._offered = _ModelsOnOffer()
        self._shown = self._own() if directory is None else _shared(Path(directory))

        # Looking a child up by its labels costs more than counting in it.
        self._timed = cache(self._duration.labels)
        self._counted = cache(self._calls.labels)
        self._noticed = cache(self._notices.labels)
        self._answered = cache(self._llm_calls.labels)
        self._tokens = cache(lambda *labels: (self._sent.labels(*labels), self._received.labels(*labels)))

    def request(self, path: str, status_code: int | None, seconds: float) -> None:
        """Count one request by its route template; ``status_code`` None where no response was begun."""
        self._timed(path).observe(seconds)
        if status_code is not None and not path.endswith("/metrics"):
            self._counted(path, str(status_code)).inc()

    def answered(self, model: ModelChoice) -> None:
        self._answered(model.provider_id, model.label).inc()

    def failed(self) -> None:
        self._llm_failures.inc()

    def observe(self, event: TurnEvent) -> None:
        """Count what happened in a turn."""
        match event:
            case Noticed(notices):
                for notice in notices:
                    self._notice(notice)
            case ToolReturned(result):
                status = "failure" if result.failed else "success"
                self._tool_calls.labels(result.call.server_name or "", status).inc()

    def _notice(self, notice: Notice) -> None:
        # Only subjects of bounded sets: budgets, the configuration's or a stack's shields, and servers of tools that
        # are configured or registered. Names of tools are not bounded: models and servers make up their own.
        subject = "" if notice.kind in _OF_TOOLS else notice.subject
        self._noticed(notice.kind.value, subject, notice.reason).inc()
        if notice.kind is NoticeKind.SHIELD_REFUSED:
            self._violations.inc()

    def used(self, model: ModelChoice, usage: Usage) -> None:
        labels = (model.provider_id, model.label)
        sent, received = self._tokens(*labels)
        sent.inc(usage.input_tokens)
        received.inc(usage.output_tokens)
        if usage.estimated:
            self._estimated.labels(*labels).inc()

    def degraded(self, what: str) -> None:
        self._degraded.labels(what).inc()

    def offer(self, models: Iterable[tuple[str, str, bool]]) -> None:
        """Set the models on offer: provider id, model identifier, whether it is the default."""
        self._offered.models = {(provider, model): default for provider, model, default in models}

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, in the format that an ``Accept`` header asks for.

        Reads files; not to be called on an event loop.
        """
        encode, content_type = choose_encoder(accept)
        return encode(_All((*self._shown, self._offered))), content_type

    def _own(self) -> Sequence[Collector]:
        """What this process counts, below what is known of the process itself."""
        standard = CollectorRegistry()
        ProcessCollector(registry=standard)
        PlatformCollector(registry=standard)
        GCCollector(registry=standard)
        llm = (self._llm_calls, self._llm_failures, self._violations, self._sent, self._received, self._estimated)
        return (standard, self._calls, self._duration, *llm, self._degraded, self._notices, self._tool_calls)


def _shared(directory: Path) -> Sequence[Collector]:
    """What all processes counted. Garbage collection is left out: its counters are one process's, and do not add up."""
    from lightspeed_stack.telemetry.processes import Counted, Processes

    return (Processes(directory), PlatformCollector(registry=None), Counted(directory))


class _ModelsOnOffer:
    """A gauge of what a provider lists just now: nothing that processes could add up."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], bool] = {}

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            "ls_provider_model_configuration",
            "Models on offer; 1 for the configured default",
            labels=["provider", "model"],
        )
        for labels, default in self.models.items():
            gauge.add_metric(labels, 1 if default else 0)
        return [gauge]


class _All:
    """Several collectors as one."""

    def __init__(self, collectors: Sequence[Collector]) -> None:
        self._collectors = collectors

    def collect(self) -> Iterable[Metric]:
        return chain.from_iterable(collector.collect() for collector in self._collectors)
