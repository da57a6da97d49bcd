"""Day one on AWS with the real CLI: made, not made twice, protected, taken to another backend, and gone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.bootstrap.config import BOOTSTRAP_KEY
from tests.clouds import project as clouds
from tests.clouds.cloud import Cloud
from tests.cluster.pulumi_project import Project, wheel_version
from tests.on_bootstrap import RUNNER, example
from tools.checkout import ROOT
from tools.pulumi import command_line as pulumi

pytestmark = pytest.mark.timeout(600)


class DayOne(Project):
    """The project of `bootstrap/` itself, in a folder of a test's own."""

    backend = "state"

    def configure(self, **values: Any) -> None:
        super().configure()
        file = self.folder / "program" / "Pulumi.tests.yaml"
        held = yaml.safe_load(file.read_text())
        held["config"] = {"pulumi:disable-default-providers": ["aws"], BOOTSTRAP_KEY: {**example(), **values}}
        file.write_text(yaml.safe_dump(held))

    def _environment(self) -> dict[str, str]:
        state = self.folder / self.backend
        state.mkdir(exist_ok=True)
        return super()._environment() | {"PULUMI_BACKEND_URL": f"file://{state}"}


@pytest.fixture
def stack(tmp_path: Path) -> DayOne:
    command_line, kubernetes = pulumi.find(), wheel_version()
    if command_line is None:
        pytest.skip("no Pulumi CLI here: tools/pulumi/install installs it")
    if kubernetes is None or clouds.version("aws") is None:
        pytest.skip("pulumi-aws is not installed here: tools/python/install local dev aws installs it")
    made = DayOne(tmp_path / "project", command_line.folder, kubernetes, tmp_path / "no-kubeconfig")
    made.write(f"import runpy\n\nrunpy.run_path({str(ROOT / 'bootstrap' / '__main__.py')!r}, run_name='__main__')\n")
    return made


@pytest.fixture
def cloud(stack: DayOne) -> Cloud:
    return clouds.install(stack.folder / "home", "aws", stack.folder / "aws.json")


def kept(cloud: Cloud) -> set[str]:
    """What holds something that cannot be made again, with what guards it."""
    services = ("aws:s3/", "aws:kms/", "aws:ecr/")
    return {address for address in cloud.things() if address.startswith(services)}


def test_a_life(stack: DayOne, cloud: Cloud) -> None:
    assert "to create" in stack.preview()
    assert not cloud.things(), "a preview makes nothing"
    assert "created" in stack.up()
    printed = stack.up()
    assert "unchanged" in printed
    assert "updated" not in printed
    assert "replaced" not in printed

    outputs = stack.outputs()
    (state,) = [one["id"] for one in cloud.of_type("aws:s3/bucket:Bucket") if "state" in one["name"]]
    assert outputs["backend_url"] == f"s3://{state}?region=us-east-1"
    assert outputs["secrets_provider"] == "awskms://alias/slipway-pulumi?region=us-east-1"
    assert [one["id"] for one in cloud.of_type("aws:kms/alias:Alias")] == ["alias/slipway-pulumi"]
    roles = "arn:aws:iam::123456789012:role/slipway-bootstrap/slipway-"
    assert outputs["role_arns"] == {name: f"{roles}{name}" for name in outputs["role_arns"]}
    assert {*outputs["role_arns"]} == {"deploy-prod", "drift-prod", "deploy-standby", "drift-standby"}
    policies = {one["id"] for one in cloud.of_type("aws:iam/policy:Policy")}
    assert {*outputs["permissions_boundaries"].values()} <= policies

    # The state goes where it is to be kept: into the bucket that it has made.
    file = stack.folder / "state.json"
    stack.run("stack", "export", "--file", str(file))
    stack.backend, stack.stack_exists = "bucket", False
    stack.run("stack", "import", "--file", str(file))
    assert stack.outputs() == outputs
    printed = stack.up()
    assert "unchanged" in printed
    assert "created" not in printed

    before = kept(cloud)
    printed = stack.run("destroy", "--yes", "--skip-preview", check=False)
    assert "protected" in printed
    assert len(before) >= 25
    assert kept(cloud) == before, "state, keys and images are as they were, and as private"
    assert "created" in stack.up(), "roles are made again"

    stack.configure(deletion_protection=False, runner=RUNNER)
    stack.up()
    assert stack.outputs()["runner_project"] == "slipway-deploy"
    assert len(cloud.of_type("aws:codebuild/webhook:Webhook")) == 1
    assert "unchanged" in stack.up()
    stack.destroy()
    assert not cloud.things()


def test_what_is_wrong_is_one_message(stack: DayOne, cloud: Cloud) -> None:
    stack.configure(account_id=123456789012, regoin="us-east-1")
    printed = stack.preview(check=False)
    assert "2 problems in the configuration of stack `tests` of bootstrap" in printed
    assert f"{BOOTSTRAP_KEY}.account_id" in printed
    assert "Traceback" not in printed
    assert json.dumps(cloud.things()) == "{}"
