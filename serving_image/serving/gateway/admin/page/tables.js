// What the page says in words: the state, models and their engines, the audit chain, refusals.

import { clock } from "./charts.js";
import { element, show } from "./elements.js";

const ENDPOINTS = { chat_completions: "chat", completions: "completions", embeddings: "embeddings" };
const ABSENT = element("span", { class: "absent" }, "–");
const FEW = 10;
// An engine's state: how it is shown, and in which words.
const ENGINES = {
  trusted: ["good", "trusted"],
  on_trial: ["warn", "on trial"],
  cooling: ["warn", "cooling"],
  ejected: ["bad", "ejected"],
  unreachable: ["bad", "unreachable"],
};

/** The header: `status` is what GET /status.json says, null while it is not answered. */
export function showState(status, since) {
  const [kind, word] = status === null ? ["bad", since ? `Not reachable since ${since}` : "Not reachable"]
    : status.draining ? ["warn", "Draining"] : status.ready ? ["good", "Ready"] : ["warn", "Not ready"];
  const state = document.getElementById("state");
  if (state.textContent !== word) show(state, [mark(), element("b", {}, word)]);
  state.className = `state ${kind}`;
  document.documentElement.classList.toggle("stale", status === null);
  document.title = `${word} · slipway gateway`;
  const reasons = document.getElementById("reasons");
  const lines = status === null ? [] : status.not_ready_because;
  reasons.hidden = !lines.length;
  show(reasons, [lines.join("\n")]);
  if (status === null) return;
  show(document.getElementById("facts"), [
    ["in flight", status.in_flight],
    ["up", duration(status.uptime_seconds)],
    ["clients", status.clients],
    ["configuration", element("span", { class: "mono", title: status.config_sha256 }, status.config_sha256.slice(0, 8))],
    ["version", status.versions.slipway],
    status.tls && ["certificate ends in", duration(status.tls.expires_at - Date.now() / 1000)],
  ].filter(Boolean).map(([name, value]) => pair(name, value)));
}

/** The table of models. */
export function showModels(models) {
  fill("models", Object.entries(models).map(([name, model]) => [
    name,
    model.endpoints.map((endpoint) => ENDPOINTS[endpoint] ?? endpoint).join(", "),
    model.in_flight,
    model.queued,
    model.held,
    model.engines.length
      ? element("ul", { class: "engines" }, model.engines.map(engine))
      : element("span", { class: "place" }, "none found yet"),
  ]));
}

function engine({ url, boundary, state, in_flight: running }) {
  const [kind, word] = ENGINES[state] ?? ["warn", state];
  return element("li", { class: kind }, mark(),
    element("span", { class: "word" }, word),
    element("span", { class: "mono" }, url),
    element("span", { class: "place" }, `${boundary.replaceAll("_", "-")} · ${running} in flight`));
}

/** The audit chain's head. */
export function showAudit(audit) {
  const card = document.getElementById("audit");
  if (audit === null) {
    show(card, [element("p", { class: "none" }, "No audit is kept: the configuration has none.")]);
    return;
  }
  const { head } = audit;
  const [kind, word] = audit.available ? ["good", "Writing"] : ["bad", "Refusing requests"];
  show(card, [
    element("p", { class: `state ${kind}` }, mark(), element("b", {}, word)),
    element("dl", {}, [
      audit.error ? ["Cause", audit.error.replaceAll("_", " ")] : null,
      ["Chain", element("span", { class: "mono" }, audit.chain)],
      ["Last row", head ? head.seq.toLocaleString("en") : "–"],
      ["Its hash", head ? element("span", { class: "mono", title: head.hash }, head.hash.slice(0, 16)) : "–"],
      ["Segment", head ? head.segment : "–"],
      ["On disk since", head ? moment(head.written_at) : "–"],
      ["Rows waiting", audit.rows_waiting],
    ].filter(Boolean).map(([name, value]) => pair(name, value))),
  ]);
}

/** The last refusals: a few, or all of them once asked for. */
export function showRefusals(refusals) {
  const more = document.getElementById("all-refusals");
  const all = more.getAttribute("aria-expanded") === "true";
  more.hidden = refusals.length <= FEW;
  more.textContent = all ? "Show fewer" : `Show all ${refusals.length}`;
  more.onclick = () => {
    more.setAttribute("aria-expanded", String(!all));
    showRefusals(refusals);
  };
  document.getElementById("refusals").hidden = !refusals.length;
  document.getElementById("no-refusals").hidden = refusals.length > 0;
  fill("refusals", refusals.slice(0, all ? refusals.length : FEW).map((one) => [
    moment(one.time),
    one.status,
    element("span", { class: "mono" }, one.code),
    one.client ?? ABSENT,
    one.model ?? ABSENT,
    ENDPOINTS[one.endpoint] ?? one.endpoint,
    element("span", { class: "mono" }, one.request_id),
  ]));
}

/** A table's body; the first column names its row, and every cell knows its column's name for narrow screens. */
function fill(id, rows) {
  const table = document.getElementById(id);
  const heads = [...table.querySelectorAll("thead th")];
  show(table.tBodies[0], rows.map((cells) => element("tr", { role: "row" }, cells.map((cell, place) =>
    element(place ? "td" : "th", {
      role: place ? "cell" : "rowheader",
      scope: place ? null : "row",
      class: heads[place].className || null,
      "data-label": heads[place].textContent,
    }, typeof cell === "object" ? cell : element("span", {}, cell))))));
}

/** Once: what CSS may turn into blocks stays a table for screen readers. */
export function keepTables() {
  for (const table of document.querySelectorAll("table")) {
    table.setAttribute("role", "table");
    for (const group of table.querySelectorAll("thead, tbody")) group.setAttribute("role", "rowgroup");
    for (const row of table.querySelectorAll("thead tr")) row.setAttribute("role", "row");
    for (const head of table.querySelectorAll("thead th")) head.setAttribute("role", "columnheader");
  }
}

function pair(name, value) {
  return element("div", {}, element("dt", {}, name), element("dd", {}, value));
}

function mark() {
  return element("span", { class: "mark", "aria-hidden": "true" });
}

function moment(time) {
  return element("time", { datetime: new Date(time * 1000).toISOString() }, clock(time));
}

function duration(all) {
  const [days, hours, minutes] = [all / 86400, (all / 3600) % 24, (all / 60) % 60].map(Math.floor);
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min` : `${Math.max(0, Math.floor(all))} s`;
}
