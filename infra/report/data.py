"""The plan for programs: all of it, as plain data and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from infra.plan.types import DeploymentPlan


def to_data(plan: DeploymentPlan) -> dict[str, Any]:
    """The plan as plain data, in a stable order. Keys are part of the product: they are added, never renamed."""
    return json.loads(json.dumps(asdict(plan)))


def to_json(plan: DeploymentPlan) -> str:
    """The plan as JSON, indented, one trailing newline left to the caller."""
    return json.dumps(to_data(plan), indent=2)
