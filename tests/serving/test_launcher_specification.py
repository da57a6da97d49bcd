"""A specification or a folder that cannot be used: four parts in status.json and on stderr, exit 1, no traceback."""

from __future__ import annotations

import copy
import json
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.refusal import Refusal
from serving.launcher.specification import read_specification
from tests.serving.running import ROOT, Launcher, launchers, toy

Start = Callable[..., Launcher]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with launchers(tmp_path) as start:
        yield start


def changed(folder: Path, path: str, value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(toy(folder))
    *parents, last = path.split(".")
    place = spec
    for name in parents:
        place = place[name]
    place[last] = value
    return spec


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("surprise", 1, "unknown field `surprise`"),
        ("engines.chat.surprise", 1, "unknown field `surprise` - at `$.engines[...]`"),
        ("engines.chat.weights.surprise", 1, "unknown field `surprise` - at `$.engines[...].weights`"),
        ("gateway.surprise", 1, "unknown field `surprise` - at `$.gateway`"),
        ("version", 2, "Invalid enum value 2"),
        ("engines.chat.command", "llama-server", "Expected `array`, got `str`"),
        ("engines.chat.start_seconds", "600", "Expected `int`, got `str`"),
        ("engines.chat.weights.kind", "ftp", "Invalid enum value 'ftp'"),
        ("gateway.port", 65536, "<= 65535"),
        ("gateway.port", 0, ">= 1"),
        ("gateway.drain_seconds", -1, ">= 0"),
        ("gateway.config", [], "Expected `object`, got `array`"),
        ("gateway.config.models", ["chat"], "Expected `object`, got `array`"),
    ],
)
def test_what_does_not_belong_there(tmp_path: Path, path: str, value: Any, said: str) -> None:
    file = tmp_path / "specification.json"
    file.write_text(json.dumps(changed(tmp_path, path, value)))
    with pytest.raises(Refusal) as refused:
        read_specification(file)
    problem = refused.value
    assert said in problem.found
    assert problem.where == str(file)
    assert problem.allowed == "a specification of version 1"
    assert "same version of slipway" in problem.remedy


@pytest.mark.parametrize(("path", "value"), [("engines.chat.surprise", 1), ("gateway.port", "8420")])
def test_such_a_refusal_ends_the_launcher(start: Start, tmp_path: Path, path: str, value: Any) -> None:
    served = start(changed(tmp_path, path, value))
    assert served.refused()["where"] == str(served.folder / "specification.json")
    assert not list(served.folder.glob("engine-*"))


def test_what_only_the_gateway_can_refuse(start: Start, tmp_path: Path) -> None:
    problem = start(changed(tmp_path, "gateway.config.limits.surprise", 1)).refused()
    assert problem["where"] == "gateway"
    assert "an unknown field, not shown, at `$.limits`" in problem["found"]
    assert "gateway.log" in problem["remedy"]


def test_no_json_at_all(start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    result = launch(tmp_path / "broken" / "specification.json", "{")
    assert result.returncode == 1
    assert "Input data was truncated" in result.stderr
    assert "Traceback" not in result.stderr
    assert '"failed"' in (tmp_path / "broken" / "status.json").read_text()


def test_specification_missing(tmp_path: Path) -> None:
    result = launch(tmp_path / "specification.json")
    assert result.returncode == 1
    assert "found    no such file or directory" in result.stderr
    assert "Traceback" not in result.stderr


def test_folder_missing(tmp_path: Path) -> None:
    result = launch(tmp_path / "nowhere" / "specification.json")
    assert result.returncode == 1
    assert "found    no such file or directory" in result.stderr
    assert "do       make room or correct the permissions" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_second_launcher_in_the_same_folder(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    before = (served.folder / "status.json").read_bytes()
    result = launch(served.folder / "specification.json")
    assert result.returncode == 1
    assert "found    a launcher that runs here already" in result.stderr
    assert "Traceback" not in result.stderr
    assert (served.folder / "status.json").read_bytes() == before
    assert served.answers()


def test_engine_program_missing(start: Start, tmp_path: Path) -> None:
    problem = start(changed(tmp_path, "engines.chat.command", ["no-such-server"])).refused()
    assert problem["where"] == "engine command `no-such-server`"
    assert problem["found"] == "neither on PATH nor as a wheel"


def test_engine_that_ends_while_starting(start: Start, tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    crash.write_text("error: unable to allocate 12 GiB")
    problem = start(changed(tmp_path, "engines.chat.environment", {"TOY_CRASH_FILE": str(crash)})).refused()
    assert problem["where"] == "engine of model `chat`"
    assert "it ended while starting (code 3)" in problem["found"]
    assert "unable to allocate 12 GiB" in problem["found"]
    assert "engine-chat.log" in problem["remedy"]


def test_engine_that_is_never_ready(start: Start, tmp_path: Path) -> None:
    spec = changed(tmp_path, "engines.chat.environment", {"TOY_LOAD_SECONDS": "600"})
    spec["engines"]["chat"]["start_seconds"] = 1
    assert start(spec).refused()["found"] == "not ready after 1 s"


@pytest.mark.parametrize("which", ["port", "operations_port"])
def test_port_in_use_names_who_uses_it(start: Start, tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        problem = start(changed(tmp_path, f"gateway.{which}", port)).refused()
        assert problem["where"] == f"127.0.0.1:{port}"
        assert problem["found"].startswith("in use by process ")
        assert "python" in problem["found"]
        assert "`listen.port`" in problem["remedy"]


def test_address_of_another_machine(start: Start, tmp_path: Path) -> None:
    problem = start(changed(tmp_path, "gateway.address", "203.0.113.7")).refused()
    assert problem["found"] == "cannot listen there: Cannot assign requested address"
    assert "`listen.address`" in problem["remedy"]


def test_privileged_port(tmp_path: Path) -> None:
    """As a user who is not root, whoever runs the tests: `nobody` needs no file of ours for this."""
    code = (
        "import os, sys; os.getuid() or os.setuid(65534); sys.path.insert(0, '.')\n"
        "from serving.launcher.refusal import Refusal; from serving.launcher.sockets import bind\n"
        "try: bind(('127.0.0.1', 1)); print('bound')\n"
        "except Refusal as refusal: print(refusal)\n"
    )
    result = python("-c", "import psutil, serving.launcher.sockets\n" + code)
    if result.stdout.strip() == "bound":
        pytest.skip("every user may bind port 1 here (net.ipv4.ip_unprivileged_port_start)")
    assert "found    no permission to listen there" in result.stdout, result.stderr
    assert "allowed  a port from 1024 on" in result.stdout


def test_what_it_writes_is_for_this_user_only(start: Start, tmp_path: Path) -> None:
    served = start(toy(tmp_path)).ready()
    ours = {"lock", "status.json", "control.sock", "gateway.json", "gateway.log", "engine-chat.key", "engine-chat.log"}
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in served.folder.iterdir() if path.name in ours}
    assert set(modes) == ours
    assert {mode & 0o077 for mode in modes.values()} == {0}, modes


def test_another_free_port_is_found_for_the_engine_itself(start: Start, tmp_path: Path) -> None:
    """Two stacks on one machine never agree on ports for engines: each launcher finds its own."""
    both = [start(toy(tmp_path / name)) for name in ("a", "b")]
    for served in both:
        served.ready()
    assert all(served.answers() for served in both)


def launch(path: Path, content: str | None = None) -> subprocess.CompletedProcess[str]:
    if content is not None:
        path.write_text(content)
    return python("-m", "serving.launcher", str(path))


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=20, cwd=ROOT / "serving_image"
    )
