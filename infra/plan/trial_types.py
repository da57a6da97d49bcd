"""The words of a trial in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class ToolPlan:
    """A well-kept tool that asks instead of ours; then `serving.trials` judges what it has left. In `command` stand
    `{url}` for the endpoint's origin and `{folder}` for where results go. The client's key is in the environment, as
    `key_environment`, and nowhere else. `image` has it in a cluster; with `downloads` it reaches more than gateways. It
    is ended after `seconds`."""

    name: str
    image: str | None
    command: tuple[str, ...]
    environment: Mapping[str, str]
    key_environment: str
    downloads: bool
    seconds: int


@dataclass(frozen=True, kw_only=True)
class TrialPlan:
    """One trial. `client` is whose key asks; `trial` is that part of what `serving.trials` reads, with what must hold;
    `holds` says it to a reader. `schedule` is when a cluster runs it by itself, in UTC; `about`
    goes into its record: what was tried. `tool` is None where `serving.trials` asks itself."""

    model: str
    name: str
    client: str
    trial: Mapping[str, Any]
    holds: tuple[str, ...]
    schedule: str | None
    about: Mapping[str, str]
    tool: ToolPlan | None = None
