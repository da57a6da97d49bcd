"""The serving stack really serves on a real control plane, and clients that stream see nothing of what changes in it.

Every test runs streams meanwhile (`RATE` a second; `FAULTS_FULL=1` runs 50) and counts what became of each. Where
answers are lost, because something was lost without notice, exactly those are, and the test says which.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import pod_network, traffic_stack
from tests.cluster.client import eventually
from tests.cluster.conftest import discard
from tests.cluster.control_plane import ControlPlane
from tests.cluster.machines import FULL, NAMESPACE, RATE, WHOLE_CHANGE, DataCentre, Load, Report, Serving

pytestmark = pytest.mark.timeout(240)
PAUSE_SECONDS = 60 if FULL else 15


@pytest.fixture(scope="module")
def stack(control_plane: ControlPlane) -> Iterator[Serving]:
    """The stack, ready to serve; everything of it is gone afterwards."""
    if reason := pod_network.why_not():
        pytest.skip(f"pods cannot be run as processes here: {reason}")
    print(f"{RATE:.0f} streams a second")
    client = control_plane.client()
    # Of another test; the namespace controller takes its time.
    client.wait_gone("v1", "Namespace", NAMESPACE, within=120)
    others = [node["metadata"]["name"] for node in client.list("v1", "Node")]
    for name in others:
        client.patch("v1", "Node", name, {"spec": {"unschedulable": True}})
    centre, serving = DataCentre(control_plane), None
    machines = [centre.add(pool, number) for number in range(3) for pool in ("general", "engines")]
    machines.append(centre.add("engines", 3))  # two are left when two are drained
    try:
        centre.wait_for_machines()
        serving = Serving(centre)
        yield serving
    finally:
        if serving:
            serving.close()
        centre.close()
        for name in machines:
            client.delete("v1", "Node", name)
        for pod in client.pods(NAMESPACE):  # their kubelets are gone
            path = client.kind("v1", "Pod").path(NAMESPACE, pod["metadata"]["name"])
            client.request("DELETE", path, {"gracePeriodSeconds": 0})
        discard(client, NAMESPACE)
        for name in others:
            client.patch("v1", "Node", name, {"spec": {"unschedulable": None}})
    assert not [line for line in Path("/proc/mounts").read_text().splitlines() if "slipway-cluster" in line]


@pytest.fixture
def serving(stack: Serving) -> Iterator[Serving]:
    yield stack
    stack.abandon()


def test_a_real_model_answers(serving: Serving) -> None:
    status, _, answer = serving.ask("small", words=8)
    assert status == 200, answer
    assert answer["choices"][0]["message"]["content"].strip()


def test_engines_are_replaced(serving: Serving) -> None:
    load = serving.load(WHOLE_CHANGE)
    serving.roll("engine-chat")
    serving.settled("engine-chat")
    load.end().nothing_lost()


def test_gateways_are_replaced(serving: Serving) -> None:
    load = serving.load(WHOLE_CHANGE)
    serving.roll("gateway")
    serving.settled("gateway")
    load.end().nothing_lost()


def test_more_and_fewer_of_them(serving: Serving) -> None:
    load = serving.load()
    for replicas in (3, 2):
        serving.scale("engine-chat", replicas)
        serving.scale("gateway", replicas)
        serving.settled("engine-chat")
        serving.settled("gateway")
    load.end().nothing_lost()


def test_nodes_are_drained(serving: Serving) -> None:
    """Both nodes of the engine at once, and one of a gateway: the disruption budgets keep one of each."""
    engines = {pod["spec"]["nodeName"] for pod in serving.pods("engine-chat")}
    nodes = [*engines, serving.pods("gateway")[0]["spec"]["nodeName"]]
    assert len(engines) == 2
    load = serving.load(WHOLE_CHANGE)
    for node in nodes:
        serving.client.patch("v1", "Node", node, {"spec": {"unschedulable": True}})
    try:
        refused = serving.drain(nodes)
        for name in ("engine-chat", "gateway"):
            serving.settled(name)
    finally:
        for node in nodes:
            serving.client.patch("v1", "Node", node, {"spec": {"unschedulable": None}})
    assert refused, "the budget has never refused"
    load.end().nothing_lost()


def test_an_engine_crashes(serving: Serving) -> None:
    """Its streams are told; everybody else's go on, and no later one notices."""
    load = serving.load()
    pod = serving.pods("engine-chat")[0]["metadata"]["name"]
    at = time.time()
    serving.process(pod, "/app/llama-server").send_signal(signal.SIGKILL)
    time.sleep(8)
    report = load.end()
    assert report.of("error"), "no stream was on it"
    only_those_of_then(report, {"error"}, at)


def test_a_changed_configuration_is_taken_over(serving: Serving) -> None:
    """The canary's share, from nothing to half to all: gateways read it, none is replaced."""
    before = {pod["metadata"]["uid"] for pod in serving.pods("gateway")}
    load = serving.load()
    for weights, expected in (((1, 1), {"chat", "next"}), ((0, 1), {"next"}), ((1, 0), {"chat"})):
        share(serving, *weights)
        eventually(lambda expected=expected: answering(serving) == expected, f"answers of {expected}", 30)
    report = load.end()
    report.nothing_lost()
    assert {stream.headers["x-slipway-model"] for stream in report.streams} == {"chat", "next"}
    assert {pod["metadata"]["uid"] for pod in serving.pods("gateway")} == before


