"""A real control plane on this machine: etcd, kube-apiserver, controller-manager, scheduler, and kwok for the nodes.

Free ports, a temporary folder, everything ended by its process id. No container runs: this proves objects, admission,
scheduling, rollout and disruption budgets, not traffic.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import ssl
import subprocess
import time
import urllib.request
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.cluster.client import Client
from tests.engine.checkout import free_ports
from tests.serving.certificates import Authority

# A node with this annotation is kwok's: it is initialised, its lease renewed, its pods said to run. Without it a node
# is somebody else's.
KWOK_ANNOTATION = {"kwok.x-k8s.io/node": "fake"}
SERVICE_ADDRESSES = "10.96.0.0/16"

# When a pod is ready.
STARTS = "pod/fast/pod-ready.yaml"
STAGES = (
    "node/fast/node-initialize.yaml",
    STARTS,
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
    "volume/fast/pvc-provision.yaml",
    "volume/fast/pvc-delete.yaml",
    "volume/fast/pv-bind.yaml",
    "volume/fast/pv-delete.yaml",
)
# The default class; kwok's stages bind claims of this one.
STORAGE_CLASS = "volume/fast/storage-class.yaml"
# As in a real cluster: a node renews its lease four times in the first, and is lost after the second without one.
LEASE_SECONDS, GRACE_SECONDS = 40, 50
START_SECONDS = 60.0


class ControlPlane:
    """The processes and how to reach them. `start` waits until a namespace has its service account.

    A pod is ready `start_seconds` after it was placed; a node is lost `grace_seconds` after its last lease."""

    def __init__(
        self,
        folder: Path,
        programs: Path,
        kwok_module: Path,
        *,
        lease_seconds: int = LEASE_SECONDS,
        grace_seconds: int = GRACE_SECONDS,
        start_seconds: int = 0,
    ) -> None:
        self.folder, self._programs, self._kwok_module = folder, programs, kwok_module
        self._lease_seconds, self._grace_seconds, self._start_seconds = lease_seconds, grace_seconds, start_seconds
        self.token = secrets.token_urlsafe(32)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        etcd, peers, api_server, self._controller_manager, self._scheduler = free_ports(5)
        self._etcd, self._peers = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peers}"
        self._port = api_server
        self.server = f"https://127.0.0.1:{api_server}"
        self.kubeconfig = folder / "kubeconfig.json"

    # -- life ------------------------------------------------------------------------------------------------------

    def start(self) -> Client:
        """Starts everything and returns an administrator's client; after a failure nothing is left running."""
        try:
            self._write_keys()
            self._start_etcd()
            self._start_api_server()
            self._wait_until_ready()
            self.kubeconfig.write_text(self._kubeconfig())
            self.kubeconfig.chmod(0o600)
            self._start_controllers()
            client = self.client()
            client.apply(yaml.safe_load(self._stage(STORAGE_CLASS)))
            self._wait_for(lambda: client.get("v1", "ServiceAccount", "default", "default"), "a service account")
        except BaseException:
            self.stop()
            raise
        return client

    def stop(self) -> None:
        """Ends what was started and collects each process. Killed: an API server drains for ten seconds, for nobody."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()
        self._running.clear()

    def client(self) -> Client:
        return Client.of_kubeconfig(self.kubeconfig.read_text())

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """One of the processes, for a test that pauses or ends it."""
        return self._running[name]

    def logs(self, lines: int = 15) -> str:
        """The end of every log."""
        found: list[str] = []
        for path in sorted(self.folder.glob("*.log")):
            found += [f"--- {path.name}", *path.read_text(errors="replace").splitlines()[-lines:]]
        return "\n".join(found)

    # -- processes -------------------------------------------------------------------------------------------------

    def _start_etcd(self) -> None:
        self._start(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={self._etcd}",
            f"--advertise-client-urls={self._etcd}",
            f"--listen-peer-urls={self._peers}",
            f"--initial-advertise-peer-urls={self._peers}",
            f"--initial-cluster=default={self._peers}",
            "--unsafe-no-fsync",  # a test's state need not survive a power cut
        )

    def _start_api_server(self) -> None:
        (self.folder / "tokens.csv").write_text(f'{self.token},admin,admin,"system:masters"\n')
        self._start(
            "kube-apiserver",
            f"--etcd-servers={self._etcd}",
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={self.folder / 'certificates'}",
            "--endpoint-reconciler-type=none",  # no Endpoints may name a loopback address
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.folder / 'service-account.pub'}",
            f"--service-account-signing-key-file={self.folder / 'service-account.key'}",
            "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
            *self._aggregation(),
            "--allow-privileged=true",  # Pod Security is to refuse what is privileged, not this switch
        )

    def _aggregation(self) -> list[str]:
        """As in every cluster: APIs that others serve (an APIService) are asked in the name of whoever asks."""
        authority = Authority(self.folder, "front proxy authority")
        certificate, key = authority.issue("front-proxy", common="front-proxy")
        return [
            f"--requestheader-client-ca-file={authority.file}",
            "--requestheader-allowed-names=front-proxy",
            "--requestheader-username-headers=X-Remote-User",
            "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={certificate}",
            f"--proxy-client-key-file={key}",
        ]

    def _start_controllers(self) -> None:
        kubeconfig = f"--kubeconfig={self.kubeconfig}"
        self._start(
            "kube-controller-manager",
            kubeconfig,
            "--bind-address=127.0.0.1",
            f"--secure-port={self._controller_manager}",
            f"--service-account-private-key-file={self.folder / 'service-account.key'}",
            f"--root-ca-file={self.folder / 'certificates' / 'apiserver.crt'}",
            "--use-service-account-credentials=true",  # controllers with no more rights than in a real cluster
            f"--node-monitor-grace-period={self._grace_seconds}s",
            "--leader-elect=false",
        )
        self._start(
            "kube-scheduler",
            kubeconfig,
            "--bind-address=127.0.0.1",
            f"--secure-port={self._scheduler}",
            "--leader-elect=false",
        )
        (self.folder / "stages.yaml").write_text("\n---\n".join(self._stage(path) for path in STAGES))
        selector = ",".join(f"{name}={value}" for name, value in KWOK_ANNOTATION.items())
        self._start(
            "kwok",
            kubeconfig,
            f"--config={self.folder / 'stages.yaml'}",
            "--manage-all-nodes=false",
            f"--manage-nodes-with-annotation-selector={selector}",
            f"--node-lease-duration-seconds={self._lease_seconds}",  # without one, they are lost
        )

    def _stage(self, path: str) -> str:
        text = (self._kwok_module / "kustomize" / "stage" / path).read_text()
        if path != STARTS or not self._start_seconds:
            return text
        stage = yaml.safe_load(text)
        stage["spec"]["delay"] = {"durationMilliseconds": self._start_seconds * 1000}
        return yaml.safe_dump(stage)

    def _start(self, name: str, *options: str) -> None:
        with open(self.folder / f"{name}.log", "wb") as log:
            self._running[name] = subprocess.Popen(
                [str(self._programs / name), *options],
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,  # a Ctrl-C in the terminal is for the tests, which then stop these in order
            )

    # -- readiness -------------------------------------------------------------------------------------------------

    def _wait_until_ready(self) -> None:
        certificate = self.folder / "certificates" / "apiserver.crt"
        request = urllib.request.Request(f"{self.server}/readyz", headers={"Authorization": f"Bearer {self.token}"})

        def ready() -> bool:
            if not certificate.exists():
                return False
            with contextlib.suppress(OSError, ValueError):  # ssl.SSLError while the file is half written
                tls = ssl.create_default_context(cafile=str(certificate))
                with (
                    contextlib.suppress(urllib.error.HTTPError),
                    urllib.request.urlopen(request, context=tls) as answer,
                ):
                    return answer.status == 200
            return False

        self._wait_for(ready, "the API server to be ready")

    def _wait_for(self, probe: object, what: str) -> None:
        assert callable(probe)
        deadline = time.monotonic() + START_SECONDS
        while not probe():
            ended = [name for name, process in self._running.items() if process.poll() is not None]
            if ended or time.monotonic() > deadline:
                why = f"{', '.join(ended)} ended" if ended else f"nothing after {START_SECONDS:.0f} s"
                raise RuntimeError(f"waited for {what}: {why}\n{self.logs()}")
            time.sleep(0.05)

    # -- files -----------------------------------------------------------------------------------------------------

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        for name, content in (("service-account.key", private), ("service-account.pub", public)):
            (self.folder / name).write_bytes(content)

    def _kubeconfig(self) -> str:
        authority = base64.b64encode((self.folder / "certificates" / "apiserver.crt").read_bytes()).decode()
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "tests",
                "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "admin"}}],
                "clusters": [
                    {"name": "tests", "cluster": {"server": self.server, "certificate-authority-data": authority}}
                ],
                "users": [{"name": "admin", "user": {"token": self.token}}],
            }
        )
