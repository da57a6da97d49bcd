"""Sites learn together by what `make refresh` installs: over TLS on this machine, a process for each site's data."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.tuning.tuner import Tuner
from tools.checkout import ROOT

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not os.environ.get("SLIPWAY_SLOW"), reason="installs PyTorch, 6 GB, and takes 3 minutes: make test-slow"
    ),
]
SITES = {name: ROOT / "examples" / "federated" / f"{name}.jsonl" for name in ("office", "ships")}
# Python reads it at the start of every process: what it opens of data, and who it is, is written down.
WATCHED = """
import os, sys
def seen(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".jsonl"):
        line = f"{os.getpid()} {' '.join(sys.orig_argv)} OPENED {arguments[0]}\\n"
        os.write(opened, line.encode())
opened = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
sys.addaudithook(seen)
"""
# How badly each model says the answers of each file: the mean of minus the logarithm of their tokens' probability.
ASKED = """
import json, sys
from pathlib import Path
import torch
from tuning import data, weights
for folder in sys.argv[1:4]:
    model, tokenizer = weights.load(Path(folder))
    for file in sys.argv[4:]:
        examples = data.encoded(data.read(Path(file)), tokenizer, 512)
        with torch.no_grad():
            print(float(model(**data.batch(examples, tokenizer.pad_token_id or 0)).loss))
"""


def told(small: Path, folder: Path, **more: Any) -> dict[str, Any]:
    sites = {name: str(file) for name, file in SITES.items()}
    return {"base": str(small), "data": sites, "checkpoints": str(folder / "checkpoints"), "rounds": 3} | more


def test_both_sites_are_learned_and_nobody_reads_the_data_of_another(
    python: Path, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched, opened = tmp_path / "watched", tmp_path / "opened"
    watched.mkdir()
    (watched / "sitecustomize.py").write_text(WATCHED)
    monkeypatch.setenv("OPENED", str(opened))
    settings = {"learning_rate": 0.01, "rank": 16}
    tuner = Tuner(python, tmp_path, path=f":{watched}", **told(small, tmp_path, **settings, epochs=20))
    found = tuner.found()
    lines = {name: len(file.read_text().splitlines()) for name, file in SITES.items()}
    assert (found["rounds"], found["lines"]) == (3, sum(lines.values()))
    assert {name: one["lines"] for name, one in found["sites"].items()} == lines
    digests = {name: subprocess.check_output(["sha256sum", file], text=True).split()[0] for name, file in SITES.items()}
    assert {name: one["data_digest"] for name, one in found["sites"].items()} == digests
    assert sum("round " in line for line in tuner.said) == 3
    assert "flwr-" in found["with"]

    # One process has opened each, and it was that site's.
    seen = [line.split(" OPENED ") for line in opened.read_text().splitlines()]
    by = {name: {who for who, file in seen if file == str(SITES[name])} for name in SITES}
    assert all(len(who) == 1 for who in by.values()), by
    assert all(next(iter(who)).endswith(f"--name {name}") for name, who in by.items())

    # One site alone learns the other's answers less than both together do.
    alone = Tuner(python, tmp_path / "alone", **told(small, tmp_path, **settings, epochs=60, data=str(SITES["office"])))
    alone.found()
    office, ships, _, ships_alone, office_together, ships_together = asked(python, small, alone.result, tuner.result)
    assert office_together < office
    assert ships_together < ships_alone, (ships, ships_alone, ships_together)


def asked(python: Path, *folders: Path) -> list[float]:
    command = [str(python), "-W", "ignore", "-c", ASKED, *map(str, folders), *map(str, SITES.values())]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tuning_image")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(line) for line in done.stdout.split()]


def test_the_same_sites_make_the_same_version(python: Path, small: Path, tmp_path: Path) -> None:
    first, second = (
        Tuner(python, tmp_path / name, **told(small, tmp_path / name, epochs=2)).found() for name in ("a", "b")
    )
    assert first["result_digest"] == second["result_digest"]
    assert first["data_digest"] == second["data_digest"]


def test_a_site_that_is_killed_ends_it_and_nothing_is_made(python: Path, small: Path, tmp_path: Path) -> None:
    tuner = Tuner(python, tmp_path, **told(small, tmp_path, epochs=50, rounds=500))
    tuner.until("round 1 of 500")
    sites = children(tuner.pid)
    assert set(sites) == set(SITES)
    os.kill(sites["ships"], signal.SIGKILL)
    assert tuner.ended() == 2
    assert "site ships was ended by SIGKILL before the last round was over: nothing is made" in tuner.said[-1]
    assert not tuner.result.exists()
    assert not tuner.record.exists()
    assert not Path(f"/proc/{sites['office']}").exists()
    # What was averaged is kept: nobody learns a round again.
    again = Tuner(python, tmp_path, **told(small, tmp_path, epochs=50, rounds=500))
    again.until("goes on after round ")
    assert again.killed(signal.SIGTERM) == 75


def children(pid: int) -> dict[str, int]:
    """The processes of the sites that one has started, by the names of the sites."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "tuning.site" in words:
                found[words[words.index("--name") + 1]] = int(child)
    return found


def test_a_site_that_cannot_use_its_data_says_so(python: Path, small: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text(json.dumps({"messages": []}) + "\n")
    sites = {"office": str(SITES["office"]), "bad": str(bad)}
    tuner = Tuner(python, tmp_path, **{**told(small, tmp_path), "data": sites})
    assert tuner.ended() == 2
    assert "site bad: bad.jsonl, line 1: roles are" in "\n".join(tuner.said)
    assert "site bad ended with status 2 before the last round was over: nothing is made" in tuner.said[-1]
    assert not tuner.result.exists()


def test_each_site_counts_the_privacy_of_its_own_lines(python: Path, small: Path, tmp_path: Path) -> None:
    """And tells nothing of them but how many they are: no loss, and no digest that others could make."""
    privacy = {"epsilon": 8, "delta": 0.01, "max_gradient_norm": 1.0}
    settings = told(small, tmp_path, epochs=2, rounds=4, checkpoint_steps=1, privacy=privacy)
    first = Tuner(python, tmp_path, **settings)
    first.until("round 1 of 4")
    assert first.killed(signal.SIGKILL) == -signal.SIGKILL
    found = Tuner(python, tmp_path, **settings).found()
    assert found["resumed_after_round"] >= 1
    assert found["privacy"] == privacy
    plain = {hashlib.sha256(file.read_bytes()).hexdigest() for file in SITES.values()}
    for site in found["sites"].values():
        assert set(site) == {"lines", "data_digest", "epsilon", "delta", "epsilon_spent"}
        # All rounds together, those before it was killed too.
        assert 7 < site["epsilon_spent"] <= 8
        assert site["data_digest"] not in plain
    # Where what was averaged is lost, all would have to be told again.
    for kept in (tmp_path / "checkpoints").glob("*.rounds"):
        kept.unlink()
    spent = Tuner(python, tmp_path, **settings)
    assert spent.ended() == 2
    assert any("epsilon 8 of this data is spent" in line for line in spent.said), spent.said
