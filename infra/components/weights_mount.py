"""How weights come into a pod: the volume, where it is mounted, and the container that fetches or looks."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.pod_security import container_security
from infra.plan.in_cluster import MODEL_SOURCE_ENTRY, MODEL_SOURCE_SECRET
from infra.plan.weights_volume import WeightsVolume

core = kubernetes.core.v1
WEIGHTS = "weights"
TOKEN = "model-source"  # noqa: S105 - a volume's name
TOKEN_FOLDER = "/run/secrets/model-source"  # noqa: S105 - a folder
TEMPORARY = "fetch-tmp"


def weights_volumes(plan: WeightsVolume, *, fetches: bool | None = None) -> list[kubernetes.core.v1.VolumeArgs]:
    """Of a pod that reads weights; with `fetches` also what fetching needs (unset: as the pod does it itself)."""
    found = [_SOURCES[plan.kind](plan)]
    if plan.fetches and (not plan.filled_by_job if fetches is None else fetches):
        token = core.SecretVolumeSourceArgs(
            # There only where a token is set: a public repository asks for none.
            secret_name=MODEL_SOURCE_SECRET,
            optional=True,
            default_mode=0o440,
            items=[core.KeyToPathArgs(key=MODEL_SOURCE_ENTRY, path="token")],
        )
        found.append(core.VolumeArgs(name=TOKEN, secret=token))
    return found
