"""A bucket of a site for weights: what a job copies there once from a hub, where engines find it, what that takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from infra.plan.bucket_mount import Mounts
from infra.plan.cold_start import GIB, moved_seconds
from infra.plan.cold_start_rates import FETCH_GB_PER_SECOND
from infra.plan.types import ModelPlan, Weights

FOLDER = "models"


@dataclass(frozen=True, kw_only=True)
class WeightsBucket:
    """`url` is its address, in which only the cloud knows the name. `mounts` is how pods have it as a file system; None
    where each copies what it reads."""

    url: str
    mounts: Mounts | None = None

    def address(self, model: str, weights: Weights) -> str:
        """Of what is kept for a model: below what names the content, a commit or one file's digest."""
        return f"{self.url}/{folder(model, weights)}"


def folder(model: str, weights: Weights) -> str:
    """Inside the bucket. Revisions are beside each other: replicas of the one before still start during a change."""
    return f"{folder_of(model)}/{weights.sha256 or weights.revision}"


def folder_of(model: str) -> str:
    """Everything that is kept for a model, its adapters and its draft too."""
    return f"{FOLDER}/{model}"


def is_kept(weights: Weights) -> bool:
    """Whether a hub has them at a commit; what is elsewhere stays there."""
    return weights.revision is not None


def kept(bucket: WeightsBucket, model: str, weights: Weights) -> Weights:
    """The same weights, as whoever reads the bucket finds them."""
    if not is_kept(weights):
        return weights
    return Weights(
        kind="s3",
        location=bucket.address(model, weights),
        file=weights.file,
        revision=weights.revision,
        sha256=weights.sha256,
    )


def mirrored(bucket: WeightsBucket, model: str, weights: Weights) -> str:
    """What the job is told of them, as `python -m serving.launcher mirror` takes it."""
    return json.dumps({"to": bucket.address(model, weights), **asdict(weights)}, sort_keys=True)


def weights_of(plan: ModelPlan) -> tuple[Weights, ...]:
    """A model's own, and those of its adapters and its draft."""
    return (plan.weights, *plan.container.further_weights.values())


def filling_text(models: Mapping[str, ModelPlan], network_gbps: float | None) -> str:
    """For a reader of the plan: what is kept, and what the first start waits for beside a start."""
    found = [f"{name}, {_once(plan, network_gbps)}" for name, plan in models.items()]
    return f"copied once into a bucket of the site, from which replicas start: {'; '.join(found)}"


def _once(plan: ModelPlan, network_gbps: float | None) -> str:
    stored = plan.operation.stored_gib
    if stored is None:
        return f"from {plan.weights.location} (nobody knows how large it is)"
    low, high = moved_seconds(stored * GIB, FETCH_GB_PER_SECOND, network_gbps)
    return f"{stored * GIB:.1f} GB from {plan.weights.location} ({low:.0f} to {high:.0f} s more at the first start)"
