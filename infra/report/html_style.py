"""The style of the HTML report: light and dark, wide and narrow, and colours that colour-blind readers tell apart."""

from __future__ import annotations

# Okabe and Ito's palette (2008), darker or lighter where a background asks for contrast.
STYLE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --quiet: #5a6575; --line: #e1e5eb; --soft: #f0f3f7;
  --accent: #0067a8; --warn: #a04400; --warn-soft: #fff4e8; --warn-line: #f0c9a0;
  --c0: #dbe1e9; --c1: #0072b2; --c2: #e69f00; --c3: #009e73; --c4: #cc79a7; --c5: #56b4e9; --wrong: #c44e00 }
@media (prefers-color-scheme: dark) { :root {
  --page: #0e131b; --card: #171e29; --ink: #e7ecf3; --quiet: #9aa7b8; --line: #2a3443; --soft: #1f2835;
  --accent: #6cb8f0; --warn: #ffb571; --warn-soft: #2b2118; --warn-line: #5a4227;
  --c0: #344052; --c1: #4aa3df; --c2: #f0b840; --c3: #2dbd93; --c4: #d88fb8; --c5: #8fd0f5; --wrong: #ff8a4c } }
* { box-sizing: border-box }
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
.c0 { --own: var(--c0) } .c1, .s1 { --own: var(--c1) } .c2, .s2 { --own: var(--c2) } .c3, .s3 { --own: var(--c3) }
.c4 { --own: var(--c4) } .c5 { --own: var(--c5) } .wrong { --own: var(--wrong) }
svg { display: block; width: 100%; height: auto; overflow: visible }
svg text { font-size: 13px; fill: var(--ink); font-variant-numeric: tabular-nums }
svg .small { font-size: 12px } svg .quiet { fill: var(--quiet) } svg .strong { font-weight: 600 }
.fill { fill: var(--own) } .light { opacity: .35 } .track { fill: var(--soft) }
.grid { stroke: var(--line) } .axis { stroke: var(--quiet) }
.mark { stroke: var(--ink); stroke-dasharray: 3 3; opacity: .65 }
.series { fill: none; stroke: var(--own); stroke-width: 2 } .area { fill: var(--own); opacity: .18 }
.point { fill: var(--card); stroke: var(--own); stroke-width: 2 }
.lane { fill: var(--soft); stroke: var(--line) } .more.lane { fill: none; stroke-dasharray: 5 4 }
.box { fill: var(--card); stroke: var(--line) } .box.gateway, .box.clients { stroke: var(--c1); stroke-width: 1.5 }
.box.model { stroke: var(--c3); stroke-width: 1.5 }
.replica.on { fill: var(--c3) } .replica.off { fill: none; stroke: var(--c3) }
.way { fill: none; stroke: var(--quiet); stroke-width: 1.5; stroke-linejoin: round } .head { fill: var(--quiet) }
.way.link { stroke: var(--wrong) } .head.link { fill: var(--wrong) }
.way.standby { stroke-dasharray: 6 4 } .way.fallback { stroke-dasharray: 2 3 }
footer { color: var(--quiet); font-size: 13px; margin-top: 28px }
@media (max-width: 720px) {
  .page { padding: 24px 14px 40px } h1 { font-size: 27px } section { padding: 18px 16px 20px }
  .scroll { margin: 14px -16px 0; padding: 0 16px } .figures { gap: 8px }
  .figure { padding: 11px 12px; flex-basis: 130px } .figure dd { font-size: 16.5px }
  figure.of-wide { display: none } figure.of-narrow { display: block } }
@media print { body { background: none } section { break-inside: avoid } }
"""
