"""Replicas of several nodes: where they may be, and why one node must not be enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from infra.plan.fit import Fit, judged
from infra.plan.fit_checks import Market
from infra.plan.node_pools import COUNTS
from infra.platforms.base import Abilities
from infra.problems import Problem


def place_problems(where: str, nodes: int, sites: Mapping[str, Abilities]) -> Iterator[Problem]:
    """Places where a replica has one machine."""
    for site, able in sites.items():
        if not able.several_nodes:
            yield Problem(
                where=f"{where}.accelerator.nodes",
                found=f"{nodes}, on the site `{site}`, {able.why_one_node}",
                allowed="1 there, and more where LeaderWorkerSet runs the nodes of a replica as one",
                remedy="keep one node, or place the model on such a cluster",
            )


def node_warnings(model: str, nodes: int) -> Iterator[str]:
    """What several machines for one replica bring with them."""
    if nodes > 1:
        yield (
            f"model `{model}`: nothing is encrypted or asked for a key between the {nodes} nodes of a replica; network "
            "policies alone keep others away from them"
        )
        yield (
            f"model `{model}`: its speed as a pipeline over {nodes} machines was never measured; it needs "
            "LeaderWorkerSet 0.8.0 or newer in its cluster"
        )


def needless_nodes(where: str, fit: Fit, at: Market) -> Iterator[Problem]:
    """Several machines where one would do: every link between them is slower, and each that fails ends all."""
    shape = fit.sized.shape
    if shape.pipeline_parallel == 1:
        return
    for count in COUNTS:
        one = replace(shape, gpu_count=count, tensor_parallel=count, pipeline_parallel=1)
        if count > at.gpus.get(shape.gpu.gpu, 0) or judged(one, fit.sized.workload, fit.objective).sized.rejections:
            continue
        yield Problem(
            where=f"{where}.accelerator.nodes",
            found=f"{shape.pipeline_parallel}, where one machine with {count} × {shape.gpu.gpu} holds it",
            allowed="1: more only for a model that no machine of these GPUs holds",
            remedy=f"write `accelerator: {{type: {shape.gpu.gpu}, count: {count}}}`",
        )
        return
