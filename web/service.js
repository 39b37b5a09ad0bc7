/* How the service is: which model answers, and whether it is ready. */

const FIRST_WAIT = 1000; // milliseconds
const LONGEST_WAIT = 15000;
const GROWTH = 1.6;

export class Service {
  /** @param {(state: {ready: boolean, text: string}) => void} show called whenever there is something new to say */
  constructor(show) {
    this.show = show;
    this.model = null;
    this.timer = 0;
    this.watching = false;
  }

  /** Ask until the service is ready, ever more rarely; does nothing while that goes on already. */
  async watch() {
    if (this.watching) return;
    this.watching = true;
    for (let wait = FIRST_WAIT; await this.look(); wait = Math.min(LONGEST_WAIT, wait * GROWTH)) {
      await new Promise((resolve) => { this.timer = setTimeout(resolve, wait); });
    }
    this.watching = false;
  }

  /** Look once; says whether it is worth looking again. */
  async look() {
    const [status, body] = await get("readiness");
    if (status === 200) {
      this.model ??= await modelName();
      this.show({ ready: true, text: this.model ? `Model: ${this.model}` : "" });
      return false;
    }
    if (status === 503) this.show({ ready: false, text: `The model is not ready yet. ${reasonOf(body)}`.trim() });
    else if (status === 0) this.show({ ready: false, text: "The service cannot be reached. Trying again." });
    else this.show({ ready: true, text: "" }); // not allowed to know: questions will tell
    return status === 503 || status === 0;
  }
}

function reasonOf(body) {
  const messages = (body?.providers ?? []).map((one) => one?.message).filter(Boolean);
  return messages.length ? messages.join(" ") : body?.reason ?? "";
}

/** The model that answers when a question names none: the configured one, else the first that is offered. */
async function modelName() {
  const [, config] = await get("v1/config");
  const configured = config?.inference?.default_model;
  if (configured) return configured;
  const [, offered] = await get("v1/models");
  const model = (offered?.models ?? []).find((one) => (one.model_type ?? one.api_model_type) === "llm");
  return model ? model.identifier.slice(model.identifier.indexOf("/") + 1) : null;
}

/** Status and JSON body; status 0 where nothing answers, body null where it is no JSON. */
async function get(path) {
  let status = 0;
  try {
    const response = await fetch(path, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(15000) });
    status = response.status;
    return [status, await response.json()];
  } catch {
    return [status, null];
  }
}
