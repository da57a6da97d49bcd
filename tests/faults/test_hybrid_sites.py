"""Hybrid: an own site and another one, as two real gateways. What is restricted never crosses, whatever fails; what
dies at the other site or on the way there is no fault of the own one."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.conftest import Times
from tests.serving.gateway_process import ask, chat, read_to_end, start_gateway, wait_until
from tests.serving.redis_process import start_redis
from tests.serving.routed import RESTRICTED_KEY, settle
from tests.serving.two_sites import INTERNAL_KEY, PLACES, home_configuration, two_sites

CANARY = "restricted-canary-9f31"
THREADS = 4


def test_restricted_prompts_never_cross(tmp_path: Path, times: Times) -> None:
    """Beside each that is internal and leaves, nine that are restricted: while the site is busy, while its engine
    fails, and while it is not there at all."""
    number = times(10_000, 1_000)
    numbers = itertools.count()
    seen: Counter[tuple[str, int, str | None]] = Counter()

    def work(sites: Any) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", sites.home.port, timeout=60)
        counted: Counter[tuple[str, int, str | None]] = Counter()
        while (turn := next(numbers)) < number * 10 // 9:
            key, who = (INTERNAL_KEY, "internal") if turn % 10 == 0 else (RESTRICTED_KEY, "restricted")
            text = f"{CANARY if who == 'restricted' else 'public'} {turn}"
            body = chat("m", messages=[{"role": "user", "content": text}], stream=turn % 3 == 0)
            answer = ask(connection, "POST", "/v1/chat/completions", body, key)
            counted[who, answer.status, answer.headers["x-slipway-boundary"]] += 1
        connection.close()
        seen.update(counted)

    # Each request that may go has to: the one held stream is more than this share.
    with two_sites(tmp_path, busy_percent=2, return_percent=1) as sites:
        sites.hold()
        threads = [threading.Thread(target=work, args=(sites,), daemon=True) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        disturbances = itertools.cycle(("e503", None, "dead", None, "cut", None, "e429", None))
        while any(thread.is_alive() for thread in threads):
            sites.own_engine.acts_as = next(disturbances)
            sites.own_engine.health_status = 503 if sites.own_engine.acts_as == "dead" else 200
            time.sleep(0.25)
        for thread in threads:
            thread.join()
        own = [call for call in sites.own_engine.calls if CANARY.encode() in call.raw]
        there = sites.there()
        assert not [call for call in there if CANARY.encode() in call.raw]
        assert CANARY not in "".join(file.read_text() for file in (tmp_path / "cloud").glob("*.log"))
    restricted = {key: count for key, count in seen.items() if key[0] == "restricted"}
    assert sum(restricted.values()) >= number - THREADS
    assert {key[2] for key in restricted} <= {"own", None}
    # Both ways were really used: the canaries reached the own engine, the others left.
    assert len(own) > number / 10
    assert len(there) == sum(count for key, count in seen.items() if key[2] == "cloud") > number / 20


def test_the_other_site_dies_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        sites.hold(3)
        sites.cloud_engine.acts_as = "endless"
        broken = sites.open_stream()
        assert len(sites.there()) == 1
        sites.cloud.process.kill()
        sites.cloud.exit_status()
        rest = read_to_end(broken, 20)
        # The stream ends as one whose engine is gone: an error event, and no end that was none.
        events = [json.loads(line[6:]) for line in rest.splitlines() if line.startswith(b"data: {")]
        assert events[-1]["error"]["code"] == "engine_connection_lost"
        assert b"[DONE]" not in rest
        assert b'"finish_reason":"stop"' not in rest.replace(b" ", b"")
        # The own site serves on, those as well that would have left.
        assert [sites.where() for _ in range(5)] == ["own"] * 5
        sites.cloud_engine.acts_as = None
        sites.start_cloud()
        wait_until("requests go there again", lambda: sites.where() == "cloud", 20)


def test_the_way_is_cut_and_comes_back(tmp_path: Path) -> None:
    """Silence, which is worse than a refusal: the other site's gateway is stopped, its connections stay open."""
    with two_sites(tmp_path) as sites:
        sites.hold(3)
        assert sites.where() == "cloud"
        sites.cloud.process.send_signal(signal.SIGSTOP)
        try:
            wait_until("probes are not answered", lambda: not sites.reachable(), 30)
            assert [sites.where() for _ in range(3)] == ["own"] * 3
            assert sites.kept("unavailable") >= 3
        finally:
            sites.cloud.process.send_signal(signal.SIGCONT)
        wait_until("requests go there again", lambda: sites.where() == "cloud", 30)


