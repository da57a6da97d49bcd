"""What holds for every platform and topology, whoever adds one: tried files, purity, the same plan each time."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.platforms import PLATFORMS
from infra.report import to_json, to_text
from infra.stack_file import read_stack_file
from infra.topologies import TOPOLOGIES
from tests.config.corpus import ERROR, HAPPY, load_and_plan, message
from tests.unit.documents import deployment_of

ROOT = Path(__file__).resolve().parents[2]
STACKS = sorted(ROOT.glob("Pulumi.*.yaml"))
NEW_PLATFORMS = [kind for kind in PLATFORMS.builtin if kind != "local"]


def spelled(kind: str) -> str:
    return kind.replace("_", "-")


@pytest.mark.parametrize("kind", NEW_PLATFORMS)
def test_a_platform_has_a_happy_and_an_error_file(kind: str) -> None:
    happy = [path for path in HAPPY if path.name.startswith(f"platform-{spelled(kind)}")]
    error = [path for path in ERROR if path.name.startswith(f"platform-{spelled(kind)}")]
    assert {site.platform for path in happy for site in load_and_plan(path).sites.values()} == {kind}
    assert all(".platform." in message(path) for path in error)
    assert happy
    assert error


@pytest.mark.parametrize("kind", TOPOLOGIES.builtin)
def test_a_topology_has_a_happy_and_an_error_file(kind: str) -> None:
    assert [path for path in HAPPY if load_file(path).topology.kind == kind]
    assert [path for path in ERROR if path.name.startswith(f"topology-{spelled(kind)}")]


PLAN_ALL = """
import sys
# Whatever is not there cannot be imported: `None` makes every import of it fail.
for name in ("pulumi", "pulumi_aws", "pulumi_gcp", "pulumi_kubernetes", "boto3", "google.cloud", "kubernetes"):
    sys.modules[name] = None
from pathlib import Path
from infra.load import load_file
from infra.plan.build import build_plan
from infra.report import to_json
for path in sys.argv[1:]:
    print(to_json(build_plan(load_file(Path(path)), "stack")))
"""


def test_every_stack_is_planned_without_pulumi_and_without_any_cloud(tmp_path: Path) -> None:
    """Twice, in processes that hash differently: the same bytes."""

    def planned(seed: str) -> bytes:
        command = [sys.executable, "-c", PLAN_ALL, *map(str, (*STACKS, *HAPPY))]
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=True).stdout

    once = planned("1")
    assert len(once.splitlines()) > 1000
    assert once == planned("2")


def renamed(value: Any, old: str, new: str) -> Any:
    """The same document with another name for a site, wherever it is named."""
    if isinstance(value, dict):
        return {new if key == old else key: renamed(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [renamed(inner, old, new) for inner in value]
    return new if value == old else value


SEVERAL = [path for path in (*STACKS, *HAPPY) if len(load_and_plan(path).sites) > 1]


@pytest.mark.parametrize("path", SEVERAL, ids=lambda path: path.name)
def test_renaming_a_site_changes_nothing_of_the_others(path: Path) -> None:
    document = deployment_of(read_stack_file(path).values)
    before = build_plan(load_file(path), "stack")
    for site in before.sites:
        after = build_plan(validate(renamed(copy.deepcopy(document), site, "a-new-name"), path.name, {}), "stack")
        assert "a-new-name" in after.sites
        assert {name: plan for name, plan in after.sites.items() if name != "a-new-name"} == {
            name: plan for name, plan in before.sites.items() if name != site
        }


@pytest.mark.parametrize("path", [*STACKS, *HAPPY], ids=lambda path: path.name)
def test_a_plan_names_every_site_model_and_link(path: Path) -> None:
    plan = load_and_plan(path)
    text, data = to_text(plan), json.loads(to_json(plan))
    for name, site in plan.sites.items():
        assert f"  {name} " in text
        assert site.endpoint in text
        assert set(site.replicas) == set(site.models)
        assert data["sites"][name]["gateways"] == site.gateways
    assert {model for site in plan.sites.values() for model in site.models} == set(plan.models)
    for link in plan.links:
        assert {link.source, link.target} <= set(plan.sites)
        assert set(link.models) <= set(plan.sites[link.target].models)
