"""Runs real launchers, with the real engine or a toy one, and talks to them: what the launcher's tests share."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.local.generation import MARK
from tests.serving.package import PACKAGE

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-launcher-canary-6e1c"
TICK_SECONDS = 0.05
TOY = {"name": "toy.gguf", "content": b"GGUF toy weights"}


def free_port() -> int:
    """A free port below those that the system gives to outgoing connections, which may take one at any moment."""
    while True:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(condition: Callable[[], Any], seconds: float, what: Callable[[], str] | str) -> Any:
    """The condition's first true value; fails with `what` when it stays false."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, f"after {seconds} s: {what() if callable(what) else what}"
        time.sleep(0.02)
    return value


# One thread: on a machine that is busy with other things, llama.cpp's threads wait for each other most of the time.
ENGINE = {"kind": "llama_cpp", "threads": 1}


def planned(
    *,
    port: int,
    operations: int,
    admin: int | None = None,
    longest_generation_seconds: int = 60,
    **models: dict[str, Any],
) -> dict[str, Any]:
    """The specification of the dev stack, as its plan makes it, with other ports and, if given, other models."""
    raw = yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]["slipway:deployment"]
    raw["sites"]["here"]["platform"]["listen"] = {"port": port, "operations_port": operations, "admin_port": admin}
    first = raw["models"]["chat"]
    for of_its_own in ("evaluations", "load_test", "optimisation", "refresh", "objective"):
        first.pop(of_its_own, None)
    chat = {**first, "engine": ENGINE}
    raw["models"] = {name: {**copy.deepcopy(chat), **changes} for name, changes in (models or {"chat": {}}).items()}
    for model in raw["models"].values():
        model["longest_generation_seconds"] = longest_generation_seconds
    raw["clients"] = {"dev": {"models": sorted(raw["models"])}}
    plan = build_plan(validate(raw, "test", {}), "test")
    specification = json.loads(json.dumps(plan.sites["here"].details.specification))
    specification["gateway"]["config"]["clients"]["dev"]["key_sha256"] = [hashlib.sha256(KEY.encode()).hexdigest()]
    return specification


def toy(folder: Path, **options: Any) -> dict[str, Any]:
    """The same, with weights for the toy engine in `folder`, where relative paths start."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TOY["name"]).write_bytes(TOY["content"])
    specification = planned(
        port=options.pop("port", 0) or free_port(), operations=options.pop("operations", 0) or free_port(), **options
    )
    for engine in specification["engines"].values():
        engine["start_seconds"] = 20
        engine["weights"] = {
            "kind": "file",
            "location": TOY["name"],
            "file": None,
            "revision": None,
            "sha256": hashlib.sha256(TOY["content"]).hexdigest(),
        }
    return {**specification, "base_directory": str(folder)}


def toy_path(folder: Path) -> str:
    """A PATH on which `llama-server` is the toy engine."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "llama-server"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -E -S {ROOT}/tests/serving/toy_engine.py "$@"\n')
    script.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


