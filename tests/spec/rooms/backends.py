"""Where models answer."""

from tests.spec.registry import Requirement

LAB = "style.md 3; llama-stack-usage.md 9"

REQUIREMENTS = {
    "backend:openai:streams-text": Requirement("Text is passed on in the pieces in which it comes.", LAB),
    "backend:openai:usage": Requirement(
        "Tokens are the provider's own count; none is made up in its name.", "decisions.md 12"
    ),
    "backend:openai:tolerates-dialects": Requirement(
        "Comments, CRLF, cut-up bytes and a missing [DONE] or finish reason give the same text.", LAB
    ),
    "backend:openai:finish-reasons": Requirement("The reason why an answer ended is told.", LAB),
    "backend:openai:tool-calls": Requirement("Tool calls are passed on in pieces, by index.", LAB),
    "backend:openai:request": Requirement("Messages, tools, limits, key and headers go out as configured.", LAB),
    "backend:openai:refusals": Requirement(
        "A provider's refusal becomes an error of ours, without its words.", "llama-stack-usage.md 9; decisions.md 5"
    ),
    "backend:openai:faults": Requirement(
        "A fault in mid-stream is an error, never a shorter answer.", "decisions.md 2; llama-stack-usage.md 9"
    ),
    "backend:openai:unreachable": Requirement(
        "A server that nobody reaches is told as such, in the contract's words.", "rest-api.md 0.3"
    ),
    "backend:openai:leaving-stops": Requirement("Leaving a generation stops the server's work.", "style.md 9"),
    "backend:openai:pool": Requirement("Connections to a server are kept and used again.", "lab.md 5"),
    "backend:openai:models": Requirement("Models are listed in the server's order.", "decisions.md 26"),
    "catalog:choice": Requirement("The model follows the contract's order of hints and defaults.", "rest-api.md 1.8"),
    "catalog:no-list": Requirement(
        "A server that lists no models offers the configured ones.", "lab.md 6: dialects of the protocol"
    ),
    "catalog:cached": Requirement("A question costs no look at a provider's list of models.", "layout.md 5, step 3"),
    "catalog:front": Requirement(
        "A provider inside a Llama Stack is known by its own id, unless a configured one has it.", "rest-api.md 1.8"
    ),
    "catalog:ill": Requirement("A provider that is down does not hide the others.", "rest-api.md 4.2, 6.1"),
    "backend:joined": Requirement("Joined pieces say the same as the pieces.", "docs/decisions/0006-streams.md"),
    "backend:contract": Requirement(
        "Every backend streams, counts, may be left, and refuses in the same words.", "style.md 3; layout.md 2"
    ),
}
