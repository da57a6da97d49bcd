"""Report: the plan as people and programs read it. A format is one line here; none is imported before it is asked for.

`sections.py` says once what a reader is told; `text.py`, `markdown.py` and `html.py` only write it down. `svg.py` has
its drawings alone.
"""

from __future__ import annotations

from collections.abc import Callable

from infra.plan.types import DeploymentPlan
from infra.registry import Registry
from infra.report.data import to_data, to_json
from infra.report.text import to_text

FORMATS: Registry[Callable[[DeploymentPlan], str]] = Registry(
    "formats",
    {
        "text": "infra.report.text:to_text",
        "json": "infra.report.data:to_json",
        "markdown": "infra.report.markdown:to_markdown",
        "html": "infra.report.html:to_html",
        "svg": "infra.report.svg:to_svg",
    },
)

__all__ = ["FORMATS", "to_data", "to_json", "to_text"]
