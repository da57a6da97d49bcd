"""The command for releases: what a person's word makes of a state, as the judge and the gateways read it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from infra.__main__ import main
from infra.platforms.local.private_files import make_private
from infra.releases.base import FILE
from infra.report.releases import enough
from infra.steering.steps import DIGEST_CHARACTERS, MOST_ENTRIES, identity, steered
from serving.gateway.routing.versions import CANDIDATE, STABLE
from serving.release import state as judged
from serving.release.evidence import ALPHA, hypotheses, verdict
from serving.release.rules import identity as identity_of_the_judge
from tests.released import with_release

RULES: dict[str, Any] = {"candidate": "next", "sends": "share", "steps": [10, 100]}


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the state is, of a stack `dev` with a release."""
    return with_release(tmp_path, monkeypatch)


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["release", *arguments]) == 0
    return capsys.readouterr().out


def state(file: Path) -> judged.ReleaseState:
    return judged.decoded(file.read_bytes())["chat"]


def test_a_person_promotes_aborts_pauses_and_begins_again(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "`next` by 10, 100 %: not begun" in said(capsys)
    assert not written.exists(), "looking writes nothing"
    assert "running at 10 %" in said(capsys, "--promote")
    assert (state(written).step, state(written).percent) == (0, 10)
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert "paused at 10 %" in said(capsys, "--pause")
    assert "running at 10 %" in said(capsys, "--resume")
    assert "running at 100 %" in said(capsys, "--promote", "--model", "chat")
    assert "done at 100 %" in said(capsys, "--promote")
    assert "done at 100 %" in said(capsys, "--pause"), "what is over is not paused"
    assert "rolled back at 0 %" in said(capsys, "--abort")
    assert "running at 10 %" in said(capsys, "--promote"), "from the first step"
    shown = said(capsys, "--restart")
    assert "running at 0 %" in shown
    assert "rolled back by hand" in shown, "what was decided before is still told"
    assert state(written).release.startswith("next@")


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["--model", "nxt"], "a model that is being released: `chat`"),
        (["--site", "there"], "a site of this stack: `here`"),
    ],
)
def test_names_that_are_not_there_are_refused(
    written: Path, arguments: list[str], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["release", "--promote", *arguments]) == 1
    assert found in capsys.readouterr().err
    assert not written.exists()


def test_what_somebody_broke_is_not_written_over(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_private(written.parent)
    for text in ("{", "[]", '{"chat": 1}', '{"chat": {}}'):
        written.write_text(text)
        assert main(["release", "--abort"]) == 1
        assert "correct or remove it" in capsys.readouterr().err
        assert written.read_text() == text


def test_without_a_release_it_says_how_to_begin_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "--stack", "dev"]) == 1
    assert "release: {kind: canary, candidate: OTHER}" in capsys.readouterr().err


def test_the_plan_says_whose_the_share_is(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del written
    assert main(["plan", "--stack", "dev"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "no deployment and no refresh changes it" in told
    assert "10, 100 % of requests" in told
    assert f"{enough(2)} answers, if all are good" in told


def test_a_word_for_another_release_begins_that_one() -> None:
    old = steered(None, "promote", "next@a", RULES, 1)
    new = steered(old, "promote", "next@b", RULES, 2)
    assert (new["release"], new["step"], new["percent"]) == ("next@b", 0, 10)
    copies = {**RULES, "sends": "copies", "steps": [20]}
    ended = steered(steered(None, "promote", "n", copies, 1), "promote", "n", copies, 2)
    assert (ended["phase"], ended["percent"]) == ("done", 0)
    for action in ("promote", "abort", "pause", "resume", "restart"):
        text = json.dumps({"chat": steered(old, action, "next@a", RULES, 3)})
        assert judged.decoded(text)["chat"].log, "as the judge reads it"


def test_both_sides_agree() -> None:
    assert judged.FILE == FILE
    assert judged.MOST_ENTRIES == MOST_ENTRIES
    for digest in (None, "a" * 64, "b" * 8):
        assert identity_of_the_judge("next", digest) == identity("next", digest)
    assert DIGEST_CHARACTERS == 16
    from infra.containment.command import RELEASED

    assert RELEASED == (STABLE, CANDIDATE)
    needed = enough(2)
    assert verdict(0, needed, hypotheses(0.02, 0, 0), ALPHA) == "good"
    assert verdict(0, needed - 1, hypotheses(0.02, 0, 0), ALPHA) == "open"
