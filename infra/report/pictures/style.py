"""The colours of pictures, light and dark, wherever a picture stands: in a page, or alone."""

from __future__ import annotations

# Okabe and Ito's palette (2008), darker or lighter where a background asks for contrast.
PALETTE = """
:root { color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #1b2330; --quiet: #5a6575; --line: #e1e5eb; --soft: #f0f3f7;
  --accent: #0067a8; --warn: #a04400; --warn-soft: #fff4e8; --warn-line: #f0c9a0;
  --c0: #dbe1e9; --c1: #0072b2; --c2: #e69f00; --c3: #009e73; --c4: #cc79a7; --c5: #56b4e9; --wrong: #c44e00 }
@media (prefers-color-scheme: dark) { :root {
  --page: #0e131b; --card: #171e29; --ink: #e7ecf3; --quiet: #9aa7b8; --line: #2a3443; --soft: #1f2835;
  --accent: #6cb8f0; --warn: #ffb571; --warn-soft: #2b2118; --warn-line: #5a4227;
  --c0: #344052; --c1: #4aa3df; --c2: #f0b840; --c3: #2dbd93; --c4: #d88fb8; --c5: #8fd0f5; --wrong: #ff8a4c } }
"""
PICTURES = """
.c0 { --own: var(--c0) } .c1, .s1 { --own: var(--c1) } .c2, .s2 { --own: var(--c2) } .c3, .s3 { --own: var(--c3) }
.c4 { --own: var(--c4) } .c5 { --own: var(--c5) } .wrong { --own: var(--wrong) }
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
"""
