"""What the REST contract says of ``/v1/query`` and ``/v1/streaming_query``."""

from tests.spec.registry import Requirement

REQUIREMENTS = {
    "rest:1.1:query": Requirement("The question is a string that says something.", "rest-api.md 1.1"),
    "rest:1.1:query-length": Requirement(
        "A question over the configured length is refused with 413.", "rest-api.md 1.1; llama-stack-usage.md 9"
    ),
    "rest:1.1:conversation_id": Requirement(
        "The conversation is an id; null and the empty string are none.", "rest-api.md 1.1"
    ),
    "rest:1.1:conversation_id-spelling": Requirement(
        "Every spelling of an id is the same conversation, and ids of later releases are ids.",
        "rest-api.md 1.1; decisions.md 14",
    ),
    "rest:1.1:provider": Requirement(
        "A provider needs a model beside it; null and the empty string are none.", "rest-api.md 1.1"
    ),
    "rest:1.1:model": Requirement(
        "A model needs a provider beside it; null and the empty string are none.", "rest-api.md 1.1"
    ),
    "rest:1.1:system_prompt": Requirement("The system prompt is a string or null.", "rest-api.md 1.1"),
    "rest:1.1:attachments": Requirement("Attachments are a list or null.", "rest-api.md 1.1"),
    "rest:1.1:attachment": Requirement(
        "An attachment has three strings and no other field.", "rest-api.md 1.1; decisions.md 16"
    ),
    "rest:1.1:no_tools": Requirement(
        "`no_tools` is a boolean or null, in any of a boolean's spellings.", "rest-api.md 1.1"
    ),
    "rest:1.1:media_type": Requirement(
        "The media type is one of two, and `/v1/query` answers in JSON whichever it is.", "rest-api.md 1.1"
    ),
    "rest:1.1:unknown-fields": Requirement("Unknown fields are ignored.", "rest-api.md 1.1; decisions.md 16"),
    "rest:1.2:conversation_id": Requirement(
        "An answer tells its conversation, a UUID; a new one each time where none was named.",
        "rest-api.md 1.2; decisions.md 14",
    ),
    "rest:1.2:response": Requirement("`response` is the text, empty where the model said nothing.", "rest-api.md 1.2"),
    "rest:1.2:rag_chunks": Requirement("`rag_chunks` is a list, empty where nothing was looked up.", "rest-api.md 1.2"),
    "rest:1.2:tool_calls": Requirement(
        "`tool_calls` is a list, empty where there were none.", "rest-api.md 1.2; decisions.md 17"
    ),
    "rest:1.2:referenced_documents": Requirement(
        "`referenced_documents` is a list, empty where there are none.", "rest-api.md 1.2"
    ),
    "rest:1.2:truncated": Requirement(
        "`truncated` tells whether the answer was cut at a limit.", "rest-api.md 1.2; issue 3, 5"
    ),
    "rest:1.2:input_tokens": Requirement(
        "`input_tokens` is what the provider counted.", "rest-api.md 1.2; decisions.md 12"
    ),
    "rest:1.2:output_tokens": Requirement(
        "`output_tokens` is what the provider counted.", "rest-api.md 1.2; decisions.md 12"
    ),
    "rest:1.2:available_quotas": Requirement("`available_quotas` is an empty object.", "rest-api.md 1.2"),
    "rest:1.3:authentication": Requirement(
        "An error of authentication has its status, and a string.", "rest-api.md 1.3"
    ),
    "rest:1.3:action": Requirement("Who lacks `query` gets 403.", "rest-api.md 1.3"),
    "rest:1.3:override": Requirement(
        "Who lacks `model_override` gets 403 for any model or provider that is not null.", "rest-api.md 1.3"
    ),
    "rest:1.3:unknown-conversation": Requirement(
        "A conversation that is not there, or not the caller's, is 404.", "rest-api.md 1.3; decisions.md 7"
    ),
    "rest:1.3:no-session": Requirement(
        "A conversation of the reference, whose text is in its Llama Stack, goes on without it.",
        "rest-api.md 1.3; storage.md 4",
    ),
    "rest:1.3:unknown-model": Requirement("A model that its provider does not offer is 400.", "rest-api.md 1.3"),
    "rest:1.3:no-model": Requirement(
        "Where no model is named, configured or offered the answer is 400.", "rest-api.md 1.3"
    ),
    "rest:1.3:attachment": Requirement("An attachment of a kind that is not allowed is 422.", "rest-api.md 1.3"),
    "rest:1.3:system-prompt": Requirement("A system prompt that the operator forbids is 422.", "rest-api.md 1.3"),
    "rest:1.3:validation": Requirement("A body that is not valid is 422.", "rest-api.md 1.3"),
    "rest:1.3:unreachable": Requirement("A provider that cannot be reached is 500, and counted.", "rest-api.md 1.3"),
    "rest:1.3:other-failure": Requirement(
        "Every other failure has a status and JSON, without the provider's words, and ends nothing else.",
        "rest-api.md 1.3; decisions.md 2, 5",
    ),
    "rest:1.4:types": Requirement("The seven types of attachments are taken, and reach the model.", "rest-api.md 1.4"),
    "rest:1.4:content-types": Requirement(
        "The four content types are taken, and reach the model.", "rest-api.md 1.4; issue 3, 4"
    ),
    "rest:1.4:order": Requirement(
        "The first offence is told, in the order of the list, type before content type.", "rest-api.md 1.4"
    ),
    "rest:1.4:late": Requirement(
        "Kinds of attachments are looked at after the model and the system prompt.", "rest-api.md 1.4"
    ),
    "rest:1.4:rendering": Requirement(
        "Attachments stand before the question, in their order.", "rest-api.md 1.4; issue 3, 4"
    ),
    "rest:1.4:none": Requirement("A question without attachments is asked as it is.", "rest-api.md 1.4"),
    "rest:1.5:1-forbidden": Requirement(
        "Where the operator forbids them, a system prompt that is not empty is refused with 422.", "rest-api.md 1.5"
    ),
    "rest:1.5:2-request": Requirement(
        "The request's system prompt goes before the configured ones.", "rest-api.md 1.5"
    ),
    "rest:1.5:3-profile": Requirement("Then the profile's, if it is not empty.", "rest-api.md 1.5"),
    "rest:1.5:4-configured": Requirement(
        "Then the configured one; an empty one means that there is none.", "rest-api.md 1.5"
    ),
    "rest:1.5:5-default": Requirement("Then the built-in one.", "rest-api.md 1.5"),
    "rest:1.5:follow-up": Requirement(
        "A conversation keeps its system prompt; the model may change, and what was used is recorded.",
        "rest-api.md 1.5; decisions.md Keep 4",
    ),
    "rest:1.6:1-unusable": Requirement(
        "A header MCP-HEADERS that cannot be used never fails a question.", "rest-api.md 1.6"
    ),
    "rest:1.6:2-names": Requirement("Names of unknown servers are dropped silently.", "rest-api.md 1.6"),
    "rest:1.6:3-token": Requirement(
        "The caller's token goes to nobody whom the configuration does not name.", "rest-api.md 1.6; decisions.md 6"
    ),
    "rest:1.6:4-model": Requirement("Headers for servers never reach a model.", "rest-api.md 1.6"),
    "rest:1.6:5-no-tools": Requirement("A question without tools offers none to the model.", "rest-api.md 1.6"),
    "rest:1.7:2-override": Requirement(
        "The right to choose a model is looked at before the conversation.", "rest-api.md 1.7"
    ),
    "rest:1.7:3-started": Requirement("A turn has the time at which it began.", "rest-api.md 1.7"),
    "rest:1.7:4-conversation": Requirement(
        "The conversation is looked up before the model, for others by who has `query_other_conversations`.",
        "rest-api.md 1.7",
    ),
    "rest:1.7:5-model": Requirement(
        "The model is chosen before system prompt and attachments are looked at.", "rest-api.md 1.7"
    ),
    "rest:1.7:7-prompt-and-attachments": Requirement(
        "The system prompt is looked at before attachments.", "rest-api.md 1.7"
    ),
    "rest:1.7:8-history": Requirement("A follow-up knows all that was said.", "rest-api.md 1.7; decisions.md 4"),
    "rest:1.7:9-passages": Requirement("Passages are looked up, and the model is asked with them.", "rest-api.md 1.7"),
    "rest:1.7:9-no-tools": Requirement("Nothing is looked up for a question without tools.", "rest-api.md 1.7"),
    "rest:1.7:10-usage": Requirement("Calls and tokens are counted by the model that answered.", "rest-api.md 1.7"),
    "rest:1.7:11-topic": Requirement(
        "A new conversation is given a topic, in the background.", "rest-api.md 1.7; decisions.md 4"
    ),
    "rest:1.7:12-transcript": Requirement(
        "Each turn has a transcript when it is answered.", "rest-api.md 1.7; decisions.md 4"
    ),
    "rest:1.7:13-row": Requirement(
        "The conversation's row tells its model, times and number of turns.", "rest-api.md 1.7; storage.md 4"
    ),
    "rest:1.7:14-cache": Requirement(
        "The turn is in the cache, under the user who asked.", "rest-api.md 1.7; storage.md 5"
    ),
    "rest:1.7:14-completed": Requirement("A turn has the time at which it was complete.", "rest-api.md 1.7"),
    "rest:1.7:15-unstored": Requirement(
        "An answer that cannot be stored is given, counted, and shows in readiness.", "rest-api.md 1.7; decisions.md 5"
    ),
    "rest:1.8:hints": Requirement("A follow-up that names no model is answered by the one before.", "rest-api.md 1.8"),
    "rest:1.8:default": Requirement("Where none is named the configured model answers.", "rest-api.md 1.8"),
    "rest:1.8:first": Requirement("Where none is configured the first one on offer answers.", "rest-api.md 1.8"),
    "rest:1.8:exact": Requirement("A model is found by its name, with or without its provider.", "rest-api.md 1.8"),
    "rest:1.8:label": Requirement("What is recorded is the model's name without its provider.", "rest-api.md 1.8"),
    "rest:1.9:tool_calls": Requirement(
        "Tool calls have the old fields and the new; arguments are an object whatever the model wrote.",
        "rest-api.md 1.9; decisions.md 17",
    ),
    "rest:1.9:rag_chunks": Requirement(
        "Passages have content, source, score and attributes.", "rest-api.md 1.9; decisions.md 13"
    ),
    "rest:1.9:referenced_documents": Requirement(
        "Documents are named once, alike in query, stream and history.", "rest-api.md 1.9; decisions.md 13"
    ),
    "rest:1.10:counted": Requirement(
        "Tokens are the provider's count of all rounds.", "rest-api.md 1.10; decisions.md 12"
    ),
    "rest:1.10:estimated": Requirement(
        "Tokens that nobody counted are estimated, and marked in the metrics.", "rest-api.md 1.10; decisions.md 12"
    ),
    "rest:1.11:new": Requirement("Only a new conversation is given a topic.", "rest-api.md 1.11"),
    "rest:1.11:question": Requirement("The question alone is sent to name a topic.", "rest-api.md 1.11"),
    "rest:1.11:profile": Requirement("A profile may say how a topic is named.", "rest-api.md 1.11"),
    "rest:1.11:empty": Requirement("A topic that cannot be had stays empty.", "rest-api.md 1.11"),
    "rest:2:request": Requirement(
        "A stream takes and refuses the same bodies as `/v1/query`.", "rest-api.md 2; decisions.md 16"
    ),
    "rest:2.1:ownership": Requirement(
        "A stream goes on with own conversations only, and tells 403 for every other.", "rest-api.md 2.1; auth.md 3.5"
    ),
    "rest:2.1:override": Requirement("The right to choose a model is asked for as by `/v1/query`.", "rest-api.md 2.1"),
    "rest:2.1:unreachable": Requirement(
        "A provider that cannot be reached is 500 in JSON, and counted.", "rest-api.md 2.1"
    ),
    "rest:2.1:other-errors": Requirement(
        "Every error before the first byte has a real status and JSON, and leaves no conversation.",
        "rest-api.md 2.1; decisions.md 2",
    ),
    "rest:2.1:creation": Requirement(
        "The conversation is stored before its id is told.", "rest-api.md 2.1; decisions.md 4"
    ),
    "rest:2.1:counted": Requirement("A stream is counted when it is handed over.", "rest-api.md 2.1"),
    "rest:2.2:content-type": Requirement(
        "Both kinds of streams have the content type of event streams.", "rest-api.md 2.2"
    ),
    "rest:2.2:lines": Requirement(
        "An event is one line and an empty one, and nothing else is sent.", "rest-api.md 2.2; decisions.md Keep 3"
    ),
    "rest:2.2:json": Requirement("JSON has Python's separators and ASCII only.", "rest-api.md 2.2"),
    "rest:2.3:start": Requirement(
        "`start` comes once and first, with the conversation and the request.", "rest-api.md 2.3; decisions.md 3"
    ),
    "rest:2.3:token": Requirement(
        "`token` is a piece of the answer, never an empty one.", "rest-api.md 2.3; decisions.md 3"
    ),
    "rest:2.3:tool_call": Requirement(
        "`tool_call` is a whole call, in the old fields and the new.", "rest-api.md 2.3; decisions.md 17"
    ),
    "rest:2.3:tool_result": Requirement("`tool_result` is what the tool answered.", "rest-api.md 2.3"),
    "rest:2.3:turn_complete": Requirement(
        "`turn_complete` has the whole text.", "rest-api.md 2.3; decisions.md Keep 3"
    ),
    "rest:2.3:end": Requirement(
        "`end` is last, with documents, usage, and quotas beside `data`.", "rest-api.md 2.3; decisions.md Keep 3"
    ),
    "rest:2.3:error": Requirement(
        "`error` is last instead of `end`, with status, response and cause.", "rest-api.md 2.3; decisions.md 2"
    ),
    "rest:2.3:map:turn_start": Requirement(
        "A round of the model that begins is no second `start`.", "rest-api.md 2.3; decisions.md 3"
    ),
    "rest:2.3:map:turn_complete": Requirement("The last round's end is `turn_complete` and `end`.", "rest-api.md 2.3"),
    "rest:2.3:map:no-violation": Requirement(
        "What no shield objects to is no token.", "rest-api.md 2.3; decisions.md 3"
    ),
    "rest:2.3:map:step_start": Requirement("A step that begins is no token.", "rest-api.md 2.3; decisions.md 3"),
    "rest:2.3:map:text": Requirement("Text is a token for each piece.", "rest-api.md 2.3"),
    "rest:2.3:map:call-pieces": Requirement("Pieces of a call are no events.", "rest-api.md 2.3; decisions.md 3"),
    "rest:2.3:map:tool_execution": Requirement(
        "Each call is a `tool_call`, each result a `tool_result`, in order.", "rest-api.md 2.3"
    ),
    "rest:2.3:map:other": Requirement("Nothing else becomes a token.", "rest-api.md 2.3; decisions.md 3"),
    "rest:2.3:ids": Requirement(
        "Ids count the events that have one, from 0, without gap.", "rest-api.md 2.3; decisions.md Keep 3"
    ),
    "rest:2.3:sample": Requirement("A stream is exact to the byte.", "rest-api.md 2.3"),
    "rest:2.3:end-documents": Requirement("`end` names each document once.", "rest-api.md 2.3; decisions.md 13"),
    "rest:2.3:line-limit": Requirement("No line about a tool is longer than 64 KiB.", "decisions.md Keep 3"),
    "rest:2.4:start": Requirement("In text mode `start` is a JSON line.", "rest-api.md 2.4"),
    "rest:2.4:token": Requirement("In text mode a token is bare text.", "rest-api.md 2.4"),
    "rest:2.4:tool_call": Requirement("In text mode a tool call is a line of its own.", "rest-api.md 2.4"),
    "rest:2.4:tool_result": Requirement("In text mode a tool result is a line of its own.", "rest-api.md 2.4"),
    "rest:2.4:turn_complete": Requirement("In text mode `turn_complete` is a JSON line.", "rest-api.md 2.4"),
    "rest:2.4:end": Requirement(
        "In text mode the documents come last, and nothing where there are none.", "rest-api.md 2.4"
    ),
    "rest:2.4:error": Requirement(
        "In text mode an error before the first byte is JSON with a real status.", "rest-api.md 2.4; decisions.md 2"
    ),
    "rest:2.4:in-band": Requirement(
        "An error that the provider sends in a stream ends it, is counted, and what was said is kept.",
        "rest-api.md 2.4; decisions.md 2",
    ),
    "rest:2.4:cut": Requirement(
        "A provider that breaks off ends the stream, is counted, and what was said is kept.",
        "rest-api.md 2.4; decisions.md 2",
    ),
    "rest:2.5:before-end": Requirement(
        "The turn is stored, in every place, before `end` is told.", "rest-api.md 2.5; decisions.md 4"
    ),
    "rest:2.5:topic": Requirement("No `end` waits for a topic.", "rest-api.md 2.5; decisions.md 4"),
    "rest:2.5:leaving": Requirement("What was said is kept although the client left.", "rest-api.md 2.5; issue 3"),
    "rest:2.5:nothing-said": Requirement(
        "A turn in which nothing was said is not stored, and its conversation can go on.", "rest-api.md 2.5"
    ),
}
