"""The locks and what installs them: hashed, in agreement, quick when nothing is to do, mended when half-made."""

import json
import os
import re
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, Checkout  # pyright: ignore[reportMissingImports]

EXTRAS = ("local", "kubernetes", "aws", "gcp", "images", "policy", "aiconfigurator", "dev")
# In environments of their own.
ALONE = ("scanners", "lm_evaluation_harness")
PIN = re.compile(r"^([a-z0-9.-]+)==(\S+)(?: ; ([^\\]+))? \\$", re.MULTILINE)


def pins(extra: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{extra}.txt").read_text()
    return {name: version for name, version, _ in PIN.findall(text)}


@pytest.mark.parametrize("extra", [*EXTRAS, *ALONE])
def test_a_lock_holds_versions_and_hashes_only(extra: str) -> None:
    lines = (ROOT / "requirements" / f"{extra}.txt").read_text().splitlines()
    assert lines[0].startswith(f"# What the extra `{extra}` installs. Made by `make lock`")
    for line, after in zip(lines[1:], [*lines[2:], ""], strict=True):
        if PIN.match(line):
            assert after.startswith("    --hash=sha256:"), line
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line


def test_locks_agree_on_every_version() -> None:
    chosen: dict[str, set[str]] = {}
    for extra in EXTRAS:
        for name, version in pins(extra).items():
            chosen.setdefault(name, set()).add(version)
    assert {name: versions for name, versions in chosen.items() if len(versions) > 1} == {}


def test_clouds_are_in_their_own_locks_only() -> None:
    for extra in ("local", "dev", "scanners"):
        assert [name for name in pins(extra) if name.startswith("pulumi-")] == []
    assert "pulumi-aws" in pins("aws")
    assert "pulumi-aws" not in pins("gcp")
    assert {"llm", "llama-cpp-python"}.isdisjoint(pins("local"))


def test_a_second_call_does_nothing(checkout: Checkout) -> None:
    checkout.run("tools/python/install", "local")
    started = time.monotonic()
    assert checkout.run("tools/python/install", "local") == ""
    assert time.monotonic() - started < 1.0


@pytest.mark.timeout(120)
def test_a_half_made_environment_is_made_again(bare: Checkout) -> None:
    (bare.root / "requirements" / "local.txt").write_text("# nothing\n")
    printed = bare.run("tools/python/install", "local")
    assert "slipway: making .venv (usually 5 s)" in printed
    venv = bare.root / ".venv"
    assert json.loads((venv / ".slipway-locks").read_text()).keys() == {"local"}
    assert bare.run("tools/python/install", "local") == ""

    (venv / "rest-of-the-interrupted-one").touch()
    (venv / ".slipway-unfinished").touch()
    assert "making .venv" in bare.run("tools/python/install", "local")
    assert not (venv / "rest-of-the-interrupted-one").exists()
    assert not (venv / ".slipway-unfinished").exists()

    (venv / "kept").touch()
    (bare.root / "requirements" / "local.txt").write_text("# nothing, said differently\n")
    printed = bare.run("tools/python/install", "local")
    assert "installing Python packages (local)" in printed
    assert "making .venv" not in printed
    assert (venv / "kept").exists()


@pytest.mark.timeout(120)
def test_packages_that_cannot_be_had(bare: Checkout) -> None:
    (bare.root / "requirements" / "local.txt").write_text(f"no-such-package==1.0 --hash=sha256:{'0' * 64}\n")
    printed = bare.run("tools/python/install", "local", status=1, PIP_NO_INDEX="1")
    assert "where    .venv, from requirements/local.txt" in printed
    assert "no-such-package" in printed
    assert "your pip configuration (pip config list)" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("extra", ["azure", "gateway"])  # the second has a lock, of an image
def test_an_extra_without_a_lock(bare: Checkout, extra: str) -> None:
    printed = bare.run("tools/python/install", extra, status=1)
    assert f"where    requirements/{extra}.txt" in printed
    assert "allowed  one of: aiconfigurator, aws, dev, gcp, images, kubernetes, local" in printed


def old_python(folder: Path) -> None:
    folder.mkdir()
    (folder / "python3").write_text("#!/bin/sh\ncase $1 in -V) echo Python 3.9.1 ;; *) echo False ;; esac\n")
    (folder / "python3").chmod(0o755)
    for name in ("dirname", "cat", "sh"):
        found = next(Path(at, name) for at in os.environ["PATH"].split(os.pathsep) if Path(at, name).exists())
        (folder / name).symlink_to(found)


def test_too_old_a_python(bare: Checkout, tmp_path: Path) -> None:
    old_python(tmp_path / "bin")
    printed = bare.run("tools/python/install", status=1, PATH=str(tmp_path / "bin"))
    assert "found    Python 3.9.1 as python3" in printed
    assert "allowed  Python 3.11 or newer, with its venv module" in printed


def test_a_newer_python_beside_an_old_one(bare: Checkout, tmp_path: Path) -> None:
    old_python(tmp_path / "bin")
    (tmp_path / "bin" / "python3.12").write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    (tmp_path / "bin" / "python3.12").chmod(0o755)
    printed = bare.run("tools/python/install", "azure", status=1, PATH=str(tmp_path / "bin"))
    assert "no lock for the extra `azure`" in printed, "the tool itself must have run"
