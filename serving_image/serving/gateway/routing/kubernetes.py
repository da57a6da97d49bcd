"""Discovery by Kubernetes: the ready endpoints of a Service, by list and watch of its EndpointSlices."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec

from serving.gateway.routing.config import KubernetesDiscovery

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0
_LIST_SECONDS = 30.0
# The API server is asked to end a watch by itself; silence well beyond that is a dead connection.
_WATCH_SECONDS = 240
_LARGEST_LINE = 16 * 1024 * 1024
_GONE = 410


class _Conditions(msgspec.Struct):
    ready: bool | None = None
    terminating: bool | None = None


class _Endpoint(msgspec.Struct):
    addresses: list[str] = []
    conditions: _Conditions = msgspec.field(default_factory=_Conditions)


class _Port(msgspec.Struct):
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    name: str | None = ""


class _Metadata(msgspec.Struct):
    name: str = ""
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Slice(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    address_type: str = msgspec.field(default="IPv4", name="addressType")
    endpoints: list[_Endpoint] | None = None
    ports: list[_Port] | None = None
    code: int = 0  # of the Status object that an ERROR event carries


class _List(msgspec.Struct):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    items: list[_Slice] | None = None


class _Event(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: _Slice


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode


class _Relist(Exception):
    """The watch's version is too old: list again."""


async def follow_endpoints(
    url: str,
    config: KubernetesDiscovery,
    found: Callable[[tuple[str, ...]], None],
    trouble: Callable[[str], None],
) -> None:
    """Until cancelled. Whatever fails, the known replicas stay, and list and watch begin anew after a pause."""
    pause = 0.0
    while True:
        try:
            await _Follower(url, config, found).run()
        except _Relist:
            pause = 0.0
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, msgspec.DecodeError) as error:
            trouble(type(error).__name__)
            pause = min(_LONGEST_PAUSE_SECONDS, pause * 2 or _FIRST_PAUSE_SECONDS)
        else:
            pause = 0.0  # the server ended the watch, as it does now and then
        await asyncio.sleep(max(pause, 0.05))


class _Follower:
    """One list and the watches that follow it."""

    def __init__(self, url: str, config: KubernetesDiscovery, found: Callable[[tuple[str, ...]], None]) -> None:
        self._config = config
        self._found = found
        self._slices: dict[str, _Slice] = {}
        self._version = ""
        self._api = _api_address(config)
        namespace = config.namespace or Path(config.namespace_file).read_text(encoding="ascii").strip()
        self._path = f"/apis/discovery.k8s.io/v1/namespaces/{quote(namespace)}/endpointslices"
        self._selector = f"kubernetes.io/service-name={config.service}"
        self._scheme = urlsplit(url).scheme

    async def run(self) -> None:
        """List, then watch until the server ends it. Raises _Relist, or what went wrong."""
        secure: ssl.SSLContext | bool = True
        if self._api.startswith("https://") and self._config.ca_file is not None:
            secure = ssl.create_default_context(cafile=self._config.ca_file)
        connector = aiohttp.TCPConnector(ssl=secure)
        async with aiohttp.ClientSession(connector=connector, trust_env=False, read_bufsize=_LARGEST_LINE) as session:
            await self._list(session)
            while True:
                await self._watch(session)

    def _headers(self) -> dict[str, str]:
        # Read each time: Kubernetes renews the file about hourly.
        return {"Authorization": f"Bearer {Path(self._config.token_file).read_text(encoding='ascii').strip()}"}

    async def _list(self, session: aiohttp.ClientSession) -> None:
        async with session.get(
            self._api + self._path,
            params={"labelSelector": self._selector},
            headers=self._headers(),
            timeout=aiohttp.ClientTimeout(total=_LIST_SECONDS),
            allow_redirects=False,
        ) as response:
            response.raise_for_status()
            listed = _decode_list(await response.read())
        self._slices = {item.metadata.name: item for item in listed.items or []}
        self._version = listed.metadata.resource_version
        self._tell()

    async def _watch(self, session: aiohttp.ClientSession) -> None:
        parameters = {
            "labelSelector": self._selector,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        async with session.get(
            self._api + self._path,
            params=parameters,
            headers=self._headers(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_LIST_SECONDS, sock_read=_WATCH_SECONDS + 30),
            allow_redirects=False,
        ) as response:
            if response.status == _GONE:
                raise _Relist
            response.raise_for_status()
            seen = 0
            async for line in response.content:
                if line.strip():
                    seen += 1
                    self._apply(_decode_event(line))
            if not seen:
                await asyncio.sleep(_FIRST_PAUSE_SECONDS)  # a server that ends watches at once is not to be hurried

    def _apply(self, event: _Event) -> None:
        if event.type == "ERROR":
            if event.object.code == _GONE:
                raise _Relist
            raise ValueError("watch error")
        self._version = event.object.metadata.resource_version or self._version
        if event.type == "BOOKMARK":
            return
        if event.type == "DELETED":
            self._slices.pop(event.object.metadata.name, None)
        else:
            self._slices[event.object.metadata.name] = event.object
        self._tell()

    def _tell(self) -> None:
        addresses: set[str] = set()
        for item in self._slices.values():
            port = self._port(item)
            if port is None or item.address_type == "FQDN":
                continue
            for endpoint in item.endpoints or []:
                conditions = endpoint.conditions
                # No condition means ready; one that ends its work gets no more of it.
                if conditions.ready is not False and not conditions.terminating and endpoint.addresses:
                    host = endpoint.addresses[0]
                    addresses.add(f"{self._scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        self._found(tuple(sorted(addresses)))

    def _port(self, item: _Slice) -> int | None:
        ports = item.ports or []
        if self._config.port is None:
            return ports[0].port if len(ports) == 1 else None
        return next((port.port for port in ports if (port.name or "") == self._config.port), None)


def _api_address(config: KubernetesDiscovery) -> str:
    if config.api is not None:
        return config.api.rstrip("/")
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ValueError("not in a pod")
    return f"https://{f'[{host}]' if ':' in host else host}:{port}"
