"""Experiment 34: a state that is cut off, damaged or gone is refused before anything changes, and comes back whole."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.stacks.deployed import Deployed, counted

pytestmark = pytest.mark.timeout(400)


def _cut_off(state: Path) -> None:
    state.write_bytes(state.read_bytes()[: state.stat().st_size // 2])


def _empty(state: Path) -> None:
    state.write_bytes(b"")


def _garbage(state: Path) -> None:
    state.write_bytes(bytes(range(256)) * 64)


def _a_parent_that_is_not_there(state: Path) -> None:
    """Valid JSON that means nothing any more."""
    state.write_text(state.read_text().replace("Stack::slipway-", "Stack::another-", 1))


@pytest.fixture
def state(onprem: Deployed) -> Iterator[Path]:
    """The state's file; whatever a test leaves, it is whole afterwards."""
    state = onprem.checkout.folder / ".slipway/state/.pulumi/stacks/slipway/onprem.json"
    whole = state.read_text()
    yield state
    state.write_text(whole)


def _newest_backup(onprem: Deployed) -> Path:
    folder = onprem.checkout.folder / ".slipway/state/.pulumi/backups/slipway/onprem"
    return max(folder.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)


@pytest.mark.parametrize("damage", [_cut_off, _empty, _garbage, _a_parent_that_is_not_there, Path.unlink])
def test_a_damaged_state_is_refused_and_its_backup_needs_no_change(
    damage: Callable[[Path], object], onprem: Deployed, state: Path
) -> None:
    things = onprem.place.things(onprem.checkout)
    damage(state)
    printed = onprem.up(check=False)
    assert "Traceback" not in printed
    assert "panic" not in printed
    assert onprem.place.things(onprem.checkout) == things
    shutil.copyfile(_newest_backup(onprem), state)
    assert not onprem.planned()


def test_make_up_takes_the_newest_backup_by_itself(onprem: Deployed, state: Path) -> None:
    _cut_off(state)
    printed = onprem.checkout.up()
    assert "the one saved before it is used" in printed
    assert set(counted(printed)) == {"unchanged"}


def test_what_pulumi_keeps_beside_the_state_may_be_cut_off(onprem: Deployed, state: Path) -> None:
    """As a kill at that moment leaves it: Pulumi then reads the state no more."""
    beside = state.with_name(f"{state.name}.attrs")
    assert beside.exists()
    _empty(beside)
    assert "failed to load checkpoint: EOF" in onprem.checkout.run(
        "sh", "-c", 'eval "$(tools/pulumi/env)"; pulumi stack export --stack onprem', check=False
    )
    assert set(counted(onprem.checkout.up())) == {"unchanged"}


def test_make_up_does_not_begin_again_where_the_state_is_gone(onprem: Deployed, state: Path) -> None:
    things = onprem.place.things(onprem.checkout)
    state.unlink()
    printed = onprem.checkout.up(check=False)
    for part in ("where", "no state, but copies of one", "allowed", "do "):
        assert part in printed
    assert onprem.place.things(onprem.checkout) == things
    (command,) = re.findall(r"If it was lost: (cp .*)", printed)
    onprem.checkout.run("sh", "-ec", command)
    assert set(counted(onprem.checkout.up())) == {"unchanged"}
