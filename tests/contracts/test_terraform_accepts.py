"""Stacks on AWS as Terraform's configuration are valid to the real provider: types, required fields, enumerations.

Where `terraform` is on the path, and SLIPWAY_TERRAFORM_PROVIDERS names a folder with the provider hashicorp/aws, laid
out as a mirror (`terraform providers mirror FOLDER`). Nothing is downloaded and no cloud is asked.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.render.registrations import Registration
from infra.render.terraform.plan import terraform_plan

pytest.importorskip("pulumi_aws", reason="no pulumi-aws: `tools/python/install aws` installs it")
from tests import on_aws

PROVIDERS = "SLIPWAY_TERRAFORM_PROVIDERS"
TERRAFORM = shutil.which("terraform")
pytestmark = [
    pytest.mark.skipif(TERRAFORM is None, reason="no `terraform` on the path"),
    pytest.mark.skipif(PROVIDERS not in os.environ, reason=f"{PROVIDERS} names no folder with a provider of AWS"),
    pytest.mark.timeout(300),
]
# What the versions before 6 of the provider do not know, and why it does not matter to what is looked at here.
SINCE_6 = {("aws_eks_cluster", "deletion_protection"): "added in 6.9; a plain yes or no"}
# What Pulumi's provider makes out of logical names, and Terraform's wants said.
MADE_OF_NAMES = {
    "aws_cloudwatch_metric_alarm": "alarm_name",
    "aws_elasticache_replication_group": "replication_group_id",
    **dict.fromkeys(("aws_elasticache_parameter_group", "aws_elasticache_subnet_group", "aws_placement_group"), "name"),
}
NOBODY = {
    "region": "us-east-1",
    "access_key": "nobody",
    "secret_key": "nobody",
    **dict.fromkeys(("skip_credentials_validation", "skip_requesting_account_id", "skip_metadata_api_check"), True),
}
STACKS: dict[str, Callable[[], list[Registration]]] = {
    **{name: lambda name=name: on_aws.registrations(name).seen for name in on_aws.VARIANTS},
}
Resources = dict[str, dict[str, dict[str, Any]]]


class Terraform:
    """A folder in which the provider is at hand; its major version is `major`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.write({})
        done = self.run("init", f"-plugin-dir={os.environ[PROVIDERS]}")
        if done.returncode:
            pytest.skip(f"terraform finds no provider of AWS in {PROVIDERS}: {done.stderr[-300:]}")
        (version,) = json.loads(self.run("version", "-json").stdout)["provider_selections"].values()
        self.major = int(version.partition(".")[0])

    def write(self, resources: Resources) -> None:
        required = {"required_providers": {"aws": {"source": "hashicorp/aws"}}}
        content = {"terraform": required, "provider": {"aws": NOBODY}} | ({"resource": resources} if resources else {})
        (self._folder / "main.tf.json").write_text(json.dumps(content), encoding="utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        assert TERRAFORM
        # Nobody's settings: not their mirrors, nor their logins.
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        environment = {**kept, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
        command = [TERRAFORM, *arguments]
        return subprocess.run(command, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=200)

    def errors(self, resources: Resources) -> list[str]:
        self.write(resources)
        found = json.loads(self.run("validate", "-json").stdout)["diagnostics"]
        return [f"{one['summary']}: {one['detail']}" for one in found]


@pytest.fixture(scope="module")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    return Terraform(tmp_path_factory.mktemp("terraform"))


def resources(seen: list[Registration], major: int) -> Resources:
    """As the provider of that version takes them."""
    plan = terraform_plan(seen)
    assert plan
    found: Resources = {}
    for one in plan["planned_values"]["root_module"]["resources"]:
        values, kind = dict(one["values"]), one["type"]
        if kind in MADE_OF_NAMES:
            values.setdefault(MADE_OF_NAMES[kind], one["name"])
        for dropped, attribute in SINCE_6 if major < 6 else ():
            if kind == dropped:
                values.pop(attribute)
        for template in values.get("launch_template", ()) if kind == "aws_eks_node_group" else ():
            # Its form is checked, and a recording's is another.
            template["id"] = f"${{aws_launch_template.{template['id'].removesuffix('-id')}.id}}"
        found.setdefault(kind, {})[one["name"]] = values
    return found


@pytest.mark.parametrize("name", STACKS)
def test_a_stack_is_valid(name: str, terraform: Terraform) -> None:
    assert terraform.errors(resources(STACKS[name](), terraform.major)) == []


def test_what_ships_can_be_planned(terraform: Terraform) -> None:
    """Which looks at what several fields say together, too."""
    expected = resources(STACKS["as_it_ships"](), terraform.major)
    terraform.write(expected)
    done = terraform.run("plan", "-refresh=false", "-no-color", "-out=plan")
    assert done.returncode == 0, done.stderr
    assert f"Plan: {sum(map(len, expected.values()))} to add" in done.stdout


def test_the_provider_bites(terraform: Terraform) -> None:
    found = resources(STACKS["as_it_ships"](), terraform.major)
    found["aws_lb_target_group"]["main-door-gateways"]["protocol"] = "HTPS"
    found["aws_subnet"]["main-network-private-a"]["cidr_block"] = "10.40.0.0/99"
    del found["aws_eks_cluster"]["main-cluster-control-plane"]["role_arn"]
    errors = "\n".join(terraform.errors(found))
    assert "role_arn" in errors
    found["aws_eks_cluster"]["main-cluster-control-plane"]["role_arn"] = "arn:aws:iam::123456789012:role/cluster"
    errors = "\n".join(terraform.errors(found))
    assert "HTPS" in errors
    assert "10.40.0.0/99" in errors
