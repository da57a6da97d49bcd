// The box to try a model: one request with the key in the field, its answer as it comes.

import { seconds } from "./charts.js";
import { element, show } from "./elements.js";

// What a model serves, the most telling first, and where that is asked.
const WAYS = [
  ["chat_completions", "/try/v1/chat/completions", (prompt) => ({ messages: [{ role: "user", content: prompt }], stream: true })],
  ["completions", "/try/v1/completions", (prompt) => ({ prompt, stream: true })],
  ["embeddings", "/try/v1/embeddings", (prompt) => ({ input: prompt })],
];

const find = (id) => document.getElementById(id);
let models = {};
let running = null;

/** Offer these models; the one that is chosen stays chosen. */
export function offerModels(latest) {
  models = latest;
  const select = find("model");
  const chosen = select.value;
  show(select, Object.keys(models).map((name) => element("option", { value: name }, name)));
  if (chosen in models) select.value = chosen;
}

/** Make the form work. */
export function watchForm() {
  find("try").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!running) send();
  });
  find("prompt").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) find("try").requestSubmit();
  });
  find("stop").addEventListener("click", () => running?.abort());
}

async function send() {
  const model = find("model").value;
  const [, path, body] = WAYS.find(([endpoint]) => models[model]?.endpoints.includes(endpoint)) ?? WAYS[0];
  running = new AbortController();
  find("send").disabled = true;
  find("stop").disabled = false;
  find("answer").hidden = false;
  find("answer").setAttribute("aria-busy", "true");
  find("text").textContent = "";
  find("served").textContent = "";
  outcome("Waiting for the first token");
  try {
    await ask(path, { model, ...body(find("prompt").value) }, running.signal);
  } catch (error) {
    if (running.signal.aborted) outcome("Stopped");
    else outcome(`The answer broke off (${error.name})`, true);
  }
  running = null;
  find("send").disabled = false;
  find("stop").disabled = true;
  find("answer").setAttribute("aria-busy", "false");
}

async function ask(path, body, signal) {
  const began = performance.now();
  const passed = () => (performance.now() - began) / 1000;
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", Authorization: `Bearer ${find("key").value.trim()}` },
    body: JSON.stringify(body),
    credentials: "omit",
    cache: "no-store",
    signal,
  });
  const facts = [];
  const served = (...more) => {
    find("served").textContent = [...facts, ...more, `request ${answer.headers.get("x-request-id")}`].join(" · ");
  };
  if (answer.headers.has("x-slipway-boundary")) facts.push(answer.headers.get("x-slipway-boundary").replaceAll("_", "-"));
  if (!answer.headers.get("content-type").startsWith("text/event-stream")) {
    const document = await answer.json();
    if (!answer.ok) refused(answer.status, document.error);
    else whole(document);
    served(seconds(passed()));
    return;
  }
  let failed = null;
  let first = null;
  for await (const event of events(answer.body)) {
    if (event.error) failed = event.error;
    const choice = event.choices?.[0];
    const piece = choice?.delta?.content ?? choice?.text ?? "";
    if (piece && first === null) {
      first = passed();
      facts.push(`first token after ${seconds(first)}`);
      outcome("Answering");
    }
    find("text").append(piece);
    if (event.usage) facts.push(`${event.usage.completion_tokens} tokens`);
  }
  if (failed) refused(answer.status, failed);
  else outcome(first === null ? "An empty answer" : "Answer");
  served(`all of it in ${seconds(passed())}`);
}

/** The JSON of each server-sent event until [DONE]. */
async function* events(stream) {
  let text = "";
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece.replaceAll("\r", "");
    const frames = text.split("\n\n");
    text = frames.pop();
    for (const frame of frames) {
      const data = frame.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim()).join("\n");
      if (data && data !== "[DONE]") yield JSON.parse(data);
    }
  }
}

function whole(document) {
  const vector = document.data?.[0]?.embedding;
  outcome(vector ? `A vector of ${vector.length} numbers` : "Answer");
  const choice = document.choices?.[0];
  find("text").textContent = vector ? `${vector.slice(0, 8).join(", ")}, …` : choice?.message?.content ?? choice?.text ?? "";
}

function refused(status, error) {
  outcome(`${status} ${error?.code ?? error?.type ?? "error"}`, true);
  find("text").append(find("text").textContent ? "\n\n" : "", error?.message ?? "");
}

function outcome(words, bad = false) {
  find("outcome").textContent = words;
  find("outcome").className = bad ? "outcome bad" : "outcome";
}
