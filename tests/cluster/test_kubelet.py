"""The kubelet of these tests does what a real one does, as far as the stack's promises depend on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster import manifests, pod_network
from tests.cluster.client import Client, eventually
from tests.cluster.control_plane import ControlPlane
from tests.cluster.kubelet import Machine
from tests.cluster.nodes import is_ready
from tests.cluster.pod_container import Image
from tests.cluster.pod_network import PodNetwork
from tests.cluster.service_addresses import ServiceAddresses

HOST = {"kubernetes.io/hostname": "a-machine"}
SHELL = "example.test/shell@sha256:" + "0" * 64


@pytest.fixture(scope="module")
def machine(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One machine, on which containers have this machine's programs."""
    if reason := pod_network.why_not():
        pytest.skip(f"pods cannot be run as processes here: {reason}")
    client, folder, network = control_plane.client(), tmp_path_factory.mktemp("machine"), PodNetwork()
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    for name in ("image", "claims"):
        (folder / name).mkdir()
    host, _, port = control_plane.server.removeprefix("https://").partition(":")
    addresses = ServiceAddresses(client, network, folder / "hosts", (host, int(port)))
    found = Machine(
        network,
        control_plane.kubeconfig,
        folder / "node",
        "a-machine",
        1,
        labels={},
        resources={"cpu": "8", "memory": "8Gi", "pods": "20", "ephemeral-storage": "9Gi"},
        taints=[{"key": "tests/kubelet", "effect": "NoSchedule"}],
        claims=folder / "claims",
        hosts=folder / "hosts",
        images={SHELL: Image(str(folder / "image"))},
        image_volumes={},
    )
    client.wait_for("v1", "Node", "a-machine", "", is_ready, "ready")
    yield found
    found.stop()
    addresses.close()
    network.close()
    client.delete("v1", "Node", "a-machine")


def pod(namespace: str, script: str, init: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    """A pod of one container that runs a script, on the machine."""
    spec = manifests.pod_spec(nodeSelector=HOST, tolerations=[{"operator": "Exists"}])
    main = spec["containers"][0]
    main |= {"image": SHELL, "command": ["/bin/sh", "-c", script], **more.pop("container", {})}
    mounts = [{"name": "shared", "mountPath": "/shared"}, {"name": "words", "mountPath": "/words", "readOnly": True}]
    main["volumeMounts"] = mounts
    spec["volumes"] = [{"name": "shared", "emptyDir": {}}, {"name": "words", "configMap": {"name": "words"}}]
    spec["initContainers"] = [
        {**main, "name": f"init-{place}", "command": ["/bin/sh", "-c", text], "readinessProbe": None, "lifecycle": None}
        for place, text in enumerate(init)
    ]
    spec["securityContext"] |= {"fsGroup": 10001, "runAsGroup": 10001}
    metadata = {"name": "pod", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec | more}


@pytest.fixture
def words(control_plane: ControlPlane, namespace: str) -> str:
    """What containers read, in a namespace of the test's own."""
    client = control_plane.client()
    for kind, data in (("ConfigMap", {"data": {"word": "one"}}), ("Secret", {"stringData": {"key": "hidden"}})):
        client.apply({"apiVersion": "v1", "kind": kind, "metadata": {"name": "words", "namespace": namespace}, **data})
    return namespace


def shared(machine: Machine, name: str) -> str:
    """What a pod has written to its empty folder."""
    found = list(machine.folder.glob(f"pods/*/shared/{name}"))
    return found[0].read_text() if found else ""


def test_a_pod_with_everything(cluster: Client, machine: Machine, words: str) -> None:
    """Init containers in order, user, variables, files that follow their object, readiness, preStop, SIGTERM."""
    container = {
        "env": [
            {"name": "SELF", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "words", "key": "key"}}},
        ],
        "readinessProbe": {"exec": {"command": ["test", "-e", "/shared/ready"]}, "periodSeconds": 1},
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo preStop >> /shared/end"]}}},
    }
    script = (
        'echo "$SELF $KEY $(id -u) $(id -G)" > /shared/said; touch /root-is-writable && exit 9; '
        "trap 'echo SIGTERM >> /shared/end; sleep 2; exit 0' TERM; "
        "while :; do cat /words/word > /shared/word; sleep 0.1; done"
    )
    init = ("sleep 1; echo first >> /shared/order", "echo second >> /shared/order")
    cluster.apply(pod(words, script, init, container=container))
    eventually(lambda: shared(machine, "word") == "one", "the container runs")
    assert shared(machine, "order") == "first\nsecond\n"
    assert shared(machine, "said") == "pod hidden 10001 10001\n"
    live = cluster.get("v1", "Pod", "pod", words)
    assert live
    assert live["status"]["podIP"].startswith("10.244.")
    assert "True" not in [one["status"] for one in live["status"]["conditions"] if one["type"] == "Ready"]

    next(machine.folder.glob("pods/*/shared")).joinpath("ready").touch()
    cluster.wait_for("v1", "Pod", "pod", words, lambda one: condition(one, "Ready") == "True", "ready")
    cluster.patch("v1", "ConfigMap", "words", {"data": {"word": "two"}}, words)
    eventually(lambda: shared(machine, "word") == "two", "the file follows")

    cluster.delete("v1", "Pod", "pod", words)
    eventually(lambda: shared(machine, "end") == "preStop\nSIGTERM\n", "preStop, then SIGTERM")
    cluster.wait_gone("v1", "Pod", "pod", words)


