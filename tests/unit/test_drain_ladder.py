"""Drain ladder: every layer outlasts the one inside it, and a stack is refused exactly where a place gives less."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from hypothesis import assume, given
from hypothesis import strategies as st

from infra.plan.drain_caps import (
    APPLICATION_LOAD_BALANCER,
    CLOUD_RUN_FRONT,
    CLOUD_RUN_INSTANCES,
    EKS_AUTO_MODE_NODES,
    EKS_MANAGED_NODES,
    GKE_NODES,
    GOOGLE_LOAD_BALANCER,
    OWN_INGRESS,
    OWN_NODES,
    Cap,
)
from infra.plan.drain_ladder import DrainRequest, drain_ladder, drain_problems, drain_warnings, slowest_engine
from tests.unit.documents import examples

AWS = DrainRequest(
    where="sites.main",
    longest_generation_seconds=120,
    engine="vllm",
    front=APPLICATION_LOAD_BALANCER,
    nodes=EKS_AUTO_MODE_NODES,
)
GCP = replace(AWS, front=GOOGLE_LOAD_BALANCER, nodes=GKE_NODES)
CLOUD_RUN = replace(AWS, front=CLOUD_RUN_FRONT, nodes=CLOUD_RUN_INSTANCES, pre_stop_seconds=0)
PLACES = [
    (APPLICATION_LOAD_BALANCER, EKS_AUTO_MODE_NODES),
    (APPLICATION_LOAD_BALANCER, EKS_MANAGED_NODES),
    (GOOGLE_LOAD_BALANCER, GKE_NODES),
    (CLOUD_RUN_FRONT, CLOUD_RUN_INSTANCES),
    (OWN_INGRESS, OWN_NODES),
]


@st.composite
def requests(draw: st.DrawFn) -> DrainRequest:
    front, nodes = draw(st.sampled_from(PLACES))
    return DrainRequest(
        where="sites.main",
        longest_generation_seconds=draw(st.integers(1, 7200)),
        engine=draw(st.sampled_from(["vllm", "sglang", "tensorrt_llm", "llama_cpp"])),
        front=front,
        nodes=nodes,
        spot=draw(st.booleans()),
        accept_seconds=draw(st.integers(0, 60)),
        hold_seconds=draw(st.integers(0, 1200)),
        pre_stop_seconds=draw(st.integers(0, 60)),
    )


@given(requests())
@examples(200)
def test_each_layer_outlasts_the_one_inside_it(request: DrainRequest) -> None:
    ladder = drain_ladder(request)
    longest, hold = request.longest_generation_seconds, request.hold_seconds
    assert ladder.engine_shutdown_seconds == longest
    assert ladder.pod_grace_seconds > request.pre_stop_seconds + ladder.engine_shutdown_seconds
    assert ladder.gateway_grace_seconds >= ladder.pod_grace_seconds
    assert ladder.gateway_grace_seconds > request.pre_stop_seconds + request.accept_seconds + hold + longest
    assert ladder.load_balancer_deregistration_seconds >= ladder.gateway_grace_seconds
    assert ladder.node_grace_seconds >= ladder.load_balancer_deregistration_seconds
    assert ladder.load_balancer_idle_seconds > hold + longest
    reuse = request.front.reuse_seconds or ladder.load_balancer_idle_seconds
    assert ladder.gateway_keep_alive_seconds > reuse


@given(requests(), st.integers(1, 600))
@examples(100)
def test_a_longer_generation_never_gets_less_of_anything(request: DrainRequest, more: int) -> None:
    shorter = asdict(drain_ladder(request))
    longer = asdict(
        drain_ladder(replace(request, longest_generation_seconds=request.longest_generation_seconds + more))
    )
    for name in (name for name in shorter if name.endswith("_seconds")):
        assert shorter[name] <= longer[name], name


@given(requests())
@examples(200)
def test_refused_exactly_when_a_place_that_enforces_its_limit_gives_less(request: DrainRequest) -> None:
    ladder = drain_ladder(request)
    times = {name.removesuffix("_seconds"): value for name, value in asdict(ladder).items() if name.endswith("seconds")}
    if request.spot:
        times["spot_notice"] = ladder.pod_grace_seconds
    caps: list[Cap] = [*request.front.caps, *request.nodes.caps]
    if request.spot and request.nodes.spot:
        caps.append(request.nodes.spot)
    broken = {cap.layer for cap in caps if times[cap.layer] > cap.seconds}
    refusing = {cap.layer for cap in caps if cap.refuses and times[cap.layer] > cap.seconds}
    assert len(list(drain_problems(request))) == len(refusing)
    assert ladder.guaranteed == (not broken)
    unknown = request.spot and request.nodes.spot is None
    assert len(list(drain_warnings(request))) == len(broken - refusing) + unknown


@given(requests())
@examples(200)
def test_the_generation_that_a_refusal_proposes_fits_and_one_second_more_does_not(request: DrainRequest) -> None:
    problems = list(drain_problems(request))
    proposed = [
        int(problem.remedy.split("` to ")[1].split(",")[0]) for problem in problems if "` to " in problem.remedy
    ]
    assume(proposed and len(proposed) == len(problems))
    assert not list(drain_problems(replace(request, longest_generation_seconds=min(proposed))))
    assert list(drain_problems(replace(request, longest_generation_seconds=min(proposed) + 1)))


def test_spot_bounds_the_generation_at_what_the_notice_leaves() -> None:
    # AWS: 120 s - 15 s preStop - 15 s teardown leave 90 s; GKE gives pods 15 s, which preStop alone takes.
    assert not list(drain_problems(replace(AWS, longest_generation_seconds=90, spot=True)))
    (problem,) = drain_problems(replace(AWS, longest_generation_seconds=91, spot=True))
    assert problem.where == "sites.main.longest_generation_seconds"
    assert (
        problem.found
        == "91 s: spot notice needs 121 s (an interrupted machine must end its engine's pod within the notice)"
    )
    assert problem.allowed.startswith("120 s: notice of an EC2 Spot interruption")
    assert problem.remedy == "lower `longest_generation_seconds` to 90, or buy the machines `on_demand`"
    (nothing_fits,) = drain_problems(replace(GCP, longest_generation_seconds=1, spot=True))
    assert nothing_fits.remedy == (
        "no generation fits at this preStop, hold and margin, or buy the machines `on_demand`"
    )


def test_cloud_run_is_not_refused_but_never_said_to_be_safe() -> None:
    assert not list(drain_problems(CLOUD_RUN))
    assert not drain_ladder(CLOUD_RUN).guaranteed
    warnings = list(drain_warnings(CLOUD_RUN))
    assert len(warnings) == 2
    assert all("not guaranteed here" in warning and "Cloud Run gives 10 s" in warning for warning in warnings)


def test_the_ladder_prints_as_json_under_names_that_stay() -> None:
    printed = json.loads(json.dumps(asdict(drain_ladder(AWS))))
    names = ("engine_shutdown", "pod_grace", "gateway_grace", "load_balancer_deregistration", "node_grace")
    # 15 preStop + 120 generation + 15 teardown.
    assert [printed[f"{name}_seconds"] for name in names] == [120, 150, 150, 150, 150]
    assert [row["layer"] for row in printed["rows"]][:3] == ["engine_shutdown", "pod_grace", "gateway_grace"]
    assert all({"seconds", "allowed_seconds", "why"} <= set(row) for row in printed["rows"])


@given(st.lists(requests(), min_size=1, max_size=4))
@examples(100)
def test_a_site_with_its_slowest_engine_and_longest_generation_outlasts_each_of_its_models(
    models: list[DrainRequest],
) -> None:
    same = {"front": models[0].front, "nodes": models[0].nodes, "pre_stop_seconds": 15}
    site = replace(
        models[0],
        **same,
        engine=slowest_engine(model.engine for model in models),
        longest_generation_seconds=max(model.longest_generation_seconds for model in models),
        hold_seconds=max(model.hold_seconds for model in models),
    )
    for model in models:
        ladder, whole = drain_ladder(replace(model, **same, accept_seconds=site.accept_seconds)), drain_ladder(site)
        assert whole.pod_grace_seconds >= ladder.pod_grace_seconds
        assert whole.gateway_grace_seconds >= ladder.gateway_grace_seconds
        assert whole.load_balancer_idle_seconds >= ladder.load_balancer_idle_seconds


def test_the_gateway_keeps_connections_longer_than_google_reuses_them() -> None:
    assert drain_ladder(GCP).gateway_keep_alive_seconds == 620


def test_a_managed_node_that_is_given_15_minutes_bounds_what_is_held() -> None:
    managed = replace(AWS, nodes=EKS_MANAGED_NODES, longest_generation_seconds=600)
    assert not list(drain_problems(replace(managed, hold_seconds=270)))  # 15 + 270 + 600 + 15 = 900
    (problem,) = drain_problems(replace(managed, hold_seconds=271))
    assert "15 minutes" in problem.allowed


def test_every_limit_says_who_says_so_and_when() -> None:
    for front, nodes in PLACES:
        spot = (nodes.spot,) if nodes.spot else ()
        for cap in (*front.caps, *nodes.caps, *spot):
            assert cap.what
            assert cap.source
            assert cap.as_of >= "2026"
