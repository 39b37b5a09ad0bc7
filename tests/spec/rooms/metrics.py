"""What is measured, and several workers as one service."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "metrics:ls_rest_api_calls_total": Requirement(
        "Every response of a known path is counted by route template and status, except those of the metrics.",
        "metrics.md table",
    ),
    "metrics:ls_response_duration_seconds": Requirement(
        "Every request to a known path is timed, in the client's default buckets.", "metrics.md table"
    ),
    "metrics:ls_provider_model_configuration": Requirement(
        "Each language model on offer has a series, which is 1 for the configured default.", "metrics.md table"
    ),
    "metrics:ls_llm_calls_total": Requirement(
        "A query is counted when it is answered, a stream when it is handed over, by the model's own name.",
        "metrics.md table",
    ),
    "metrics:ls_llm_calls_failures_total": Requirement(
        "Questions that a provider refused, broke off or did not hear are counted.", "metrics.md table"
    ),
    "metrics:ls_llm_validation_errors_total": Requirement(
        "Violations have a counter, which is there before the first.", "metrics.md table"
    ),
    "metrics:ls_llm_token_sent_total": Requirement("Input tokens are added up by model.", "metrics.md table"),
    "metrics:ls_llm_token_received_total": Requirement("Output tokens are added up by model.", "metrics.md table"),
    "metrics:standard": Requirement(
        "The process, the interpreter, and the time at which each counter began are shown.", "metrics.md, head"
    ),
    "metrics:templates": Requirement(
        "Paths with parameters are counted by their template, never as they were asked for.", "metrics.md details"
    ),
    "metrics:unknown-paths": Requirement("Unknown paths are not counted.", "metrics.md details"),
    "metrics:wrong-methods": Requirement("A wrong method on a known path is counted.", "metrics.md details"),
    "metrics:early-answers": Requirement(
        "What is answered before the router is counted by its path all the same.", "metrics.md table"
    ),
    "metrics:preflights": Requirement(
        "A browser's preflight, which CORS answers before the route, is not counted.", "rest-api.md 0.2"
    ),
    "metrics:probes": Requirement("Probes are counted, by GET and by HEAD alike.", "metrics.md table; decisions.md 1"),
    "metrics:skip-authentication": Requirement(
        "Probes and metrics need credentials, unless the configuration opens them to everybody.", "decisions.md 1"
    ),
    "metrics:unhandled": Requirement(
        "A request that fails in a way nobody foresaw is answered with 500, timed and counted.",
        "metrics.md details; decisions.md 5",
    ),
    "metrics:stream-start": Requirement("A stream is timed to its start, not to its end.", "metrics.md details"),
    "metrics:status-codes": Requirement("The status is a decimal string.", "metrics.md details"),
    "metrics:token-counts": Requirement(
        "Tokens are those that the provider counted; estimates are marked.", "metrics.md details; decisions.md 12"
    ),
    "metrics:topics": Requirement("Asking for a topic is counted nowhere.", "metrics.md details"),
    "metrics:provider-down": Requirement(
        "A provider that is down or silent keeps no metric from being shown, and is listed when it is back.",
        "metrics.md details",
    ),
    "metrics:formats": Requirement("The format is that which a scraper asks for.", "rest-api.md 7"),
    "metrics:workers:sum": Requirement(
        "A scrape shows the sum over all workers, whichever answers it.", "metrics.md details; decisions.md 23"
    ),
    "metrics:workers:died": Requirement(
        "What a worker counted is kept when it is killed and replaced; every answer that arrived is counted.",
        "decisions.md 23",
    ),
    "metrics:workers:processes": Requirement(
        "The standard metrics of all living workers are shown as those of one process.", "decisions.md 23"
    ),
    "metrics:workers:files": Requirement(
        "Successors go on in the files of those before, so that there are never more than workers at a time.",
        "decisions.md 23",
    ),
    "metrics:workers:own-directory": Requirement(
        "A directory that the operator names is used, made if need be, and kept; one that cannot be used is told.",
        "decisions.md 20, 23",
    ),
    "workers:replaced": Requirement(
        "A worker that dies is replaced, and the others go on answering.", "configuration.md 2.2"
    ),
    "workers:cannot-start-again": Requirement(
        "A worker that cannot be replaced does not end the others, and is tried again.", "configuration.md 2.2"
    ),
    "workers:stop": Requirement("A signal ends all workers, and the exit code is 0.", "configuration.md 6"),
    "workers:stop:stuck": Requirement("A worker that does not end when it is told to is killed.", "configuration.md 6"),
    "workers:start-fails": Requirement(
        "A start that fails in the workers ends with 3 and the reason.", "configuration.md 6"
    ),
    "workers:orphans": Requirement(
        "When the supervisor is killed its workers end by themselves, and the port is free.", "decisions.md 23"
    ),
    "workers:run-directory": Requirement(
        "Workers share a directory that only their user can read; it goes with the service, or with the next start.",
        "decisions.md 23",
    ),
}
