"""A checkout of its own for a test: the project's files copied, tools linked, real CLI, state and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).resolve().parents[2]
COPIED = (
    "infra",
    "serving_image",
    "tools",
    "requirements",
    "__main__.py",
    "Pulumi.yaml",
    "Pulumi.dev.yaml",
    "Pulumi.onprem.yaml",
    "Pulumi.prod.yaml",
    "Pulumi.staging.yaml",
    "Pulumi.serverless.yaml",
    "Makefile",
)
COMMAND_SECONDS = 300
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class Checkout:
    """One stack in one folder. Everything it starts is found again by the folder's name, and ended by `close`."""

    def __init__(self, folder: Path, stack: str = "dev") -> None:
        self.folder, self.stack = folder, stack
        self.more_environment: dict[str, str] = {}
        for name in COPIED:
            source, target = ROOT / name, folder / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)
        for name in (".venv", ".tools"):
            (folder / name).symlink_to(ROOT / name)
        self.port, self.operations_port, self.admin_port = free_ports(3)
        self.stack_file = folder / f"Pulumi.{stack}.yaml"
        self.change(self._listen_there)

    def _listen_there(self, deployment: dict[str, Any]) -> None:
        listen = {"port": self.port, "operations_port": self.operations_port, "admin_port": self.admin_port}
        for site in deployment["sites"].values():
            if site["platform"]["kind"] == "local":
                site["platform"]["listen"] = listen

    # -- what a user does ------------------------------------------------------------------------------------------

    def change(self, edit: Callable[[dict[str, Any]], Any]) -> None:
        """Edits the deployment in the stack file."""
        content = yaml.safe_load(self.stack_file.read_text())
        edit(content["config"]["slipway:deployment"])
        self.stack_file.write_text(yaml.safe_dump(content, sort_keys=False))

    def run(self, *command: str, check: bool = True, environment: dict[str, str] | None = None) -> str:
        """Runs a command in the checkout; returns what it printed on both streams."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        if check:
            assert done.returncode == 0, (
                f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{self.logs()}"
            )
        else:
            assert done.returncode != 0, f"{' '.join(command)} should have failed:\n{done.stdout}"
        return done.stdout

    def pulumi(self, *arguments: str, check: bool = True) -> str:
        """The real CLI, in the environment that `make up` uses."""
        exports = subprocess.run(
            ["tools/pulumi/env"], cwd=self.folder, env=self.environment(), capture_output=True, text=True, check=True
        ).stdout
        return self.run("sh", "-c", f'{exports}\nexec pulumi "$@"', "sh", *arguments, check=check)

    def up(self, check: bool = True) -> str:
        return self.run("make", "up", f"STACK={self.stack}", check=check)

    def environment(self) -> dict[str, str]:
        """Ours, but with no login, backend or passphrase of the person who runs the tests."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("PULUMI_")}
        return {**kept, "HOME": str(self.folder), **self.more_environment}

    # -- what a user sees ------------------------------------------------------------------------------------------

    def key(self) -> str:
        return json.loads(self.pulumi("stack", "output", "--stack", "dev", "--json", "--show-secrets"))["client_keys"][
            "dev"
        ]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, key: str, content: str = "Tell me the capital of France.", **body: Any) -> str:
        """The model's answer, or `HTTP <status>`, or `refused` when nobody listens."""
        request = urllib.request.Request(
            f"{self.endpoint}/v1/chat/completions",
            data=json.dumps(
                {"model": "chat", "messages": [{"role": "user", "content": content}], "temperature": 0, **body}
            ).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["choices"][0]["message"]["content"]
        except urllib.error.HTTPError as error:
            return f"HTTP {error.code}"
        except (urllib.error.URLError, OSError):
            return "refused"

    def seconds_until_answer(self, key: str, within: float) -> float:
        """How long it takes until the model answers again; fails when that is not within the limit."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            if "Paris" in self.ask(key):
                return time.monotonic() - started
            time.sleep(0.05)
        raise AssertionError(f"no answer within {within} s\n{self.logs()}")

    # -- what is really there --------------------------------------------------------------------------------------

    def processes(self, part: str = "") -> list[psutil.Process]:
        """Every process of this checkout's generations whose command line has `part` in it."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            try:
                mark = process.environ().get("SLIPWAY_GENERATION", "")
                if mark.startswith(str(self.folder)) and part in " ".join(process.cmdline()):
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found

    def engine(self) -> psutil.Process:
        (process,) = self.processes("llama_server")
        return process

    def generation(self, within: float = 40) -> str:
        """The folder of the one generation that is left once an earlier one has drained."""
        deadline = time.monotonic() + within
        while len(launchers := self.processes("serving.launcher ")) != 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(launchers) == 1, f"{len(launchers)} generations after {within} s\n{self.logs()}"
        return launchers[0].environ()["SLIPWAY_GENERATION"]

    def listening(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def logs(self) -> str:
        parts = sorted((self.folder / ".slipway" / "run").rglob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in parts)

    def close(self) -> None:
        """Ends what the test left running, whatever happened."""
        for process in self.processes():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue


def free_ports(count: int) -> list[int]:
    """Free ports below those that the system gives to outgoing connections, which may take one at any moment."""
    found: set[int] = set()
    while len(found) < count:
        port = random.randrange(15_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return sorted(found)
