"""Where a pod has its weights from: its own disk, a volume that was filled once, or an image that is mounted."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

from infra.catalog.gpus import find_gpu
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.bucket_mount import BucketMount
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.types import Accelerator, ModelPlan, Weights
from infra.plan.weights_bucket import WeightsBucket, folder, is_kept, kept, mirrored
from infra.problems import Problem
from infra.sources import SOURCES

MOUNTED_AT = "/weights"
# In a volume that holds both.
WEIGHTS_FOLDER, COMPILED_FOLDER = "weights", "compiled"
# Of everything that is stored: file systems keep some for themselves, and a download is moved into place.
SIZE_MARGIN = 1.1
# Where nobody knows: weights are no larger than the GPUs that hold them; on processors, than a usual machine's memory.
UNKNOWN_ON_PROCESSORS_GIB = 32.0
# What is compiled at the first start (vLLM, SGLang: torch, Triton and FlashInfer); assumed, 2026-11.
COMPILED_GIB = 10


@dataclass(frozen=True, kw_only=True)
class WeightsVolume:
    """`way` is `pod` (its node's disk), `node_local` (a volume of the pod), `shared` (a volume of the model, filled
    once by a job), `image`, `mount` (the site's bucket as a file system, which `mount` says more of), or `streamed`: no
    volume, and the engine itself reads what `streamed` is out of a bucket.
    `fetches` is what the launcher is told to have, one argument for each set of weights; empty where they are there, at
    `path` as everywhere. `mirrors` is what a job copies before into a bucket of the site, for those that are fetched
    from there. `claim` is the volume's own name; `compiled` says that what engines compile is kept in it too, below
    `COMPILED_FOLDER`. `mounted_at` is the whole volume's, or of `sub_path` in it. What one way has not is unset."""

    way: str
    path: str
    mounted_at: str
    sub_path: str | None = None
    size_gib: int = 0
    storage_class: str | None = None
    access_modes: tuple[str, ...] = ()
    claim: str | None = None
    image: str | None = None
    fetches: tuple[str, ...] = ()
    compiled: bool = False
    mirrors: tuple[str, ...] = ()
    streamed: Weights | None = None
    mount: BucketMount | None = None

    @property
    def asks_a_hub(self) -> bool:
        """Whoever fetches; with a token, where the hub wants one."""
        sources = [SOURCES[json.loads(text)["kind"]] for text in self.fetches]
        return any(source.moves_weights and not source.in_a_bucket for source in sources)

    @property
    def filled_by_a_job(self) -> bool:
        """Which then has an account of its own."""
        return bool(self.claim or self.mirrors)

    @property
    def on_the_nodes_disk(self) -> bool:
        return not (self.claim or self.storage_class or self.image or self.streamed)

    @property
    def filled_by_job(self) -> bool:
        return self.claim is not None

    @property
    def fetched_by_pods(self) -> bool:
        """Each pod brings what it reads, before it starts."""
        return bool(self.fetches) and not self.filled_by_job

    @property
    def reached_by_pods(self) -> bool:
        """Each pod asks whoever has its weights."""
        return self.fetched_by_pods or self.streamed is not None or self.mount is not None


def weights_volume(model: str, name: str, plan: ModelPlan, cluster: ClusterFacts) -> WeightsVolume:
    """The fitting way on a cluster. `name` is the engine's object."""
    size = _size_gib(plan)
    if image := cluster.weight_images.get(model):
        return WeightsVolume(
            way="image",
            path=f"{MOUNTED_AT}/{model}",
            mounted_at=f"{MOUNTED_AT}/{model}",
            # An engine that reads one file is given its path.
            sub_path=plan.weights.file,
            image=image,
        )
    bucket = cluster.weights_bucket
    wanted = {f"{MOUNTED_AT}/{model}": plan.weights, **plan.container.further_weights}
    mirrors = tuple(
        dict.fromkeys(mirrored(bucket, model, weights) for weights in wanted.values() if is_kept(weights))
        if bucket
        else ()
    )
    if plan.container.streams_weights:
        return WeightsVolume(
            way="streamed",
            path="",
            mounted_at="",
            mirrors=mirrors,
            streamed=kept(bucket, model, plan.weights) if bucket else plan.weights,
        )
    if mount := _mount(bucket, model, wanted):
        return WeightsVolume(
            way="mount",
            path=f"{MOUNTED_AT}/{model}",
            mounted_at="",
            size_gib=size,
            mirrors=mirrors,
            mount=mount,
        )
    shared = cluster.weights_class is not None and cluster.weights_mode != "node_local"
    many = cluster.weights_mode == "read_write_many"
    compiled = shared and many and _compiles(plan)
    own = "node_local" if cluster.weights_class else "pod"
    return WeightsVolume(
        way="shared" if shared else own,
        path=f"{MOUNTED_AT}/{model}",
        mounted_at=MOUNTED_AT,
        sub_path=WEIGHTS_FOLDER if compiled else None,
        size_gib=size + (COMPILED_GIB if compiled else 0),
        storage_class=cluster.weights_class,
        # One node writes before many read, where a volume cannot be written from many.
        access_modes=(("ReadWriteMany",) if many else ("ReadWriteOnce", "ReadOnlyMany")) if shared else (),
        claim=f"{name}-weights" if shared else None,
        fetches=tuple(
            _fetch(path, kept(bucket, model, weights) if bucket else weights) for path, weights in wanted.items()
        ),
        mirrors=mirrors,
        compiled=compiled,
    )


def weights_volume_problems(where: str, models: dict[str, ModelPlan], cluster: ClusterFacts) -> Iterator[Problem]:
    """Images of models that are not here, and what an image of one set of weights cannot hold."""
    for name in cluster.weight_images:
        place = dotted(where, ("weight_images", name))
        if name not in models:
            yield Problem(
                where=place,
                found=f"`{name}`, which is no model of this site",
                allowed="models of this site: " + ", ".join(f"`{model}`" for model in models),
                remedy="correct the name, or remove it",
            )
        elif models[name].container.further_weights:
            yield Problem(
                where=place,
                found="an image of one set of weights, for a model with adapters or a draft",
                allowed="models without further weights, or weights that are fetched",
                remedy=f"remove it, or `adapters` and `speculative.draft` of `{DEPLOYMENT_KEY}.models.{name}`",
            )


def _mount(bucket: WeightsBucket | None, model: str, wanted: Mapping[str, Weights]) -> BucketMount | None:
    """None where pods copy what they read, and where a part of it is not in the bucket."""
    if bucket is None or bucket.mounts is None or not all(map(is_kept, wanted.values())):
        return None
    return bucket.mounts(wanted, partial(folder, model))


def _fetch(path: str, weights: Weights) -> str:
    """As `python -m serving.launcher fetch` takes it."""
    return json.dumps({"path": path, **asdict(weights)}, sort_keys=True)


def _size_gib(plan: ModelPlan) -> int:
    stored = plan.operation.stored_gib
    return math.ceil((_at_most_gib(plan.accelerator) * plan.nodes if stored is None else stored) * SIZE_MARGIN) + 1


def _at_most_gib(accelerator: Accelerator | None) -> float:
    gpu = find_gpu(accelerator.type) if accelerator else None
    return gpu.label_gib * accelerator.count if gpu and accelerator else UNKNOWN_ON_PROCESSORS_GIB


def _compiles(plan: ModelPlan) -> bool:
    return any(not path.startswith("/tmp") for path in plan.container.writable_paths)  # noqa: S108 - in the container
