/* A conversation: one question at a time, and follow-ups that the service knows to belong together. */

import { Answer } from "./answer.js";
import { Problem } from "./problems.js";
import { ask } from "./stream.js";

export class Conversation {
  /**
   * @param {Element} container where exchanges are put
   * @param {object} reader who is told: `announce(text)` of completed answers, `changed()` of busy turning on or off,
   *     `failed(problem)` of failures, `left()` when the element that had the focus is gone
   */
  constructor(container, reader) {
    this.container = container;
    this.reader = reader;
    this.id = null;
    this.running = null; // the AbortController of the question under way
  }

  get busy() {
    return this.running !== null;
  }

  /** Ask, and show the answer as it comes. Does nothing while another question is under way. */
  async ask(question) {
    if (this.busy) return;
    const answer = new Answer(question);
    const running = new AbortController();
    this.running = running;
    this.container.append(answer.root);
    this.reader.changed();
    toBottom();
    try {
      await this.receive(question, answer, running.signal);
    } catch (error) {
      this.ended(error, question, answer, running.signal);
    } finally {
      if (this.running === running) this.running = null;
      this.reader.changed();
    }
  }

  async receive(question, answer, signal) {
    const body = this.id ? { query: question, conversation_id: this.id } : { query: question };
    for await (const { event, data } of ask(body, signal)) {
      signal.throwIfAborted(); // events that came in the same piece of network data are no longer wanted
      if (event === "start") this.id = data.conversation_id;
      else if (event === "token") answer.grow(data.token, keepingBottom);
      else if (event === "tool_call") answer.called(data.token);
      else if (event === "turn_complete") answer.text = data.token;
      else if (event === "end") keepingBottom(() => this.completed(answer, data));
    }
  }

  completed(answer, end) {
    const sources = answer.complete(end);
    const words = answer.spoken() || "The model gave no answer.";
    this.reader.announce(`Answer: ${words} ${sources === 1 ? "1 source." : `${sources} sources.`}`);
  }

  ended(error, question, answer, signal) {
    if (signal.aborted) {
      answer.stopped();
      if (answer.root.isConnected) this.reader.announce("Stopped."); // else a new conversation was begun meanwhile
      return;
    }
    if (!(error instanceof Problem)) console.error(error); // a mistake of this page: the reader sees that it failed
    const problem = error instanceof Problem ? error : new Problem("The answer could not be shown.");
    const again = () => {
      answer.root.remove();
      this.reader.left();
      this.ask(question);
    };
    keepingBottom(() => answer.failed(problem, again));
    this.reader.announce(`${problem.message} ${problem.detail}`);
    this.reader.failed(problem);
  }

  stop() {
    this.running?.abort();
  }

  /** Forget everything and begin anew. */
  clear() {
    this.stop();
    this.running = null;
    this.id = null;
    this.container.replaceChildren();
    this.reader.changed();
  }
}

/** Change the page; a reader at its end stays at its end, any other stays where they are. */
function keepingBottom(change) {
  const page = document.scrollingElement;
  const atBottom = page.scrollHeight - page.scrollTop - page.clientHeight < 64;
  change();
  if (atBottom) toBottom();
}

function toBottom() {
  const page = document.scrollingElement;
  page.scrollTop = page.scrollHeight;
}
