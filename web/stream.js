/* The way of a question to the service, and of the events of its answer back. */

import { Problem, fromEvent, fromResponse } from "./problems.js";

const LONGEST_EVENT = 16 * 1024 * 1024; // characters; more without an end of line is no event stream

/**
 * Ask, and hand out the events of the answer up to and including `end`.
 *
 * Throws a Problem when the service refuses, fails, or breaks off; an AbortError when `signal` says so.
 * @param {{query: string, conversation_id?: string}} body
 * @param {AbortSignal} signal
 */
export async function* ask(body, signal) {
  const response = await post(body, signal);
  if (!response.ok) throw await fromResponse(response);
  for await (const { event, data } of events(response.body, signal)) {
    if (event === "error") throw fromEvent(data);
    yield { event, data };
    if (event === "end") return;
  }
  throw new Problem("The answer was cut off: the connection ended before the answer did.");
}

async function post(body, signal) {
  try {
    return await fetch("v1/streaming_query", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify({ ...body, media_type: "application/json" }),
      signal,
    });
  } catch (error) {
    throw signal.aborted ? error : new Problem("The service cannot be reached.", { detail: "Is it still running?" });
  }
}

async function* events(bytes, signal) {
  for await (const line of lines(bytes, signal)) {
    if (!line.startsWith("data:")) continue; // comments and blank lines between events
    let item;
    try {
      item = JSON.parse(line.slice(5));
    } catch {
      throw new Problem("The service sent something that is not an answer.");
    }
    yield item;
  }
}

async function* lines(bytes, signal) {
  const reader = bytes.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await read(reader, signal);
      if (done) return;
      const pieces = (rest + value).split(/\r?\n/);
      rest = pieces.pop();
      if (rest.length > LONGEST_EVENT) throw new Problem("The service sent something that is not an answer.");
      yield* pieces;
    }
  } finally {
    reader.cancel().catch(() => undefined); // already closed or aborted: there is nothing left to cancel
  }
}

async function read(reader, signal) {
  try {
    return await reader.read();
  } catch (error) {
    if (signal.aborted) throw error;
    return { done: true }; // a broken connection ends the stream; ask() reports that the end is missing
  }
}
