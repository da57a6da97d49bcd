"""What machines of Google Cloud cannot be: bought in a way that is not sold, or given a disk that nothing reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.plan.node_pools import NodePool
from infra.plan.pool_nodes import GATEWAY_POOL
from infra.platforms.gcp.config import NodeSettings
from infra.problems import Problem, listing

# Families that flex-start sells (Compute Engine documentation, "About Flex-start VMs", read 2026-11: those that are
# made for accelerators, but for G4 and A4X).
FLEXIBLE_FAMILIES = ("a2", "a3", "a4", "g2")


def node_problems(where: str, nodes: NodeSettings, pools: Mapping[str, NodePool]) -> Iterator[Problem]:
    """`where` is the path of `nodes`."""
    if "flex_start" in nodes.purchase:
        for pool in pools.values():
            if pool.name != GATEWAY_POOL and pool.shape.partition("-")[0] not in FLEXIBLE_FAMILIES:
                yield Problem(
                    where=f"{where}.purchase",
                    found=f"`flex_start`, where {listing(pool.models)} runs on `{pool.shape}`, which it does not sell",
                    allowed="`flex_start` for L4, A100, H100, H200 and B200",
                    remedy="choose one of these, or take `flex_start` out",
                )
    if nodes.image_disk is not None and not nodes.image_streaming:
        yield Problem(
            where=f"{where}.image_disk",
            found="a disk of images, with `image_streaming: false`",
            allowed="such a disk with image streaming, which is what reads it",
            remedy="remove `image_streaming: false`, or the disk",
        )
