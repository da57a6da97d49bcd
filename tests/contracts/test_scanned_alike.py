"""Scanners find in a rendered plan all that they find in Terraform's own plan of the same resources.

`bad_plan.json` is what `terraform show -json` (1.11.4, hashicorp/aws 5.100.0, 2026-11) printed of a configuration
written by hand, without its providers' settings. The program beside it is that configuration again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from infra.render.command import PLAN, rendered
from infra.render.terraform.names import terraform_types
from tests.harness import deploy
from tools.scanners.checkov import Findings, look
from tools.scanners.install import installed

aws = pytest.importorskip("pulumi_aws", reason="no pulumi-aws: `tools/python/install aws` installs it")
BY_HAND = Path(__file__).parent / "bad_plan.json"
ANYBODY = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
# Found in ours alone: Terraform's plan says what the provider takes where nobody says anything, and that is enough for
# checkov. A rendered plan has only what the program says.
STRICTER = {
    ("CKV_AWS_23", "aws_security_group.wide"): "a description that is empty",
    ("CKV_AWS_66", "aws_cloudwatch_log_group.forever"): "0 days, which means for ever",
    ("CKV_AWS_338", "aws_cloudwatch_log_group.forever"): "0 days, which means for ever",
    ("CKV_AWS_175", "aws_wafv2_web_acl.nothing"): "an empty list of rules",
    ("CKV_AWS_192", "aws_wafv2_web_acl.nothing"): "an empty list of rules",
}


def _policy(statement: dict[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def program() -> None:
    """Whatever must not be."""
    network = aws.ec2.Vpc("network", cidr_block="10.0.0.0/16")
    aws.s3.Bucket("open", bucket="open")
    versioned = aws.s3.Bucket("versioned", bucket="versioned")
    enabled = aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled")
    aws.s3.BucketVersioning("versioned", bucket=versioned.id, versioning_configuration=enabled)
    shell = aws.ec2.SecurityGroupIngressArgs(from_port=22, to_port=22, protocol="tcp", cidr_blocks=["0.0.0.0/0"])
    aws.ec2.SecurityGroup("wide", vpc_id=network.id, ingress=[shell])
    balancer = aws.lb.LoadBalancer("plain", load_balancer_type="application", subnets=["subnet-1", "subnet-2"])
    text = aws.lb.ListenerDefaultActionFixedResponseArgs(content_type="text/plain")
    answer = aws.lb.ListenerDefaultActionArgs(type="fixed-response", fixed_response=text)
    aws.lb.Listener("plain", load_balancer_arn=balancer.arn, port=80, protocol="HTTP", default_actions=[answer])
    firewall = aws.wafv2.WebAcl(
        "nothing",
        name="nothing",
        scope="REGIONAL",
        default_action=aws.wafv2.WebAclDefaultActionArgs(allow=aws.wafv2.WebAclDefaultActionAllowArgs()),
        visibility_config=aws.wafv2.WebAclVisibilityConfigArgs(
            cloudwatch_metrics_enabled=False, metric_name="nothing", sampled_requests_enabled=False
        ),
    )
    aws.wafv2.WebAclAssociation("nothing", resource_arn=balancer.arn, web_acl_arn=firewall.arn)
    role = aws.iam.Role("everything", assume_role_policy=_policy(ANYBODY))
    aws.iam.RolePolicy("everything", role=role.id, policy=_policy(EVERYTHING))
    inside = aws.eks.ClusterVpcConfigArgs(subnet_ids=["subnet-1", "subnet-2"])
    aws.eks.Cluster("public", name="public", role_arn=role.arn, vpc_config=inside)
    aws.ecr.Repository("loose", name="loose")
    aws.kms.Key("still", enable_key_rotation=False)
    aws.cloudwatch.LogGroup("forever", name="forever")


def _found(folder: Path, plan: str) -> Findings:
    python = installed()
    assert python
    folder.mkdir()
    (folder / PLAN).write_text(plan, encoding="utf-8")
    return look(python, folder, "terraform_plan")


@pytest.mark.skipif(installed() is None, reason="no scanners: `tools/scanners/install` puts them into .tools (600 MB)")
def test_the_same_is_found_in_both(tmp_path: Path) -> None:
    ours = _found(tmp_path / "ours", rendered(deploy(program).seen)[PLAN])
    theirs = _found(tmp_path / "theirs", BY_HAND.read_text(encoding="utf-8"))
    assert {*theirs.failed} <= {*ours.failed}
    assert {(one.check, one.resource) for one in {*ours.failed} - {*theirs.failed}} == {*STRICTER}
    assert ours.resources == theirs.resources
    assert len(ours.failed) > 30


def test_both_have_the_same_resources() -> None:
    of_hand = json.loads(BY_HAND.read_text(encoding="utf-8"))["planned_values"]["root_module"]["resources"]
    ours = [one for one in deploy(program).seen if one.type in terraform_types()]
    assert {f"{terraform_types()[one.type].name}.{one.name}" for one in ours} == {one["address"] for one in of_hand}
