"""Sites on machines of their own: folders of their own that dial a coordinator, each of which is killed and goes on."""

from __future__ import annotations

import json
import os
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.test_federated import SITES
from tests.tuning.tuner import Tuner

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_SLOW"), reason="installs PyTorch, 6 GB, and takes 3 minutes: make test-slow"
    ),
]
LEARNED = {"epochs": 1, "rounds": 8, "rank": 4}


@pytest.fixture
def address() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"


def coordinates(small: Path, folder: Path, address: str, **more: Any) -> dict[str, Any]:
    elsewhere = {"sites": ["ships"], "address": address, "bind": "127.0.0.1", "invitations": str(folder / "invited")}
    places = {"base": str(small), "data": {"office": str(SITES["office"])}, "checkpoints": str(folder / "kept")}
    return {**LEARNED, **places, "elsewhere": elsewhere, **more}


def joins(small: Path, folder: Path, address: str, invitation: Path, **more: Any) -> dict[str, Any]:
    told = {"coordinator": address, "site": "ships", "invitation": str(invitation)}
    places = {"base": str(small), "data": str(SITES["ships"]), "checkpoints": str(folder / "kept")}
    return {**places, "joins": told, **more}


def test_both_ends_are_killed_and_make_what_was_made_without(
    python: Path, small: Path, tmp_path: Path, address: str
) -> None:
    here, there = tmp_path / "office", tmp_path / "ships"
    invitation = here / "invited" / "ships.json"
    coordinator = Tuner(python, here, **coordinates(small, here, address))
    coordinator.until("waiting for ships")
    assert any(f"site ships is invited by {invitation}" in line for line in coordinator.said)
    assert invitation.stat().st_mode & 0o077 == 0

    # Whoever has another key sees no adapter.
    forged = tmp_path / "forged.json"
    forged.write_text(json.dumps({**json.loads(invitation.read_text()), "key": "0" * 64}))
    stranger = Tuner(python, tmp_path / "stranger", **joins(small, tmp_path / "stranger", address, forged))
    coordinator.until("somebody who is no site of it was sent away")
    stranger.until("does not know this site")
    assert stranger.killed(signal.SIGTERM) == 75

    site = Tuner(python, there, **joins(small, there, address, invitation))
    coordinator.until("round 2 of 8")
    assert coordinator.killed(signal.SIGKILL) == -signal.SIGKILL
    coordinator = Tuner(python, here, **coordinates(small, here, address))
    coordinator.until("goes on after round ")
    assert not any("is invited" in line for line in coordinator.said)
    coordinator.until("round 5 of 8")
    assert site.killed(signal.SIGKILL) == -signal.SIGKILL
    coordinator.until("was not learned by ships; waits for it")
    site = Tuner(python, there, **joins(small, there, address, invitation))
    made, theirs = coordinator.found(), site.found()

    # Both have the version, and say the same of it; nothing was learned in another way.
    assert theirs["result_digest"] == made["result_digest"]
    assert theirs["data_digest"] == made["data_digest"]
    assert theirs["sites"] == made["sites"]
    assert (theirs["site"], theirs["lines"]) == ("ships", made["sites"]["ships"]["lines"])
    assert made["resumed_after_round"] >= 2
    # Flower's own lines say nothing to whoever reads these.
    assert not [line for line in (*coordinator.said, *site.said) if "flower" in line.lower()]
    data = {name: str(file) for name, file in SITES.items()}
    whole = {**LEARNED, "base": str(small), "data": data, "checkpoints": str(tmp_path / "whole" / "kept")}
    assert Tuner(python, tmp_path / "whole", **whole).found()["result_digest"] == made["result_digest"]


def test_a_site_that_keeps_its_lines_less_private_is_refused(
    python: Path, small: Path, tmp_path: Path, address: str
) -> None:
    here, there = tmp_path / "office", tmp_path / "ships"
    asked, own = ({"epsilon": most, "delta": 0.01, "max_gradient_norm": 1.0} for most in (4, 8))
    coordinator = Tuner(python, here, **coordinates(small, here, address, privacy=asked))
    coordinator.until("waiting for ")
    invitation = here / "invited" / "ships.json"
    site = Tuner(python, there, **joins(small, there, address, invitation, privacy=own))
    assert coordinator.ended() == 2
    assert "site ships keeps its lines less private than epsilon 4 says" in coordinator.said[-1]
    site.until("is not there, or does not know this site")
    assert site.killed(signal.SIGTERM) == 75
