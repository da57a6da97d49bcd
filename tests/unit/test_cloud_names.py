"""Every name that a site makes is one that its cloud takes, or the site is refused before: however it is called."""

from __future__ import annotations

from functools import partial

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.program import deploy as program
from tests.clouds import aws, gcp
from tests.clouds.facts import Facts
from tests.harness import Recorder, deploy
from tests.manifests import ROOT

STACKS: dict[str, tuple[str, Facts]] = {
    "aws": ("prod", aws.FACTS),
    "gcp": ("staging", gcp.FACTS),
    "cloud_run": ("serverless", gcp.FACTS),
}
# Of a site and of its stack, and where both are taken.
TAKEN = {
    ("a", "b"): ("aws", "gcp", "cloud_run"),
    ("Main", "Prod.1_x"): ("aws",),
    ("2nd", "b"): (),
    ("a_b", "b"): (),
    ("a.b", "b"): (),
    ("a--b", "b"): ("gcp", "cloud_run"),
    ("s" * 19, "p" * 72): ("aws",),
    ("s" * 20, "p" * 11): ("gcp", "cloud_run"),
    ("s" * 20, "p" * 12): ("cloud_run",),
    ("s" * 32, "p" * 63): ("cloud_run",),
    ("s" * 33, "b"): (),
    ("s", "p" * 64): ("aws",),
}


def _written(platform: str, site: str) -> dict[str, object]:
    values = yaml.safe_load((ROOT / f"Pulumi.{STACKS[platform][0]}.yaml").read_text())
    deployment = values["config"]["slipway:deployment"]
    if platform == "aws":
        deployment["topology"] = {"kind": "microservice"}
    deployment["sites"] = {site: deployment["sites"]["main"]}
    return deployment


def _planned(deployment: dict[str, object], stack: str) -> Refused | None:
    try:
        build_plan(validate(deployment, stack, {}), stack)
    except Refused as refused:
        return refused
    return None


@pytest.mark.parametrize("platform", STACKS)
@pytest.mark.parametrize(("site", "stack"), TAKEN, ids=lambda name: name[:8] + str(len(name)))
def test_a_name_is_taken_by_the_cloud_or_refused_before(site: str, stack: str, platform: str) -> None:
    deployment = _written(platform, site)
    refused = _planned(deployment, stack)
    assert (refused is None) == (platform in TAKEN[site, stack]), refused
    if refused is not None:
        assert all("sites" in problem.where and site in problem.where for problem in refused.problems)
        return
    seen = deploy(partial(program, ask=False), stack=stack, config={"slipway:deployment": deployment})
    assert not _refused(seen, STACKS[platform][1])


def _refused(seen: Recorder, facts: Facts) -> list[str]:
    found = [
        (one, facts.refusal(one.type, one.name, one.inputs))
        for one in seen.seen
        if one.custom and one.type.startswith(("aws:", "gcp:"))
    ]
    assert found
    return [f"{one.type} {one.name}: {why}" for one, why in found if why]
