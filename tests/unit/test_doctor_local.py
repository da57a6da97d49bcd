"""Doctor of this machine: each row green where it may be, and red with what to do where it may not."""

from __future__ import annotations

import errno
import socket
from pathlib import Path
from typing import Any

import pytest

from infra.doctor.examine import examine
from infra.doctor.finding import State
from infra.load import load_file
from infra.plan.build import build_plan
from infra.platforms.local import doctor
from tests.manifests import ROOT

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
FLAGS = "flags\t\t: fpu avx avx2 bmi1 bmi2 f16c fma sse4_2\n"


def test_the_stack_dev_here() -> None:
    (rows,) = examine(build_plan(load_file(ROOT / "Pulumi.dev.yaml"), "dev")).values()
    assert {"Python", "engine llama-server", "processor", "memory", "disk", "port 8420", "supervisor"} <= {
        one.what for one in rows
    }
    assert all(bool(one.remedy) == (one.state is not OK) for one in rows)


def test_python() -> None:
    assert doctor.python((3, 11)).state is OK
    assert doctor.python((3, 10)).found == "3.10, 3.11 or newer is needed"


@pytest.mark.parametrize(
    ("machine", "cpuinfo", "state"),
    [
        ("x86_64", FLAGS, OK),
        ("x86_64", FLAGS.replace(" avx2", ""), MISSING),
        ("x86_64", "", UNKNOWN),
        ("aarch64", "", OK),
    ],
)
def test_processors(machine: str, cpuinfo: str, state: State) -> None:
    assert doctor.processor(machine, cpuinfo).state is state


def test_memory() -> None:
    meminfo = "MemTotal: 4194304 kB\nMemAvailable: 2097152 kB\n"
    assert doctor.memory(meminfo, 2**30).state is OK
    assert doctor.memory(meminfo, 2**31).found == "2.0 GiB free, weights take 2.0"
    assert doctor.memory(meminfo, 2**31).state is MISSING
    assert doctor.memory(meminfo, None).state is UNKNOWN
    assert doctor.memory("", 0).state is UNKNOWN


def test_disk() -> None:
    assert doctor.disk(2**31).state is OK
    assert doctor.disk(2**29).state is MISSING


def test_weights_that_are_here_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"x" * 1000)
    here: dict[str, Any] = {"weights": {"kind": "file", "location": str(file), "file": None}}
    there: dict[str, Any] = {"weights": {"kind": "huggingface", "location": "a/b", "file": "c.gguf"}}
    assert doctor.weights_bytes({"a": here, "b": here}) == 2000
    assert doctor.weights_bytes({"a": here, "b": there}) is None


def gateway(port: int, address: str = "127.0.0.1") -> dict[str, Any]:
    return {
        "address": address,
        "port": port,
        "operations_address": "127.0.0.1",
        "operations_port": None,
        "admin_address": "127.0.0.1",
        "admin_port": None,
    }


def test_a_port_that_another_program_has() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        (row,) = doctor.ports(gateway(port), runs_already=False)
        assert (row.state, row.found) == (MISSING, f"127.0.0.1: {doctor.WHY[errno.EADDRINUSE]}")
        assert "`listen.port`" in row.remedy
        (row,) = doctor.ports(gateway(port), runs_already=True)
        assert row.found == "used by this site, which runs"
    (row,) = doctor.ports(gateway(port), runs_already=False)
    assert row.state is OK


def test_an_address_of_another_machine() -> None:
    (row,) = doctor.ports(gateway(8420, "192.0.2.1"), runs_already=True)
    assert (row.state, row.remedy) == (MISSING, "give an address of this machine: `listen.address`")


def test_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    engines: dict[str, Any] = {"chat": {"command": ["llama-server"]}}
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    assert [one.state for one in doctor.programs(engines)] == [MISSING]
    monkeypatch.setattr(doctor.shutil, "which", lambda name: "/usr/bin/llama-server")
    assert [one.found for one in doctor.programs(engines)] == ["/usr/bin/llama-server"]


def test_supervisor() -> None:
    assert doctor.supervisor(runs=True, lingers=True).state is OK
    assert doctor.supervisor(runs=True, lingers=False).remedy == "`loginctl enable-linger`"
    assert doctor.supervisor(runs=False, lingers=False).state is LOOK
