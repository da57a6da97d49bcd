"""Drain: every layer outlasts the one it protects, for every generation time that a user may write."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.load import config_schema, validate
from infra.plan.build import build_plan
from infra.plan.drain import drain_plan
from infra.stack_file import read_stack_file
from tests.unit.documents import CORPUS, deployment_of, examples

BOUNDS = config_schema()["$defs"]["ModelSettings"]["properties"]["longest_generation_seconds"]
ALLOWED = range(BOUNDS["minimum"], BOUNDS["maximum"] + 1)


def test_each_layer_ends_strictly_after_the_one_it_protects() -> None:
    for longest in ALLOWED:
        drain = drain_plan(longest)
        assert drain.longest_generation_seconds == longest
        assert (
            longest <= drain.engine_shutdown_seconds < drain.gateway_grace_seconds < drain.process_group_grace_seconds
        )


def test_a_longer_generation_never_gets_less_time() -> None:
    drains = [drain_plan(longest) for longest in ALLOWED]
    for shorter, longer in pairwise(drains):
        assert shorter.gateway_grace_seconds <= longer.gateway_grace_seconds
        assert shorter.process_group_grace_seconds <= longer.process_group_grace_seconds


@given(st.lists(st.integers(ALLOWED.start, ALLOWED.stop - 1), min_size=1, max_size=4))
@examples(50)
def test_a_site_outlasts_the_slowest_of_its_models(longest: list[int]) -> None:
    raw: Any = deployment_of(read_stack_file(CORPUS / "minimal.happy.yaml").values)
    (model,) = raw["models"].values()
    raw["models"] = {f"m{n}": {**model, "longest_generation_seconds": g} for n, g in enumerate(longest)}
    raw["clients"] = {"dev": {"models": ["m0"]}}
    plan = build_plan(validate(raw, "the stack", {}), "case")
    (site,) = plan.sites.values()
    gateway = site.details.specification["gateway"]
    assert gateway["drain_seconds"] > max(
        engine["drain_seconds"] for engine in site.details.specification["engines"].values()
    )
    assert site.details.grace_seconds > gateway["drain_seconds"] > max(longest)


@given(st.integers(1, 3600), st.integers(1, 3600), st.integers(1, 3600))
@examples(50)
def test_a_request_that_waits_until_the_last_moment_is_not_cut(queued: int, held: int, behind_a_route: int) -> None:
    raw: Any = deployment_of(read_stack_file(CORPUS / "minimal.happy.yaml").values)
    (model,) = raw["models"].values()
    shares = {"to": {"canary": {"model": "canary", "weight": 1}}}
    raw["models"] = {
        "chat": {**model, "queue": {"seconds": queued}, "hold": {"seconds": held}, "routes": shares},
        "canary": {**model, "hold": {"seconds": behind_a_route - 0.5}},
    }
    raw["clients"] = {"dev": {"models": ["chat"]}}
    plan = build_plan(validate(raw, "the stack", {}), "case")
    drain = plan.models["chat"].drain
    assert drain.longest_wait_seconds == max(queued, held, behind_a_route)
    assert drain.gateway_grace_seconds > drain.longest_wait_seconds + drain.longest_generation_seconds
    (site,) = plan.sites.values()
    assert site.details.specification["gateway"]["drain_seconds"] >= drain.gateway_grace_seconds
    assert site.details.grace_seconds > drain.gateway_grace_seconds
