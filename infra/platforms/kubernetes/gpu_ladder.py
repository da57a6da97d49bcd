"""GPUs that take the place of others on a cluster that exists: what is tried, in order, when none of a type is free."""

from __future__ import annotations

from collections.abc import Iterator

from infra.catalog.gpus import find_gpu
from infra.objective import ACCELERATORS
from infra.plan.nodes import NodeChoice
from infra.platforms.kubernetes.config import GpuNodes
from infra.problems import Problem, did_you_mean, listing


def whole_gpus(gpu: GpuNodes, accelerator: str, count: int) -> NodeChoice:
    """Nodes with the accelerator, or with one that may take its place."""
    names = (accelerator, *gpu.instead.get(accelerator, ()))
    products = tuple(gpu.products[name] for name in names if name in gpu.products)
    alone = {gpu.label: products[0]} if len(products) == 1 else {}
    return NodeChoice(
        labels=alone,
        in_order={gpu.label: products} if len(products) > 1 else {},
        resources={gpu.resource: count},
        tolerates=gpu.taint,
        fabric=gpu.fabric,
    )


def ladder_problems(where: str, gpu: GpuNodes, several_nodes: frozenset[str]) -> Iterator[Problem]:
    """Types that nobody knows, that no node is named for, that are shared, or that have less memory. `several_nodes`
    are those of which a replica has several nodes: each would choose for itself."""
    for first, others in gpu.instead.items():
        place = f"{where}.instead.{first}"
        if others and first in several_nodes:
            yield Problem(
                where=place,
                found=f"{listing(others)}, where a model has replicas of several nodes with `{first}`",
                allowed="one accelerator for all nodes of a replica",
                remedy=f"remove `{first}` here",
            )
        for name in dict.fromkeys((first, *others)):
            if name in gpu.sharing:
                yield Problem(
                    where=place,
                    found=f"`{name}`, which is shared",
                    allowed="accelerators that are a replica's own",
                    remedy=f"remove it here, or from `sharing.{name}`",
                )
            if name not in ACCELERATORS:
                yield Problem(
                    where=place,
                    found=f"`{name}`, which is no accelerator",
                    allowed=listing(ACCELERATORS),
                    remedy=did_you_mean(name, ACCELERATORS, "name one of these"),
                )
            elif name not in gpu.products:
                yield Problem(
                    where=f"{where}.products",
                    found=f"nothing for `{name}`, which `instead.{first}` names",
                    allowed=f"the value of `{gpu.label}` for every accelerator",
                    remedy=f"add what `kubectl get nodes -L {gpu.label}` shows",
                )
        for name in dict.fromkeys(others):
            had, has = find_gpu(first), find_gpu(name)
            if had and has and has.usable_gib < had.usable_gib:
                yield Problem(
                    where=place,
                    found=f"`{name}` with {has.usable_gib:.1f} GiB, for `{first}` with {had.usable_gib:.1f} GiB",
                    allowed="accelerators with as much memory or more: a replica is sized for the first",
                    remedy=f"remove it, or plan for `{name}` and let `{first}` take its place",
                )
            elif [first, *others].count(name) > 1:
                yield Problem(
                    where=place,
                    found=f"`{name}` twice",
                    allowed="each accelerator once",
                    remedy="remove one of them",
                )


def ladder_warnings(gpu: GpuNodes, wanted: frozenset[str]) -> Iterator[str]:
    """What is said of the first need not be so of the others."""
    for first, others in gpu.instead.items():
        if first not in wanted or not others:
            continue
        yield f"accelerator `{first}`: figures are its own, and {listing(others)} may be in its place"
        for name in others:
            had, has = find_gpu(first), find_gpu(name)
            if had and has and (has.compute_capability or 0) < (had.compute_capability or 0):
                yield (
                    f"accelerator `{first}`: `{name}` is of an older generation, and number formats that it lacks are "
                    "slower there or refused by an engine"
                )


def ladder_text(gpu: GpuNodes, accelerator: str) -> str:
    """What is tried after it, for a reader of the plan."""
    others = gpu.instead.get(accelerator, ())
    return f" (when none is free: {', then '.join(others)})" if others else ""
