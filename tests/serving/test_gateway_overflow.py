"""Overflow between two running sites: by which rule requests leave the own one, come back, and may not leave at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.serving.gateway_process import wait_until
from tests.serving.routed import RESTRICTED_KEY, in_background
from tests.serving.two_sites import INTERNAL_KEY, PLACES, two_sites


def test_new_conversations_leave_a_busy_site_and_stay_again_below_the_lower_share(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        assert sites.where(text="known here") == "own"
        sites.hold(3)
        assert [sites.where() for _ in range(3)] == ["cloud"] * 3
        assert sites.where(text="moves") == "cloud"
        # What this site has in its caches keeps the place that is left.
        assert sites.where(text="known here") == "own"
        sites.release()
        # 2 of 4 are not below 50 %.
        assert sites.where() == "cloud"
        sites.release()
        assert sites.where() == "own"
        assert sites.where(text="moves") == "own"
        assert sites.overflows("busy") == 5
        # It was the very same model, asked by the site's own key.
        assert {call.model for call in sites.there()} == {"m"}
        sites.hold()
        assert sites.where() == "own"


def test_a_full_site_keeps_what_is_restricted_waiting(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        sites.hold(PLACES)
        assert sites.where(key=INTERNAL_KEY) == "cloud"
        before = sites.kept("boundary")
        thread, answers = in_background(lambda: sites.ask(key=RESTRICTED_KEY))
        wait_until("it waits", lambda: _waiting(sites) == 1, 15)
        assert sites.kept("boundary") == before + 1
        sites.release()
        thread.join(15)
        assert answers[0].status == 200
        assert answers[0].headers["x-slipway-boundary"] == "own"
        assert len(sites.there()) == 1


def test_with_patience_only_those_that_waited_go_and_then_the_next_at_once(tmp_path: Path) -> None:
    with two_sites(tmp_path, busy_percent=100, wait_seconds=1.0) as sites:
        sites.hold(PLACES)
        thread, answers = in_background(lambda: sites.ask())
        wait_until("it waits", lambda: _waiting(sites) == 1, 15)
        thread.join(15)
        assert answers[0].headers["x-slipway-boundary"] == "cloud"
        assert sites.where() == "cloud"
        assert sites.overflows("queue") == 2
        assert sites.home.metric('slipway_gateway_queue_time_seconds_count{model="m"}') == 1
        assert sites.home.metric('slipway_gateway_queue_refusals_total{model="m"}') == 0


def test_a_place_that_becomes_free_in_time_is_taken(tmp_path: Path) -> None:
    with two_sites(tmp_path, busy_percent=100, wait_seconds=15) as sites:
        sites.hold(PLACES)
        thread, answers = in_background(lambda: sites.ask())
        wait_until("it waits", lambda: _waiting(sites) == 1, 15)
        sites.release()
        thread.join(15)
        assert answers[0].headers["x-slipway-boundary"] == "own"
        assert sites.there() == []


def test_without_an_engine_of_its_own_a_site_is_served_by_the_other(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        sites.own_engine.health_status = 503
        wait_until("the probe failed", lambda: sites.where() == "cloud", 20)
        assert sites.overflows("unhealthy") >= 1
        sites.own_engine.health_status = 200
        wait_until("the probe succeeded", lambda: sites.where() == "own", 20)


def test_a_failed_call_is_repeated_at_the_other_site_only_where_the_data_may_go(tmp_path: Path) -> None:
    with two_sites(tmp_path) as sites:
        sites.own_engine.acts_as = "e503"
        assert sites.ask(key=RESTRICTED_KEY).status == 503
        assert sites.there() == []
        assert sites.where(key=INTERNAL_KEY) == "cloud"
        assert sites.overflows("failed") == 1


def test_personal_data_leaves_as_placeholders_only(tmp_path: Path) -> None:
    def tokenised(config: dict[str, Any]) -> None:
        config["privacy"] = {}
        config["clients"]["internal"]["privacy"] = {"boundaries": {"cloud": {"mode": "tokenise"}}}

    with two_sites(tmp_path, tokenised) as sites:
        sites.hold(PLACES)
        assert sites.where(key=INTERNAL_KEY, text="write to ada.canary@example.com") == "cloud"
        (call,) = sites.there()
        assert b"ada.canary" not in call.raw
        assert b"write to " in call.raw


def test_what_it_costs_there_in_a_day_has_an_end(tmp_path: Path) -> None:
    # 7 prompt and 3 answer tokens at ten cents: a dollar each.
    def priced(config: dict[str, Any]) -> None:
        config["overflow_dollars_per_day"] = 3

    price = {"input_dollars_per_million_tokens": 100_000, "output_dollars_per_million_tokens": 100_000}
    with two_sites(tmp_path, priced, busy_percent=2, return_percent=1, price=price) as sites:
        sites.hold()
        # A stream's usage is asked for, and counts: 13 tokens.
        assert sites.where(stream=True) == "cloud"
        assert sites.there()[-1].body["stream_options"] == {"include_usage": True}
        assert [sites.where() for _ in range(4)] == ["cloud", "cloud", "own", "own"]
        assert sites.kept("price") == 2
        assert len(sites.there()) == 3


def test_requests_leave_while_the_engines_caches_are_full(tmp_path: Path) -> None:
    cache = {"percent": 80, "path": "/metrics", "metric": "vllm:kv_cache_usage_perc"}
    # In the same proportion as the other share: 40 % here.
    with two_sites(tmp_path, busy_percent=100, return_percent=50, kv_cache=cache) as sites:
        assert sites.where(text="known here") == "own"
        sites.own_engine.metrics = 'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.85\n'
        wait_until("it is known", lambda: sites.where() == "cloud", 20)
        # Even a conversation that is here: there is no room for more of it.
        assert sites.where(text="known here") == "cloud"
        assert sites.overflows("kv_cache") >= 2
        sites.own_engine.metrics = 'vllm:kv_cache_usage_perc{engine="0",model_name="m"} 0.10\n'
        wait_until("it is known", lambda: sites.where() == "own", 20)


def test_the_operator_sees_why_and_the_audit_says_it(tmp_path: Path) -> None:
    def audited(config: dict[str, Any]) -> None:
        config["audit"] = {"folder": str(tmp_path / "audit")}

    with two_sites(tmp_path, audited) as sites:
        sites.hold(3)
        assert sites.where() == "cloud"
        sites.release(3)
        assert sites.where() == "own"
        rows = tmp_path / "audit"
        wait_until("the row is there", lambda: "overflow:busy" in _texts(rows), 20)


def _texts(folder: Path) -> str:
    return "".join(path.read_text(errors="replace") for path in folder.rglob("*") if path.is_file())


def _waiting(sites: Any) -> int:
    answer = sites.home.request("GET", "/scaling/m", port=sites.home.operations, key=None)
    return json.loads(answer.body)["queued"]
