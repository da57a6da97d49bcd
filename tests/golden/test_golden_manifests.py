"""Every Kubernetes object of stacks that can be deployed, as agreed; `pytest tests/golden --rewrite` rewrites them."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.serving import ServingSite
from infra.platforms import PLATFORMS
from infra.render.readable import Readable
from tests.manifests import ROOT, file_name, objects, recorded

HERE = Path(__file__).parent / "manifests"
# Stacks that do not ship: each has something that those which ship have not.
FURTHER = Path(__file__).parent / "stacks"


def deployable() -> dict[str, Path]:
    """Stacks elsewhere than on this machine that this version deploys, by name."""
    files = {path.name.split(".")[1]: path for folder in (ROOT, FURTHER) for path in folder.glob("Pulumi.*.yaml")}
    plans = {name: build_plan(load_file(path), "stack") for name, path in sorted(files.items())}
    return {
        name: files[name]
        for name, plan in plans.items()
        if all(PLATFORMS[site.platform].component for site in plan.sites.values())
        and any(not PLATFORMS[site.platform].is_this_machine for site in plan.sites.values())
        and not any(getattr(site.details, "missing", ()) for site in plan.sites.values())
    }


EVERY_STACK = deployable()
# Of these, stacks with objects of Kubernetes.
STACKS = {
    name: path
    for name, path in EVERY_STACK.items()
    if any(isinstance(site.details, ServingSite) for site in build_plan(load_file(path), "stack").sites.values())
}


def written(found: dict[str, Any]) -> str:
    return yaml.dump(found, Dumper=Readable, sort_keys=True, allow_unicode=True, width=120)


def test_there_is_a_stack_to_look_at() -> None:
    assert {"onprem", "microservice", "nodes"} <= {*STACKS}


@pytest.mark.parametrize("stack", STACKS)
def test_the_objects_are_those_that_were_agreed(stack: str, rewrite: bool) -> None:
    folder = HERE / stack
    now = {file_name(found): written(found) for found in objects(recorded(STACKS[stack]))}
    if rewrite:
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*.yaml"):
            path.unlink()
        for name, text in now.items():
            (folder / name).write_text(text, encoding="utf-8")
    agreed = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.yaml")}
    differences = [
        line
        for name in sorted({*now, *agreed})
        for line in difflib.unified_diff(
            agreed.get(name, "").splitlines(),
            now.get(name, "").splitlines(),
            f"agreed/{name}",
            f"now/{name}",
            lineterm="",
        )
    ]
    if differences:
        pytest.fail("\n".join(differences), pytrace=False)


def test_no_objects_are_left_of_a_stack_that_is_gone() -> None:
    assert sorted(path.name for path in HERE.iterdir()) == [*STACKS]


def test_no_secret_is_among_them() -> None:
    """The harness' keys are canaries."""
    texts = [path.read_text(encoding="utf-8") for path in HERE.rglob("*.yaml")]
    assert texts
    assert not [text for text in texts if "a-made-key" in text or "canary" in text]
