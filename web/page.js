/* The page: connects what the reader does with the conversation, and shows how the service is. */

import { Conversation } from "./conversation.js";
import { Service } from "./service.js";

const LIMIT = 131072; // characters of a question, as the service counts them
const NEAR = 0.9; // from here on the page says how many are left

const byId = (id) => document.getElementById(id);
const form = byId("ask");
const question = byId("question");
const send = byId("send");
const stop = byId("stop");
const renew = byId("new-conversation");

const service = new Service(({ ready, text }) => {
  const state = byId("service-state");
  if (state.textContent !== text) state.textContent = text;
  state.classList.toggle("starting", !ready);
});

const conversation = new Conversation(byId("conversation"), {
  announce: (text) => { byId("announcer").textContent = text; },
  changed: refresh,
  left: () => question.focus(),
  failed: (problem) => { if (problem.status === 503 || problem.status === 0) service.watch(); },
});

function refresh() {
  const length = question.value.length < LIMIT * NEAR ? question.value.length : [...question.value].length;
  const empty = !question.value.trim();
  send.disabled = empty || length > LIMIT || conversation.busy;
  if (conversation.busy === stop.hidden) exchangeButtons(conversation.busy);
  const begun = byId("conversation").childElementCount > 0;
  byId("welcome").hidden = begun;
  renew.hidden = !begun;
  byId("hint").textContent = hint(length, empty);
  byId("hint").classList.toggle("over", length > LIMIT);
}

/** Show the one of the two buttons that has something to do; focus never stays on the one that leaves. */
function exchangeButtons(busy) {
  const focused = document.activeElement === send || document.activeElement === stop;
  send.hidden = busy;
  stop.hidden = !busy;
  if (focused) question.focus();
}

function hint(length, empty) {
  const characters = (count) => `${count.toLocaleString("en")} ${count === 1 ? "character" : "characters"}`;
  if (length > LIMIT) return `${characters(length - LIMIT)} too many.`;
  if (length >= LIMIT * NEAR) return `${characters(LIMIT - length)} left.`;
  if (conversation.busy) return "Answering. Escape stops it.";
  return empty ? "Type a question to ask it." : "Enter asks, Shift+Enter starts a new line.";
}

function ask(text) {
  if (!text.trim() || conversation.busy) return;
  conversation.ask(text.trim());
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (send.disabled) return;
  const text = question.value;
  question.value = "";
  ask(text);
});

question.addEventListener("keydown", (event) => {
  // Enter that confirms a word of an input method is no Enter.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && conversation.busy) conversation.stop();
});

question.addEventListener("input", refresh);
stop.addEventListener("click", () => conversation.stop());
renew.addEventListener("click", () => {
  conversation.clear();
  byId("announcer").textContent = "New conversation.";
  question.focus();
});
for (const suggestion of document.querySelectorAll(".suggestion")) {
  suggestion.addEventListener("click", () => {
    question.focus();
    ask(suggestion.textContent);
  });
}

refresh();
service.watch();
