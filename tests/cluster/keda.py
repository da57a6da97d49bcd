"""KEDA itself: its operator and its metrics adapter as processes, which a control plane of the tests knows as its own.

They run where no pod's address leads anywhere. What the operator asks of pods goes by `PodNetwork`, an HTTP proxy that
knows who answers at a pod's port; the API server finds the adapter by a Service that names this machine.
"""

from __future__ import annotations

import base64
import http.client
import os
import socketserver
import subprocess
import threading
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import yaml
from cryptography import x509

from tests.cluster import custom_resources
from tests.cluster.client import Client, Refused, eventually
from tests.cluster.control_plane import ControlPlane
from tests.engine.checkout import free_ports
from tests.serving.certificates import Authority

NAMESPACE, ADAPTER = "keda", "keda-metrics"
GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"
START_SECONDS = 90.0


@dataclass
class PodNetwork:
    """Answers `GET http://POD:PORT/…` of a client that has it as its proxy: `ports` says which port of this machine is
    that of every pod. `asked` is what was asked for, of which pod, and how it was answered."""

    ports: Mapping[int, int]
    asked: list[tuple[str, str, int]] = field(default_factory=list[tuple[str, str, int]])

    def __enter__(self) -> PodNetwork:
        network = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                network.forward(self)

            def log_message(self, *args: Any) -> None:
                del args

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def forward(self, request: BaseHTTPRequestHandler) -> None:
        """One request to the port that stands for the pod's."""
        wanted = urllib.parse.urlsplit(request.path)
        port = self.ports.get(wanted.port or 80)
        if port is None:
            self.asked.append((wanted.netloc, wanted.path, 502))
            request.send_error(502)
            return
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            shown = request.headers.get("Authorization")
            connection.request("GET", wanted.path, headers={"Authorization": shown} if shown else {})
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.asked.append((wanted.netloc, wanted.path, answer.status))
        request.send_response(answer.status)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)


class Keda:
    """Use it as `with Keda(…):`; it is ready when the API server serves external metrics by it."""

    def __init__(
        self, folder: Path, programs: Path, module: Path, plane: ControlPlane, network: PodNetwork, reserved: int = 4
    ) -> None:
        self.folder, self._programs, self._module, self._plane, self._network = folder, programs, module, plane, network
        self._metrics, self._health, self._questions, self._adapter = free_ports(reserved)
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Keda:
        client = self._plane.client()
        try:
            custom_resources.load(client, _definitions(self._module))
            self._write_certificates()
            self._announce(client)
            kubeconfig = self._plane.kubeconfig
            self._start(
                "keda-operator",
                f"--kubeconfig={kubeconfig}",
                f"--cert-dir={self.folder}",
                f"--metrics-bind-address=127.0.0.1:{self._metrics}",
                f"--health-probe-bind-address=127.0.0.1:{self._health}",
                f"--metrics-service-bind-address=127.0.0.1:{self._questions}",
            )
            self._start(
                "keda-adapter",
                f"--kubeconfig={kubeconfig}",
                f"--lister-kubeconfig={kubeconfig}",
                f"--authentication-kubeconfig={kubeconfig}",
                f"--authorization-kubeconfig={kubeconfig}",
                "--bind-address=127.0.0.1",
                f"--secure-port={self._adapter}",
                f"--cert-dir={self.folder}",
                f"--tls-cert-file={self.folder / 'tls.crt'}",
                f"--tls-private-key-file={self.folder / 'tls.key'}",
                f"--metrics-service-address=localhost:{self._questions}",
                "--port=0",
            )
            eventually(lambda: self._serves(client), "external metrics served by KEDA", START_SECONDS)
        except BaseException as error:
            self.__exit__()
            raise RuntimeError(self.logs()) from error
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._running:
            process.kill()
        for process in self._running:
            process.wait()
        self._running.clear()
        client = self._plane.client()
        client.delete("apiregistration.k8s.io/v1", "APIService", f"{VERSION}.{GROUP}")
        client.delete("v1", "Namespace", NAMESPACE)

    def logs(self, lines: int = 20) -> str:
        """The end of both logs."""
        found: list[str] = []
        for path in sorted(self.folder.glob("*.log")):
            found += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(found)

    def _start(self, name: str, *options: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "WATCH_NAMESPACE": "",
            "POD_NAMESPACE": NAMESPACE,
            "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE,
            "HTTP_PROXY": self._network.url,
        }
        with open(self.folder / f"{name}.log", "wb") as log:
            self._running.append(
                subprocess.Popen(
                    [str(self._programs / name), *options],
                    cwd=self.folder,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            )

    def _write_certificates(self) -> None:
        """The one that both show, to each other and to the API server, named as their releases name it."""
        authority = Authority(self.folder, "ca")
        names = ("localhost", f"{ADAPTER}.{NAMESPACE}.svc")
        authority.issue("tls", *map(x509.DNSName, names))
        self._authority = authority.file.read_bytes()
        (self.folder / "ca.crt").write_bytes(self._authority)

    def _announce(self, client: Client) -> None:
        client.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        ports = [{"name": "https", "port": self._adapter}]
        client.apply(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": ADAPTER, "namespace": NAMESPACE},
                "spec": {"type": "ExternalName", "externalName": "localhost", "ports": ports},
            }
        )
        client.apply(
            {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"{VERSION}.{GROUP}"},
                "spec": {
                    "group": GROUP,
                    "version": VERSION,
                    "service": {"name": ADAPTER, "namespace": NAMESPACE, "port": self._adapter},
                    "caBundle": base64.b64encode(self._authority).decode(),
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                },
            }
        )

    def _serves(self, client: Client) -> bool:
        ended = [process for process in self._running if process.poll() is not None]
        assert not ended, f"{len(ended)} of KEDA's processes ended"
        try:
            return client.request("GET", f"/apis/{GROUP}/{VERSION}")["groupVersion"] == f"{GROUP}/{VERSION}"
        except Refused as refused:
            if refused.status in (404, 503):
                return False
            raise


def _definitions(module: Path) -> list[dict[str, Any]]:
    """All of KEDA's own: its operator does not start without those that a stack does not use."""
    paths = sorted((module / "config" / "crd" / "bases").glob("*.yaml"))
    assert paths
    found: list[dict[str, Any]] = [yaml.load(path.read_text(), Loader=yaml.CSafeLoader) for path in paths]
    # Those that stacks use are there already, with what KEDA's release changes in them.
    return [one for one in found if one["metadata"]["name"] not in custom_resources.PATCHES]
