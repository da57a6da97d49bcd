"""What a recorded resource was answered by its cloud, so that a test need not say it again."""

from __future__ import annotations

from typing import Any

from infra.render import cloud_answers
from tests.harness import Recorder
from tests.manifests import plain

CLUSTER = "aws:eks/cluster:Cluster"


def computed(seen: Recorder, token: str, name: str | None = None) -> dict[str, Any]:
    """Of the one of its type, or of the one that is called so."""
    (one,) = [one for one in seen.of_type(token) if name in (None, one.name)]
    return cloud_answers.computed(token, one.name, f"{one.name}-id", plain(one.inputs))


def security_group(seen: Recorder) -> str:
    """That comes with a cluster of AWS."""
    return computed(seen, CLUSTER)["vpcConfig"]["clusterSecurityGroupId"]
