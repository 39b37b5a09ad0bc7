/* What went wrong, in words for the reader. */

/** A question that got no complete answer. `message` is a sentence, `detail` the particular reason or "". */
export class Problem extends Error {
  constructor(message, { detail = "", status = 0 } = {}) {
    super(message);
    this.detail = detail;
    this.status = status;
  }
}

const SENTENCES = {
  401: "The service wants to know who you are.",
  403: "You are not allowed to do this.",
  404: "The conversation does not exist any more. Start a new one.",
  413: "The question is too long for the model.",
  422: "The service could not read the question.",
  429: "Too many questions at the moment. Wait a little, then try again.",
  500: "The service ran into an error.",
  502: "The service cannot be reached through its gateway.",
  503: "The model is not available at the moment.",
  504: "The model took too long to answer.",
};

/** What the service says itself, where it is more than that something failed; else a sentence for the status. */
function sentence(status, response) {
  if (response && response !== "Internal server error") return /[.!?]$/.test(response) ? response : `${response}.`;
  return SENTENCES[status] ?? `The service answered with status ${status}.`;
}

/** The problem behind an `error` event: `{status_code, response, cause}`. */
export function fromEvent(data) {
  const { status_code: status = 500, response = "", cause = "", token = "" } = data ?? {};
  return new Problem(sentence(status, response), { detail: cause || token, status });
}

/** The problem behind an HTTP answer that is not the beginning of a stream. */
export async function fromResponse(response) {
  let detail;
  try {
    ({ detail } = await response.json());
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error; // an aborted read stays an abort
  }
  if (Array.isArray(detail)) detail = detail.map((one) => one?.msg).join("; ");
  const { response: said = "", cause = "" } = typeof detail === "string" ? { cause: detail } : detail ?? {};
  return new Problem(sentence(response.status, said), { detail: cause, status: response.status });
}
