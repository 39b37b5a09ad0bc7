"""What is decided before a model is asked: model, limits, and which mistake is told first."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

import pytest

from lightspeed_stack.assistant.limits import Limits
from lightspeed_stack.assistant.pipeline import Assistant
from lightspeed_stack.assistant.prompts import Instructions
from lightspeed_stack.backends.catalog import ModelCatalog, Provider
from lightspeed_stack.backends.openai import OpenAIBackend
from lightspeed_stack.domain.chat import Attachment, Conversation, ModelChoice, Question
from lightspeed_stack.domain.ids import new_conversation_id
from lightspeed_stack.errors import (
    AssistantError,
    AttachmentNotAllowed,
    ConversationNotFound,
    ModelNotFound,
    PromptTooLong,
    SystemPromptNotAllowed,
)
from lightspeed_stack.storage.conversations import SqlConversations
from tests.servers.openai_server import openai_server
from tests.spec.registry import requirement
from tests.unit.assistant.examples import ALICE

type Pair = tuple[str | None, str | None]
"""Provider and model."""

NEITHER: Pair = (None, None)


@asynccontextmanager
async def assistant(
    store: SqlConversations,
    offers: Mapping[str, Sequence[str]],
    *,
    default: Pair = NEITHER,
    limits: Limits | None = None,
    instructions: Instructions | None = None,
) -> AsyncIterator[Assistant]:
    """An assistant with providers of these names, which offer these models."""
    async with AsyncExitStack() as stack:
        providers = {}
        for id_, models in offers.items():
            server = await stack.enter_async_context(openai_server(models=models))
            providers[id_] = Provider(id_, await stack.enter_async_context(OpenAIBackend(server.url)))
        catalog = ModelCatalog(providers, default_provider=default[0], default_model=default[1])
        await stack.enter_async_context(catalog)
        yield Assistant(catalog, store, limits=limits or Limits(), instructions=instructions or Instructions())


OFFERS = {"one": ("a", "shared", "org/large"), "two": ("b", "shared")}


@requirement("admit:model")
@pytest.mark.parametrize(
    ("asked", "last", "default", "chosen"),
    [
        # A pair that the request names wins.
        (("one", "shared"), ("two", "b"), ("two", "shared"), ("one", "shared")),
        (("one", "one/shared"), None, NEITHER, ("one", "shared")),
        # Each that is null falls back to the conversation's last, by itself.
        (NEITHER, ("two", "b"), ("one", "a"), ("two", "b")),
        ((None, "shared"), ("two", "b"), ("one", "a"), ("two", "shared")),
        (("two", None), ("one", "shared"), ("one", "a"), ("two", "shared")),
        # With either missing then, both are the configured ones.
        (NEITHER, None, ("two", "b"), ("two", "b")),
        (("one", None), None, ("two", "b"), ("two", "b")),
        ((None, "shared"), None, ("two", "b"), ("two", "b")),
        (("", None), ("one", "a"), ("two", "b"), ("two", "b")),
        ((None, ""), ("one", "a"), ("two", "b"), ("two", "b")),
        (NEITHER, ("", ""), ("two", "b"), ("two", "b")),
        # Without those, the first on offer.
        (NEITHER, None, NEITHER, ("one", "a")),
        (("two", None), None, NEITHER, ("one", "a")),
        ((None, ""), ("two", "b"), NEITHER, ("one", "a")),
        # A last model that is gone is nothing that was asked for: the default answers.
        (NEITHER, ("two", "gone"), ("one", "a"), ("one", "a")),
        (NEITHER, ("gone", "b"), NEITHER, ("one", "a")),
        # What a request or the configuration names is refused where it is not offered.
        (("two", "a"), None, ("two", "b"), None),
        (("three", "a"), None, ("two", "b"), None),
        (("one", None), ("two", "b"), ("one", "a"), None),
        (NEITHER, None, ("one", "gone"), None),
        ((None, "b"), ("one", "a"), ("two", "b"), None),
        # A name may have a slash of its own.
        (("one", "org/large"), None, NEITHER, ("one", "org/large")),
    ],
)
async def test_the_model(
    store: SqlConversations, asked: Pair, last: tuple[str, str] | None, default: Pair, chosen: tuple[str, str] | None
) -> None:
    question = Question("?", provider=asked[0], model=asked[1])
    if last is not None:
        talk = Conversation(new_conversation_id(), ALICE.user_id, "Be kind.")
        await store.create(talk, ModelChoice(*last))
        question = replace(question, conversation_id=talk.id)
    async with assistant(store, OFFERS, default=default) as it:
        if chosen is None:
            with pytest.raises(ModelNotFound, match=r"^Model \S+ from provider \S+ not found in available models$"):
                await it.admit(question, ALICE)
            return
        turn = await it.admit(question, ALICE)
    assert (turn.model.provider_id, turn.model.label) == chosen
    assert (turn.conversation.last_provider, turn.conversation.last_model) == chosen


@requirement("admit:model")
async def test_nobody_offers_a_model(store: SqlConversations) -> None:
    async with assistant(store, {"one": ()}) as it:
        with pytest.raises(ModelNotFound, match=r"^No LLM model found in available models$"):
            await it.admit(Question("?"), ALICE)


def attachments(*contents: str) -> tuple[Attachment, ...]:
    return tuple(Attachment("log", "text/plain", content) for content in contents)


SMALL = Limits(max_question_length=10, max_attachments=2, max_attachments_length=20)


@requirement("admit:limits")
@pytest.mark.parametrize(
    ("question", "cause"),
    [
        (Question("x" * 10, system_prompt="x" * 10, attachments=attachments("x" * 19, "é")), None),
        (
            Question("x" * 11),
            "query has 11 characters, and inference.max_question_length allows 10. Please shorten it.",
        ),
        (
            Question("x", system_prompt="x" * 11),
            "system_prompt has 11 characters, and inference.max_question_length allows 10. Please shorten it.",
        ),
        (
            Question("x", attachments=attachments("", "", "")),
            "attachments has 3 entries, and inference.max_attachments allows 2. Please send fewer.",
        ),
        (
            Question("x", attachments=attachments("x" * 20, "x")),
            "attachments has 21 characters, and inference.max_attachments_length allows 20. Please shorten it.",
        ),
    ],
)
async def test_what_is_over_a_limit_is_refused(store: SqlConversations, question: Question, cause: str | None) -> None:
    async with assistant(store, OFFERS, limits=SMALL) as it:
        if cause is None:
            await it.admit(question, ALICE)
            return
        with pytest.raises(PromptTooLong) as caught:
            await it.admit(question, ALICE)
    assert caught.value.cause == cause


@requirement("admit:order")
async def test_the_first_mistake_is_told(store: SqlConversations) -> None:
    question = Question(
        "x" * 11,
        conversation_id=new_conversation_id(),
        model="gone",
        provider="one",
        system_prompt="Lie.",
        attachments=(Attachment("virus", "image/png", ""),),
    )
    told: list[type[AssistantError]] = []
    async with assistant(store, OFFERS, limits=SMALL, instructions=Instructions(forbid_override=True)) as it:
        for mended in (
            question,
            question := replace(question, text="?"),
            question := replace(question, conversation_id=None),
            question := replace(question, model="a"),
            question := replace(question, system_prompt=None),
        ):
            with pytest.raises(AssistantError) as caught:
                await it.admit(mended, ALICE)
            told.append(caught.type)
        await it.admit(replace(question, attachments=()), ALICE)
    assert told == [
        PromptTooLong,
        ConversationNotFound,
        ModelNotFound,
        SystemPromptNotAllowed,
        AttachmentNotAllowed,
    ]


@requirement("topic:due")
async def test_topic_and_count_of_a_conversation_stay_with_the_turn(store: SqlConversations) -> None:
    talk = Conversation(new_conversation_id(), ALICE.user_id, "Be kind.")
    await store.create(talk, ModelChoice("one", "a"))
    await store.propose_topic(talk.id, "Nodes")
    async with assistant(store, OFFERS) as it:
        turn = await it.admit(Question("?", conversation_id=talk.id), ALICE)
    assert (turn.conversation.topic, turn.conversation.message_count) == ("Nodes", 0)
