// Asks the gateway once a second while the page is in view, and shows what it says.

import { clock, drawCharts, watchPointer } from "./charts.js";
import { keepTables, showAudit, showModels, showRefusals, showState } from "./tables.js";
import { offerModels, watchForm } from "./trial.js";

const EVERY_MILLISECONDS = 1000;
const LONGEST_MILLISECONDS = 5000;

const charts = document.getElementById("charts");
const pause = document.getElementById("pause");
let paused = false;
let lost = null;

async function read(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(LONGEST_MILLISECONDS) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function refresh() {
  try {
    const [status, figures, refusals] = await Promise.all(["status.json", "figures.json", "refusals.json"].map(read));
    lost = null;
    showState(status);
    showModels(status.models);
    offerModels(status.models);
    showAudit(status.audit);
    showRefusals(refusals);
    drawCharts(charts, figures);
  } catch {
    lost ??= clock(Date.now() / 1000);
    showState(null, lost);
  }
}

async function run() {
  for (;;) {
    if (!paused && !document.hidden) await refresh();
    await new Promise((resolve) => setTimeout(resolve, EVERY_MILLISECONDS));
  }
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  pause.textContent = paused ? "Go on" : "Pause";
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) refresh();
});

keepTables();
watchPointer(charts);
watchForm();
run();
