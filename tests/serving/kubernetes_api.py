"""A scripted Kubernetes API server over TLS: EndpointSlices of one Service by list and watch, with every fault."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from pathlib import Path
from typing import Any

from aiohttp import web

TOKEN = "pod-token-canary-7e51"


def endpoint_slice(name: str, version: int, addresses: dict[str, bool | None], port: int, **fields: Any) -> Any:
    """One slice; an address is ready, not ready, or (None) says nothing about it."""
    return {
        "metadata": {"name": name, "resourceVersion": str(version), "labels": {"a": "b"}},
        "addressType": "IPv4",
        "endpoints": [
            {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}, "nodeName": "n"}
            for address, ready in addresses.items()
        ],
        "ports": [{"name": "http", "port": port, "protocol": "TCP"}],
        **fields,
    }


class KubernetesApi:
    """`slices` is what a list gives; `send` pushes a watch event; `drop` cuts all watches."""

    def __init__(self, certificate: tuple[Path, Path] | None = None) -> None:
        self.slices: list[Any] = []
        self.version = 1
        self.lists = 0
        self.watches: list[dict[str, str]] = []
        self.refused = 0
        self.down = False
        self.gone = False
        self.selector = ""
        self.path = ""
        self._certificate = certificate
        self._open: list[web.StreamResponse] = []
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> KubernetesApi:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def send(self, kind: str, thing: Any) -> None:
        """One event to every open watch."""
        line = json.dumps({"type": kind, "object": thing}).encode() + b"\n"
        asyncio.run_coroutine_threadsafe(self._push(line), self._loop).result(10)

    def send_raw(self, data: bytes) -> None:
        asyncio.run_coroutine_threadsafe(self._push(data), self._loop).result(10)

    def drop(self) -> None:
        """Cut the watches' connections."""
        for response in self._open:
            transport = response._req.transport if response._req else None  # type: ignore[union-attr]
            if transport is not None:
                self._loop.call_soon_threadsafe(transport.abort)

    @property
    def watching(self) -> int:
        return len(self._open)

    async def _push(self, line: bytes) -> None:
        for response in list(self._open):
            # In two pieces: a reader must not take a piece for a line.
            await response.write(line[: len(line) // 2])
            await asyncio.sleep(0.01)
            await response.write(line[len(line) // 2 :])

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.refused += 1
            return web.json_response({"kind": "Status", "code": 401}, status=401)
        if self.down:
            return web.json_response({"kind": "Status", "code": 503}, status=503)
        self.path = request.path
        self.selector = request.query.get("labelSelector", "")
        if "watch" not in request.query:
            self.lists += 1
            return web.json_response({"metadata": {"resourceVersion": str(self.version)}, "items": self.slices})
        self.watches.append(dict(request.query))
        if self.gone:
            self.gone = False
            return web.json_response({"kind": "Status", "code": 410}, status=410)
        response = web.StreamResponse()
        await response.prepare(request)
        self._open.append(response)
        try:
            await asyncio.sleep(3600)
        finally:
            self._open.remove(response)
        return response

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.close()

    async def _start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
        await self._runner.setup()
        secure = None
        if self._certificate is not None:
            secure = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            secure.load_cert_chain(*self._certificate)
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=secure)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"{'https' if secure else 'http'}://127.0.0.1:{port}"
