"""What kube-proxy and the cluster's DNS do: every Service's address leads to a ready pod, and names are in /etc/hosts.

In this process, over sockets in the pods' network. The API server is among the Services, as `kubernetes` of `default`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from pathlib import Path
from typing import Any

from tests.cluster.client import Client, Refused
from tests.cluster.pod_network import PodNetwork

API_ADDRESS, API_PORT = "10.96.0.1", 443
LOOK_SECONDS = 0.5
CHUNK = 65536

Endpoint = tuple[str, int]


class ServiceAddresses:
    """Listens on each Service's address and passes bytes on. `hosts` is the file that every pod has as /etc/hosts."""

    def __init__(self, client: Client, network: PodNetwork, hosts: Path, api_server: Endpoint) -> None:
        self._client, self._network, self._hosts = client, network, hosts
        self._ready: dict[Endpoint, list[Endpoint]] = {(API_ADDRESS, API_PORT): [api_server]}
        self._listening: set[Endpoint] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._hosts.write_text("127.0.0.1 localhost\n")
        self._ended = threading.Event()
        self._relaying = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._relaying.start()
        self._listen((API_ADDRESS, API_PORT))
        self._looking.start()

    def close(self) -> None:
        self._ended.set()
        self._looking.join(10)
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._relaying.join(10)
        self._loop.close()

    def _look(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            with contextlib.suppress(OSError, Refused):
                services = self._client.list("v1", "Service")
                slices = self._client.list("discovery.k8s.io/v1", "EndpointSlice")
                self._follow(services, slices)

    def _follow(self, services: Any, slices: Any) -> None:
        names = ["127.0.0.1 localhost"]
        for service in services:
            spec, metadata = service["spec"], service["metadata"]
            address = spec.get("clusterIP", "None")
            if address in ("None", API_ADDRESS):
                continue
            name, namespace = metadata["name"], metadata["namespace"]
            names.append(f"{address} {name} {name}.{namespace} {name}.{namespace}.svc")
            of = [
                one
                for one in slices
                if one["metadata"]["namespace"] == namespace
                and one["metadata"].get("labels", {}).get("kubernetes.io/service-name") == name
            ]
            for port in spec["ports"]:
                self._ready[address, port["port"]] = ready(of, port.get("name", ""))
                self._listen((address, port["port"]))
        text = "\n".join(names) + "\n"
        if text != self._hosts.read_text():
            self._hosts.write_text(text)  # in place: it is mounted

    def _listen(self, at: Endpoint) -> None:
        if at in self._listening:
            return
        self._network.add_address(at[0])
        listener = self._network.socket()
        listener.bind(at)
        listener.listen(128)
        listener.setblocking(False)
        start = asyncio.start_server(lambda reader, writer: self._relay(at, reader, writer), sock=listener)
        self._servers.append(asyncio.run_coroutine_threadsafe(start, self._loop).result(10))
        self._listening.add(at)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        running = asyncio.all_tasks(self._loop) - {asyncio.current_task()}
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _relay(self, at: Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            target = random.choice(self._ready[at])
            if at == (API_ADDRESS, API_PORT):
                onward, back = await asyncio.open_connection(*target)
            else:
                connection = self._network.socket()
                connection.setblocking(False)
                await self._loop.sock_connect(connection, target)
                onward, back = await asyncio.open_connection(sock=connection)
        except (IndexError, OSError):
            writer.close()
            return
        with contextlib.suppress(asyncio.CancelledError):  # by `close`, and a server's callback wants no task cancelled
            await asyncio.gather(_pass_on(reader, back), _pass_on(onward, writer))
        back.close()
        writer.close()


def ready(slices: Any, port: str) -> list[Endpoint]:
    """Where ready endpoints are, of the port with that name."""
    found: list[Endpoint] = []
    for one in slices:
        number = next((entry["port"] for entry in one.get("ports") or [] if (entry.get("name") or "") == port), None)
        for endpoint in one.get("endpoints") or []:
            if number and endpoint.get("conditions", {}).get("ready"):
                found.append((endpoint["addresses"][0], number))
    return sorted(set(found))


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()
