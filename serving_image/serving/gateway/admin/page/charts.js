// The small charts: what each shows, and how points become lines.

import { element, show } from "./elements.js";

const WIDTH = 300;
const HEIGHT = 60;
const CHARTS = [
  { title: "Requests", unit: "/s", least: 1, series: [["requests", "finished"]] },
  { title: "Did not end as asked", unit: "/s", least: 1, series: [["refused", "refused (4xx)"], ["failed", "failed"]] },
  { title: "Until the first token", unit: "s", least: 0.01, series: [["first_token_p50", "median"], ["first_token_p95", "95 %"]] },
  { title: "Whole answers", unit: "s", least: 0.01, series: [["duration_p50", "median"], ["duration_p95", "95 %"]] },
  { title: "Tokens", unit: "/s", least: 1, series: [["output_tokens", "output"], ["prompt_tokens", "prompt"]] },
  { title: "Now", unit: "", least: 1, series: [["in_flight", "in flight"], ["waiting", "queued or held"]] },
];

// What the charts reach back, in points: no more than is there, and never so little that a second is a step.
const SPANS = [[60, "1 min ago"], [120, "2 min ago"], [300, "5 min ago"]];

let figures = { fields: [], points: [], most_points: 300 };
// The point under the pointer, counted from the newest; null: none.
let picked = null;

/** Draw what GET /figures.json says. */
export function drawCharts(container, latest) {
  figures = latest;
  const at = Object.fromEntries(figures.fields.map((name, place) => [name, place]));
  const read = (point, name) => (name === "waiting" ? point[at.queued] + point[at.held] : point[at[name]]);
  show(container, CHARTS.map((chart) => drawn(chart, read, at.time)));
}

/** Let the pointer pick a moment, the same in all charts. */
export function watchPointer(container) {
  const pick = (value) => {
    picked = value;
    drawCharts(container, figures);
  };
  container.addEventListener("pointermove", (event) => {
    const plot = event.target.closest(".plot");
    if (!plot) return pick(null);
    const { left, width } = plot.getBoundingClientRect();
    return pick(Math.round((1 - (event.clientX - left) / width) * (span()[0] - 1)));
  });
  container.addEventListener("pointerleave", () => pick(null));
}

function span() {
  return SPANS.find(([points]) => points >= figures.points.length) ?? [figures.most_points, "at first"];
}

function drawn(chart, read, time) {
  const { points } = figures;
  const [most, since] = span();
  const lines = chart.series.map(([name]) => points.map((point) => read(point, name)));
  const highest = Math.max(0, ...lines.flat().filter((value) => value !== null));
  const top = rounded(Math.max(highest, chart.least));
  const place = (back) => WIDTH - (back * WIDTH) / (most - 1);
  const chosen = picked !== null && points[points.length - 1 - picked] ? picked : 0;
  const moment = points[points.length - 1 - chosen];
  const values = chart.series.map(([name, label]) => [label, moment ? read(moment, name) : null]);
  const paths = lines.map((line) => path(line, place, top));
  const said = values.map(([label, value]) => `${label} ${text(value, chart.unit)}`).join(", ");
  return element("article", { class: "card chart" },
    element("div", { class: "title" },
      element("h3", {}, chart.title), chosen ? element("time", {}, clock(moment[time])) : null),
    element("p", { class: "values" }, values.map(([label, value]) =>
      element("span", {}, element("i"), element("b", {}, text(value, chart.unit)), ` ${label}`))),
    element("div", { class: "plot" },
      element("span", { class: "most", "aria-hidden": "true" }, text(top, chart.unit)),
      element("svg", {
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
        "aria-label": `${chart.title}, from ${since} until now: ${said}; highest ${text(highest, chart.unit)}`,
      },
        element("path", { class: "grid", d: `M0 ${HEIGHT}H${WIDTH}M0 ${HEIGHT / 2}H${WIDTH}M0 0H${WIDTH}` }),
        element("path", { class: "area", d: paths[0].area }),
        [...paths].reverse().map((one, place) => element("path", { class: `series-${paths.length - 1 - place}`, d: one.line })),
        chosen ? element("path", { class: "cursor", d: `M${place(chosen).toFixed(1)} 0V${HEIGHT}` }) : null)),
    element("p", { class: "scale", "aria-hidden": "true" }, element("span", {}, since), element("span", {}, "now")));
}

/** A line with gaps where nothing was measured, and the area below it. */
function path(line, place, top) {
  let d = "";
  let area = "";
  let began = null;
  line.forEach((value, index) => {
    const x = place(line.length - 1 - index).toFixed(1);
    if (value !== null) {
      const y = (HEIGHT - (Math.min(value, top) / top) * HEIGHT).toFixed(1);
      d += `${began === null ? "M" : "L"}${x} ${y}`;
      area += began === null ? `M${x} ${HEIGHT}L${x} ${y}` : `L${x} ${y}`;
      began ??= x;
    }
    const ends = index === line.length - 1 || line[index + 1] === null;
    if (value !== null && ends) {
      if (began === x) d += "h0.8"; // a single point would not be seen
      area += `V${HEIGHT}Z`;
      began = null;
    }
  });
  return { line: d, area };
}

/** The next of 1, 2, 5, 10, … above. */
function rounded(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.9999);
}

function text(value, unit) {
  if (value === null || value === undefined) return "–";
  if (unit === "s") return seconds(value);
  const digits = value >= 100 || Number.isInteger(value) ? 0 : value >= 10 ? 1 : 2;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })}${unit && ` ${unit}`}`;
}

/** Seconds as a person reads them. */
export function seconds(value) {
  if (value < 1) return `${(value * 1000).toLocaleString("en", { maximumFractionDigits: value < 0.01 ? 1 : 0 })} ms`;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 2 : 1 })} s`;
}

/** A moment of the gateway's clock, in this browser's time zone. */
export function clock(moment) {
  return new Date(moment * 1000).toLocaleTimeString("en-GB");
}
