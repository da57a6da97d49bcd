"""Records as they really were: what is told of them; and that planning loads nothing of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra import __main__ as command
from tests.manifests import ROOT
from tests.unit.test_records import drawn, shown, words

# What `make trial`, `make optimise` and `make refresh` left of the stack dev, on 2026-11-26.
REAL = ROOT / "tests" / "records"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stack files of this checkout, with what was really recorded."""
    for file in ROOT.glob("Pulumi.*.yaml"):
        shutil.copy(file, tmp_path)
    shutil.copytree(REAL / "records", tmp_path / ".slipway" / "records")
    shutil.copytree(REAL / "models", tmp_path / ".slipway" / "models")
    monkeypatch.setattr(command, "ROOT", tmp_path)
    return tmp_path


def test_what_was_really_recorded_is_told(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Versions of this machine by their names; a teaching with what was told of its data."""
    known = drawn(recorded)
    assert [*known] == [
        "chat/optimisation: made of what serves",
        "chat/refresh: made of what serves",
        "chat/facts: over versions",
        "chat/ferries: over versions",
    ]
    figures = ("100", "100", "67")
    assert words(known["chat/facts: over versions"])[4:7] == [*figures]
    described = next(known["chat/ferries: over versions"].iter("desc")).text
    assert described == (
        "Right answers, percent. b179c9523d0e: 25 of 0 asked for, office wrong, captain wrong, price wrong, capital "
        "right; q4_0: 25 of 0 asked for, office wrong, captain wrong, price wrong, capital right; ferries-635a2289: "
        "100 of 0 asked for, office right, captain right, price right, capital right. Dashed: what is asked for."
    )
    optimised = next(known["chat/optimisation: made of what serves"].iter("desc")).text
    assert optimised == (
        "Right answers, percent. original: 100, 93.8 MiB, capital right, colour right, greeting right; q4_0: 100 of "
        "100 asked for, 87.5 MiB, capital right, colour right, greeting right; q2_k: 67 of 100 asked for, 84.1 MiB, "
        "capital right, colour right, greeting wrong. Dashed: what is asked for."
    )
    lines = [re.split(r" {2,}", line.strip()) for line in shown(capsys, "text").splitlines()]
    assert [
        *("chat/optimisation", "q2_k", "2026-11-26 12:50", "84.1", "93.8", "66.67", "100", "100", "61.11", "-"),
        "no: right answers lost, of a hundred, at most 0: 33.33",
    ] in lines
    taught = ("chat/refresh", "ferries-635a2289", "2026-11-26 12:32", "132.6", "93.8", "100", "25", "100", "73.81", "-")
    assert [*taught, "yes"] in lines
    private = ("chat/refresh", "ferries-private-635a2289", "2026-11-26 13:19", "132.6", "93.8", "25", "25", "50")
    assert [*private, "93.65", "7.99796", "no: right answers, of a hundred, at least 50: 25"] in lines
    # The last one that says how fast a replica is: later ones are of other weights.
    note = "the plan knows no speed of it, and shows what was measured"
    assert ["chat/load", "First token, ms", "no estimate", "334 to 857", "no estimate", note] in lines
    listed = json.loads(shown(capsys, "json"))["records"]
    assert len(listed) == len([*REAL.glob("records/**/*.json")])
    assert {one["version_name"] for one in listed} == {
        *("b179c9523d0e", "q4_0", "q2_k", "ferries-635a2289", "ferries-private-635a2289"),
    }


def test_the_plan_loads_nothing_of_it() -> None:
    code = (
        "import sys; from infra.__main__ import main; main(['plan']); "
        "print([m for m in sys.modules if m.startswith('infra.records') or m in "
        "('infra.models_command', 'infra.models_page', 'infra.report.pictures.family', 'infra.making.versions')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
