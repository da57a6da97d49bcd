"""Cold start: phases add up, more to move is never faster, and the cheapest sufficient cure is the one chosen."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.cold_start import ColdStart, ColdStartRequest, cold_start
from infra.plan.cold_start_checks import scale_to_zero_problems, startup_problems
from infra.plan.cold_start_rates import ENGINE_RATES, engine_rates
from infra.plan.start_types import Seen, StartingPlace
from tests.unit.documents import examples


def seen(low: float, high: float | None = None) -> Seen:
    return Seen(low=low, high=low if high is None else high, source="a test", as_of="2026-11")


# Qwen2.5-32B bf16 on vLLM: the run that the fetch and load rates come from, without its image pull.
HERE = StartingPlace(name="here", provision=seen(0), pulls_images=False)
SEEN = ColdStartRequest(place=HERE, engine="vllm", image_gb=seen(0), weights_gib=61.02)
FAR = StartingPlace(
    name="far away",
    provision=seen(60, 300),
    network_gbps=10,
    can_stream_images=True,
    can_cache_weights=True,
    can_keep_spares=True,
)
AWS = ColdStartRequest(
    place=FAR,
    engine="vllm",
    image_gb=seen(10),
    weights_gib=15,
    weights_cache_dollars_per_month=5.0,
    spare_dollars_per_month=600.0,
)
NO_SPARES = replace(FAR, can_keep_spares=False)
prices = st.none() | st.sampled_from([0.0, 1.0, 5.0, 80.0, 5000.0])
sizes = st.tuples(st.floats(0, 20), st.floats(0, 20)).map(lambda pair: seen(min(pair), max(pair)))
places = st.builds(
    StartingPlace,
    name=st.just("somewhere"),
    provision=st.sampled_from([seen(0), seen(5, 10), seen(60, 300), seen(120, 900)]),
    pulls_images=st.booleans(),
    streams_images=st.booleans(),
    network_gbps=st.none() | st.floats(0.5, 3200),
    can_stream_images=st.booleans(),
    can_mount_images=st.booleans(),
    can_cache_weights=st.booleans(),
    can_keep_spares=st.booleans(),
)
requests = st.builds(
    ColdStartRequest,
    place=places,
    engine=st.sampled_from(["vllm", "sglang", "llama_cpp", "tensorrt_llm"]),
    image_gb=sizes,
    weights_gib=st.floats(0, 800),
    moves_weights=st.booleans(),
    weights_in_image=st.booleans(),
    weights_cache_dollars_per_month=prices,
    spare_dollars_per_month=prices,
)


def test_what_was_seen_lies_inside_the_band() -> None:
    start = cold_start(SEEN)
    assert start.seconds_low < 602 < start.seconds_high
    seconds = {phase.name: (phase.seconds_low, phase.seconds_high) for phase in start.phases}
    assert seconds["fetch_weights"][1] == pytest.approx(492.6, abs=0.1)  # 65.5 GB at 0.133 GB/s
    assert seconds["load"] == pytest.approx((21.8, 69.3), abs=0.1)
    assert seconds["provision_node"] == (0, 0)
    assert json.loads(json.dumps(asdict(start)))["phases"][3]["name"] == "load"
    assert start.startup_budget_seconds == 1364  # twice 492.6 + 69.3 + 120


def test_the_tiny_local_model_starts_in_seconds() -> None:
    start = cold_start(replace(SEEN, engine="llama_cpp", weights_gib=0.1, moves_weights=False))
    assert start.seconds_low < 1.8 < start.seconds_high
    assert start.startup_budget_seconds == 300


@given(requests)
@examples(150)
def test_phases_add_up_and_each_band_is_in_order(request: ColdStartRequest) -> None:
    start = cold_start(request)
    assert start.seconds_low == pytest.approx(sum(phase.seconds_low for phase in start.phases))
    assert start.seconds_high == pytest.approx(sum(phase.seconds_high for phase in start.phases))
    assert all(0 <= phase.seconds_low <= phase.seconds_high for phase in start.phases)
    assert start.with_chosen_seconds_high <= start.seconds_high
    assert 300 <= start.startup_budget_seconds <= 3600
    assert all(phase.source and phase.why for phase in start.phases)


@given(requests, st.floats(1.1, 4))
@examples(100)
def test_more_to_move_is_never_faster_and_more_network_never_slower(request: ColdStartRequest, factor: float) -> None:
    start = cold_start(request)
    assert cold_start(replace(request, weights_gib=request.weights_gib * factor)).seconds_high >= start.seconds_high
    larger = seen(request.image_gb.low * factor, request.image_gb.high * factor)
    assert cold_start(replace(request, image_gb=larger)).seconds_high >= start.seconds_high
    if request.place.network_gbps is not None:
        wider = cold_start(
            replace(request, place=replace(request.place, network_gbps=request.place.network_gbps * factor))
        )
        assert wider.seconds_high <= start.seconds_high


@given(requests, st.floats(0, 3000))
@examples(150)
def test_chosen_is_enough_and_nothing_cheaper_is(request: ColdStartRequest, within: float) -> None:
    start = cold_start(request, within_seconds=within)
    known = {cure.name: cure for cure in start.cures}

    def high(names: tuple[str, ...]) -> float:
        left = {phase.name: phase.seconds_high for phase in start.phases}
        for name in names:
            for phase in known[name].leaves:
                left[phase.name] = min(left[phase.name], phase.seconds_high)
        return sum(left.values())

    def expense(names: tuple[str, ...]) -> tuple[int, float]:
        costs = [known[name].dollars_per_month for name in names]
        return costs.count(None), sum(cost or 0 for cost in costs)

    sets = [names for size in range(len(known) + 1) for names in combinations(known, size)]
    enough = [names for names in sets if high(names) <= within]
    if enough:
        assert start.with_chosen_seconds_high == pytest.approx(high(start.chosen))
        assert start.with_chosen_seconds_high <= within + 1e-6
        assert expense(start.chosen) == min(map(expense, enough))
    else:
        assert start.chosen == tuple(cure.name for cure in start.cures if cure.dollars_per_month == 0)


def test_the_cure_follows_from_what_is_allowed() -> None:
    # 300 provision, 588 pull (10 GB at 0.017), 121 fetch (16.1 GB at 0.133), 17 load, 120 warm-up: 1146 s.
    as_it_is = cold_start(AWS, within_seconds=1200)
    assert as_it_is.seconds_high == pytest.approx(1146.4, abs=0.1)
    assert as_it_is.chosen == ()
    assert cold_start(AWS, within_seconds=800).chosen == ("image_streaming",)
    assert cold_start(AWS, within_seconds=700).chosen == ("image_streaming", "weights_cache")
    assert cold_start(AWS, within_seconds=10).chosen == ("warm_spare",)
    assert cold_start(replace(AWS, place=NO_SPARES), within_seconds=10).chosen == ("image_streaming",)
    assert cold_start(AWS).chosen == ("image_streaming",)
    unpriced = replace(AWS, weights_cache_dollars_per_month=None)
    assert cold_start(unpriced, within_seconds=700).chosen == ("warm_spare",)
    assert cold_start(replace(unpriced, place=NO_SPARES), within_seconds=700).chosen == (
        "image_streaming",
        "weights_cache",
    )


def test_weights_inside_the_image_are_read_whole_even_when_it_streams() -> None:
    start = cold_start(replace(AWS, weights_in_image=True))
    (streaming,) = (cure for cure in start.cures if cure.name == "image_streaming")
    assert streaming.saves_seconds_high == pytest.approx(10 * 0.6 / 0.017)
    assert start.phases[1].seconds_high == pytest.approx((10 + 15 * 1024**3 / 1e9) / 0.017)
    assert start.phases[2].seconds_high == 0


def zero(start: ColdStart, **changed: float | None) -> list[str]:
    wanted = {"time_to_first_token_seconds": 1.0, "hold_seconds": None, **changed}
    found = scale_to_zero_problems("models.chat", start, min_replicas=0, **wanted)
    return [problem.text() for problem in found]


def test_zero_replicas_need_requests_that_are_held_as_long_as_a_start_takes_at_worst() -> None:
    # 300 provision, 235 streamed pull, 32 from the cache, 17 load, 84 with what was compiled: 669 s.
    start = cold_start(replace(AWS, place=NO_SPARES), within_seconds=700)
    (refused,) = zero(start)
    assert "models.chat.scaling.min_replicas" in refused
    assert "requests are not held; an objective of 1 s to the first token" in refused
    assert "0 only where requests are held at least 669 s" in refused
    assert "hold requests for 669 s (`hold: {seconds: 669}`); keep a warm replica (`min_replicas: 1`)" in refused
    assert "up to 300 s of it provision node" in refused
    assert zero(start, hold_seconds=668)
    assert not zero(start, hold_seconds=669)
    assert not zero(start, time_to_first_token_seconds=669.0)
    assert zero(start, time_to_first_token_seconds=None)
    assert not list(
        scale_to_zero_problems("models.chat", start, min_replicas=1, time_to_first_token_seconds=1.0, hold_seconds=None)
    )


def test_a_spare_does_not_excuse_zero_replicas() -> None:
    start = cold_start(AWS, within_seconds=10)
    assert start.chosen == ("warm_spare",)
    assert zero(start, hold_seconds=1100)
    assert not zero(start, hold_seconds=1147)


def test_a_platform_that_kills_slow_starters_is_refused() -> None:
    start = cold_start(AWS)
    (problem,) = startup_problems("models.chat", start, at_most_seconds=240, place="Cloud Run")
    assert problem.found == "up to 258 s to fetch and load the weights and warm up"
    assert "240 s" in problem.allowed
    assert not list(startup_problems("models.chat", start, at_most_seconds=259, place="Cloud Run"))


def test_an_error_says_what_would_do_besides_waiting() -> None:
    # 1146 s of which 588 the image; with the volume 32 instead of 121 s of fetching and 36 s less of warming up.
    start = cold_start(replace(AWS, place=replace(NO_SPARES, can_stream_images=False)), within_seconds=300)
    (refused,) = zero(start, hold_seconds=300)
    assert "take a smaller image (`engine.image`)" in refused
    assert "with a weights cache about 1022 s would do" in refused
    # Nothing can be held for longer than an hour.
    (long,) = zero(cold_start(replace(AWS, image_gb=seen(200), place=NO_SPARES)), hold_seconds=300)
    assert "hold requests" not in long.partition("do  ")[2]


def test_an_image_that_streams_in_is_read_in_part() -> None:
    streamed = cold_start(replace(AWS, place=replace(FAR, streams_images=True)))
    assert streamed.phases[1].seconds_high == pytest.approx(10 * 0.4 / 0.017)
    assert "rest streams in" in streamed.phases[1].why
    assert not [cure for cure in streamed.cures if cure.name == "image_streaming"], "it is there already"
    assert cold_start(replace(AWS, place=replace(FAR, pulls_images=False))).phases[1].seconds_high == 0


def test_weights_that_are_there_are_not_fetched() -> None:
    phase = cold_start(replace(AWS, moves_weights=False)).phases[2]
    assert (phase.seconds_high, phase.why) == (0, "where the engine runs")


def test_an_engine_that_nobody_measured_is_as_slow_as_the_slowest() -> None:
    rates = engine_rates("tensorrt_llm")
    assert "tensorrt_llm" not in ENGINE_RATES
    assert rates.load_gib_per_second.source == "not measured: the slowest of vllm, sglang, llama_cpp"
    known = ENGINE_RATES.values()
    assert rates.load_gib_per_second.high == min(each.load_gib_per_second.high for each in known) == 0.5
    assert rates.warm_up_seconds.high == max(each.warm_up_seconds.high for each in known) == 134
    assert engine_rates("sglang").warm_up_seconds.low == 46


def test_a_place_that_ends_slow_starters_bounds_the_start_probe() -> None:
    assert cold_start(AWS).startup_budget_seconds == 516
    assert cold_start(replace(AWS, place=replace(FAR, longest_start_seconds=240))).startup_budget_seconds == 240
