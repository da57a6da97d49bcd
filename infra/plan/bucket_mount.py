"""A bucket of weights as a file system in engines' pods: volumes of a driver, the cache below, and what is checked."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from infra.plan.types import Weights


@dataclass(frozen=True, kw_only=True)
class MountedWeights:
    """One set of weights: `volume` is mounted at `path`, or of it the file `sub_path`. `attributes` are what its driver
    is told."""

    volume: str
    path: str
    sub_path: str | None
    attributes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BucketMount:
    """Of one pod. `cache` is the volume on the node's disk that the driver keeps what was read in, as large as all the
    weights. `checks` is what the launcher reads through the mount before the engine does, one argument for each set."""

    driver: str
    weights: tuple[MountedWeights, ...]
    cache: str
    annotations: Mapping[str, str]
    checks: tuple[str, ...]


# What mounts a bucket on a platform: given weights by the path that an engine reads them at, and a model's folders.
Mounts = Callable[[Mapping[str, Weights], Callable[[Weights], str]], BucketMount]


def checked(path: str, weights: Weights) -> str:
    """As `python -m serving.launcher check` takes it."""
    return json.dumps({"path": path, **asdict(weights)}, sort_keys=True)
