"""Makings inside a cluster: what the job's containers are told, what they get, how long they may take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from infra.naming import normalised
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.engine_pod import EnginePod
from infra.plan.in_cluster import GATEWAY, MAKING, SERVICE_PORT
from infra.plan.making_types import Dials, Listens, MakingPlan
from infra.plan.types import ModelPlan
from infra.plan.weights_volume import WeightsVolume, weights_volume

CONFIG_FOLDER = "/etc/slipway/making"
CONFIG_FILE = "making.json"
TOOL_FOLDER = "/etc/slipway/tool"
KEY_FOLDER = "/run/secrets/making"
MODELS_FOLDER = "/models"
# Of the volume of versions, however few are to be kept: one that serves, a candidate, and one that was just made.
LEAST_VERSIONS = 3
# What a tool caches and an engine compiles while it is tried.
SCRATCH_GIB = 16


class Engine(Protocol):
    """As much of `EnginePlan` as is looked at here."""

    @property
    def name(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def pod(self) -> EnginePod: ...
    @property
    def weights_volume(self) -> WeightsVolume: ...


@dataclass(frozen=True, kw_only=True)
class MakingPod:
    """One making as a job. The tool reads weights and writes into the volume `claim`; an engine beside it serves what
    it wrote, with `engine_arguments`; `config` is what `serving.making` reads, which asks both and judges. Sizes are
    those of the model's own engine, whose machines it has. `files` are the tool's, by name; `gpus_pool`
    the kind of node."""

    name: str
    model: str
    client: str
    gpus_pool: str
    image: str
    command: tuple[str, ...]
    files: Mapping[str, str]
    config: Mapping[str, Any]
    weights: WeightsVolume
    claim: str
    claim_gib: int
    engine_image: str
    engine_command: tuple[str, ...]
    engine_arguments: tuple[str, ...]
    engine_environment: Mapping[str, str]
    engine_folders: tuple[str, ...]
    user: int
    processors: int
    most_processors: int
    memory_gib: int
    tool_memory_gib: int
    shared_memory_gib: int
    scratch_gib: int
    deadline_seconds: int
    schedule: str | None
    retries: int
    data_claim: str | None
    listens: Listens | None
    dials: Dials | None


def making_pods(
    makings: Mapping[str, MakingPlan],
    models: Mapping[str, ModelPlan],
    engines: Mapping[str, Engine],
    cluster: ClusterFacts,
) -> Iterator[MakingPod]:
    """One for each making of the models that are here and that a cluster can run."""
    # Jobs are ended after that: nobody writes on.
    longest: dict[str, int] = {}
    for one in makings.values():
        longest[one.model] = max(longest.get(one.model, 0), one.work.deadline_seconds)
    for name, one in makings.items():
        if one.work.image is not None and one.model in engines:
            model, engine = models[one.model], engines[one.model]
            weights = engine.weights_volume
            if weights.reached_by_pods:
                # Of its own account, which no bucket knows: from where the weights are published.
                weights = weights_volume(one.model, engine.name, model, replace(cluster, weights_bucket=None))
            pod = _pod(name, one, one.work.image, model, engine, weights)
            ends = {"abandoned_seconds": longest[one.model] + engine.pod.fetch_seconds}
            yield replace(pod, config={**pod.config, **ends})


def _pod(name: str, one: MakingPlan, image: str, model: ModelPlan, engine: Engine, weights: WeightsVolume) -> MakingPod:
    own, container, pod = normalised(one.model), model.container, engine.pod
    folder = f"{MODELS_FOLDER}/{own}"
    result = f"{folder}/.{one.version}.unfinished"
    told = {"{files}": TOOL_FOLDER, "{weights}": weights.path, "{result}": result}
    return MakingPod(
        name=f"{MAKING}-{own}-{one.sort}",
        model=one.model,
        client=one.client,
        gpus_pool=engine.pool,
        image=image,
        command=tuple(_filled(word, told) for word in one.work.command),
        files=one.work.files,
        config=_config(name, one, model, weights, folder, pod.ready_seconds),
        weights=weights,
        claim=f"versions-{own}",
        claim_gib=(max(one.keep_versions, LEAST_VERSIONS) + 1) * weights.size_gib,
        engine_image=container.image.reference,
        engine_command=container.command,
        engine_arguments=tuple(
            _filled(word, {weights.path: result, "{threads}": str(pod.processors)}) for word in container.arguments
        ),
        engine_environment=container.environment,
        engine_folders=container.writable_paths,
        user=container.user,
        processors=pod.processors,
        most_processors=pod.most_processors,
        memory_gib=pod.memory_gib,
        # It has all weights in memory before any is on a GPU.
        tool_memory_gib=pod.memory_gib + weights.size_gib,
        shared_memory_gib=pod.shared_memory_gib,
        scratch_gib=SCRATCH_GIB,
        deadline_seconds=one.work.deadline_seconds + pod.fetch_seconds,
        schedule=one.work.schedule,
        retries=one.work.retries,
        data_claim=one.work.data_claim,
        listens=one.work.listens,
        dials=one.work.dials,
    )


def _config(
    name: str, one: MakingPlan, model: ModelPlan, weights: WeightsVolume, folder: str, start_seconds: int
) -> dict[str, Any]:
    port = "" if SERVICE_PORT == 80 else f":{SERVICE_PORT}"
    return {
        "model": one.model,
        "version": one.version,
        "folder": folder,
        "making": name,
        "make": one.work.told,
        "served": {
            "kind": "reached",
            "original": {"url": f"http://{GATEWAY}{port}", "key_file": f"{KEY_FOLDER}/{one.client}"},
            "original_weights": weights.path,
            "result": {"url": f"http://127.0.0.1:{model.container.ports['http']}"},
            "readiness_path": model.container.readiness_path,
            "start_seconds": start_seconds,
        },
        "evaluation": one.evaluation,
        "trial": one.trial,
        "at_most_loss_percent": one.at_most_loss_percent,
        "at_least_same_percent": one.work.at_least_same_percent,
        "at_least_right_percent": one.work.at_least_right_percent,
        "answer_seconds": model.drain.longest_generation_seconds + model.drain.longest_wait_seconds,
        "card": one.card,
        "keep_versions": one.keep_versions,
        "in_use": one.in_use,
    }


def _filled(word: str, told: Mapping[str, str]) -> str:
    for place, text in told.items():
        word = word.replace(place, text)
    return word
