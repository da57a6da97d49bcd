"""How the Pulumi CLI is found, downloaded and built, and what its environment is."""

import hashlib
import http.server
import io
import json
import os
import platform
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Checkout  # pyright: ignore[reportMissingImports]

from tools.problem import Problem
from tools.pulumi import command_line, environment, release
from tools.pulumi.command_line import PROGRAMS, CommandLine
from tools.stack import processes


def fake(folder: Path, name: str, prints: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{prints}\n")
    (folder / name).chmod(0o755)


def on_path(checkout: Checkout, folder: Path) -> str:
    return f"{folder}{os.pathsep}{checkout.environment['PATH']}"


def test_a_second_call_only_prints_the_folder(checkout: Checkout) -> None:
    started = time.monotonic()
    printed = checkout.run("tools/pulumi/install")
    assert time.monotonic() - started < 1.0
    assert (Path(printed.strip()) / "pulumi").exists()
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("version", "with_host", "fits"),
    [("v3.300.1", True, True), ("v3.300.1", False, False), ("v3.249.9", True, False), ("v4.0.0", True, False)],
)
def test_the_cli_on_path(checkout: Checkout, tmp_path: Path, version: str, with_host: bool, fits: bool) -> None:
    fake(tmp_path / "bin", "pulumi", f"echo {version}")
    if with_host:
        fake(tmp_path / "bin", "pulumi-language-python", "true")
    printed = checkout.run("tools/pulumi/install", PATH=on_path(checkout, tmp_path / "bin")).strip()
    assert (printed == str(tmp_path / "bin")) == fits


def test_neither_release_nor_go(bare: Checkout) -> None:
    offline = {"https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    folders = [at for at in bare.environment["PATH"].split(os.pathsep) if not Path(at, "go").exists()]
    started = time.monotonic()
    printed = bare.run("tools/pulumi/install", status=1, PATH=os.pathsep.join(folders), **offline)
    assert time.monotonic() - started < 6.0
    assert "found    no Pulumi CLI that fits, no release that can be downloaded, and no Go to build one" in printed
    assert "do       Install Go (or the Pulumi CLI)" in printed
    assert [path.name for path in (bare.root / ".tools" / "pulumi").iterdir()] == []


def test_a_build_that_fails_leaves_nothing(bare: Checkout, tmp_path: Path) -> None:
    go = 'case $1 in env) echo go1.99.0 ;; *) echo "module lookup failed" >&2; exit 1 ;; esac'
    fake(tmp_path / "bin", "go", go)
    printed = bare.run(
        "tools/pulumi/install", status=1, PATH=on_path(bare, tmp_path / "bin"), https_proxy="http://127.0.0.1:9"
    )
    assert "building Pulumi 3.259.0 from its Go modules (usually 4 to 5 min on 2 cores, once)" in printed
    assert "where    tools/pulumi/go.mod" in printed
    assert "found    module lookup failed" in printed
    assert [path.name for path in (bare.root / ".tools" / "pulumi").iterdir()] == []


def test_ctrl_c_in_a_build_leaves_nothing(bare: Checkout, tmp_path: Path) -> None:
    go = f"case $1 in env) echo go1.99.0 ;; *) touch '{bare.root}/building'; sleep 60; echo built ;; esac"
    fake(tmp_path / "bin", "go", go)
    path = on_path(bare, tmp_path / "bin")
    build = bare.start("tools/pulumi/install", PATH=path, https_proxy="http://127.0.0.1:9")
    bare.wait_for((bare.root / "building").exists, "the build to begin")
    os.killpg(build.pid, signal.SIGINT)
    printed, _ = build.communicate(timeout=20)
    assert build.returncode == 130
    assert "Stopped. Nothing is lost: run the same command again and it continues." in printed
    assert [path.name for path in (bare.root / ".tools" / "pulumi").iterdir()] == []


def test_too_old_a_go(bare: Checkout, tmp_path: Path) -> None:
    fake(tmp_path / "bin", "go", "echo go1.21.3")
    printed = bare.run(
        "tools/pulumi/install", status=1, PATH=on_path(bare, tmp_path / "bin"), https_proxy="http://127.0.0.1:9"
    )
    assert "and go1.21.3 to build one" in printed
    assert "or Go 1.26 or newer" in printed


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that is served as the releases' address."""
    folder = tmp_path / "published"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *arguments: object) -> None:
            del arguments

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(release, "BASE", f"http://127.0.0.1:{server.server_port}")
        yield folder
        server.shutdown()


def publish(folder: Path, names: tuple[str, ...], digest: str | None = None) -> None:
    machine = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    archive = folder / f"pulumi-v3.259.0-{sys.platform}-{machine}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        for name in names:
            member = tarfile.TarInfo(f"pulumi/{name}")
            member.size = 2
            packed.addfile(member, io.BytesIO(b"ok"))
    found = digest or hashlib.sha256(archive.read_bytes()).hexdigest()
    (folder / "pulumi-3.259.0-checksums.txt").write_text(f"{found}  {archive.name}\n")


def test_a_release_is_checked_and_unpacked(published: Path, tmp_path: Path) -> None:
    publish(published, (*PROGRAMS, "pulumi-language-go"))
    folder = tmp_path / "new" / "bin"
    folder.mkdir(parents=True)
    assert release.download("3.259.0", folder)
    assert sorted(path.name for path in folder.iterdir()) == sorted(PROGRAMS)
    assert all(os.access(path, os.X_OK) for path in folder.iterdir())


