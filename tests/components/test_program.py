"""What the program registers, as the engine would see it: components, parents, closed outputs, secrets, exports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.platforms import PLATFORMS
from infra.platforms.local.component import release_digest
from infra.platforms.local.process_group import _give_keys
from infra.program import deploy as program
from tests.harness import Recorder, deploy

ROOT = Path(__file__).resolve().parents[2]
OUR_TYPES = {"slipway:security:ClientKeys", "slipway:local:Site"}
KEY = "a-key-of-my-own-that-is-long-enough"


def dev() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.dev.yaml").read_text())["config"]["slipway:deployment"]


@pytest.fixture(scope="module")
def recorded() -> Recorder:
    return deploy(program, config={"slipway:deployment": dev()})


def test_registers_exactly_what_the_dev_stack_needs(recorded: Recorder) -> None:
    assert sorted((r.type, r.name) for r in recorded.seen) == [
        ("pulumi-python:dynamic/slipway:ClientKey", "slipway-dev"),
        ("pulumi-python:dynamic/slipway:ProcessGroup", "here"),
        ("pulumi:pulumi:Stack", "slipway-dev"),
        ("slipway:local:Site", "here"),
        ("slipway:security:ClientKeys", "slipway"),
    ]


def test_every_component_of_ours_is_known_and_closed(recorded: Recorder) -> None:
    components = [r for r in recorded.seen if not r.custom and r.type.startswith("slipway:")]
    assert {r.type for r in components} == OUR_TYPES
    assert {r.urn for r in components} <= recorded.closed


def test_every_resource_has_a_component_as_parent(recorded: Recorder) -> None:
    components = {r.urn for r in recorded.seen if not r.custom}
    assert all(r.parent in components for r in recorded.seen if r.custom)


def test_urns_are_unique(recorded: Recorder) -> None:
    urns = [r.urn for r in recorded.seen]
    assert len(urns) == len(set(urns))


def test_the_process_group_gets_the_plan_and_keeps_secrets_secret(recorded: Recorder) -> None:
    (group,) = recorded.of_type("pulumi-python:dynamic/slipway:ProcessGroup")
    specification = json.loads(group.inputs["specification"])
    assert specification["engines"]["chat"]["drain_seconds"] == 60
    assert specification["gateway"]["drain_seconds"] > specification["engines"]["chat"]["drain_seconds"]
    assert group.is_secret("key_hashes")
    assert group.is_secret("huggingface_token")
    assert not group.is_secret("specification")
    assert len(group.inputs["release"]) == 16


def test_a_given_key_is_hashed_and_none_is_made() -> None:
    recorded = deploy(
        program, config={"slipway:deployment": dev(), "slipway:client_keys": {"dev": [KEY, KEY + "-the-next"]}}
    )
    assert not recorded.of_type("pulumi-python:dynamic/slipway:ClientKey")
    (group,) = recorded.of_type("pulumi-python:dynamic/slipway:ProcessGroup")
    assert len(json.loads(group.inputs["key_hashes"]["value"])["dev"]) == 2
    assert KEY not in json.dumps(group.inputs)


def test_the_gateways_secrets_are_secret_and_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    deployment = dev()
    deployment["gateway"] = {"scaling": {"key": {"secret": "scaling"}}}
    recorded = deploy(
        program, config={"slipway:deployment": deployment, "slipway:gateway_secrets": {"scaling": "canary-of-scaling"}}
    )
    (group,) = recorded.of_type("pulumi-python:dynamic/slipway:ProcessGroup")
    assert json.loads(group.inputs["gateway_secrets"]["value"]) == {"scaling": "canary-of-scaling"}
    assert group.is_secret("gateway_secrets")
    assert "canary-of-scaling" not in group.inputs["specification"]
    with pytest.raises(SystemExit):
        deploy(program, config={"slipway:deployment": deployment})


def test_a_key_that_ends_says_so_for_each_of_its_hashes() -> None:
    client: dict[str, Any] = {"key_sha256": [], "keys": [{"sha256": "{key_sha256}", "expires": "2031-06-30T00:00:00Z"}]}
    _give_keys(client, ["aa", "bb"])
    assert client["key_sha256"] == []
    assert client["keys"] == [{"sha256": digest, "expires": "2031-06-30T00:00:00Z"} for digest in ("aa", "bb")]


def test_a_change_of_any_file_that_serves_is_another_release(tmp_path: Path) -> None:
    for name in ("serving_image/serving/gateway/admin", "requirements"):
        shutil.copytree(ROOT / name, tmp_path / name)
    before = release_digest(tmp_path)
    (tmp_path / "serving_image/serving/gateway/__pycache__").mkdir()
    (tmp_path / "serving_image/serving/gateway/__pycache__/x.pyc").touch()
    assert release_digest(tmp_path) == before
    page = tmp_path / "serving_image/serving/gateway/admin/page/page.css"
    page.write_text(page.read_text() + "/* changed */")
    assert release_digest(tmp_path) != before


def test_the_plan_is_shown_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    deploy(program, config={"slipway:deployment": dev()})
    assert caplog.text.count("plan of dev: monolithic, 1 model on 1 site") == 1
    assert caplog.text.count("make plan STACK=dev") == 1


def test_exports(recorded: Recorder) -> None:
    outputs = recorded.outputs
    assert outputs["endpoint"] == "http://127.0.0.1:8420"
    assert outputs["status_pages"] == {"here": "http://127.0.0.1:8422/"}
    assert outputs["models"] == ["chat"]
    assert "client_keys" in outputs


def test_what_is_planned_only_is_refused_before_anything_is_registered(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(PLATFORMS["gcp"]), "component", None)
    deployment = yaml.safe_load((ROOT / "Pulumi.hybrid.yaml").read_text())["config"]["slipway:deployment"]
    with pytest.raises(SystemExit) as ended:
        deploy(program, stack="hybrid", config={"slipway:deployment": deployment})
    assert ended.value.code == 32
    assert "which can be planned (`make plan STACK=hybrid`) but not deployed by this version" in caplog.text


def test_a_refused_configuration_registers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    broken = dev()
    broken["models"]["chat"]["engine"]["kind"] = "lama_cpp"
    with pytest.raises(SystemExit) as ended:
        deploy(program, config={"slipway:deployment": broken})
    assert ended.value.code == 32


def test_a_stack_deploys_the_site_that_it_names_and_no_other() -> None:
    """The whole of it has sites that this version cannot deploy, and two that would be this machine."""
    file = ROOT / "tests" / "config" / "chosen-site.happy.yaml"
    secrets = {"slipway:gateway_secrets": {"limits_store": "redis://:long-enough-to-be-one@store:6379/0"}}
    config = {**yaml.safe_load(file.read_text())["config"], **secrets}
    recorded = deploy(program, config=config)
    assert [r.name for r in recorded.seen if r.type == "slipway:local:Site"] == ["store-1"]
    assert list(recorded.outputs["endpoints"]) == ["store-1"]
    assert set(recorded.outputs["status_pages"]) <= {"store-1"}
    with pytest.raises(SystemExit):
        deploy(program, config={**config, "slipway:site": "store-9"})
