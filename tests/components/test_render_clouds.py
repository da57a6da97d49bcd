"""Resources of clouds as a Terraform plan: names and blocks from the catalogue, references from what was recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.render.command import PLAN, rendered
from infra.render.terraform.names import terraform_types
from infra.render.terraform.plan import unmapped
from tests.harness import Registration, deploy

aws = pytest.importorskip("pulumi_aws", reason="no pulumi-aws: `tools/python/install aws` installs it")


def program() -> None:
    key = aws.kms.Key("key", enable_key_rotation=True, tags={"fooBar": "kept as it is"})
    bucket = aws.s3.Bucket("models", bucket="models", tags={"rules": "a"})
    aws.s3.BucketServerSideEncryptionConfiguration(
        "encryption",
        bucket=bucket.id,
        rules=[
            aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                apply_server_side_encryption_by_default=(
                    aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="aws:kms", kms_master_key_id=key.id
                    )
                )
            )
        ],
    )
    aws.eks.Cluster(
        "cluster",
        role_arn="arn:aws:iam::123456789012:role/cluster",
        vpc_config=aws.eks.ClusterVpcConfigArgs(subnet_ids=["subnet-1"], endpoint_public_access=False),
        encryption_config=aws.eks.ClusterEncryptionConfigArgs(
            resources=["secrets"], provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.id)
        ),
    )
    aws.secretsmanager.Secret("secret", description=pulumi.Output.secret("canary"))


@pytest.fixture(scope="module")
def seen() -> list[Registration]:
    return deploy(program).seen


@pytest.fixture(scope="module")
def plan(seen: list[Registration]) -> dict[str, Any]:
    return json.loads(rendered(seen)[PLAN])


def values(plan: dict[str, Any], address: str) -> dict[str, Any]:
    (found,) = [one for one in plan["planned_values"]["root_module"]["resources"] if one["address"] == address]
    return found["values"]


def test_every_resource_is_planned_changed_and_configured(plan: dict[str, Any]) -> None:
    addresses = {
        "aws_eks_cluster.cluster",
        "aws_kms_key.key",
        "aws_s3_bucket.models",
        "aws_s3_bucket_server_side_encryption_configuration.encryption",
        "aws_secretsmanager_secret.secret",
    }
    for part in (plan["planned_values"]["root_module"]["resources"], plan["resource_changes"]):
        assert {one["address"] for one in part} == addresses
    assert {one["address"] for one in plan["configuration"]["root_module"]["resources"]} == addresses
    assert all(one["change"]["actions"] == ["create"] for one in plan["resource_changes"])


def test_blocks_are_lists_with_terraforms_names_and_maps_stay_maps(plan: dict[str, Any]) -> None:
    encryption = values(plan, "aws_s3_bucket_server_side_encryption_configuration.encryption")
    (rule,) = encryption["rule"]
    (default,) = rule["apply_server_side_encryption_by_default"]
    assert default == {"sse_algorithm": "aws:kms", "kms_master_key_id": "key-id"}
    cluster = values(plan, "aws_eks_cluster.cluster")
    assert cluster["vpc_config"] == [{"subnet_ids": ["subnet-1"], "endpoint_public_access": False}]
    assert cluster["encryption_config"][0]["provider"] == [{"key_arn": "key-id"}]
    assert values(plan, "aws_kms_key.key")["tags"] == {"fooBar": "kept as it is"}
    assert values(plan, "aws_s3_bucket.models")["tags"] == {"rules": "a"}


def test_references_are_those_that_were_recorded(plan: dict[str, Any]) -> None:
    resources = plan["configuration"]["root_module"]["resources"]
    expressions = {one["address"]: one["expressions"] for one in resources}
    encryption = expressions["aws_s3_bucket_server_side_encryption_configuration.encryption"]
    assert encryption["bucket"]["references"] == ["aws_s3_bucket.models.id", "aws_s3_bucket.models"]
    assert encryption["rule"][0]["references"] == ["aws_kms_key.key.id", "aws_kms_key.key"]
    assert expressions["aws_kms_key.key"]["enable_key_rotation"] == {"constant_value": True}


def test_no_secret_is_in_it(seen: list[Registration]) -> None:
    assert "canary" in str([one.inputs for one in seen])
    assert "canary" not in rendered(seen)[PLAN]
    assert "a secret, not shown" in rendered(seen)[PLAN]


def test_a_type_that_nobody_looked_up_is_named() -> None:
    def other() -> None:
        aws.sfn.Activity("it")

    (problem,) = unmapped(deploy(other).seen)
    assert problem.where == "aws:sfn/activity:Activity"
    assert "tools.terraform.types aws:sfn/activity:Activity" in problem.remedy


def test_every_token_is_one_of_the_packages_own() -> None:
    text = Path(str(aws.__file__)).read_text(encoding="utf-8")
    for token in terraform_types():
        if token.startswith("aws:"):
            assert f'"{token}"' in text, token
