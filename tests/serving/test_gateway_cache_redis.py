"""Gateway: a cache that two gateways share over one real Redis. Encrypted there, bounded, and never in the way."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.serving.cached import Asked, ask, cached, question, result
from tests.serving.certificates import Authority
from tests.serving.gateway_process import GatewayProcess, start_gateway, wait_until
from tests.serving.limited import limited
from tests.serving.redis_process import PASSWORD, RedisProcess, start_redis
from tests.serving.routed import reload
from tests.serving.upstream import FakeEngine

CANARY = "cache-canary-2f60"


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    with start_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "cache.key"
    path.write_text(secrets.token_hex(32) + "\n")
    return path


def shared(server: RedisProcess, key_file: Path, **more: Any) -> dict[str, Any]:
    return {"kind": "redis", "url_file": str(server.url_file), "key_file": str(key_file), **more}


@pytest.fixture
def pair(
    engine: FakeEngine, server: RedisProcess, key_file: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[list[GatewayProcess]]:
    settings = shared(server, key_file, namespace=secrets.token_hex(4), **getattr(request, "param", {}))
    with ExitStack() as stack:
        gateways: list[GatewayProcess] = []
        for number in range(2):
            folder = tmp_path / str(number)
            folder.mkdir()
            document = cached(engine.url, folder, {"a": {}, "b": {}}, **settings)
            gateways.append(stack.enter_context(start_gateway(folder, document)))
        yield gateways


def client(server: RedisProcess) -> Any:
    return redis.Redis.from_url(server.url, socket_timeout=5)


def contents(server: RedisProcess) -> dict[bytes, bytes]:
    """Everything that Redis holds, by name."""
    link = client(server)
    held = {name: link.dump(name) or b"" for name in link.scan_iter(count=1000)}
    link.close()
    return held


def hit_soon(gateway: GatewayProcess, who: str, body: dict[str, Any]) -> None:
    """Answers are kept a moment after they were given."""
    wait_until("a hit", lambda: result(ask(gateway, who, body)) == "hit", 20)


@pytest.mark.parametrize("stream", [False, True])
def test_what_one_gateway_kept_the_other_gives(pair: list[GatewayProcess], engine: FakeEngine, stream: bool) -> None:
    body = question("shared", stream=stream)
    first = ask(pair[0], "a", body)
    hit_soon(pair[0], "a", body)
    asked = Asked(engine)
    second = ask(pair[1], "a", body)
    assert result(second) == "hit"
    assert second.body == first.body
    assert second.headers["x-slipway-boundary"] == "local"
    assert asked.calls == 0
    assert result(ask(pair[1], "b", body)) == "miss"


def test_redis_holds_no_text_and_no_names(pair: list[GatewayProcess], server: RedisProcess) -> None:
    before = contents(server)
    body = question(CANARY)
    answer = ask(pair[0], "a", body)
    hit_soon(pair[1], "a", body)
    held = {name: value for name, value in contents(server).items() if before.get(name) != value}
    assert len(held) == 3
    everything = b"".join([*held, *held.values()])
    for secret in (CANARY.encode(), answer.body[:12], b"assistant", b"choices", b"application/json", b"local"):
        assert secret not in everything
    for gateway in pair:
        assert PASSWORD not in gateway.log_file.read_text()


def test_an_answer_moved_to_another_name_or_changed_is_a_miss(
    pair: list[GatewayProcess], server: RedisProcess, engine: FakeEngine
) -> None:
    before = set(contents(server))
    one, two = question("one"), question("two")
    ask(pair[0], "a", one)
    hit_soon(pair[0], "a", one)
    (first,) = [name for name in contents(server) if name not in before and not name.endswith((b"order", b"bytes"))]
    ask(pair[0], "a", two)
    hit_soon(pair[0], "a", two)
    link = client(server)
    second = next(
        name for name in link.scan_iter() if name not in before | {first} and not name.endswith((b"order", b"bytes"))
    )
    link.set(second, link.get(first))
    asked = Asked(engine)
    assert (result(answer := ask(pair[0], "a", two)), answer.status) == ("miss", 200)
    sealed = link.get(first)
    link.set(first, sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert result(ask(pair[0], "a", one)) == "miss"
    for broken in (b"", b"x"):
        hit_soon(pair[0], "a", one)
        link.set(first, broken)
        assert (result(answer := ask(pair[0], "a", one)), answer.status) == ("miss", 200)
    link.close()
    assert asked.calls >= 4


def test_another_key_finds_nothing(
    pair: list[GatewayProcess], engine: FakeEngine, server: RedisProcess, tmp_path: Path
) -> None:
    body = question("locked")
    ask(pair[0], "a", body)
    hit_soon(pair[0], "a", body)
    other = tmp_path / "other.key"
    other.write_text(secrets.token_hex(32))
    with start_gateway(tmp_path, cached(engine.url, tmp_path, {"a": {}}, **shared(server, other))) as gateway:
        assert result(ask(gateway, "a", body)) == "miss"


@pytest.mark.parametrize("pair", [{"age_seconds": 0.6}], indirect=True)
def test_redis_forgets_what_is_too_old(pair: list[GatewayProcess], server: RedisProcess) -> None:
    before = set(contents(server))
    body = question("old")
    ask(pair[0], "a", body)
    hit_soon(pair[1], "a", body)
    time.sleep(0.9)
    left = set(contents(server)) - before
    assert all(name.endswith((b"order", b"bytes")) for name in left)
    assert result(ask(pair[1], "a", body)) == "miss"


@pytest.mark.parametrize("pair", [{"largest_bytes": 65_536, "largest_answer_bytes": 4096}], indirect=True)
def test_redis_is_bounded(pair: list[GatewayProcess], server: RedisProcess) -> None:
    before = set(contents(server))
    for turn in range(150):
        ask(pair[turn % 2], "a", question(f"number {turn}"))
    hit_soon(pair[0], "a", question("number 149"))
    assert result(ask(pair[0], "a", question("number 0"))) == "miss"
    time.sleep(0.2)  # that one is kept too
    link = client(server)
    names = {name for name in link.scan_iter() if name not in before}
    entries = {name for name in names if not name.endswith((b"order", b"bytes"))}
    (order,) = [name for name in names if name.endswith(b"order")]
    (total,) = [name for name in names if name.endswith(b"bytes")]
    assert 20 < len(entries) < 100
    assert link.zcard(order) == len(entries)
    booked = {member.split(b" ", 1)[1]: int(member.split(b" ", 1)[0]) for member in link.zrange(order, 0, -1)}
    assert set(booked) == entries
    assert sum(booked.values()) == int(link.get(total)) <= 65_536
    assert all(booked[name] == link.strlen(name) + 600 for name in entries)
    # Kept once more, it is counted once.
    for _ in range(3):
        ask(pair[0], "a", question("number 149"), "refresh")
    time.sleep(0.2)
    assert link.zcard(order) == len(entries)
    assert sum(int(member.split(b" ")[0]) for member in link.zrange(order, 0, -1)) == int(link.get(total))
    # Books that are lost are begun anew.
    link.delete(total)
    ask(pair[0], "a", question("anew"))
    hit_soon(pair[0], "a", question("anew"))
    assert int(link.get(total)) < 2000
    link.close()


def test_a_redis_that_is_away_or_hangs_is_a_miss(engine: FakeEngine, key_file: Path, tmp_path: Path) -> None:
    """Never an error, never a wait longer than the timeout, and used again when it is back."""
    available = "slipway_gateway_cache_store_available"
    with start_redis(tmp_path) as server:
        document = cached(engine.url, tmp_path, {"a": {}}, **shared(server, key_file, timeout_seconds=0.2))
        with start_gateway(tmp_path, document) as gateway:
            body = question("away")
            ask(gateway, "a", body)
            hit_soon(gateway, "a", body)
            assert gateway.metric(available) == 1
            for lose, return_ in ((server.pause, server.resume), (server.stop, server.start)):
                lose()
                began = time.monotonic()
                answer = ask(gateway, "a", body)
                assert (answer.status, result(answer)) == (200, "miss")
                assert time.monotonic() - began < 1.0
                assert gateway.metric(available) == 0
                began = time.monotonic()
                for _ in range(20):  # nobody waits while it is known to be away
                    assert (answer := ask(gateway, "a", body)).status == 200
                    assert result(answer) == "miss"
                assert time.monotonic() - began < 2.0
                assert gateway.metric("slipway_gateway_cache_outages_total") >= 1
                return_()
                wait_until("asked again", lambda: gateway.metric(available) == 1, 5)
                hit_soon(gateway, "a", body)
            assert [line["event"] for line in gateway.log() if line["level"] == "error"] == []


def test_a_redis_that_was_never_there_keeps_nobody_waiting(engine: FakeEngine, key_file: Path, tmp_path: Path) -> None:
    url = tmp_path / "nowhere.url"
    url.write_text("redis://127.0.0.1:1/0")
    settings = {"kind": "redis", "url_file": str(url), "key_file": str(key_file)}
    with start_gateway(
        tmp_path, cached(engine.url, tmp_path, {"a": {}}, **settings), "--accept-seconds", "0"
    ) as gateway:
        for _ in range(5):
            answer = ask(gateway, "a", question("nowhere"))
            assert (answer.status, result(answer)) == (200, "miss")
        gateway.terminate()
        assert gateway.exit_status() == 0


def test_a_redis_that_refuses_to_write_is_a_miss(engine: FakeEngine, key_file: Path, tmp_path: Path) -> None:
    with start_redis(tmp_path) as server:
        link = client(server)
        link.config_set("maxmemory", "1")
        link.config_set("maxmemory-policy", "noeviction")
        document = cached(engine.url, tmp_path, {"a": {}}, **shared(server, key_file))
        with start_gateway(tmp_path, document) as gateway:
            for _ in range(5):
                answer = ask(gateway, "a", question("full"))
                assert (answer.status, result(answer)) == (200, "miss")
            assert link.dbsize() == 0
        link.close()


def test_reloads_between_stores(engine: FakeEngine, server: RedisProcess, key_file: Path, tmp_path: Path) -> None:
    """What is in Redis is there when the configuration comes back to it; what was in memory is not."""
    in_redis = cached(engine.url, tmp_path, {"a": {}}, **shared(server, key_file, namespace="reloads"))
    in_memory = {**in_redis, "cache": {"kind": "memory"}}
    body = question("reloaded")
    with start_gateway(tmp_path, in_redis, "--accept-seconds", "0") as gateway:
        ask(gateway, "a", body)
        hit_soon(gateway, "a", body)
        for document, expected in ((in_memory, ["miss", "hit"]), (in_redis, ["hit"]), (in_memory, ["miss", "hit"])):
            assert reload(gateway, tmp_path, document).startswith("reloaded")
            assert [result(ask(gateway, "a", body)) for _ in expected] == expected
        gateway.terminate()
        assert gateway.exit_status() == 0


def test_behind_tls_and_beside_the_store_of_limits(engine: FakeEngine, key_file: Path, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with start_redis(tmp_path, authority.server()) as server:
        settings = shared(server, key_file, ca_file=str(authority.file))
        document = limited(engine.url, tmp_path, {"a": {"cache": True, "tokens_per_day": 1000}})
        store = {
            "kind": "redis",
            "url_file": str(server.url_file),
            "when_away": "closed",
            "ca_file": str(authority.file),
        }
        with start_gateway(tmp_path, {**document, "cache": settings, "limits_store": store}) as gateway:
            assert ask(gateway, "a", question("tls")).status == 200
            hit_soon(gateway, "a", question("tls"))
