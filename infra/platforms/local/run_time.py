"""What may be changed of a running site of this machine without a deployment."""

from __future__ import annotations

from pathlib import Path

from infra.platforms.local.containment import CONTAINMENT
from infra.platforms.local.releases import LocalReleases


class LocalRunTime:
    """Implements `RunTime`."""

    contained = CONTAINMENT
    releases = LocalReleases(Path(__file__).resolve().parents[3])
    jobs = None


RUN_TIME = LocalRunTime()
