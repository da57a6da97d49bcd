"""How long machines of one's own may take to end is told as their process group is really started."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.platforms.local.plan import LocalSitePlan
from infra.report.drain import drain, own_machines
from infra.report.pictures.timeline import drains
from tests.config.corpus import HAPPY, load_and_plan

ROOT = Path(__file__).resolve().parents[2]
STACKS = [*sorted(ROOT.glob("Pulumi.*.yaml")), *HAPPY]


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.name)
def test_their_drain_is_that_of_their_process_group(path: Path) -> None:
    plan = load_and_plan(path)
    told = own_machines(plan)
    for site in plan.sites.values():
        if isinstance(site.details, LocalSitePlan):
            assert told.process_group_grace_seconds == site.details.grace_seconds
            assert told.gateway_grace_seconds == site.details.specification["gateway"]["drain_seconds"]
    assert all(int(row[-2]) >= int(row[-3]) for table in drain(plan).tables for row in table.rows)


def test_small_machines_beside_a_cluster_have_a_picture_of_their_own() -> None:
    titles = [picture.title for picture in drains(load_and_plan(ROOT / "Pulumi.edge.yaml"))]
    assert titles == ["Drain on datacentre", "Drain on store-hamburg, store-munich, store-vienna"]
    plain = load_and_plan(ROOT / "Pulumi.dev.yaml")
    assert [picture.title for picture in drains(plain)] == ["Drain on here"]
    (small, _) = drain(load_and_plan(ROOT / "Pulumi.edge.yaml")).tables[0].rows
    assert small[-2:] == ("160", "160"), "not less than its neighbours' answers take"
