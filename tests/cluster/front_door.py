"""A real nginx as the front door: it keeps connections to the gateways and uses them again, and follows the
EndpointSlices of their Service as an ingress controller does.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from pathlib import Path

from tests.cluster.client import Client, Refused, eventually
from tests.cluster.pod_network import GATEWAY as ADDRESS
from tests.cluster.pod_network import PodNetwork, searched
from tests.cluster.service_addresses import Endpoint, ready

PORT = 80
LOOK_SECONDS = 0.25
# Of an answer, before the door gives up. Short, as is the gateway's own here, so that a test of it is.
SILENCE_SECONDS = 12
# No limit on an answer's length, no buffer, and, as ingress controllers do, another gateway where one is not reached.
CONFIG = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 1;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream gateways {{
{servers}
    keepalive 64;
    keepalive_timeout 60s;
  }}
  server {{
    listen {address}:{port} backlog=1024;
    location / {{
      proxy_pass http://gateways;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $host;
      proxy_buffering off;
      proxy_connect_timeout 4s;
      proxy_read_timeout {silence}s;
      proxy_next_upstream error timeout;
    }}
  }}
}}
"""


class FrontDoor:
    """Starts once there is a gateway that is ready; `url` is what clients use."""

    host, port = ADDRESS, PORT
    url = f"http://{ADDRESS}:{PORT}"

    def __init__(self, client: Client, network: PodNetwork, namespace: str, folder: Path) -> None:
        self._client, self._namespace, self._folder = client, namespace, folder
        folder.mkdir()
        folder.chmod(0o755)
        self._written: list[Endpoint] = []
        eventually(self._look, "a gateway that is ready", 120)
        isolated = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        config = ["-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), "-p", str(folder)]
        self._process = subprocess.Popen(
            network.inside(*isolated, *searched("nginx"), *config), stdin=subprocess.DEVNULL, process_group=0
        )
        eventually(lambda: (folder / "nginx.pid").exists(), "nginx", 20)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._thread.join(90)
        self._process.kill()
        self._process.wait()

    @property
    def gateways(self) -> list[Endpoint]:
        """To whom it sends requests."""
        return list(self._written)

    def _look(self) -> bool:
        """Writes who is there; whether that is somebody else than before."""
        selector = "kubernetes.io/service-name=gateway"
        slices = self._client.list("discovery.k8s.io/v1", "EndpointSlice", self._namespace, selector)
        found = ready(slices, "http")
        if not found or found == self._written:
            return False
        servers = "\n".join(f"    server {host}:{port} max_fails=0;" for host, port in found)
        text = CONFIG.format(folder=self._folder, servers=servers, address=ADDRESS, port=PORT, silence=SILENCE_SECONDS)
        (self._folder / "nginx.conf").write_text(text)
        self._written = found
        return True

    def _follow(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with contextlib.suppress(OSError, Refused, ValueError, subprocess.CalledProcessError):
                if self._look():
                    self._reload()

    def _reload(self) -> None:
        """New workers take over; those before finish what they have."""
        first = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        subprocess.run(["kill", f"-{signal.SIGHUP.value}", *first], check=True)
