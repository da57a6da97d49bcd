"""What is blocked at a site of this machine: a file beside the audit, which outlives generations."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from infra.containment import content
from infra.containment.base import FILE, Blocked
from infra.plan.types import SitePlan
from infra.platforms.local.run_time_file import change, text_of
from infra.platforms.local.state import state_folder

ROOT = Path(__file__).resolve().parents[3]


class LocalContainment:
    """Implements `Containment`."""

    def read(self, stack: str, site: str, plan: SitePlan, context: str | None) -> Blocked:
        del plan, context
        file = _file(stack, site)
        return _blocked(text_of(file), file)

    def change(
        self, stack: str, site: str, plan: SitePlan, context: str | None, to: Callable[[Blocked], Blocked]
    ) -> tuple[Blocked, str]:
        file = _file(stack, site)

        def written(text: str | None) -> str:
            return json.dumps(to(_blocked(text, file)), indent=2)

        change(file, written)
        return self.read(stack, site, plan, context), "the gateway knows within seconds"


def _blocked(text: str | None, file: Path) -> Blocked:
    return {} if text is None else content.read(text, f"{file}")


def _file(stack: str, site: str) -> Path:
    return ROOT / state_folder(f"{stack}/{site}") / FILE


CONTAINMENT = LocalContainment()
