"""The way to an engine that listens to its own pod alone: TLS for its API, and a port for whoever watches it.

TLS ends here for every engine alike: not each of them speaks it, and none takes a new certificate over without being
started again. Whoever watches asks another port, which has no way to the API.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path

from aiohttp import web
from cryptography import x509

from serving.launcher.engine import Engine
from serving.launcher.refusal import Refusal
from serving.launcher.specification import DoorSpecification

LOG = logging.getLogger("slipway.launcher")
WATCH_SECONDS = 5.0
HANDSHAKE_SECONDS = 10.0
# As many at once as engines' own servers let wait.
BACKLOG = 2048
# For what is on its way to a client when its engine has ended.
LAST_WORDS_SECONDS = 5.0
PIECE = 64 * 1024
# Beyond what any probe waits for.
ANSWER_SECONDS = 60.0
EXPIRY = "slipway_engine_certificate_expires_timestamp_seconds"


class EngineDoor:
    """Owns both listeners of one engine, and the certificate. Not the engine: while that is away, connections are
    closed and it is not ready."""

    def __init__(self, spec: DoorSpecification, engine: Engine) -> None:
        self._spec, self._engine = spec, engine
        self._files = Path(spec.certificate_file), Path(spec.key_file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_3
        self._content = (b"", b"")
        self._expires = 0.0
        self._api: asyncio.Server | None = None
        self._operations: web.AppRunner | None = None
        self._watching: asyncio.Task[None] | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listens on both. Raises Refusal, or OSError where a port is taken."""
        self._adopt(self._read())
        self._api = await asyncio.start_server(
            self._connected,
            self._spec.address,
            self._spec.port,
            backlog=BACKLOG,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
        )
        application = web.Application()
        application.add_routes(
            [
                web.get("/ready", self._ready),
                web.get("/live", self._live),
                web.get("/metrics", self._metrics),
            ]
        )
        self._operations = web.AppRunner(application, access_log=None)
        await self._operations.setup()
        await web.TCPSite(self._operations, self._spec.address, self._spec.operations_port).start()
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Closes the listeners. The engine is gone: what it last said is passed on, then every connection ends."""
        if self._api:
            self._api.close()
        if self._watching:
            self._watching.cancel()
        if self._connections:
            await asyncio.wait(self._connections, timeout=LAST_WORDS_SECONDS)
        for task in (*self._connections,):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        if self._operations:
            await self._operations.cleanup()

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # Cancelled at the very end only, where asyncio would log it as a defect.
            with suppress(OSError, asyncio.CancelledError):
                await self._relay(client, to_client)
                to_client.close()
                await to_client.wait_closed()
        finally:
            to_client.close()
            self._connections.discard(task)

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Bytes both ways until either side ends."""
        engine, to_engine = await asyncio.open_connection("127.0.0.1", self._engine.port)
        ways = {asyncio.create_task(_copy(client, to_engine)), asyncio.create_task(_copy(engine, to_client))}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            # At once: this is how an engine learns that nobody wants the rest.
            to_engine.transport.abort()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ready(self, _: web.Request) -> web.Response:
        return await self._asked(self._engine.readiness_path)

    async def _live(self, _: web.Request) -> web.Response:
        return await self._asked(self._spec.liveness_path)

    async def _metrics(self, _: web.Request) -> web.Response:
        """The engine's own, and when its certificate ends."""
        own = f"# TYPE {EXPIRY} gauge\n{EXPIRY} {self._expires:.0f}\n"
        answer = await self._engine.get(self._engine.metrics_path, ANSWER_SECONDS)
        if answer is None or answer[0] != HTTPStatus.OK:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        return web.Response(text=own + answer[1], headers={"Content-Type": "text/plain; version=0.0.4"})

    async def _asked(self, path: str) -> web.Response:
        """What the engine answers, without what it says: that is for whoever shows its key."""
        answer = await self._engine.get(path, ANSWER_SECONDS)
        return web.Response(status=answer[0] if answer and answer[0] else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _watch(self) -> None:
        """New connections get a certificate that was put in the place of the old one; open ones keep theirs."""
        refused = self._content
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            with suppress(OSError):  # it is being replaced
                content = self._files[0].read_bytes(), self._files[1].read_bytes()
                if content not in (refused, self._content):
                    try:
                        self._adopt(content)
                    except Refusal as problem:
                        refused = content
                        LOG.error("%s", problem)

    def _read(self) -> tuple[bytes, bytes]:
        try:
            return self._files[0].read_bytes(), self._files[1].read_bytes()
        except OSError as error:
            raise self._unusable((error.strerror or "unreadable").lower()) from None

    def _adopt(self, content: tuple[bytes, bytes]) -> None:
        """Takes them over. Tried in a context of its own first: a bad pair would leave the other one half changed."""
        try:
            ends = x509.load_pem_x509_certificate(content[0]).not_valid_after_utc
            for context in (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), self._context):
                context.load_cert_chain(*self._files, password=_no_passphrase)
        except (OSError, ValueError):
            raise self._unusable("no pair of certificate and key that can be used") from None
        if ends <= datetime.now(UTC):
            LOG.warning("the certificate in %s ended on %s: gateways do not accept it", self._files[0], ends.date())
        self._content, self._expires = content, ends.timestamp()
        LOG.info("engine %s: a certificate until %s", self._engine.name, ends.date())

    def _unusable(self, found: str) -> Refusal:
        return Refusal(
            where=" and ".join(map(str, self._files)),
            found=found,
            allowed="a certificate and its key in PEM",
            remedy="mount the secret with both there",
        )


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while piece := await source.read(PIECE):
        target.write(piece)
        await target.drain()


def _no_passphrase() -> str:
    raise ValueError("passphrase")
