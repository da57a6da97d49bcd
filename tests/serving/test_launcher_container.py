"""The launcher as a container's first process: orphans, signals, logs as JSON, health, and files that are replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.serving.package import PACKAGE
from tests.serving.running import chat, free_port, request, stream, toy, toy_path, until

ENGINE_KEY = "engine-key-canary-93ab"
LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="orphans come to the first process on Linux only")


class Container:
    """A launcher as an image starts it: its specification is mounted, its folder empty, its output collected."""

    def __init__(self, folder: Path, specification: dict[str, Any], *, path: str, under: tuple[str, ...] = ()) -> None:
        self.run, self.mounted, self._folder = folder / "run" / "slipway", folder / "mounted", folder
        self.mounted.mkdir(parents=True)
        self.mount(specification)
        self.specification = specification
        self._output = folder / "stdout"
        command = [sys.executable, "-m", "serving.launcher", "--container", str(self.run)]
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [*under, *command, str(self.mounted / "launcher.json")],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"PATH": path, "PYTHONPATH": str(PACKAGE)},
            )

    def mount(self, specification: dict[str, Any]) -> None:
        """As Kubernetes replaces what is mounted: a link on the way is turned to a new folder, the old one goes."""
        link = self.mounted / "..data"
        before = link.resolve() if link.exists() else None
        version = self.mounted / f"..{free_port()}"
        version.mkdir()
        (version / "launcher.json").write_text(json.dumps(specification))
        turning = self.mounted / "..turning"
        turning.symlink_to(version.name)
        turning.replace(link)
        if before:
            (before / "launcher.json").unlink()
            before.rmdir()
        else:
            (self.mounted / "launcher.json").symlink_to("..data/launcher.json")

    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def lines(self, source: str) -> list[dict[str, Any]]:
        """Its log so far, every line of which is an object."""
        parsed = [json.loads(line) for line in self.output().splitlines()]
        assert all(isinstance(line, dict) and {"time", "source"} <= line.keys() for line in parsed), parsed
        return [line for line in parsed if line["source"] == source]

    def status(self) -> dict[str, Any]:
        with suppress(OSError):
            return json.loads((self.run / "status.json").read_text())
        return {}

    def ready(self) -> Container:
        until(lambda: self.status().get("state") == "ready", 20, self.output)
        return self

    def health(self) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "serving.launcher.health", str(self.run)]
        return subprocess.run(command, env={"PYTHONPATH": str(PACKAGE)}, capture_output=True, text=True, timeout=30)

    def end(self) -> None:
        with suppress(psutil.Error):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with suppress(psutil.Error):
                    process.kill()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Finds the toy as `llama-server`, which first says a plain line and leaves an orphan behind."""
    path = toy_path(tmp_path / "bin")
    script = tmp_path / "bin" / "llama-server"
    first, rest = script.read_text().split("\n", 1)
    script.write_text(f"{first}\necho 'loading \"weights\"' >&2\n(sleep 1.25 &)\n{rest}")
    return path


@pytest.fixture
def containers(tmp_path: Path, path: str) -> Iterator[Any]:
    started: list[Container] = []

    def start(specification: dict[str, Any], **options: Any) -> Container:
        started.append(Container(tmp_path / f"container-{len(started)}", specification, path=path, **options))
        return started[-1]

    yield start
    for container in started:
        container.end()


@LINUX_ONLY
def test_orphans_are_collected(containers: Any, tmp_path: Path) -> None:
    container = containers(toy(tmp_path / "weights"))
    first = psutil.Process(container.process.pid)

    def orphans() -> list[psutil.Process]:
        return [child for child in first.children() if child.name() == "sleep"]

    (orphan,) = until(orphans, 10, container.output)
    until(lambda: not orphan.is_running(), 5, "it stayed a zombie")
    container.ready()
    (launcher,) = first.children()
    assert launcher.cmdline()[-1] == str(container.mounted / "launcher.json")


@LINUX_ONLY
def test_as_process_one(containers: Any, tmp_path: Path) -> None:
    """In a process namespace of its own, where the kernel shields the first process from signals it does not handle."""
    under = ("unshare", "--fork", "--pid", "--kill-child", "--mount-proc")
    if os.geteuid() != 0 or subprocess.run([*under, "true"], capture_output=True).returncode != 0:
        pytest.skip("no process namespace can be made here")
    container = containers(toy(tmp_path / "weights"), under=under).ready()
    assert container.health().returncode == 0, container.health()
    (first,) = psutil.Process(container.process.pid).children()
    first.send_signal(signal.SIGTERM)
    assert container.process.wait(20) == 0, container.output()
    assert container.status()["state"] == "draining"


def test_sigterm_drains(containers: Any, tmp_path: Path) -> None:
    """A signal to the first process reaches the launcher, which finishes the stream; its status is its own."""
    container = containers(toy(tmp_path / "weights")).ready()
    port = container.specification["gateway"]["port"]
    streamed = stream(port, 10, begun=lambda: container.process.send_signal(signal.SIGTERM))
    assert streamed.done, streamed.raw
    assert container.process.wait(20) == 0, container.output()


