"""A small data centre for the serving stack: machines with kubelets of ours, their pods' network, a front door."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from tests.cluster import traffic_stack
from tests.cluster.client import eventually
from tests.cluster.control_plane import ControlPlane
from tests.cluster.expectations import ORDER
from tests.cluster.front_door import FrontDoor
from tests.cluster.kubelet import ROOT, Machine
from tests.cluster.nodes import GPU, GPU_TAINT, POOL, ZONE, is_ready
from tests.cluster.pod_network import PodNetwork
from tests.cluster.service_addresses import ServiceAddresses
from tests.cluster.stream_load import Stream

ZONES = ("testland-1a", "testland-1b", "testland-1c")
# A runner with two slow cores has time for so many streams a second beside everything else.
FULL = os.environ.get("FAULTS_FULL") == "1"
RATE = 50.0 if FULL else 10.0
NAMESPACE = traffic_stack.NAMESPACE
# An answer of half a minute sees the whole of a change: preStop, SIGTERM and what is left of the grace.
WHOLE_CHANGE, SHORT = 120, 12


class DataCentre:
    """Machines `general-0` to `-2` and `engines-0` to `-2`, one of each in every zone. Everything ends with `close`."""

    def __init__(self, plane: ControlPlane) -> None:
        self.client = plane.client()
        self.control_plane = plane
        # Every user on this machine goes through it: what is in there is for pods, which are not root.
        self._temporary = tempfile.TemporaryDirectory(prefix="slipway-cluster-")
        self.folder = Path(self._temporary.name)
        self.folder.chmod(0o755)
        for name in ("images", "claims"):
            (self.folder / name).mkdir()
        self.machines: dict[str, Machine] = {}
        self._number = 0
        self.network = PodNetwork()
        host, _, port = plane.server.removeprefix("https://").partition(":")
        self._addresses = ServiceAddresses(
            self.client, self.network, self.folder / "hosts", api_server=(host, int(port))
        )
        self._images = traffic_stack.images(self.folder / "images")
        self._volumes = traffic_stack.image_volumes(self.folder / "images")

    def add(self, pool: str, number: int) -> str:
        """A machine, once its node is ready."""
        self._number += 1
        name, gpus = f"{pool}-{number}", pool == "engines"
        resources = {"cpu": "64", "memory": "256Gi", "pods": "110", "ephemeral-storage": "500Gi"}
        product = {"nvidia.com/gpu.product": traffic_stack.GPU_PRODUCT}
        self.machines[name] = Machine(
            self.network,
            self.control_plane.kubeconfig,
            self.folder / f"{name}.{self._number}",
            name,
            self._number,
            labels={POOL: pool, ZONE: ZONES[number % len(ZONES)], **(product if gpus else {})},
            resources={**resources, **({GPU: "4"} if gpus else {})},
            taints=[GPU_TAINT] if gpus else [],
            claims=self.folder / "claims",
            hosts=self.folder / "hosts",
            images=self._images,
            image_volumes=self._volumes,
        )
        return name

    def wait_for_machines(self) -> None:
        def all_ready() -> bool:
            live = {node["metadata"]["name"] for node in self.client.list("v1", "Node") if is_ready(node)}
            return self.machines.keys() <= live

        eventually(all_ready, "the machines' nodes ready")

    def lose(self, name: str) -> None:
        """A machine goes without notice."""
        self.machines.pop(name).lose()

    def close(self) -> None:
        for machine in self.machines.values():
            machine.stop()
        self._addresses.close()
        self.network.close()
        self._temporary.cleanup()


@dataclass
class Report:
    """What the clients saw."""

    streams: Sequence[Stream]

    def of(self, outcome: str) -> list[Stream]:
        return [stream for stream in self.streams if stream.outcome == outcome]

    def told(self) -> str:
        counts = {outcome: len(self.of(outcome)) for outcome in ("complete", "error", "cut", "refused")}
        waits = sorted(stream.first - stream.started for stream in self.streams if stream.first)
        late = f"; first word after {waits[len(waits) // 2]:.2f} s, at most {waits[-1]:.2f} s" if waits else ""
        lost = [f"{stream.ended - stream.started:.1f}" for stream in self.streams if stream.outcome != "complete"]
        late += f"; lost after (s) {', '.join(lost)}" if lost else ""
        details = sorted({f"{stream.outcome}: {stream.detail}" for stream in self.streams if stream.detail})
        return f"{len(self.streams)} streams: {counts}{late}" + "".join(f"\n  {line[:300]}" for line in details[:10])

    def nothing_lost(self) -> None:
        assert len(self.of("complete")) == len(self.streams), self.told()


class Load:
    """Streams at `RATE` from when it is made until `end`."""

    def __init__(self, network: PodNetwork, url: str, key: str, first_words: int) -> None:
        command = [sys.executable, "-m", "tests.cluster.stream_load", url, key, str(RATE), "chat", str(first_words)]
        self._process = subprocess.Popen(
            network.inside(*command), cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        time.sleep(2.0)  # streams are under way when something happens

    def end(self) -> Report:
        """No more begin; once the last has ended, what became of them."""
        output, _ = self._process.communicate(timeout=150)
        report = Report([Stream(**json.loads(line)) for line in output.splitlines()])
        print(f"\n{report.told()}")
        return report

    def abandon(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()


class Serving:
    """The stack on the machines, with its front door."""

    def __init__(self, centre: DataCentre) -> None:
        self.centre, self.client = centre, centre.client
        self._loads: list[Load] = []
        self.manifests = traffic_stack.manifests()
        rank = {kind: place for place, kind in enumerate(ORDER)}
        for one in sorted(self.manifests, key=lambda one: rank.get(one["kind"], len(rank))):
            self.client.apply(one)
        # What the autoscaler does at its next look, which is a quarter of a minute away.
        self.scale("gateway", 2)
        for name in ("gateway", *(f"engine-{model}" for model in traffic_stack.MODELS)):
            self.settled(name)
        self.door = FrontDoor(self.client, centre.network, NAMESPACE, centre.folder / "front-door")

    def close(self) -> None:
        self.door.close()

    def load(self, first_words: int = SHORT, key: str = traffic_stack.CLIENT_KEY) -> Load:
        """Streams of `chat`; it is ended by the test, or at the latest after it."""
        self._loads.append(Load(self.centre.network, self.door.url, key, first_words))
        return self._loads[-1]

    def abandon(self) -> None:
        """Ends what a failed test has left."""
        for load in self._loads:
            load.abandon()
        self._loads.clear()

    def ask(
        self, model: str, key: str = traffic_stack.CLIENT_KEY, words: int = 1, gateway: tuple[str, int] | None = None
    ) -> tuple[int, str, dict[str, Any]]:
        """One whole answer, of a gateway or of whom the front door chooses: its status, its model, and what it says."""
        host, port = gateway or (self.door.host, self.door.port)
        connection = http.client.HTTPConnection(host, port, timeout=60)
        connection.sock = self.centre.network.socket()
        connection.sock.settimeout(60)
        connection.sock.connect((host, port))
        body = {"model": model, "max_tokens": words, "messages": [{"role": "user", "content": "Say hello."}]}
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "Connection": "close"}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("x-slipway-model", ""), json.loads(answer.read())

    def process(self, pod: str, command: str) -> psutil.Process:
        """The process of a pod whose command line has `command`, as this machine sees it."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if command in process.cmdline() and process.environ().get("HOSTNAME") == pod:
                    return process
        raise AssertionError(f"{pod} has no {command}")

    def pods(self, name: str) -> list[Mapping[str, Any]]:
        """Those of a workload that are not leaving."""
        found = self.client.pods(NAMESPACE, f"app.kubernetes.io/name={name}")
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def all_pods(self, name: str) -> list[Mapping[str, Any]]:
        return list(self.client.pods(NAMESPACE, f"app.kubernetes.io/name={name}"))

    def scale(self, name: str, replicas: int) -> None:
        self.client.patch("apps/v1", "Deployment", name, {"spec": {"replicas": replicas}}, NAMESPACE)

    def roll(self, name: str) -> None:
        """A new version of its pods."""
        annotations = {"tests/rolled": str(time.time())}
        template = {"template": {"metadata": {"annotations": annotations}}}
        self.client.patch("apps/v1", "Deployment", name, {"spec": template}, NAMESPACE)

    def drain(self, nodes: Sequence[str]) -> int:
        """Evicts every pod of the stack on the nodes, again while a budget refuses; how often one has."""
        refused, deadline = 0, time.monotonic() + 120
        while waiting := [
            pod["metadata"]["name"]
            for pod in self.client.pods(NAMESPACE)
            if pod["spec"].get("nodeName") in nodes and "deletionTimestamp" not in pod["metadata"]
        ]:
            assert time.monotonic() < deadline, f"not evicted: {', '.join(waiting)}"
            refused += [self.client.evict(pod, NAMESPACE) for pod in waiting].count(False)
            time.sleep(1)
        return refused

    def settled(self, name: str, within: float = 120) -> None:
        """As many pods as are wanted, all new, all ready; those before are gone."""

        def done() -> bool:
            live = self.client.get("apps/v1", "Deployment", name, NAMESPACE)
            assert live is not None
            wanted, status = live["spec"]["replicas"], live.get("status", {})
            return (
                status.get("observedGeneration") == live["metadata"]["generation"]
                and status.get("updatedReplicas", 0) == wanted == status.get("availableReplicas", 0)
                and len(self.all_pods(name)) == wanted
            )

        eventually(done, lambda: f"{name} settled\n{self.shown()}\n{self._status(name)}", within)

    def shown(self) -> str:
        return "\n".join(map(_shown, self.client.pods(NAMESPACE)))

    def _status(self, name: str) -> str:
        live = self.client.get("apps/v1", "Deployment", name, NAMESPACE)
        assert live is not None
        counts = {key: number for key, number in live.get("status", {}).items() if isinstance(number, int)}
        return f"{name}: {live['spec']['replicas']} wanted, generation {live['metadata']['generation']}, {counts}"


def _shown(pod: Mapping[str, Any]) -> str:
    metadata, status = pod["metadata"], pod.get("status", {})
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or []}
    restarts = sum(one.get("restartCount", 0) for one in status.get("containerStatuses") or [])
    leaving = ", leaving" if "deletionTimestamp" in metadata else ""
    told = (status.get("phase"), pod["spec"].get("nodeName"), f"ready {conditions.get('Ready')}")
    return f"{metadata['name']} {' '.join(map(str, told))}, {restarts} restarts{leaving}"
