"""One site of a deployment for a stack: `slipway:site` beside it, in a file and as Pulumi hands it over."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.__main__ import main
from infra.chosen_site import site_in_file
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.changes import compare
from infra.plan.deployable import refuse_undeployable
from infra.problems import Refused
from infra.report import to_data, to_text
from infra.report.html import to_html
from infra.report.markdown import to_markdown
from tests.config.corpus import load_and_plan
from tests.unit.documents import CORPUS

CHOSEN = CORPUS / "chosen-site.happy.yaml"


def test_the_whole_deployment_is_planned_and_one_site_deployed() -> None:
    plan = load_and_plan(CHOSEN)
    assert plan.deployed_sites == ("store-1",)
    assert list(plan.sites) == ["datacentre", "store-1", "store-2", "store-3"]
    said = "2 models on 4 sites, of which this stack deploys store-1 (`slipway:site`)"
    assert to_text(plan).splitlines()[0].endswith(said)
    assert said in to_markdown(plan).splitlines()[0]
    assert said.replace("`slipway:site`", "<code>slipway:site</code>") in to_html(plan)
    # The cluster beside it has images that nobody named, and two sites would be this very machine.
    refuse_undeployable(plan)


def test_what_a_site_is_does_not_depend_on_which_stack_deploys_it() -> None:
    config = load_file(CHOSEN)
    every = build_plan(config, "case")
    assert every.deployed_sites == tuple(every.sites)
    assert "this stack deploys" not in to_text(every)
    assert build_plan(config, "case", site="store-1").sites == every.sites
    with pytest.raises(Refused, match="`slipway:site`"):
        refuse_undeployable(every)


def test_the_command_plans_for_the_site_in_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("infra.__main__.ROOT", tmp_path)
    (tmp_path / "Pulumi.case.yaml").write_text(CHOSEN.read_text())
    assert main(["plan", "--stack", "case"]) == 0
    assert "of which this stack deploys store-1" in capsys.readouterr().out


def test_a_site_that_a_stack_no_longer_deploys_ends_and_one_more_ends_nothing() -> None:
    config = load_file(CHOSEN)
    every, one = (to_data(build_plan(config, "case", site=site)) for site in (None, "store-1"))
    fewer = compare(every, one, "main")
    assert [(field.field, field.after) for field in fewer.others] == [("deployed sites", "store-1")]
    assert [(row.what, row.effect) for row in fewer.in_flight] == [
        (f"site `{name}`", "removed") for name in every["sites"] if name != "store-1"
    ]
    assert "`slipway:site`" in fewer.in_flight[0].text
    assert compare(one, every, "main").in_flight == ()


def test_a_site_is_text(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.case.yaml"
    path.write_text(CHOSEN.read_text().replace("slipway:site: store-1", "slipway:site: [store-1]"))
    load_file(path)
    with pytest.raises(Refused, match="the name of one site"):
        site_in_file(path)