def test_a_full_site_waits_for_itself_while_the_other_is_away(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        sites.hold(PLACES)
        sites.cloud.process.kill()
        sites.cloud.exit_status()
        answers: list[Any] = []
        thread = threading.Thread(target=lambda: answers.append(sites.ask()), daemon=True)
        thread.start()
        wait_until("it waits", lambda: _queued(sites) == 1, 20)
        sites.release()
        thread.join(20)
        assert answers[0].status == 200
        assert answers[0].headers["x-slipway-boundary"] == "own"


def test_gateways_of_a_site_spend_a_days_dollars_together(tmp_path: Path) -> None:
    """Each request costs a dollar; two gateways may spend ten."""
    price = {"input_dollars_per_million_tokens": 100_000, "output_dollars_per_million_tokens": 100_000}
    rule = {"busy_percent": 2, "return_percent": 1, "price": price}
    with start_redis(tmp_path) as redis:
        store = {"kind": "redis", "url_file": str(redis.url_file), "when_away": "closed", "gateways": 2}

        def shared(config: Any) -> None:
            config |= {"limits_store": store, "overflow_dollars_per_day": 10}

        with two_sites(tmp_path, shared, **rule) as sites:
            config = home_configuration(sites.own_engine, f"http://127.0.0.1:{sites.cloud.port}", tmp_path, **rule)
            shared(config)
            (tmp_path / "second").mkdir()
            with start_gateway(tmp_path / "second", config) as second:
                settle(second, 1)
                settle(second, 1, "m@cloud")
                sites.hold()
                assert [sites.where() for _ in range(12)] == ["cloud"] * 10 + ["own"] * 2
                # The other one, which was asked for nothing yet, hears of it within about a second.
                for gateway in (sites.home, second):
                    _after_exchanges(gateway)
                sites.home = second
                sites.hold()
                assert sites.where() == "own"
                assert len(sites.there()) == 10


def test_nothing_is_spent_while_nobody_knows_what_was(tmp_path: Path) -> None:
    price = {"input_dollars_per_million_tokens": 1, "output_dollars_per_million_tokens": 1}
    with start_redis(tmp_path) as redis:
        store = {"kind": "redis", "url_file": str(redis.url_file), "when_away": "closed"}

        def shared(config: Any) -> None:
            config |= {"limits_store": store, "overflow_dollars_per_day": 10}

        with two_sites(tmp_path, shared, busy_percent=2, return_percent=1, price=price) as sites:
            sites.hold()
            assert sites.where() == "cloud"
            redis.stop()
            wait_until("it is away", lambda: not _leasing(sites.home), 20)
            assert [sites.where() for _ in range(3)] == ["own"] * 3
            redis.start()
            wait_until("it is back", lambda: _leasing(sites.home), 20)
            assert sites.where() == "cloud"


def _queued(sites: Any) -> int:
    answer = sites.home.request("GET", "/scaling/m", port=sites.home.operations, key=None)
    return json.loads(answer.body)["queued"]


def _after_exchanges(gateway: Any) -> None:
    """The first of them may have begun before."""
    name = "slipway_gateway_limits_exchanges_total"
    before = gateway.metric(name)
    wait_until("it was told", lambda: gateway.metric(name) >= before + 2, 30)


def _leasing(gateway: Any) -> bool:
    return gateway.metric("slipway_gateway_limits_store_available") == 1
