"""The policy pack in a preview by the real Pulumi CLI: it lets pass what is right and refuses the rest.

Programs register components with the types and properties of what a cloud or a cluster would make: rules see the same,
and no plugin is needed.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml

from infra.policy.rule import StackRule
from infra.policy.rules import RULES
from tests.cluster.pulumi_project import Project
from tools.checkout import ROOT
from tools.pulumi import command_line

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("pulumi_policy") is None,
        reason="no pulumi-policy: `tools/python/install policy` installs it",
    ),
    pytest.mark.skipif(command_line.installed() is None, reason="no CLI of ours: `tools/pulumi/install` installs it"),
]
PROGRAM = """
import pulumi


def made(token, name, protect=False, **props):
    component = pulumi.ComponentResource(token, name, props, pulumi.ResourceOptions(protect=protect))
    component.register_outputs({})


"""
GOOD = """
made("kubernetes:core/v1:Namespace", "n", kind="Namespace", metadata={
    "name": "n",
    "labels": {
        "pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/enforce-version": "v1.35",
    },
})
made("aws:kms/key:Key", "key", protect=True, enableKeyRotation=True)
"""
BAD_RESOURCE = """
made("kubernetes:core/v1:Namespace", "n", kind="Namespace", metadata={"name": "n", "labels": {}})
"""
BAD_STACK = """
made("aws:kms/key:Key", "protected", protect=True, enableKeyRotation=True)
made("aws:kms/key:Key", "forgotten", enableKeyRotation=True)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    command = command_line.installed()
    assert command
    return Project(tmp_path, command.folder, "0.0.0", tmp_path / "no-kubeconfig")


def preview(project: Project, program: str, *, passes: bool) -> str:
    project.write(PROGRAM + program)
    return project.preview("--policy-pack", str(ROOT / "infra" / "policy"), check=passes)


def test_what_is_right_passes(project: Project) -> None:
    printed = preview(project, GOOD, passes=True)
    assert "slipway" in printed.partition("Policy Packs run:")[2]
    assert "[mandatory]" not in printed


def test_a_resource_that_breaks_a_rule_is_refused_by_name(project: Project) -> None:
    printed = preview(project, BAD_RESOURCE, passes=False)
    assert "[mandatory]  restricted  (kubernetes:core/v1:Namespace: n)" in printed
    assert "does not enforce `restricted`" in printed
    assert "Traceback" not in printed


def test_a_stack_that_breaks_a_rule_is_refused(project: Project) -> None:
    printed = preview(project, BAD_STACK, passes=False)
    assert "[mandatory]  protected" in printed
    assert "aws:kms/key:Key forgotten is not protected" in printed


def test_the_pack_holds_every_rule_by_a_name_of_its_own() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert any(isinstance(rule, StackRule) for rule in RULES)
    assert yaml.safe_load((ROOT / "infra" / "policy" / "PulumiPolicy.yaml").read_text())["runtime"]["name"] == "python"