def test_who_does_not_end_is_killed_when_the_grace_is_over(cluster: Client, machine: Machine, words: str) -> None:
    cluster.apply(pod(words, "trap '' TERM; while :; do sleep 0.1; done", terminationGracePeriodSeconds=2))
    cluster.wait_for("v1", "Pod", "pod", words, lambda one: condition(one, "Ready") == "True", "ready")
    cluster.delete("v1", "Pod", "pod", words)
    cluster.wait_gone("v1", "Pod", "pod", words, within=30)


def test_who_ends_is_started_again(cluster: Client, machine: Machine, words: str) -> None:
    """At once, then after a pause; who is not alive too, and who is asked over TCP counts as ready once it listens."""
    cluster.apply(pod(words, "sleep 1; exit 7"))

    def again(live: dict[str, Any]) -> bool:
        status = live["status"].get("containerStatuses", [{}])[0]
        return status.get("restartCount", 0) >= 2 and status["lastState"]["terminated"]["exitCode"] == 7

    cluster.wait_for("v1", "Pod", "pod", words, again, "started again")


def test_who_is_not_alive_is_started_again(cluster: Client, machine: Machine, words: str) -> None:
    alive = {"exec": {"command": ["test", "!", "-e", "/shared/dead"]}, "periodSeconds": 1, "failureThreshold": 2}
    listens = {"tcpSocket": {"port": 8000}, "periodSeconds": 1}
    server = "import socket, time; s = socket.create_server(('0.0.0.0', 8000)); time.sleep(600)"
    container = {"livenessProbe": alive, "readinessProbe": listens}
    spec = pod(words, f'python3 -c "{server}"', container=container, terminationGracePeriodSeconds=1)
    cluster.apply(spec)
    cluster.wait_for("v1", "Pod", "pod", words, lambda one: condition(one, "Ready") == "True", "ready")
    next(machine.folder.glob("pods/*/shared")).joinpath("dead").touch()
    restarted = "started again"
    cluster.wait_for(
        "v1", "Pod", "pod", words, lambda one: one["status"]["containerStatuses"][0]["restartCount"] >= 1, restarted
    )


def test_a_job_ends_as_its_container_does(cluster: Client, machine: Machine, words: str) -> None:
    cluster.apply(pod(words, "exit 3", restartPolicy="Never"))
    live = cluster.wait_for("v1", "Pod", "pod", words, lambda one: one["status"]["phase"] == "Failed", "failed")
    assert live["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 3


def condition(live: dict[str, Any], name: str) -> str:
    return next((one["status"] for one in live["status"].get("conditions", []) if one["type"] == name), "")


def test_nothing_is_left(machine: Machine) -> None:
    eventually(lambda: not list(machine.folder.glob("pods/*")), "the pods' folders are gone")
    assert str(machine.folder) not in Path("/proc/mounts").read_text()
