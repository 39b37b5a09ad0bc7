"""Identifiers of conversations and requests, in the forms clients send and the one we keep."""

import uuid
from contextlib import suppress
from typing import NewType

ConversationId = NewType("ConversationId", str)
"""A conversation's id in its one stored form: a lower-case, dashed UUID."""

RequestId = NewType("RequestId", str)


def new_conversation_id() -> ConversationId:
    return ConversationId(str(uuid.uuid4()))


def new_request_id() -> RequestId:
    return RequestId(str(uuid.uuid4()))


def parse_conversation_id(text: str) -> ConversationId | None:
    """The stored form of a conversation id, or None where ``text`` is none.

    Accepts every spelling the UUID parser knows (dash-less, braces, ``urn:uuid:``, capitals), and the ids of later
    releases of this API: 48 hexadecimal digits, which are kept, with or without the prefix ``conv_``, which is not.
    """
    with suppress(ValueError):
        return ConversationId(str(uuid.UUID(text)))
    bare = text.removeprefix("conv_").lower()
    if len(bare) == 48 and all(digit in "0123456789abcdef" for digit in bare):
        return ConversationId(bare)
    return None
