"""A small kubelet: registers a node, keeps it alive, and runs the pods that are bound to it as processes. Tests only.

One process for each node, first in a process namespace of its own: killed, it takes every pod with it, as a machine
that loses its power. `python -m tests.cluster.kubelet FILE`; tests use `Machine`.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.cluster.client import Client, Refused
from tests.cluster.pod_container import Image
from tests.cluster.pod_life import Node, PodLife
from tests.cluster.pod_network import PREFIX, PodNetwork
from tests.cluster.service_addresses import API_ADDRESS, API_PORT

ROOT = Path(__file__).resolve().parents[2]
LEASE_SECONDS, RENEW_SECONDS = 40, 10.0
AGAIN_SECONDS = 0.5


class Machine:
    """A node of the tests: where its kubelet runs, and how it goes."""

    def __init__(
        self,
        network: PodNetwork,
        kubeconfig: Path,
        folder: Path,
        name: str,
        number: int,
        *,
        labels: Mapping[str, str],
        resources: Mapping[str, str],
        taints: list[dict[str, str]],
        claims: Path,
        hosts: Path,
        images: Mapping[str, Image],
        image_volumes: Mapping[str, str],
    ) -> None:
        self.name, self._network, self._number, self.folder = name, network, number, folder
        folder.mkdir()
        spec = {
            "kubeconfig": str(kubeconfig),
            "name": name,
            "number": number,
            "folder": str(folder),
            "claims": str(claims),
            "hosts": str(hosts),
            "images": {reference: asdict(image) for reference, image in images.items()},
            "image_volumes": dict(image_volumes),
            "labels": dict(labels),
            "resources": dict(resources),
            "taints": taints,
        }
        (folder / "kubelet.json").write_text(json.dumps(spec))
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        with (folder / "kubelet.log").open("wb") as log:
            self._process = subprocess.Popen(
                network.inside(*isolated, sys.executable, "-m", "tests.cluster.kubelet", str(folder / "kubelet.json")),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )

    def lose(self) -> None:
        """The machine is gone without a word: nothing that it would have sent arrives."""
        self._network.silence(self._number)
        self.stop()

    def stop(self) -> None:
        """Ends the kubelet and every process of its pods."""
        self._process.kill()
        self._process.wait()


def main(path: Path) -> None:
    """Until it is killed."""
    spec = json.loads(path.read_text())
    client = Client.of_kubeconfig(Path(spec["kubeconfig"]).read_text())
    client.server = f"https://{API_ADDRESS}:{API_PORT}"
    node = Node(
        name=spec["name"],
        number=spec["number"],
        # Of the same network, never a pod's: they begin at 1.
        address=f"{PREFIX}.{spec['number']}.0",
        client=client,
        folder=Path(spec["folder"]),
        claims=Path(spec["claims"]),
        hosts=Path(spec["hosts"]),
        images={reference: Image(**image) for reference, image in spec["images"].items()},
        image_volumes=spec["image_volumes"],
        environment={"KUBERNETES_SERVICE_HOST": API_ADDRESS, "KUBERNETES_SERVICE_PORT": str(API_PORT)},
    )
    _register(client, spec, node.address)
    threading.Thread(target=_keep_alive, args=(client, node.name), daemon=True).start()
    _follow(node)


def _register(client: Client, spec: Mapping[str, Any], address: str) -> None:
    name = spec["name"]
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **spec["labels"]}}
    now = _now().strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", "lastHeartbeatTime": now}
    status = {
        "allocatable": spec["resources"],
        "capacity": spec["resources"],
        "addresses": [{"type": "InternalIP", "address": address}],
        "conditions": [{**ready, "lastTransitionTime": now}],
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": spec["taints"]}}
    client.request("POST", client.kind("v1", "Node").path(None), {**node, "status": status})


def _keep_alive(client: Client, name: str) -> None:
    while True:
        renewed = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS}
        renewed["renewTime"] = _now().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": "kube-node-lease"},
            "spec": renewed,
        }
        with contextlib.suppress(Refused, OSError):
            client.apply(lease)
        time.sleep(RENEW_SECONDS)


def _follow(node: Node) -> None:
    """Starts each pod that comes, and tells it what is changed of it."""
    lives: dict[str, PodLife] = {}
    number = 0
    while True:
        with contextlib.suppress(Refused, OSError, ValueError):
            pods = node.client.kind("v1", "Pod").path(None)
            for event in node.client.watch(pods, 300, fieldSelector=f"spec.nodeName={node.name}"):
                if event["type"] == "ERROR":
                    break
                pod = event["object"]
                uid = pod["metadata"]["uid"]
                if uid in lives:
                    lives[uid].pod = pod
                elif event["type"] != "DELETED" and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed"):
                    number += 1
                    lives[uid] = PodLife(node, number, pod)
                    lives[uid].start()
        time.sleep(AGAIN_SECONDS)


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
