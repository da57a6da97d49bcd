"""One generation: engines and gateway that start together, serve together, and end together.

Nothing in a running generation changes but the gateway's configuration. Everything else is a new generation, which
takes the sockets over when it serves: the same rule as for pods, so that a laptop and a cluster behave alike.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import socket
from contextlib import suppress
from pathlib import Path

import msgspec

from serving.launcher.engine import Engine
from serving.launcher.engine_door import EngineDoor
from serving.launcher.fetched import look_at_fetched, look_at_mounted
from serving.launcher.gateway_process import GatewayProcess
from serving.launcher.process_log import Logs
from serving.launcher.refusal import Refusal, unusable
from serving.launcher.sockets import Address, Predecessor, bind, offer
from serving.launcher.specification import (
    EngineSpecification,
    GatewaySpecification,
    Specification,
    read_specification,
)
from serving.launcher.status import Status
from serving.launcher.streamed import look_at_streamed
from serving.launcher.weights import check_digest, fetch, package_file, read_token

LOG = logging.getLogger("slipway.launcher")
# Where one who listens on every address is asked.
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
# With a gateway in front, an engine is idle once the gateway has ended; this is for its last bookkeeping.
IDLE_SECONDS_BEHIND_GATEWAY = 2.0


class Generation:
    """Runs one specification until it is told to end. Its folder, for status and sockets, is the current directory."""

    def __init__(
        self,
        specification: Path,
        folder: Path,
        predecessor: Path | None,
        logs: Logs,
        watch_seconds: float | None = None,
    ) -> None:
        self._path, self._predecessor_control = specification, predecessor
        self._folder, self._logs, self._watch_seconds = folder, logs, watch_seconds
        self._status = Status(self._folder)
        self._ending = asyncio.Event()
        self._lost = False
        self._engines: dict[str, Engine] = {}
        self._doors: list[EngineDoor] = []
        self._gateway: GatewayProcess | None = None
        self._listeners: dict[Address, socket.socket] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._control: asyncio.Server | None = None
        self._digest = ""
        self._reloading = asyncio.Lock()
        self._spec: Specification | None = None

    async def run(self) -> int:
        """0 after an orderly end, 1 when it could not start (status.json says why)."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        # Nothing to reload yet; without a handler it would be the end.
        loop.add_signal_handler(signal.SIGHUP, lambda: LOG.info("SIGHUP before it is ready: nothing to reload"))
        self._status.write("starting", step="reading the specification")
        starting = asyncio.create_task(self._start())
        ended = asyncio.create_task(self._ending.wait())
        await asyncio.wait({starting, ended}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
        try:
            spec = await starting
        except asyncio.CancelledError:
            await self._end(None)
            return 0
        except (Refusal, OSError) as problem:
            refusal = problem if isinstance(problem, Refusal) else unusable(self._folder, problem)
            LOG.error("%s", refusal)
            await self._end(None)
            self._status.write("failed", problem=refusal)
            return 1
        await self._ending.wait()
        # Closed, not waited for: a successor that is still loading may hold its connection for long.
        if self._control:
            self._control.close()
        self._status.write("draining", digest=self._digest)
        for listener in self._listeners.values():  # the gateway and a successor have their own handles
            listener.close()
        await self._end(spec)
        return 1 if self._lost else 0

    def _lose(self, _: asyncio.Task[None]) -> None:
        if not self._ending.is_set():
            self._lost = True
            self._ending.set()

    async def _start(self) -> Specification:
        spec, self._digest = read_specification(self._path)
        predecessor = Predecessor.connect(self._predecessor_control) if self._predecessor_control else None
        try:
            if spec.gateway is not None:
                for address in _addresses(spec.gateway):
                    self._listeners[address] = predecessor.listener(address) if predecessor else bind(address)
            self._status.write("starting", step="checking weights")
            found = await asyncio.gather(*(self._weights(spec, engine) for engine in spec.engines.values()))
            for (name, engine), weights in zip(spec.engines.items(), found, strict=True):
                self._engines[name] = Engine(name, engine, weights, self._folder, self._logs)
                if engine.door is not None:
                    self._doors.append(EngineDoor(engine.door, self._engines[name]))
                    await self._doors[-1].open()
            self._status.write("starting", step="loading models")
            await asyncio.gather(*(engine.start() for engine in self._engines.values()))
            if spec.gateway is not None:
                self._status.write("starting", step="starting the gateway")
                self._gateway = GatewayProcess(spec.gateway, tuple(self._listeners.values()), self._folder, self._logs)
                await self._gateway.start(self._engines)
            self._control = await offer(self._listeners, self._ending.set)
        except BaseException:
            if predecessor:
                predecessor.close()
            raise
        self._spec = spec
        watched = [*self._engines.values(), *([self._gateway] if self._gateway else [])]
        self._tasks += [asyncio.create_task(process.watch()) for process in watched]
        for process, task in zip(watched, self._tasks, strict=True):
            # One of several nodes is not started again here: the whole replica is, so that this is the end.
            if isinstance(process, Engine) and process.is_node:
                task.add_done_callback(self._lose)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, lambda: self._tasks.append(loop.create_task(self._reload())))
        if self._watch_seconds is not None:
            self._tasks.append(loop.create_task(self._watch_specification(self._watch_seconds)))
        # Last: whoever reads this may reload or follow it at once.
        self._status.write("ready", digest=self._digest, answers=self._answers())
        if predecessor:
            predecessor.retire()
        return spec

    async def _weights(self, spec: Specification, engine: EngineSpecification) -> Path | str:
        weights = engine.weights
        match weights.kind:
            case "package":
                path = package_file(weights)
            case "file":
                path = Path(os.path.normpath(Path(spec.base_directory) / os.path.expanduser(weights.location)))
            case "huggingface":
                token = read_token(Path(spec.huggingface_token_file)) if spec.huggingface_token_file else None
                return await fetch(weights, Path(spec.cache_directory), token)
            case "s3":
                raise Refusal(
                    where=f"weights of {weights.location}",
                    found="a bucket, which nobody has fetched from",
                    allowed="weights at their place",
                    remedy="run `python -m serving.launcher fetch` first",
                )
            case "fetched":
                return look_at_fetched(Path(weights.location))
            case "mounted":
                return look_at_mounted(Path(weights.location))
            case "streamed":
                return await look_at_streamed(weights)
        await check_digest(path, weights.sha256)
        return path

    def _answers(self) -> list[str]:
        """Where everything that runs here says whether it is ready."""
        addresses = [engine.readiness_url for engine in self._engines.values() if engine.answers]
        if self._spec is not None and (gateway := self._spec.gateway) is not None:
            host = LOOPBACK.get(gateway.operations_address, gateway.operations_address)
            addresses.append(f"http://{f'[{host}]' if ':' in host else host}:{gateway.operations_port}/ready")
        return addresses

    async def _watch_specification(self, seconds: float) -> None:
        """Reloads when the file has changed; once for each content, whether it was taken over or refused."""
        tried = self._digest
        while True:
            await asyncio.sleep(seconds)
            with suppress(OSError):  # it is being replaced
                digest = hashlib.sha256(self._path.read_bytes()).hexdigest()
                if digest not in (tried, self._digest):
                    tried = digest
                    await self._reload()

    async def _reload(self) -> None:
        """Takes a changed gateway configuration over; anything else that changed is refused."""
        async with self._reloading:
            problem = await self._reload_gateway()
            if problem:
                LOG.error("%s", problem)
            if not self._ending.is_set():
                self._status.write("ready", digest=self._digest, problem=problem, answers=self._answers())

    async def _reload_gateway(self) -> Refusal | None:
        try:
            spec, digest = read_specification(self._path)
            if self._gateway is None or spec.gateway is None:
                raise _needs_new_generation("there is no gateway")
            if _without_gateway_config(spec) != _without_gateway_config(self._spec):
                raise _needs_new_generation("a change of more than the gateway's configuration")
            await self._gateway.reload(spec.gateway.config, self._engines)
        except (Refusal, OSError) as problem:
            return problem if isinstance(problem, Refusal) else unusable(self._folder, problem)
        self._digest = digest
        return None

    async def _end(self, spec: Specification | None) -> None:
        """Gateway first, so that every stream is finished; then engines, each once it is idle."""
        if self._gateway:
            await self._gateway.stop()
        await asyncio.gather(
            *(
                engine.stop(
                    0
                    if spec is None
                    else IDLE_SECONDS_BEHIND_GATEWAY
                    if self._gateway
                    else spec.engines[name].drain_seconds
                )
                for name, engine in self._engines.items()
            )
        )
        # Last: an engine's running answers go through it.
        for door in self._doors:
            await door.close()
        for task in self._tasks:
            task.cancel()
        for listener in self._listeners.values():
            listener.close()


def _addresses(gateway: GatewaySpecification) -> list[Address]:
    """Where the gateway listens, in the order in which it gets its sockets."""
    listening: list[Address] = [
        (gateway.address, gateway.port),
        (gateway.operations_address, gateway.operations_port),
    ]
    return listening + ([(gateway.admin_address, gateway.admin_port)] if gateway.admin_port is not None else [])


def _without_gateway_config(spec: Specification | None) -> Specification | None:
    if spec is None or spec.gateway is None:
        return spec
    return msgspec.structs.replace(spec, gateway=msgspec.structs.replace(spec.gateway, config={"models": {}}))


def _needs_new_generation(found: str) -> Refusal:
    return Refusal(
        where="launcher",
        found=found,
        allowed="a change of the gateway's configuration only",
        remedy="start a new generation",
    )
