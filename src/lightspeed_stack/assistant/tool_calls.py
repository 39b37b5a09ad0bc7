"""Calls of tools as models write them: made fit to be answered, read, and compared (pure)."""

import json
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import replace
from hashlib import sha256
from itertools import chain, count
from typing import Any

import msgspec

from lightspeed_stack.domain.chat import ToolCall


def answerable(calls: Iterable[ToolCall], taken: AbstractSet[str], round_number: int) -> tuple[ToolCall, ...]:
    """Calls that can be answered: each has an id of its own, and arguments where none were written.

    ``taken`` are the ids of earlier calls. An id that a model gives to one call only is kept.
    """
    used = set(taken)
    complete = []
    for number, call in enumerate(calls):
        ours = f"call_{round_number}_{number}"
        wished = chain((well_formed(call.id), ours), (f"{ours}_{more}" for more in count(1)))
        id_ = next(id_ for id_ in wished if id_ and id_ not in used)
        used.add(id_)
        written = well_formed(call.arguments).strip()
        arguments = "{}" if written in {"", "null"} else written
        complete.append(replace(call, id=id_, name=well_formed(call.name), arguments=arguments))
    return tuple(complete)


def well_formed(text: str) -> str:
    """Text without halves of characters, which JSON on the wire cannot carry."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def _number(written: str) -> float:
    value = float(written)
    return int(value) if value.is_integer() else value


_decode = msgspec.json.Decoder(float_hook=_number).decode


def arguments_of(call: ToolCall) -> dict[str, Any] | None:
    """The arguments of a call; None where they are no JSON object."""
    try:
        arguments = _decode(call.arguments)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return arguments if isinstance(arguments, dict) else None


def fingerprint(call: ToolCall) -> str:
    """The same for calls of one tool with equal arguments, in whatever order and spelling these are written."""
    arguments = arguments_of(call)
    written = call.arguments if arguments is None else json.dumps(arguments, sort_keys=True)
    return sha256(f"{call.name}\0{written}".encode()).hexdigest()


def echoed(call: ToolCall) -> ToolCall:
    """A call as its model is reminded of it: some servers break at arguments that are no JSON object."""
    return call if arguments_of(call) is not None else replace(call, arguments="{}")