def alive(process: psutil.Process) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def marked(folder: Path) -> list[psutil.Process]:
    """Every process that belongs to the generation in `folder`."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


@dataclass
class Streamed:
    """How a stream went: what it said, and whether it ended as one must."""

    status: int
    text: str
    done: bool
    raw: str


class Launcher:
    """One launcher process in a folder of its own. Every wait has a limit and fails with the ends of its logs."""

    def __init__(self, folder: Path, specification: dict[str, Any], before: Launcher | None, **env: str) -> None:
        self.folder, self.specification = folder, specification
        folder.mkdir(parents=True, mode=0o700)
        self.write(specification)
        command = [sys.executable, "-m", "serving.launcher", str(folder / "specification.json")]
        command += ["--take-over", str(before.folder / "control.sock")] if before else []
        with (folder / "launcher.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={
                    **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
                    "PYTHONPATH": str(PACKAGE),
                    MARK: str(folder),
                    **env,
                },
                start_new_session=True,
            )

    @property
    def port(self) -> int:
        return self.specification["gateway"]["port"]

    @property
    def operations(self) -> int:
        return self.specification["gateway"]["operations_port"]

    def write(self, specification: dict[str, Any]) -> str:
        """Replaces its specification; the digest by which it confirms a reload."""
        content = json.dumps(specification, indent=1).encode()
        partial = self.folder / "next"
        partial.write_bytes(content)
        partial.replace(self.folder / "specification.json")
        return hashlib.sha256(content).hexdigest()

    def status(self) -> dict[str, Any]:
        with suppress(OSError):
            return json.loads((self.folder / "status.json").read_text())
        return {}

    def log(self, name: str = "launcher") -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def tails(self) -> str:
        logs = {path.name: path.read_text(errors="replace")[-1500:] for path in sorted(self.folder.glob("*.log"))}
        return "\n".join([f"status: {self.status()}", *(f"--- {name}\n{text}" for name, text in logs.items())])

    def until(self, condition: Callable[[], Any], seconds: float, what: str) -> Any:
        return until(condition, seconds, lambda: f"{what}\n{self.tails()}")

    def ready(self, seconds: float = 20) -> Launcher:
        def settled() -> bool:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}\n{self.tails()}"
            return self.status().get("state") == "ready"

        self.until(settled, seconds, "not ready")
        return self

    def refused(self, seconds: float = 20) -> dict[str, str]:
        """Its refusal, once it has ended with 1: four parts, the same in its log, and no traceback."""
        assert self.ended(seconds) == 1, self.tails()
        status = self.status()
        assert status["state"] == "failed", self.tails()
        problem = status["problem"]
        assert set(problem) == {"where", "found", "allowed", "remedy"}
        assert all(isinstance(part, str) and part for part in problem.values()), problem
        assert problem["found"] in self.log()
        assert "Traceback" not in self.log(), self.tails()
        return problem

    def ended(self, seconds: float = 20) -> int:
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds} s\n{self.tails()}") from None

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def child(self, argument: str) -> psutil.Process | None:
        """Its child that has this argument: `serving.gateway`, or an engine's model name."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children():
                with suppress(psutil.Error):
                    if argument in child.cmdline() and "serving.launcher.lifeline" not in child.cmdline():
                        return child
        return None

    def engine(self, model: str = "chat") -> psutil.Process:
        return self.until(lambda: self.child(model), 10, f"no engine {model}")

    def gateway(self) -> psutil.Process:
        return self.until(lambda: self.child("serving.gateway"), 10, "no gateway")

    def engine_metric(self, name: str, model: str = "chat") -> float:
        """A sample of an engine's own metrics, asked with the engine's key."""
        upstream = json.loads((self.folder / "gateway.json").read_text())["models"][model]["upstreams"][0]
        headers = {"Authorization": f"Bearer {Path(upstream['key_file']).read_text().strip()}"}
        status, text = request(int(upstream["url"].rpartition(":")[2]), "/metrics", None, headers=headers)
        assert status == 200, text
        return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def answers(self, model: str = "chat") -> bool:
        """Whether a short request gets a good answer right now."""
        with suppress(OSError, http.client.HTTPException):
            return request(self.port, "/v1/chat/completions", chat(1, model=model))[0] == 200
        return False

    def end(self) -> None:
        """At once; and asserts that nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        gone_alone = sys.platform == "linux"  # elsewhere nothing tells children that their parent was killed
        end = time.monotonic() + 5
        while gone_alone and marked(self.folder) and time.monotonic() < end:
            time.sleep(0.02)
        left = marked(self.folder)
        for process in left:  # a test that is red leaves nothing either
            process.kill()
        assert not (gone_alone and left), f"left behind: {left}"


@contextmanager
def launchers(folder: Path, *, real: bool = False) -> Iterator[Callable[..., Launcher]]:
    """Starts launchers below `folder`, each in a folder of its own; ends them all, and leaves nothing.

    Their engine is the toy, or the real one as it is found here: from PATH, or in its wheel.
    """
    started: list[Launcher] = []
    path = os.environ["PATH"] if real else toy_path(folder / "bin")

    def start(specification: dict[str, Any], before: Launcher | None = None, **env: str) -> Launcher:
        env = {"PATH": path, **env}
        started.append(Launcher(folder / f"generation-{len(started)}", specification, before, **env))
        return started[-1]

    try:
        yield start
    finally:
        for launcher in started:
            launcher.process.kill()
        for launcher in started:
            launcher.end()


def chat(tokens: int, *, model: str = "chat", stream: bool = False, prompt: str = "Count.") -> dict[str, Any]:
    """A request for so many tokens; of the toy engine each takes TICK_SECONDS."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": model, "messages": messages, "max_tokens": tokens, "stream": stream, "temperature": 0}


