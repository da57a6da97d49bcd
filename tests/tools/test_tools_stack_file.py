"""Which salt ends up in the file that pulumi is given, and what `make check` finds in files."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Checkout  # pyright: ignore[reportMissingImports]

from tools.check import hosts
from tools.stack import backend, processes, stack_file


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (stack_file, backend):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(stack_file, "LOCAL", tmp_path / ".slipway")
    monkeypatch.setattr(backend, "STATE", tmp_path / ".slipway" / "state")
    (tmp_path / "Pulumi.yaml").write_text("name: toy\n")
    kept = tmp_path / ".slipway" / "stacks" / "dev"
    kept.mkdir(parents=True)
    (kept / "Pulumi.dev.yaml").write_text("encryptionsalt: v1:own:v1:a:b\n")
    return tmp_path


@pytest.mark.parametrize(
    ("tracked", "given"),
    [
        ("config:\n  a: 1\n", "config:\n  a: 1\nencryptionsalt: v1:own:v1:a:b\n"),
        ("encryptionsalt: v1:other:v1:a:b\nconfig: {}", "config: {}\nencryptionsalt: v1:own:v1:a:b\n"),
        ("config:\n  a:\n    secure: x\n", "config:\n  a:\n    secure: x\nencryptionsalt: v1:own:v1:a:b\n"),
        (
            "config:\n  a:\n    secure: x\nencryptionsalt: v1:other:v1:a:b\n",
            "config:\n  a:\n    secure: x\nencryptionsalt: v1:other:v1:a:b\n",
        ),
    ],
    ids=["none", "another checkout's", "encrypted by us", "encrypted with another salt"],
)
def test_the_salt_in_the_generated_file(here: Path, tracked: str, given: str) -> None:
    (here / "Pulumi.dev.yaml").write_text(tracked)
    assert stack_file.write("dev").read_text() == given
    assert (here / "Pulumi.dev.yaml").read_text() == tracked


def test_a_salt_that_pulumi_chose_is_kept(here: Path) -> None:
    (here / ".slipway" / "stacks" / "dev" / "Pulumi.dev.yaml").unlink()
    (here / "Pulumi.dev.yaml").write_text("config: {}\n")
    written = stack_file.write("dev")
    written.write_text("config: {}\nencryptionsalt: v1:new:v1:a:b\n")
    stack_file.keep_salt("dev")
    assert "v1:new:v1:a:b" in stack_file.write("dev").read_text()


def test_the_newest_whole_state_is_used(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = backend.state_file("dev")
    state.parent.mkdir(parents=True)
    state.write_text("")
    state.with_name("dev.json.bak").write_text('{"checkpoint": {"latest": {"resources": [{"type": "a:b:C"}]}}}')
    (state.parents[2] / "meta.yaml").write_text("")
    backend.repair("dev")
    assert backend.resources_up("dev") == ["a:b:C"]
    assert (state.parents[2] / "meta.yaml").read_text() == "version: 1\n"
    assert "the one saved before it is used" in capsys.readouterr().err


def test_processes_with_and_without_proc() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        for listed in (processes._from_ps, processes._from_proc):  # pyright: ignore[reportPrivateUsage]
            if listed is processes._from_proc and sys.platform != "linux":  # pyright: ignore[reportPrivateUsage]
                continue
            if listed is processes._from_ps and shutil.which("ps") is None:  # pyright: ignore[reportPrivateUsage]
                continue
            found = next(process for process in listed() if process.number == child.pid)
            assert (found.parent, found.name, found.command) == (os.getpid(), "sleep", "sleep 60")
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("https://" + "py" + "pi.org/simple", "a package host"),
        ("url = files." + "python" + "hosted.org", "a package host"),
        ("GOPROXY=https://proxy." + "golang.org", "a package host"),
        ("--index" + "-url https://mirror.example", "a package host"),
        ("cd /ro" + "ot/project", "a home folder"),
        ("cd /Us" + "ers/eve/project", "a home folder"),
        ("key: AK" + "IA" + "ABCDEFGHIJKLMNOP", "a credential"),
        ("token: hf" + "_" + "a" * 34, "a credential"),
        ("postgres://eve:" + "hunter2@db/x", "a credential"),
        ("-----BEGIN RSA PRIVATE" + " KEY-----", "a credential"),
        ("golang.org/x/net v0.58.0", ""),
        ("the root of the checkout, $HOME/x and ~/x", ""),
        ("https://${USER}:${TOKEN}@host", ""),
        ("key: AK" + "IA" + "ABCDEFGHIJKLMNOP # not-a-secret: an example", ""),
    ],
)
def test_what_must_not_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, found: str) -> None:
    monkeypatch.setattr(hosts, "ROOT", tmp_path)
    (tmp_path / "file").write_text(f"first\n{line}\n")
    findings = list(hosts._findings(tmp_path / "file"))  # pyright: ignore[reportPrivateUsage]
    assert [(place, kind.split(" (")[0]) for place, kind, _ in findings] == ([("file:2", found)] if found else [])


def test_the_report_names_place_and_remedy(checkout: Checkout) -> None:
    assert checkout.run("tools/check/hosts") == ""
    (checkout.root / "notes.txt").write_text("from https://" + "py" + "pi.org\n")
    printed = checkout.run("tools/check/hosts", status=1)
    assert "where    notes.txt:1: a package host (py" + "pi.org)" in printed
    assert "do       name packages by name and version" in printed


def test_scripts_are_parsed(checkout: Checkout) -> None:
    assert checkout.run("tools/check/scripts") == ""
    (checkout.root / "broken").write_text("#!/bin/sh\nif true; then\n")
    printed = checkout.run("tools/check/scripts", status=1)
    assert "broken" in printed
    assert "chmod +x broken" in printed
