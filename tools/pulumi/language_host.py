"""Pulumi language host for Python, for a CLI that was built from its Go modules (releases bring their own).

The engine starts it as `pulumi-language-python`, reads a port from its first line and speaks the LanguageRuntime
protocol to it. It runs programs and policy packs with the interpreter of the project's virtual environment, through the
`pulumi-language-python-exec` that stands beside the CLI. It installs nothing and generates no code.
"""

import argparse
import importlib.metadata
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, plugin_pb2

ALREADY_SHOWN = 32  # the program's exit status when it has told the user what is wrong
LARGEST_MESSAGE_BYTES = 400 << 20
END_SECONDS = 5.0

LIST_PACKAGES = """
import importlib.metadata as m, json, re
every = {d.metadata["Name"]: d for d in m.distributions()}
canonical = lambda name: re.sub("[-_.]+", "-", name).lower()
needed = {canonical(re.match("[A-Za-z0-9._-]+", r)[0]) for d in every.values() for r in d.requires or ()}
print(json.dumps([[n, d.version, canonical(n) not in needed] for n, d in sorted(every.items())]))
"""


class Missing(Exception):
    """The project's virtual environment is not there."""


class Children:
    """The processes that this host has started: all of them end when it is told to stop."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def start(self, command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        with self._lock:
            child = cast("subprocess.Popen[bytes]", subprocess.Popen(command, stdin=subprocess.DEVNULL, **options))
            self._running.add(child)
            return child

    def wait(self, child: subprocess.Popen[bytes]) -> int:
        status = child.wait()
        with self._lock:
            self._running.discard(child)
        return status

    def end(self) -> None:
        """Ask every child to end, insist after a while, and collect each of them."""
        with self._lock:
            running = list(self._running)
        for child in running:
            child.terminate()
        for child in running:
            try:
                child.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The part of the protocol that running programs and policy packs needs; the rest answers `unimplemented`."""

    def __init__(self, engine: str, executor: str, children: Children) -> None:
        self._engine, self._executor, self._children = engine, executor, children

    def GetPluginInfo(self, request: Any, context: Any) -> Any:  # noqa: N802 - the protocol's names
        return plugin_pb2.PluginInfo(version=importlib.metadata.version("pulumi"))

    def GetRequiredPackages(self, request: Any, context: Any) -> Any:  # noqa: N802
        # None, where the official host names one per installed pulumi_* package: a plugin is then looked for when a
        # resource needs it, and a stack on this machine needs none.
        return language_pb2.GetRequiredPackagesResponse()

    def GetProgramDependencies(self, request: Any, context: Any) -> Any:  # noqa: N802
        listed = _ask(_python_of(request.info), LIST_PACKAGES)
        packages = [
            language_pb2.DependencyInfo(name=name, version=version)
            for name, version, direct in json.loads(listed or "[]")
            if direct or request.transitiveDependencies
        ]
        return language_pb2.GetProgramDependenciesResponse(dependencies=packages)

    def About(self, request: Any, context: Any) -> Any:  # noqa: N802
        python = _python_of(request.info)
        version = _ask(python, "import platform; print(platform.python_version())")
        return language_pb2.AboutResponse(
            executable=python, version=version, metadata={"language host": "slipway/tools/pulumi/language_host.py"}
        )

    def InstallDependencies(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        yield language_pb2.InstallDependenciesResponse()

    def RuntimeOptionsPrompts(self, request: Any, context: Any) -> Any:  # noqa: N802
        return language_pb2.RuntimeOptionsResponse()

    def Cancel(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._children.end()
        return empty_pb2.Empty()

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802
        info = request.info
        try:
            python = _python_of(info)
        except Missing as missing:
            return language_pb2.RunResponse(error=str(missing))
        program = Path(info.program_directory)
        if info.entry_point not in ("", "."):
            program /= info.entry_point
        command = [python, "-u", self._executor]
        command += ["--monitor", request.monitor_address, "--engine", self._engine, "--project", request.project]
        command += ["--stack", request.stack, "--organization", request.organization]
        command += ["--root_directory", info.root_directory, "--pwd", info.program_directory]
        command += ["--dry_run", str(request.dryRun).lower(), "--parallel", str(request.parallel)]
        environment = os.environ | {
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        child = self._children.start(
            [*command, str(program), *request.args],
            cwd=info.program_directory,
            env=environment,
            stdout=sys.stderr,  # our own standard output told the port and is not read as the program's
        )
        context.add_callback(lambda: _terminate(child))
        status = self._children.wait(child)
        if status == 0:
            return language_pb2.RunResponse()
        if status == ALREADY_SHOWN:
            return language_pb2.RunResponse(bail=True)
        return language_pb2.RunResponse(error=f"the program {_ended(status)}")

    def RunPlugin(self, request: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        python = _python_of(request.info)
        module = ["-m", "pulumi.policy"] if request.kind == "analyzer" else []
        arguments = (
            [*request.args, request.info.program_directory]
            if module
            else [request.info.program_directory, *request.args]
        )
        child = self._children.start(
            [python, "-u", *module, *arguments],
            cwd=request.pwd,
            env=dict(entry.split("=", 1) for entry in request.env) or dict(os.environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        context.add_callback(lambda: _terminate(child))
        output: SimpleQueue[dict[str, bytes] | None] = SimpleQueue()
        for stream, field in ((child.stdout, "stdout"), (child.stderr, "stderr")):
            threading.Thread(target=_pump, args=(stream, field, output), daemon=True).start()
        for _ in range(2):
            while (message := output.get()) is not None:
                yield language_pb2.RunPluginResponse(**cast("Any", message))
        yield language_pb2.RunPluginResponse(exitcode=self._children.wait(child))


def main() -> None:
    """Serve until the engine interrupts this process or is gone."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--executor", required=True, help="path of pulumi-language-python-exec")
    known, of_engine = arguments.parse_known_args()
    engine = next((word for word in reversed(of_engine) if not word.startswith("-")), "")
    children = Children()
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES)],
    )
    language_pb2_grpc.add_LanguageRuntimeServicer_to_server(LanguageHost(engine, known.executor, children), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    parent = os.getppid()
    while not stop.wait(1.0) and os.getppid() == parent:  # an engine that was killed interrupts nobody
        pass
    children.end()
    # Not server.stop(): the engine waits for this process to end, and no answer is owed to it any more.
    os._exit(0)


def _python_of(info: Any) -> str:
    """The interpreter that `runtime.options.virtualenv` names, else the one that runs this host."""
    options = dict(info.options.items()) if info.HasField("options") else {}
    folder = options.get("virtualenv")
    if not folder:
        return sys.executable
    python = Path(info.root_directory, str(folder), "bin", "python").absolute()
    if not os.access(python, os.X_OK):
        raise Missing(
            f"cannot run the program\n  where    {python}\n  found    no Python there\n"
            f"  allowed  the virtual environment that Pulumi.yaml names (virtualenv: {folder})\n"
            "  do       Run tools/python/install, then pulumi again."
        )
    return str(python)


def _ask(python: str, code: str) -> str:
    return subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False).stdout.strip()


def _terminate(child: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        child.terminate()


def _pump(stream: Any, field: str, output: "SimpleQueue[dict[str, bytes] | None]") -> None:
    while chunk := stream.read1(65536):
        output.put({field: chunk})
    output.put(None)


def _ended(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended with status {status}"


if __name__ == "__main__":
    main()
