"""The style of the HTML report, around its pictures: light and dark, wide and narrow."""

from __future__ import annotations

from infra.report.pictures.style import PALETTE, PICTURES

STYLE = (
    PALETTE
    + PICTURES
    + """* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif }
.page { max-width: 1120px; margin: 0 auto; padding: 40px 24px 64px }
header { margin-bottom: 28px }
.eyebrow { margin: 0; color: var(--accent); font-size: 13px; font-weight: 600; letter-spacing: .04em }
h1 { margin: 2px 0 0; font-size: 34px; line-height: 1.2; letter-spacing: -.02em; overflow-wrap: anywhere }
.lead { margin: 4px 0 0; color: var(--quiet); font-size: 17px; overflow-wrap: anywhere }
.figures { display: flex; flex-wrap: wrap; gap: 12px; margin: 24px 0 0 }
.figure { flex: 1 1 160px; background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 16px }
.figure:first-child { flex: 1.4 1 210px }
.figure dt { color: var(--quiet); font-size: 13px }
.figure dd { margin: 2px 0 0; font-size: 18px; font-weight: 650; line-height: 1.3; letter-spacing: -.01em;
  overflow-wrap: anywhere }
.figure dd.detail { margin-top: 4px; color: var(--quiet); font-size: 12.5px; font-weight: 400; line-height: 1.4;
  letter-spacing: 0 }
nav { margin: 20px 0 0; font-size: 14px; line-height: 2 }
nav a { margin-right: 14px; white-space: nowrap }
a { color: var(--accent); text-underline-offset: 3px }
a:focus-visible, summary:focus-visible, .scroll:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px }
section { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 22px 24px 24px;
  margin: 0 0 18px; min-width: 0 }
h2 { margin: 0; font-size: 19px; letter-spacing: -.01em }
h3 { margin: 20px 0 6px; font-size: 14px; overflow-wrap: anywhere }
.note { margin: 2px 0 0; color: var(--quiet); font-size: 13.5px }
.scroll { overflow-x: auto; margin: 14px -24px 0; padding: 0 24px }
h3 + .scroll { margin-top: 0 }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: 7px 18px 7px 0; border-bottom: 1px solid var(--line) }
th { color: var(--quiet); font-weight: 500; font-size: 12.5px; white-space: nowrap; vertical-align: bottom }
tbody th { color: var(--ink); font-weight: 600; font-size: 13.5px; vertical-align: top }
tr:last-child > * { border-bottom: 0 }
td, tbody th { min-width: 4em; max-width: 30em; overflow-wrap: break-word }
td:last-child, th:last-child { padding-right: 0 }
.number { text-align: right; white-space: nowrap }
code { font: 12.5px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; background: var(--soft);
  border-radius: 4px; padding: 1px 4px; overflow-wrap: anywhere }
ul.lines { margin: 12px 0 0; padding: 0; list-style: none; color: var(--quiet); font-size: 13.5px }
.more { margin: 10px 0 0; color: var(--quiet); font-size: 13.5px }
ul.warnings { margin: 14px 0 0; padding: 0; list-style: none; display: grid; gap: 8px }
ul.warnings li { background: var(--warn-soft); border: 1px solid var(--warn-line); border-left-width: 4px;
  border-radius: 8px; padding: 9px 14px; font-size: 14px; overflow-wrap: anywhere }
ul.warnings .kind { color: var(--warn); font-weight: 600; margin-right: 4px }
details { margin-top: 16px }
summary { cursor: pointer; color: var(--accent); font-size: 14px }
.charts { columns: 3 300px; column-gap: 40px }
figure { margin: 20px 0 0; break-inside: avoid }
.charts figure { margin: 0; padding: 26px 0 0; max-width: 460px }
figure.of-narrow { display: none }
figcaption { font-size: 14px; font-weight: 600; margin-bottom: 10px; overflow-wrap: anywhere }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 10px; padding: 0; list-style: none;
  color: var(--quiet); font-size: 12.5px }
.legend li::before { content: ""; display: inline-block; width: 10px; height: 10px; border-radius: 2px;
  margin-right: 6px; background: var(--own) }
svg { display: block; width: 100%; height: auto; overflow: visible }
footer { color: var(--quiet); font-size: 13px; margin-top: 28px }
@media (max-width: 720px) {
  .page { padding: 24px 14px 40px } h1 { font-size: 27px } section { padding: 18px 16px 20px }
  .scroll { margin: 14px -16px 0; padding: 0 16px } .figures { gap: 8px }
  .figure { padding: 11px 12px; flex-basis: 130px } .figure dd { font-size: 16.5px }
  figure.of-wide { display: none } figure.of-narrow { display: block } }
@media print { body { background: none } section { break-inside: avoid } }
"""
)