def test_a_changed_client_key_is_taken_over(serving: Serving) -> None:
    """Both keys are good before the old one ends; who changes in between notices nothing."""
    old, new = traffic_stack.CLIENT_KEY, traffic_stack.OTHER_KEY
    load = serving.load(key=old)
    try:
        exchange(serving, old, new, load)
    finally:
        keys(serving, old)
        eventually(lambda: everywhere(serving, old) == {200}, "the old key is back", 60)


def exchange(serving: Serving, old: str, new: str, load: Load) -> None:
    keys(serving, old, new)
    eventually(lambda: everywhere(serving, new) == {200}, "the new key is good", 60)
    later = serving.load(key=new)
    load.end().nothing_lost()
    keys(serving, new)
    eventually(lambda: everywhere(serving, old) == {401}, "the old key has ended", 60)
    later.end().nothing_lost()


def test_the_api_server_pauses(serving: Serving) -> None:
    """Who is there is known; nobody needs it to serve."""
    process = serving.centre.control_plane.process("kube-apiserver")
    load = serving.load()
    process.send_signal(signal.SIGSTOP)
    try:
        time.sleep(PAUSE_SECONDS)
    finally:
        process.send_signal(signal.SIGCONT)
    load.end().nothing_lost()


def test_a_gateway_crashes(serving: Serving) -> None:
    """The streams through it are cut: nobody is left to tell them."""
    load = serving.load()
    pod = serving.pods("gateway")[0]["metadata"]["name"]
    at = time.time()
    serving.process(pod, "serving.gateway").send_signal(signal.SIGKILL)
    time.sleep(8)
    report = load.end()
    assert report.of("cut"), "no stream was on it"
    only_those_of_then(report, {"cut", "refused"}, at)


def test_a_machine_with_an_engine_is_lost(serving: Serving) -> None:
    """Nobody says that it is gone: its streams are told at the gateway's limit for silence."""
    node = serving.pods("engine-chat")[0]["spec"]["nodeName"]
    load = serving.load()
    at = time.time()
    serving.centre.lose(node)
    time.sleep(15)
    report = load.end()
    assert report.of("error"), "no stream was on it"
    # Who had asked it and heard nothing yet waits for the longest generation, or as long as the front door does.
    only_those_of_then(report, {"error", "refused"}, at)


def test_a_machine_with_a_gateway_is_lost(serving: Serving) -> None:
    """Its streams are cut when the front door's limit for silence is over. Until the cluster has noticed, requests that
    the door sends over a connection that it has kept to that gateway are refused then, too."""
    if len({pod["spec"]["nodeName"] for pod in serving.pods("gateway")}) < 2:
        serving.roll("gateway")  # a wish was not heard when a node was drained; a new version is spread for itself
    serving.settled("gateway")
    eventually(
        lambda: len(serving.door.gateways) == 2, lambda: f"the front door knows both gateways\n{serving.shown()}"
    )
    node = serving.pods("gateway")[0]["spec"]["nodeName"]
    load = serving.load()
    at = time.time()
    serving.centre.lose(node)
    time.sleep(15)
    report = load.end()
    assert report.of("cut"), "no stream was on it"
    assert all(stream.started < at + 0.5 for stream in report.of("cut")), report.told()
    assert {stream.detail[:3] for stream in report.of("refused")} <= {"504"}, report.told()
    assert not report.of("error"), report.told()
    assert len(report.of("refused")) < len(report.streams) / 4, f"{report.told()}\n{serving.shown()}"


def only_those_of_then(report: Report, outcomes: set[str], at: float) -> None:
    """What was lost had begun before, in one of these ways, and everything else is complete."""
    lost = [stream for stream in report.streams if stream.outcome != "complete"]
    assert {stream.outcome for stream in lost} <= outcomes, report.told()
    assert all(stream.started < at + 0.5 for stream in lost), report.told()


def everywhere(serving: Serving, key: str) -> set[int]:
    """What every gateway that the front door knows says to a key."""
    return {serving.ask("chat", key, gateway=one)[0] for one in serving.door.gateways}


def answering(serving: Serving) -> set[str]:
    """The models that answer for `chat`, of a few requests to every gateway."""
    return {serving.ask("chat")[1] for _ in range(10)}


def share(serving: Serving, now: int, canary: int) -> None:
    live: Any = serving.client.get("v1", "ConfigMap", "gateway", NAMESPACE)
    content = json.loads(live["data"]["gateway.json"])
    routes = content["models"]["chat"]["routes"]["to"]
    routes["now"]["weight"], routes["canary"]["weight"] = now, canary
    serving.client.patch("v1", "ConfigMap", "gateway", {"data": {"gateway.json": json.dumps(content)}}, NAMESPACE)


def keys(serving: Serving, *given: str) -> None:
    content = {"stringData": traffic_stack.client_keys(*given)}
    serving.client.patch("v1", "Secret", "client-keys", content, NAMESPACE)