def test_every_line_of_every_process_is_json(containers: Any, tmp_path: Path) -> None:
    container = containers(toy(tmp_path / "weights")).ready()
    assert request(container.specification["gateway"]["port"], "/v1/chat/completions", chat(1))[0] == 200

    def requests() -> list[dict[str, Any]]:
        return [line for line in container.lines("gateway") if line.get("event") == "request"]

    (line,) = until(requests, 5, container.output)
    assert (line["level"], line["model"]) == ("info", "chat"), "the gateway's own fields are lost"
    assert {'loading "weights"'} <= {line["message"] for line in container.lines("engine-chat")}
    assert not list(container.run.glob("*.log"))


def test_a_refusal_has_the_engines_last_words(containers: Any, tmp_path: Path) -> None:
    specification = toy(tmp_path / "weights")
    crash = tmp_path / "crash"
    crash.write_text("out of memory")
    specification["engines"]["chat"]["environment"] = {"TOY_CRASH_FILE": str(crash)}
    container = containers(specification)
    assert container.process.wait(20) == 1
    problem = container.status()["problem"]
    assert "out of memory" in problem["found"]
    assert "read this container's log" in problem["remedy"]
    assert [line["level"] for line in container.lines("launcher")] == ["error"]
    assert container.health().returncode == 1


def test_given_port_and_key(containers: Any, tmp_path: Path) -> None:
    """The pod's service and the gateway know both before the engine starts."""
    key_file, port = tmp_path / "key", free_port()
    key_file.write_text(ENGINE_KEY + "\n")
    specification = {**toy(tmp_path / "weights"), "gateway": None}
    specification["engines"]["chat"] |= {"port": port, "key_file": str(key_file)}
    container = containers(specification).ready()
    body = chat(1)
    path = "/v1/chat/completions"
    assert request(port, path, body, headers={"Authorization": f"Bearer {ENGINE_KEY}"})[0] == 200
    assert request(port, path, body, headers={"Authorization": "Bearer another"})[0] == 401
    assert ENGINE_KEY not in container.output() + json.dumps(container.status())
    assert container.status()["answers"] == [f"http://127.0.0.1:{port}/health"]


@pytest.mark.parametrize("content", ["", "two words", "non-ascii-ключ"])
def test_a_key_file_without_a_key(containers: Any, tmp_path: Path, content: str) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(content)
    specification = {**toy(tmp_path / "weights"), "gateway": None}
    specification["engines"]["chat"]["key_file"] = str(key_file)
    container = containers(specification)
    assert container.process.wait(20) == 1
    problem = container.status()["problem"]
    assert problem["where"] == f"engine key in {key_file}"
    assert "words" not in json.dumps(problem)


def test_health_follows_what_answers(containers: Any, tmp_path: Path) -> None:
    specification = toy(tmp_path / "weights")
    specification["engines"]["chat"]["environment"] = {"TOY_LOAD_SECONDS": "1"}
    container = containers(specification)
    until(lambda: container.status().get("step") == "loading models", 10, container.output)
    loading = container.health()
    assert (loading.returncode, loading.stderr) == (1, "starting: loading models\n")
    container.ready()
    assert container.health().returncode == 0, container.health().stderr
    for process in psutil.Process(container.process.pid).children(recursive=True):
        if "--api-key-file" in process.cmdline():
            process.suspend()
    hung = container.health()
    assert hung.returncode == 1
    assert container.status()["answers"][0] in hung.stderr


def test_a_replaced_specification_is_taken_over(containers: Any, tmp_path: Path) -> None:
    """Without a signal: nobody sends one when a mounted file changes."""
    container = containers(toy(tmp_path / "weights")).ready()
    port = container.specification["gateway"]["port"]
    asked = chat(1)
    assert request(port, "/v1/chat/completions", asked)[0] == 200
    changed = json.loads(json.dumps(container.specification))
    changed["gateway"]["config"]["clients"]["dev"]["key_sha256"] = ["0" * 64]
    container.mount(changed)
    until(lambda: request(port, "/v1/chat/completions", asked)[0] == 401, 15, container.output)
    assert container.status()["problem"] is None


def test_a_replaced_specification_that_is_refused_is_refused_once(containers: Any, tmp_path: Path) -> None:
    container = containers(toy(tmp_path / "weights")).ready()
    changed = json.loads(json.dumps(container.specification))
    changed["engines"]["chat"]["drain_seconds"] += 1
    container.mount(changed)
    until(lambda: container.status()["problem"], 15, container.output)
    at = container.status()["at"]
    assert request(container.specification["gateway"]["port"], "/v1/chat/completions", chat(1))[0] == 200
    with pytest.raises(AssertionError, match="no more"):
        until(lambda: container.status()["at"] > at, 6, "no more")
