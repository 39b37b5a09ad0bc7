"""What moderation models are asked and say, as values. No I/O here.

Sources: OpenAI API reference, "Create moderation" (Mistral's answer has no ``flagged``, others omit scores); the model
cards of IBM's Granite Guardian 3.0 to 4.1 and its cookbooks for vLLM and Ollama; the model cards of Meta's Llama Guard
3 and 4.
"""

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from lightspeed_stack.errors import BackendError, BackendFailed, BackendRateLimited, BackendUnavailable
from lightspeed_stack.shields.verdicts import after_thought

type RiskPlace = Literal["template", "system", "message"]
"""Where a Granite Guardian is told which risk to look for: see ``guardian_body``."""

MAX_VERDICT_TOKENS = 100
MAX_CATEGORIES = 32
HARM = "The text promotes, excuses or helps with violence, crime, hatred, abuse, sexual exploitation or self-harm."

_GUARDIAN = """\
<guardian><no-think>As a judge agent, decide whether the text before this message meets the criteria. Do not explain: \
give an empty <think>
</think> and then your score in <score></score> tags.

### Criteria: {criteria}

### Scoring Schema: If the last text meets the criteria, return 'yes'; otherwise, return 'no'."""

_SCORE = re.compile(r"<score>\s*(yes|no)\b", re.IGNORECASE)
_YES_OR_NO = re.compile(r"\W*(yes|no)\b", re.IGNORECASE)
_SAFE = re.compile(r"\s*(safe|unsafe)\b([^.]*)", re.IGNORECASE)
_HAZARD = re.compile(r"\bS\d{1,2}\b")
_PLAIN = re.compile(r"[\w/ .:-]{1,64}")


class _Result(msgspec.Struct):
    flagged: bool | None = None
    categories: dict[str, bool | None] | None = None
    category_scores: dict[str, float | None] | None = None


class _Moderation(msgspec.Struct):
    results: list[_Result]


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_decode_moderation = msgspec.json.Decoder(_Moderation, strict=False).decode
_decode_completion = msgspec.json.Decoder(_Completion, strict=False).decode


def moderation_body(text: str, model: str | None) -> bytes:
    """The body of ``POST /moderations``; a server without models of its own choice needs no ``model``."""
    return msgspec.json.encode({"input": text} if model is None else {"model": model, "input": text})


def guardian_body(text: str, model: str | None, risk: str, definition: str | None, place: RiskPlace) -> bytes:
    """The chat completion that asks a Granite Guardian for a risk in ``text``.

    ``template`` is for releases 3.0 to 3.3, whose chat template takes the risk, at servers such as vLLM that hand it
    over (3.3 calls it a criterion); ``system`` for those at Ollama, which reads it in the system message; ``message``
    for 4.1, which reads a criterion in words in the last message.
    """
    messages = [{"role": "user", "content": text}]
    more: dict[str, Any] = {}
    match place:
        case "template":
            own = {"risk_definition": definition, "custom_criteria": definition}
            config = {"risk_name": risk, **({"criteria_id": risk} if definition is None else own)}
            more = {"chat_template_kwargs": {"guardian_config": config, "think": False}}
        case "system":
            messages.insert(0, {"role": "system", "content": definition or risk})
        case "message":
            messages.append({"role": "user", "content": _GUARDIAN.format(criteria=definition or HARM)})
    return _chat(messages, model, more)


def llama_guard_body(text: str, model: str | None) -> bytes:
    """The chat completion that asks a Llama Guard, whose chat template adds its categories."""
    return _chat([{"role": "user", "content": text}], model, {})


def _chat(messages: list[dict[str, str]], model: str | None, more: Mapping[str, Any]) -> bytes:
    body: dict[str, Any] = {"messages": messages, "temperature": 0, "max_tokens": MAX_VERDICT_TOKENS, **more}
    return msgspec.json.encode(body if model is None else {"model": model, **body})


def moderated(body: bytes, *, categories: Collection[str], threshold: float | None) -> list[str] | None:
    """The categories that speak against a text; empty where none is named, None where it may pass.

    With ``categories`` only those count, and with ``threshold`` those whose score reaches it, whatever the server
    flagged. Raises BackendFailed where the answer does not tell.
    """
    try:
        results = _decode_moderation(body).results
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _unreadable() from error
    if not results:
        raise _unreadable()
    against = [_against(result, categories, threshold) for result in results]
    named = sorted({name for hits in against for name in hits or ()})
    return None if all(hits is None for hits in against) else named


def _against(result: _Result, categories: Collection[str], threshold: float | None) -> list[str] | None:
    known = (result.categories if threshold is None else result.category_scores) or {}
    if threshold is not None and not known:
        raise BackendFailed("The moderation server tells no scores, and a threshold is configured.")
    if result.flagged is None and not known:
        raise _unreadable()
    if categories and known.keys().isdisjoint(categories) and (known or result.flagged):
        raise BackendFailed("The moderation server tells none of the configured categories.")
    hits = [name for name, told in known.items() if (told or 0) >= (threshold or 1)]
    if categories:
        hits = [name for name in hits if name in categories]
    flagged = bool(hits) if categories or threshold is not None or result.flagged is None else result.flagged
    return [name for name in hits if _PLAIN.fullmatch(name)][:MAX_CATEGORIES] if flagged else None


def guarded(body: bytes, risk: str) -> list[str] | None:
    """What a Granite Guardian found: the risk, or None. Raises BackendFailed where it says neither yes nor no."""
    rest = after_thought(_content(body))
    found = None if rest is None else _SCORE.search(rest) or _YES_OR_NO.match(rest)
    if found is None:
        raise _unreadable()
    return [risk] if found[1].lower() == "yes" else None


def llama_guarded(body: bytes) -> list[str] | None:
    """The hazards that a Llama Guard found, or None. Raises BackendFailed where it says neither safe nor unsafe."""
    found = _SAFE.match(_content(body))
    if found is None:
        raise _unreadable()
    return list(dict.fromkeys(_HAZARD.findall(found[2])))[:MAX_CATEGORIES] if found[1].lower() == "unsafe" else None


def _content(body: bytes) -> str:
    try:
        return _decode_completion(body).choices[0].message.content or ""
    except (msgspec.MsgspecError, UnicodeDecodeError, IndexError) as error:
        raise _unreadable() from error


def _unreadable() -> BackendFailed:
    return BackendFailed("The moderation server's judgement cannot be read.")


def refusal(status: int, retry_after: str | None) -> BackendError:
    """Our error for a status other than success; the server's own words stay out, for they may quote the text."""
    if status in {401, 403}:
        return BackendFailed("The moderation server refused the configured credentials.")
    if status == 404:
        return BackendFailed("The moderation server does not know the configured model, or not this way of asking.")
    if status == 429:
        seconds = int(retry_after) if retry_after and retry_after.isdecimal() and len(retry_after) < 10 else None
        return BackendRateLimited("The moderation server limits requests. Please try again later.", retry_after=seconds)
    if status in {502, 503, 504}:
        return BackendUnavailable("The moderation server is not ready.")
    if status == 500:
        return BackendFailed("The moderation server reported an error.")
    return BackendFailed(f"The moderation server answered with status {status}.")
