"""A platform team's own package (`examples/house`), installed as anybody would: planned and made like what is ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "house"
# In a process of its own: registries are read once in each.
RECORD = """
import json, sys, yaml
from infra.program import deploy as program
from tests.harness import deploy
values = yaml.safe_load(open(sys.argv[1]))["config"]
seen = deploy(program, stack="house", config={"slipway:deployment": values["slipway:deployment"]})
found = [[r.type, r.name, r.parent, r.urn, r.urn in seen.closed, dict(r.inputs)] for r in seen.seen]
print(json.dumps(found))
"""
PLAN = """
import sys
from pathlib import Path
from infra.load import load_file
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.report import FORMATS
try:
    print(FORMATS[sys.argv[2]](build_plan(load_file(Path(sys.argv[1])), "house")))
except Refused as refused:
    print(refused)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package was installed to."""
    source = tmp_path_factory.mktemp("source") / "house"
    shutil.copytree(EXAMPLE, source)
    folder = tmp_path_factory.mktemp("installed")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(folder), str(source)], check=True, timeout=100)
    return folder


def run(installed: Path, program: str, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{installed}"}
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed(folder: Path, change: Any) -> str:
    """The example's stack file, with its deployment changed."""
    values = yaml.safe_load((EXAMPLE / "Pulumi.house.yaml").read_text())
    change(values["config"]["slipway:deployment"])
    path = folder / "Pulumi.house.yaml"
    path.write_text(yaml.safe_dump(values))
    return str(path)


def test_its_engine_is_planned_like_ours(installed: Path) -> None:
    plan = json.loads(run(installed, PLAN, str(EXAMPLE / "Pulumi.house.yaml"), "json"))
    model = plan["models"]["chat"]
    assert model["container"]["environment"]["HOUSE_ATTENTION"] == "house"
    assert model["container"]["command"] == ["vllm", "serve"]
    assert model["memory"]["weights_gib"], "it says that it is sized as vLLM"
    assert plan["sites"]["datacentre"]["platform"] == "house_cluster"
    assert plan["sites"]["datacentre"]["security"]["on call"] == "group llm-on-call reads pods and logs"


def test_its_refusals_stand_among_ours(installed: Path, tmp_path: Path) -> None:
    def spoil(deployment: dict[str, Any]) -> None:
        del deployment["models"]["chat"]["engine"]["image"]
        deployment["sites"]["datacentre"]["platform"]["front_door"].pop("tls_issuer")

    text = run(installed, PLAN, changed(tmp_path, spoil), "text")
    assert "models.chat.engine.image" in text
    assert "an image of the company's registry, by digest" in text
    assert "front_door" in text, "every problem at once"


def test_its_component_is_made_beside_the_serving_stack(installed: Path) -> None:
    seen = json.loads(run(installed, RECORD, str(EXAMPLE / "Pulumi.house.yaml")))
    by_type = {kind: (name, parent, urn, closed, inputs) for kind, name, parent, urn, closed, inputs in seen}
    site, own = by_type["slipway:kubernetes:Site"], by_type["house:serving:OnCall"]
    assert own[1] == site[2], "a child of the site"
    assert own[3], "its outputs are registered"
    mine = [one for one in seen if one[0].endswith(":RoleBinding") and one[1] == "datacentre-on-call"]
    assert [one[5]["subjects"][0]["name"] for one in mine] == ["llm-on-call"]
    assert "slipway:serving:ServingStack" in by_type
    (engine,) = [
        one[5] for one in seen if one[0].endswith(":Deployment") and one[5]["metadata"]["name"] == "engine-chat"
    ]
    variables = engine["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "HOUSE_ATTENTION", "value": "house"} in variables


def test_without_the_package_its_kinds_are_unknown(tmp_path: Path) -> None:
    text = run(tmp_path, PLAN, str(EXAMPLE / "Pulumi.house.yaml"), "text")
    assert "`house_cluster`" in text
    assert "`house_vllm`" in text
