"""Gateway: what happens to the audit while its object store cannot be reached, over restarts and on a bounded disk."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.gateway.audit import object_store
from serving.gateway.audit.config import ObjectStoreConfig
from serving.gateway.audit.segments import chains_in
from tests.serving.audit_files import (
    fill,
    lines,
    old,
    open_store,
    problems,
    reports,
    retention,
    rows,
    stop,
    wait_for_rows,
)
from tests.serving.collector import Collector
from tests.serving.gateway_process import GatewayProcess, chat, configuration, free_port, start_gateway, wait_until
from tests.serving.upstream import FakeEngine

SECRET_KEY = "object-store-secret-canary"
# Pauses between tries grow to a minute while the store is away.
BACK_SECONDS = 150
# Rows of refusals that are written together once there is room: 512 of some 500 bytes.
ONE_WRITE = 300_000
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def forwarding(engine: FakeEngine, tmp_path: Path, port: int, **audit: Any) -> dict[str, Any]:
    """A gateway whose audit goes to a store at that port, where nobody listens yet."""
    for name, text in (("access", "AKIDcanary"), ("secret", SECRET_KEY)):
        (tmp_path / name).write_text(text)
    store = {
        "kind": "s3",
        "url": f"http://127.0.0.1:{port}/bucket",
        "region": "eu-central-1",
        "access_key_file": str(tmp_path / "access"),
        "secret_key_file": str(tmp_path / "secret"),
    }
    settings = {"folder": str(tmp_path / "audit"), "reserve_bytes": 65536, "segment_seconds": 0.5, **audit}
    return {**configuration(engine.url, tmp_path), "audit": {**settings, "object_store": store}}


class Asked:
    """The ids of all requests that were answered with 200, in their order."""

    def __init__(self) -> None:
        self.answered: list[str] = []

    def ask(self, gateway: GatewayProcess, count: int = 5) -> None:
        for _ in range(count):
            assert self.answers(gateway)

    def answers(self, gateway: GatewayProcess) -> bool:
        """Whether one more was."""
        name = f"r{len(self.answered)}"
        if gateway.request(body=chat("ok"), headers={"X-Request-Id": name}).status != 200:
            return False
        self.answered.append(name)
        return True


def copied(store: Collector, folder: Path) -> list[dict[str, Any]]:
    """All lines of all copies, each chain in its order; every copy is what its file here was."""
    folder.mkdir()
    found: list[dict[str, Any]] = []
    for path, body in sorted(store.objects.items()):
        (folder / path.rpartition("/")[2]).write_bytes(body)
        found += [json.loads(line) for line in body.splitlines()]
    return found


def test_all_rows_arrive_once_when_the_store_is_back_whatever_ended_in_between(
    engine: FakeEngine, tmp_path: Path, folder: Path
) -> None:
    port, asked = free_port(), Asked()
    config = forwarding(engine, tmp_path, port)
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as first:
        asked.ask(first)
        wait_until("it notices", lambda: any(line["event"] == "audit_object_store_away" for line in first.log()), 20)
        asked.ask(first)
        # Its successor begins beside it, as in every rollout: in a chain of its own. Then the power fails.
        with start_gateway(tmp_path, config, "--accept-seconds", "0") as second:
            asked.ask(second)
            asked.ask(first)
            wait_for_rows(folder, len(asked.answered))
            for gateway in (first, second):
                gateway.process.kill()
                gateway.process.wait()
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as third:
        asked.ask(third)
        with Collector(SECRET_KEY, port=port) as store:
            arrived = lambda: {  # noqa: E731
                row.get("request_id") for body in store.objects.values() for row in map(json.loads, body.splitlines())
            }
            wait_until("every row is in the store", lambda: set(asked.answered) <= arrived(), BACK_SECONDS)
            assert stop(third) == 0
            assert len(store.headers) == len(store.objects), "nothing is sent twice"
            assert store.bad_signatures == 0
            found = copied(store, tmp_path / "copied")
    assert len({line["chain"] for line in found if line["kind"] == "open"}) == 2
    requests = [line["request_id"] for line in found if line["kind"] == "request"]
    assert sorted(requests) == sorted(asked.answered), "each row once, and none lost"
    assert found == lines(folder), "in the order in which they were written"
    for name in ("signing.key.pub", *(path.name for path in folder.glob("*.head"))):
        (tmp_path / "copied" / name).write_bytes((folder / name).read_bytes())
    assert problems(tmp_path / "copied") == [], "the copies show by themselves that they are whole"


def test_a_store_that_stays_away_fills_no_more_of_the_disk_than_it_may(
    engine: FakeEngine, tmp_path: Path, folder: Path
) -> None:
    most, port, asked = 262_144, free_port(), Asked()
    config = forwarding(engine, tmp_path, port, segment_bytes=16_384, folder_bytes=most)
    taken = lambda: sum(path.stat().st_size for path in folder.glob("*.jsonl"))  # noqa: E731
    with start_gateway(tmp_path, config, "--accept-seconds", "0") as gateway:
        wait_until("it refuses", lambda: gateway.request(body=chat("ok")).status == 503, 60)
        assert gateway.request(body=chat("ok")).error["code"] == "audit_unavailable"
        full = taken()
        assert most * 0.8 < full < most + ONE_WRITE
        for _ in range(200):
            assert gateway.request(body=chat("ok")).status == 503
        assert taken() < full + 16_384, "nor do refusals fill it"
        before = {row["request_id"] for row in rows(folder) if row["status"] == 200}
        with Collector(SECRET_KEY, port=port) as store:
            for _ in range(600):  # more than the folder may hold: copies make room
                wait_until("it serves again", lambda: asked.answers(gateway), BACK_SECONDS)
            assert taken() < most + ONE_WRITE
            assert stop(gateway) == 0
            kept = {row.get("request_id") for row in copied(store, tmp_path / "copied")}
    assert before | set(asked.answered) <= kept
    assert problems(folder) == []


def test_a_full_folder_gives_the_oldest_copies_of_any_chain_and_nothing_else(folder: Path) -> None:
    resting = fill(folder, 60, segment_bytes=4096)
    store = open_store(folder, segment_bytes=4096)
    if store.chain == resting.chain:  # a second chain, as a successor has it
        other = open_store(folder, segment_bytes=4096)
        store.close()
        store = other
    segments = sorted(folder.glob(f"{resting.chain}-*.jsonl"))
    for number, segment in enumerate(segments):
        old(segment, len(segments) - number)
    size = sum(path.stat().st_size for path in folder.glob("*.jsonl"))
    with pytest.raises(OSError, match="holds all that it may"):
        retention(folder, most_bytes=size - 1, sent_only=True).make_room(store)
    assert all(segment.exists() for segment in segments), "what nobody has a copy of stays"
    for segment in segments[:2]:
        segment.with_suffix(".sent").touch()
    retention(folder, most_bytes=size - 1, sent_only=True).make_room(store)
    assert [segment.exists() for segment in segments[:3]] == [False, True, True], "no more than is needed"
    with pytest.raises(OSError, match="holds all that it may"):
        retention(folder, most_bytes=size // 3, sent_only=True).make_room(store)
    assert [segment.exists() for segment in segments[:3]] == [False, False, True]
    assert problems(folder) == []
    store.close()
    assert problems(folder) == []


def test_a_chain_that_nobody_writes_any_more_is_not_kept_longer(folder: Path) -> None:
    resting = fill(folder, 60, segment_bytes=4096)
    one, two = open_store(folder), open_store(folder)
    store, other = (two, one) if one.chain == resting.chain else (one, two)
    other.close()
    segments = sorted(folder.glob(f"{resting.chain}-*.jsonl"))
    # One day late at most: each deletion begins a segment there.
    for segment in segments[:2]:
        old(segment, 90.5)
    retention(folder, days=90).apply(store)
    assert segments[0].exists()
    old(segments[0], 91.5)
    retention(folder, days=90).apply(store)
    assert [segment.exists() for segment in segments[:3]] == [False, False, True]
    store.close()
    assert problems(folder) == []
    assert all(report.signed == report.last for report in reports(folder)), "and its end is signed"


def test_a_folder_in_which_nothing_happens_is_looked_through_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[Path] = []
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDcanary")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setattr(object_store, "chains_in", lambda place: looks.append(place) or chains_in(place))
    store = fill(folder, 3, close=False)
    config = ObjectStoreConfig(kind="s3", url="http://127.0.0.1:9/bucket", region="eu-central-1")
    copies = object_store.ObjectStore(config, folder, store.chain, lambda *_, **__: None)

    async def look() -> None:
        for _ in range(3):
            assert await copies.send_closed()
        assert len(looks) == 1
        store.end_segment()
        store.commit()
        assert not await copies.send_closed(), "nobody is there to take it"
        assert (len(looks), copies.unsent) == (2, 1)
        assert not await copies.send_closed()
        assert len(looks) == 3, "what waits is looked at again"
        assert copies._session is not None
        await copies._session.close()

    asyncio.run(look())
    store.close()
