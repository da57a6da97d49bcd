"""Parts of overflow that need no process: what engines say of their caches, whom a site remembers, a day's dollars."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.config import ConfigProblem, load_config
from serving.gateway.limits.config import MemoryStoreConfig
from serving.gateway.limits.ledger import Ledger
from serving.gateway.routing.kv_caches import shares_in
from serving.gateway.routing.saturation import MOST_CONVERSATIONS, REMEMBERED_SECONDS, Saturation
from tests.serving.two_sites import home_configuration
from tests.serving.upstream import FakeEngine


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("# HELP a_share x\n# TYPE a_share gauge\na_share 0.5\n", [0.5]),
        ('a_share{engine="0"} 0.25 1700000000\na_share{engine="1",label="with } in it"} 0.75\n', [0.25, 0.75]),
        ("a_share_of_another 0.9\na_share nan\na_share 7\na_share x\na_share\na_share{\n", []),
        ("", []),
    ],
)
def test_shares_are_read_whatever_is_around_them(text: str, shares: list[float]) -> None:
    assert shares_in(text.encode(), "a_share") == shares


def test_a_site_remembers_conversations_for_a_while_and_not_all_of_them() -> None:
    saturation = Saturation()
    saturation.remember((0, 0), 100.0)
    assert saturation.is_here((0, 0), 100.0 + REMEMBERED_SECONDS)
    assert not saturation.is_here((0, 0), 101.0 + REMEMBERED_SECONDS)
    assert not saturation.is_here((1, 1), 100.0)
    for number in range(1, MOST_CONVERSATIONS):
        saturation.remember((number, 0), 101.0)
    saturation.remember((0, 0), 102.0)
    saturation.remember((MOST_CONVERSATIONS, 0), 102.0)
    # The one that was silent longest went.
    assert not saturation.is_here((1, 0), 102.0)
    assert saturation.is_here((0, 0), 102.0)
    saturation.forget((0, 0))
    assert not saturation.is_here((0, 0), 102.0)


def test_a_new_day_has_its_own_dollars(monkeypatch: pytest.MonkeyPatch) -> None:
    async def days() -> None:
        wall = 1_800_000_000.0
        monkeypatch.setattr(time, "time", lambda: wall)
        ledger = Ledger()
        ledger.adopt({}, {}, MemoryStoreConfig(), None, 2.0)
        assert ledger.may_overflow()
        ledger.overflowed(1_500_000_000)
        assert ledger.may_overflow()
        ledger.overflowed(500_000_000)
        assert not ledger.may_overflow()
        # A reload changes the limit and forgets nothing.
        ledger.adopt({}, {}, MemoryStoreConfig(), None, 2.5)
        assert ledger.may_overflow()
        ledger.adopt({}, {}, MemoryStoreConfig(), None, 2.0)
        assert not ledger.may_overflow()
        wall += 86_400
        assert ledger.may_overflow()
        ledger.overflowed(2_000_000_000)
        assert not ledger.may_overflow()
        ledger.adopt({}, {}, MemoryStoreConfig(), None, None)
        assert ledger.may_overflow()

    asyncio.run(days())


@pytest.mark.parametrize(
    ("overflow", "said"),
    [
        ({"model": "m"}, "overflow.model: found something else (not shown); allowed is one of this model's fallbacks"),
        ({"return_percent": 75}, "overflow.return_percent: found 75; allowed is less than busy_percent (75)"),
        ({"busy_percent": 0}, "a problem"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(overflow: dict[str, Any], said: str, tmp_path: Path) -> None:
    with FakeEngine() as engine:
        config = home_configuration(engine, "http://127.0.0.1:1", tmp_path, **overflow)
    (tmp_path / "gateway.json").write_text(json.dumps(config))
    with pytest.raises(ConfigProblem) as refused:
        load_config(tmp_path / "gateway.json")
    assert said in str(refused.value)
