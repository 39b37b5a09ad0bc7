"""Prometheus metrics, fed by the events of turns and by the HTTP edge.

Source of names, types and labels: metrics.md. One registry an application, so that nothing is registered at import.
"""

from collections.abc import Iterable
from functools import cache

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from lightspeed_stack.domain.chat import ModelChoice, Usage


class Metrics:
    """All metrics of one process."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._calls = Counter("ls_rest_api_calls_total", "REST API calls", ["path", "status_code"], registry=registry)
        self._duration = Histogram(
            "ls_response_duration_seconds", "Time to the start of a response", ["path"], registry=registry
        )
        self._models = Gauge(
            "ls_provider_model_configuration",
            "Models on offer; 1 for the configured default",
            ["provider", "model"],
            registry=registry,
        )
        self._llm_calls = Counter(
            "ls_llm_calls_total", "Questions that a model answered", ["provider", "model"], registry=registry
        )
        self._llm_failures = Counter(
            "ls_llm_calls_failures_total", "Questions that a model failed to answer", registry=registry
        )
        self._violations = Counter(
            "ls_llm_validation_errors_total", "Questions and answers that a shield refused", registry=registry
        )
        self._sent = Counter(
            "ls_llm_token_sent_total", "Tokens sent to models", ["provider", "model"], registry=registry
        )
        self._received = Counter(
            "ls_llm_token_received_total", "Tokens received from models", ["provider", "model"], registry=registry
        )
        self._estimated = Counter(
            "ls_llm_usage_estimated_total",
            "Turns whose tokens were estimated because the provider sent no counts",
            ["provider", "model"],
            registry=registry,
        )
        self._degraded = Counter(
            "ls_degraded_total",
            "What could not be done although an answer was given: conversation, turn, retrieval",
            ["what"],
            registry=registry,
        )

        # Looking a child up by its labels costs more than counting in it.
        self._timed = cache(self._duration.labels)
        self._counted = cache(self._calls.labels)
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
        self._models.clear()
        for provider, model, default in models:
            self._models.labels(provider, model).set(1 if default else 0)

    def expose(self, accept: str) -> tuple[bytes, str]:
        """The exposition and its content type, in the format that an ``Accept`` header asks for."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type
