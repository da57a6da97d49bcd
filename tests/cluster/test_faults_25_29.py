"""Experiments 25 to 29: nodes and zones that are lost or reclaimed, rolling updates, and GPUs that are out of stock.

What the stack `onprem` renders, on a real control plane. Each prints its figures (`pytest -s`); no container runs, so
that these are about placement, budgets and rollouts, not about requests.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster import nodes
from tests.cluster.availability import Availability
from tests.cluster.awaiting import pods_in_trouble
from tests.cluster.client import Client, eventually
from tests.cluster.nodes import POOL, ZONE, Pool
from tests.cluster.nodes_in_trouble import bring_back, cordon, drain, give_up, lose
from tests.cluster.onprem import GPU, PRODUCT, ZONES, Deployed, in_zones, rendered

pytestmark = pytest.mark.timeout(300)
NOTICED_SECONDS = 90.0
NOTICE_SECONDS = 120.0


@pytest.fixture
def stack(deployed: Deployed) -> Iterator[Deployed]:
    """The stack, whole before a test and after it."""
    deployed.spread()
    yield deployed
    client = deployed.client
    bring_back(client, [node["metadata"]["name"] for node in client.list("v1", "Node")])


def told(experiment: int, what: str, seen: object) -> None:
    print(f"\nexperiment {experiment}: {what}; {seen}")


def test_25_one_node_is_lost(stack: Deployed) -> None:
    """Of each workload a node is lost, all at once: the cluster's own rules then let nobody take another."""
    lost = sorted({stack.nodes(name)[0] for name in stack.replicas})
    with Availability(stack.client, stack.namespace, stack.deployments) as seen:
        noticed = lose(stack.client, lost, NOTICED_SECONDS)
        for name in stack.replicas:
            eventually(lambda name=name: stack.allowed_disruptions(name) == 0, f"no more of {name} may go")
            others = [pod["metadata"]["name"] for pod in stack.pods(name) if pod["spec"]["nodeName"] not in lost]
            assert others, f"every replica of {name} was on {', '.join(lost)}"
            assert not any(stack.client.evict(pod, stack.namespace) for pod in others), f"{name} may lose two"
        give_up(stack.client, lost)
        stack.whole()
    told(25, f"{len(lost)} nodes lost, noticed after {noticed:.0f} s", seen)
    for name, replicas in stack.replicas.items():
        least = seen.least[name]
        assert replicas - 1 == min(least.pods, least.status), f"{name}: {seen}"
        assert least.beyond_budget >= 0, f"{name}: {seen}"


def test_26_one_of_three_zones_is_lost(stack: Deployed) -> None:
    """The zone with the most replicas. What is left serves, and what was there comes up in the other two."""
    zones = Counter(stack.zone_of(node) for name in stack.replicas for node in stack.nodes(name))
    (zone, count), *_ = zones.most_common()
    lost = [node["metadata"]["name"] for node in stack.client.list("v1", "Node", "", f"{ZONE}={zone}")]
    with Availability(stack.client, stack.namespace, stack.deployments) as seen:
        noticed = lose(stack.client, lost, NOTICED_SECONDS)
        gone = [name for name in stack.replicas if any(stack.zone_of(node) == zone for node in stack.nodes(name))]
        for name in gone:
            eventually(lambda name=name: seen.least[name].status < stack.replicas[name], f"{name} has lost some")
        give_up(stack.client, lost)
        stack.whole()
    told(26, f"{zone} lost with {len(lost)} nodes and {count} replicas, noticed after {noticed:.0f} s", seen)
    for name in stack.engines:
        assert min(seen.least[name].pods, seen.least[name].status) >= 1, f"{name}: {seen}"
    gateways = seen.least["gateway"]
    assert min(gateways.pods, gateways.status) * 3 >= stack.replicas["gateway"] * 2, seen
    assert all(stack.zone_of(node) != zone for name in stack.replicas for node in stack.nodes(name))


def test_27_spot_nodes_are_reclaimed(stack: Deployed) -> None:
    """Every node with an engine gets its notice at the same moment: budgets let them go one after the other."""
    reclaimed = sorted({node for name in stack.engines for node in stack.nodes(name)})
    assert len(reclaimed) > 1
    with Availability(stack.client, stack.namespace, stack.deployments) as seen:
        begin = time.monotonic()
        drained = drain(stack.client, reclaimed, stack.namespace, NOTICE_SECONDS)
        stack.whole()
        took = time.monotonic() - begin
    told(
        27,
        f"{len(reclaimed)} nodes reclaimed, the last pod evicted after {max(one.seconds for one in drained):.1f} s "
        f"({sum(one.refusals for one in drained)} refusals), the last replacement runs after {took:.1f} s",
        seen,
    )
    assert took <= NOTICE_SECONDS
    assert not {*reclaimed} & {node for name in stack.engines for node in stack.nodes(name)}
    for name, replicas in stack.replicas.items():
        least = seen.least[name]
        assert min(least.pods, least.status) >= replicas - 1, f"{name}: {seen}"
        assert least.beyond_budget >= 0, f"{name}: {seen}"


