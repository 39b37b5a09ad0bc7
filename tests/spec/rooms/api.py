"""HTTP as its clients see it."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "query:response": Requirement("An answer has all fields of the contract.", "rest-api.md 1.2; decisions.md 17"),
    "query:follow-up": Requirement("A follow-up knows what was said.", "rest-api.md 1.7; decisions.md 14"),
    "query:keeps-prompt": Requirement(
        "A conversation keeps the system prompt it was created with.", "decisions.md Keep 4"
    ),
    "query:unknown-fields": Requirement("Unknown fields of a question are ignored.", "decisions.md 16"),
    "query:short-way": Requirement(
        "A valid body is answered alike, whichever way it takes.", "docs/decisions/0006-streams.md"
    ),
    "query:unknown-conversation": Requirement("An unknown conversation is not found.", "rest-api.md 1.3"),
    "query:foreign-conversation": Requirement("A conversation of somebody else is not found.", "decisions.md 7"),
    "query:validation": Requirement("An invalid body names the field and what is wrong.", "rest-api.md 0.3, 1.1"),
    "query:too-long": Requirement("Questions and bodies over a limit are refused with 413.", "llama-stack-usage.md 9"),
    "query:attachments": Requirement("Attachments reach the model, or are refused by kind.", "rest-api.md 1.4"),
    "query:model-not-found": Requirement("A model that is not offered is refused with 400.", "rest-api.md 1.3"),
    "query:model-chosen": Requirement("The model that a request names answers.", "rest-api.md 1.8"),
    "query:provider-failures": Requirement(
        "A refusing provider is told with a real status, before the first byte.", "decisions.md 2"
    ),
    "query:provider-unreachable": Requirement(
        "An unreachable provider is told in the common shape.", "rest-api.md 0.3"
    ),
    "query:partial-failure": Requirement("Half an answer is never given as an answer.", "decisions.md 2"),
    "query:unoffered-tools": Requirement("Tool calls are listed in the old and the new shape.", "decisions.md 17"),
    "query:leaving": Requirement("A client that leaves stops the model; what was said is kept.", "layout.md 5"),
    "query:nothing-logged": Requirement(
        "Questions, answers, prompts and keys are in no log line, and a provider's words in no error.", "decisions.md 5"
    ),
    "query:surrogates": Requirement("Text that is no Unicode never fails the service.", "rest-api.md 0.3"),
    "stream:bytes": Requirement("A stream is exact to the byte.", "rest-api.md 2.2, 2.3; decisions.md 3"),
    "stream:text-mode": Requirement("Text mode is exact to the byte, sources last.", "rest-api.md 2.4"),
    "stream:tools": Requirement("Tool calls and results are events with ids.", "rest-api.md 2.3"),
    "stream:follow-up": Requirement("A turn is stored before its end is told.", "decisions.md 4"),
    "stream:unknown-conversation": Requirement(
        "Streams answer 403 for a conversation that is not there.", "rest-api.md 2.1"
    ),
    "stream:error-event": Requirement("A stream that breaks ends in an error event.", "decisions.md 2"),
    "stream:announced-late": Requirement(
        "A stream starts although the model's server is slow to accept.",
        "decisions.md 4; docs/decisions/0006-streams.md",
    ),
    "stream:leaving": Requirement("Leaving a stream stops the model; what was said is kept.", "layout.md 5"),
    "stream:slow-reader": Requirement("A slow reader gets every token, in order.", "layout.md 8.7"),
    "stream:tokens-escaped": Requirement("Tokens are escaped as Python's json does.", "rest-api.md 2.2"),
    "stream:line-limit": Requirement(
        "No line is above 64 KiB; longer tool output is cut with a marker.", "decisions.md Keep 3"
    ),
    "stream:concurrent": Requirement("Streams at the same time do not mix.", "rest-api.md 2"),
    "stream:content-type": Requirement("Bodies that are not JSON are refused with 422.", "rest-api.md 0.4"),
    "ops:info": Requirement("Name and versions are told.", "rest-api.md 4.1; decisions.md 19"),
    "ops:models": Requirement("Models on offer are listed in Llama Stack's shape.", "rest-api.md 4.2"),
    "ops:providers": Requirement("Providers are listed by API, in configured order.", "rest-api.md 4.5"),
    "ops:config": Requirement("The configuration is shown flat and as a tree, secrets masked.", "decisions.md 18"),
    "ops:health": Requirement("Probes answer under both names, by GET and HEAD.", "decisions.md 1"),
    "ops:ill": Requirement("Readiness names the part that is ill.", "rest-api.md 6.1"),
    "ops:authorized": Requirement("Callers are told who they are.", "rest-api.md 6.3; auth.md 2.1"),
    "ops:metrics": Requirement("Metrics have the contract's names and labels, by route.", "metrics.md"),
    "ops:unstored": Requirement(
        "An answer that cannot be stored is given; the failure is counted and shows in readiness.", "decisions.md 5"
    ),
    "ops:not-found": Requirement("Unknown paths and methods are told in JSON.", "rest-api.md 0.1"),
    "ops:trailing-slash": Requirement("A trailing slash is answered directly.", "decisions.md 25"),
    "ops:cors": Requirement("CORS holds on errors as well.", "rest-api.md 0.5; decisions.md 5"),
    "ops:access-rules": Requirement("Access rules hold; a bad body is told first.", "decisions.md 7; rest-api.md 0.2"),
    "ops:openapi": Requirement("The service describes itself with the contract's operation ids.", "rest-api.md 0.1"),
    "knowledge:answer": Requirement(
        "An answer shows its passages and documents, alike in query and stream.", "decisions.md 13; rest-api.md 1.9"
    ),
    "knowledge:nothing-found": Requirement(
        "Where nothing was found nothing is shown, and the model is told.", "lab.md 2"
    ),
    "knowledge:no-tools": Requirement("`no_tools` goes without documents.", "rest-api.md 1.1"),
    "knowledge:store-gone": Requirement(
        "A store that cannot be read never fails an answer; it is counted and shows in readiness.", "decisions.md 5"
    ),
}