def request(port: int, path: str, body: Any = None, *, headers: dict[str, str] | None = None) -> tuple[int, str]:
    """Status and text of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        content = None if body is None else json.dumps(body)
        headers = {"Authorization": f"Bearer {KEY}", **(headers or {})}
        connection.request("GET" if body is None else "POST", path, content, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def stream(port: int, tokens: int, begun: Callable[[], Any] = lambda: None, **options: Any) -> Streamed:
    """Reads a stream to its end; `begun` is called when its first piece is here."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    raw = b""
    try:
        body = json.dumps(chat(tokens, stream=True, **options))
        connection.request("POST", "/v1/chat/completions", body, {"Authorization": f"Bearer {KEY}"})
        answer = connection.getresponse()
        while piece := answer.read1(65536):
            if not raw:
                begun()
            raw += piece
    except (OSError, http.client.HTTPException) as error:
        raw += f"\n!! {error!r}".encode()
        return Streamed(0, "", False, raw.decode())
    finally:
        connection.close()
    lines = [line[6:] for line in raw.decode().splitlines() if line.startswith("data: ")]
    events = [json.loads(line) for line in lines if line != "[DONE]"]
    pieces = [choice["delta"].get("content") or "" for event in events for choice in event.get("choices", [])]
    finished = any(choice.get("finish_reason") for event in events for choice in event.get("choices", []))
    return Streamed(answer.status, "".join(pieces), finished and lines[-1:] == ["[DONE]"], raw.decode())


@contextmanager
def streams(port: int, count: int, tokens: int, **options: Any) -> Iterator[list[Future[Streamed]]]:
    """So many streams at once; the body runs when the first `wait_for` of them (all by default) have begun."""
    begun: list[int] = []
    wait_for = options.pop("wait_for", count)
    with ThreadPoolExecutor(count) as pool:
        futures = [pool.submit(stream, port, tokens, lambda: begun.append(1), **options) for _ in range(count)]
        until(
            lambda: len(begun) >= wait_for or all(f.done() for f in futures),
            20,
            lambda: f"only {len(begun)} of {count} streams have begun",
        )
        yield futures


def whole(futures: list[Future[Streamed]]) -> list[Streamed]:
    """Their ends, each of which must be a good one."""
    results = [future.result(timeout=60) for future in futures]
    cut = [result for result in results if not (result.status == 200 and result.done)]
    assert not cut, f"{len(cut)} of {len(results)} streams were cut; the first: {cut[0].raw[-800:]}"
    return results


class Hammer:
    """Asks for a short answer (or a path) again and again, on new connections or a kept one; counts what fails."""

    def __init__(self, port: int, *, kept: bool, path: str = "") -> None:
        self.asked, self.failures = 0, list[str]()
        body = None if path else json.dumps(chat(1))
        self._request = ("GET" if path else "POST", path or "/v1/chat/completions", body)
        self._port, self._kept, self._stop = port, kept, False
        # A daemon, so that a test that fails cannot hang at the end of the run.
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Hammer:
        self._thread.start()
        self.go_on()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join(30)

    def go_on(self, count: int = 3) -> None:
        """Returns when so many more requests have ended."""
        asked = self.asked
        try:
            until(lambda: self.asked >= asked + count, 20, lambda: f"no answers: {self.failures}")
        except AssertionError:
            self._stop = True
            raise

    def _run(self) -> None:
        connection = None
        while not self._stop:
            if connection is None or not self._kept:
                connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
            try:
                connection.request(*self._request, {"Authorization": f"Bearer {KEY}"})
                answer = connection.getresponse()
                text = answer.read().decode()
                if answer.status != 200:
                    self.failures.append(f"{answer.status} {text}")
                if not self._kept:
                    connection.close()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection = None
            self.asked += 1
            time.sleep(0.005)