@pytest.mark.parametrize("rollout", ["spare", "in_place"])
def test_28_a_rolling_update(stack: Deployed, rollout: str) -> None:
    """Images by other digests. With a spare replica nothing is missing meanwhile; in place, where there is no GPU more
    than the engines have, one replica is."""

    def rolled(deployment: dict[str, Any]) -> None:
        for model in deployment["models"].values():
            model["rollout"] = rollout
            model["engine"]["image"] = _other(model["engine"]["image"], rollout)
        images = deployment["gateway"]["images"]
        images["gateway"] = _other(images["gateway"], rollout)

    if rollout == "in_place":
        taken = {node for name in stack.engines for node in stack.nodes(name)}
        every = [node["metadata"]["name"] for node in stack.client.list("v1", "Node", "", f"{POOL}={GPU.name}")]
        cordon(stack.client, [name for name in every if name not in taken])
    update = Deployed(stack.client, rendered(rolled))
    before = {pod["metadata"]["uid"] for name in stack.replicas for pod in stack.pods(name)}
    with Availability(stack.client, stack.namespace, stack.deployments) as seen:
        for one in update.deployments.values():
            stack.client.apply(one)
        update.whole()
    told(28, f"{rollout}: {len(before)} pods replaced", seen)
    assert not before & {pod["metadata"]["uid"] for name in stack.replicas for pod in stack.pods(name)}
    for name, replicas in update.replicas.items():
        least, in_place = seen.least[name], rollout == "in_place" and name in stack.engines
        assert min(least.pods, least.status) == replicas - in_place, f"{name}: {seen}"
        assert least.most == replicas + (not in_place), f"{name}: {seen}"
        assert least.beyond_budget >= 0, f"{name}: {seen}"


# Machines with more room, which a scheduler takes first where nothing else is said.
SECOND = Pool("second", ZONES, gpus=1, cpu="48", memory="192Gi", labels={PRODUCT: "NVIDIA-A100-SXM4-80GB"})
THIRD = Pool("third", ZONES, gpus=1, cpu="192", memory="768Gi", labels={PRODUCT: "NVIDIA-H100-80GB-HBM3"})
REASON_SECONDS, QUIET_SECONDS = 60.0, 10.0


@pytest.fixture
def more_gpus(stack: Deployed) -> Iterator[Deployed]:
    """Two further types of GPU in every zone, and the stack as it was when they are gone again."""
    nodes.create(stack.client, *in_zones(SECOND, THIRD))
    yield stack
    for one in stack.deployments.values():
        stack.client.apply(one)
    nodes.remove(stack.client, SECOND, THIRD)


def test_29_a_type_of_gpu_is_out_of_stock(more_gpus: Deployed) -> None:
    """`gpu.instead`: the first type while there is any, then the others in their order; nobody moves back by itself."""

    def with_others(deployment: dict[str, Any]) -> None:
        for site in deployment["sites"].values():
            gpu = site["platform"]["gpu"]
            gpu["products"] |= {"A100-80GB": SECOND.labels[PRODUCT], "H100": THIRD.labels[PRODUCT]}
            gpu["instead"] = {"L40S": ["A100-80GB", "H100"]}

    stack = Deployed(more_gpus.client, rendered(with_others))
    client, (name, *_) = stack.client, stack.engines
    client.apply(stack.deployments[name])
    stack.whole()
    assert {_pool(client, node) for node in stack.nodes(name)} == {GPU.name}  # although every other type is free

    def scale(replicas: int) -> None:
        client.patch("apps/v1", "Deployment", name, {"spec": {"replicas": replicas}}, stack.namespace)

    # Only one node of each other type has room, both in one zone.
    room = [f"{pool.name}-{ZONES[-1]}-0" for pool in (SECOND, THIRD)]
    cordon(client, [node["metadata"]["name"] for pool in (GPU, SECOND, THIRD) for node in pool.nodes()])
    cordon(client, room, closed=False)
    first, replicas = set(stack.nodes(name)), stack.replicas[name]
    scale(replicas + 1)
    stack.whole()
    assert {*stack.nodes(name)} - first == {room[0]}
    cordon(client, room[1:])
    scale(replicas + 2)
    begin = time.monotonic()
    reasons = eventually(lambda: _reasons(stack, name), "what keeps a pod waiting is told", REASON_SECONDS)
    told_after = time.monotonic() - begin
    assert "Insufficient nvidia.com/gpu" in reasons[0]
    cordon(client, room[1:], closed=False)
    stack.whole()
    assert {*stack.nodes(name)} - first == {*room}
    # There is some of the first again.
    before = {(pod["metadata"]["uid"], pod["spec"]["nodeName"]) for pod in stack.pods(name)}
    with Availability(client, stack.namespace, {name: stack.deployments[name]}) as seen:
        cordon(client, [node["metadata"]["name"] for node in GPU.nodes()], closed=False)
        time.sleep(QUIET_SECONDS)
    assert {(pod["metadata"]["uid"], pod["spec"]["nodeName"]) for pod in stack.pods(name)} == before, "a flap"
    assert seen.least[name].pods == replicas + 2, seen
    (away,) = (pod["metadata"]["name"] for pod in stack.pods(name) if pod["spec"]["nodeName"] == room[1])
    assert client.evict(away, stack.namespace)
    stack.whole()
    assert room[1] not in stack.nodes(name)  # whoever starts anew begins with the first type
    told(29, f"reason told after {told_after:.1f} s: {reasons[0]}; 0 moves in {QUIET_SECONDS:.0f} s", seen)


def _pool(client: Client, node: str) -> str:
    live = client.get("v1", "Node", node)
    assert live is not None
    return live["metadata"]["labels"][POOL]


def _reasons(stack: Deployed, name: str) -> list[str]:
    live = stack.client.get("apps/v1", "Deployment", name, stack.namespace)
    assert live is not None
    return pods_in_trouble(stack.client, live)


def _other(image: str, rollout: str) -> str:
    """The image by a digest that is another one for each rollout."""
    return f"{image.rpartition(':')[0]}:{'5' * 63}{len(rollout) % 10}"