def test_a_release_with_another_checksum_is_refused(published: Path, tmp_path: Path) -> None:
    publish(published, PROGRAMS, digest="0" * 64)
    folder = tmp_path / "new" / "bin"
    folder.mkdir(parents=True)
    with pytest.raises(Problem, match="a file with SHA-256"):
        release.download("3.259.0", folder)
    assert list(folder.iterdir()) == []


def test_no_release_for_this_version(published: Path, tmp_path: Path) -> None:
    assert list(published.iterdir()) == []
    assert not release.download("3.259.0", tmp_path)


@pytest.fixture
def built() -> CommandLine:
    return CommandLine(Path("/cli/bin"), "source")


def test_environment_of_a_clean_home(built: CommandLine, tmp_path: Path) -> None:
    computed = environment.compute(built, {"HOME": str(tmp_path), "PATH": "/bin"})
    assert computed.own_state
    assert computed.variables["PATH"] == "/cli/bin:/bin"
    assert computed.variables["PULUMI_BACKEND_URL"] == (ROOT / ".slipway" / "state").as_uri()
    assert computed.variables["PULUMI_HOME"] == str(ROOT / ".tools" / "pulumi" / "home")
    assert computed.variables["PULUMI_CONFIG_PASSPHRASE_FILE"] == str(ROOT / ".slipway" / "passphrase")
    assert computed.variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] == "true"
    # Evaluated in a shell, it is still the checkout's own.
    again = environment.compute(built, {"HOME": str(tmp_path)} | computed.variables)
    assert again.own_state
    assert again.variables == computed.variables


def test_environment_with_a_cli_that_can_download_plugins(tmp_path: Path) -> None:
    computed = environment.compute(CommandLine(Path("/cli"), "release"), {"HOME": str(tmp_path)})
    assert "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION" not in computed.variables


@pytest.mark.parametrize(
    "given",
    [
        {"PULUMI_BACKEND_URL": "s3://bucket"},
        {"PULUMI_ACCESS_TOKEN": "t"},
        {"PULUMI_HOME": "logged-in"},
        {"HOME": "home"},
    ],
)
def test_environment_of_somebody_who_has_chosen(built: CommandLine, tmp_path: Path, given: dict[str, str]) -> None:
    for folder in ("logged-in", "home/.pulumi"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "credentials.json").write_text(json.dumps({"current": "https://api.example.org"}))
    named = {name: str(tmp_path / value) if name.endswith("HOME") else value for name, value in given.items()}
    computed = environment.compute(built, {"HOME": str(tmp_path), "PATH": "/bin"} | named)
    assert not computed.own_state
    assert computed.variables.keys() <= {
        "PATH",
        "PULUMI_SKIP_UPDATE_CHECK",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION",
    }


def test_environment_after_a_logout(built: CommandLine, tmp_path: Path) -> None:
    (tmp_path / ".pulumi").mkdir()
    (tmp_path / ".pulumi" / "credentials.json").write_text('{"current": ""}')
    assert environment.compute(built, {"HOME": str(tmp_path)}).own_state


def test_a_passphrase_of_the_user_is_kept(built: CommandLine, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    by_text = environment.compute(built, home | {"PULUMI_CONFIG_PASSPHRASE": ""})
    assert "PULUMI_CONFIG_PASSPHRASE_FILE" not in by_text.variables
    by_file = environment.compute(built, home | {"PULUMI_CONFIG_PASSPHRASE_FILE": "/mine"})
    assert by_file.variables["PULUMI_CONFIG_PASSPHRASE_FILE"] == "/mine"


def test_env_is_for_eval(checkout: Checkout) -> None:
    printed = checkout.run("sh", "-c", 'eval "$(tools/pulumi/env)" && pulumi version && pulumi whoami --json')
    assert printed.startswith("v3.")
    assert (checkout.root / ".slipway" / "state").as_uri().replace(" ", "%20") in printed


def test_the_pinned_version_is_that_of_the_wheel() -> None:
    assert f"pulumi=={command_line.pinned_version()} " in (ROOT / "requirements" / "local.txt").read_text()


def start_host(**options: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-P", str(ROOT / "tools/pulumi/language_host.py"), "--executor=/none", "127.0.0.1:1"]
    host = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **options)  # type: ignore[call-overload]
    assert host.stdout is not None
    assert int(host.stdout.readline()) > 0
    return host


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_language_host_ends_at_once_when_told(number: int) -> None:
    host = start_host()
    host.send_signal(number)
    assert host.wait(2) == 0


def test_the_language_host_ends_with_an_engine_that_was_killed(tmp_path: Path) -> None:
    program = [sys.executable, "-P", str(ROOT / "tools/pulumi/language_host.py"), "--executor=/none", "127.0.0.1:1"]
    started = f"{shlex.join(program)} >port & echo $! >pid; exec sleep 60"
    with subprocess.Popen(["sh", "-c", started], cwd=tmp_path) as engine:
        deadline = time.monotonic() + 20
        while not (tmp_path / "port").exists() or not (tmp_path / "port").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        host = int((tmp_path / "pid").read_text())
        engine.kill()
    while host in processes.running():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_language_host_without_a_virtual_environment(bare: Checkout) -> None:
    folder = bare.root / ".tools" / "pulumi" / "3.259.0" / "bin"
    folder.mkdir(parents=True)
    host = folder / "pulumi-language-python"
    host.write_bytes((ROOT / "tools/pulumi/language_host.sh").read_bytes())
    host.chmod(0o755)
    printed = bare.run(str(host), status=1)
    assert f"where    {bare.root}/.venv/bin/python" in printed
    assert f"do       Run tools/python/install in {bare.root}." in printed
