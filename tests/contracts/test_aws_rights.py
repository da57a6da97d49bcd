"""Rights on AWS: whoever deploys has what it needs and no way to more, and so has everybody whose role it makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest

from infra.bootstrap.deploy_rights import ANY_RESOURCE, BOUNDARY_SERVICES, RIGHTS
from infra.bootstrap.plan import boundary_arn
from infra.bootstrap.rights import POLICIES_OF_A_ROLE, POLICY_CHARACTERS, STACK_TAG
from infra.bootstrap.rights_doctor import DOCTOR_RIGHTS
from infra.bootstrap.runner_rights import LISTS
from infra.platforms.aws.policies import SEES_GROUPS
from tests import iam, on_aws, on_bootstrap
from tests.contracts.source import ROOT
from tests.harness import Recorder

ACCOUNT = "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/"
OWN, BOUNDARY = f"{ROLE}slipway-prod-main-0a1b2c", boundary_arn(ACCOUNT, "prod")
EC2 = f"arn:aws:ec2:us-east-1:{ACCOUNT}:"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/0a1b2c"
SCALED = f"arn:aws:autoscaling:us-east-1:{ACCOUNT}:autoScalingGroup:0a1b:autoScalingGroupName/eks-main-groups-x-a-0a1b"
TAGGED, ASKED = f"aws:ResourceTag/{STACK_TAG}", f"aws:RequestTag/{STACK_TAG}"
STACKS: dict[str, Callable[[], Recorder]] = {
    **{f"prod {name}": partial(on_aws.registrations, name) for name in on_aws.VARIANTS},
    **{f"bootstrap {name}": partial(on_bootstrap.registrations, name) for name in on_bootstrap.VARIANTS},
}


@cache
def documents(stack: str) -> dict[str, Any]:
    return on_aws.documents(STACKS[stack]())


def of_role(role: str, stack: str = "bootstrap as_it_ships") -> list[Any]:
    """Every policy of one role of day one."""
    begins = ("aws:iam/policy:Policy", "aws:iam/rolePolicy:RolePolicy")
    return [
        document
        for name, document in documents(stack).items()
        if name.startswith(begins) and name.split()[1].rpartition("-")[0] == f"bootstrap-{role}"
    ]


def is_boundary(name: str) -> bool:
    return "bootstrap-boundary-" in name


def test_whoever_deploys_has_rights_for_every_type_and_for_no_other() -> None:
    every = {one.type for name in on_aws.VARIANTS for one in on_aws.registrations(name).seen}
    assert {*RIGHTS} == {kind for kind in every if kind.startswith("aws:")}
    for kind, rights in RIGHTS.items():
        assert rights.reads, kind
        asked = [action for one in rights.writes for action in one.actions]
        # What only waits changes nothing.
        assert asked or kind == "aws:acm/certificateValidation:CertificateValidation", kind


@pytest.mark.parametrize("stack", STACKS)
def test_nobody_can_give_himself_more(stack: str) -> None:
    found = documents(stack)
    assert len(found) > 5
    for name, document in found.items():
        assert not list(iam.escalations(document, is_boundary=is_boundary(name))), name


BAD: dict[str, dict[str, Any]] = {
    "allows iam:CreatePolicyVersion": {"Action": "iam:Create*", "Resource": "*"},
    "allows iam:PassRole on `*`": {"Action": ["iam:PassRole"], "Resource": ["*"]},
    "allows a role to be handed to any service": {"Action": ["iam:PassRole"], "Resource": [f"{ROLE}slipway-a-*"]},
    "allows iam:CreateRole without a boundary": {"Action": ["iam:CreateRole"], "Resource": [f"{ROLE}slipway-a-*"]},
    "allows iam:PutRolePolicy on": {"Action": ["iam:PutRolePolicy"], "Resource": [f"{ROLE}*"]},
    "allows sts:AssumeRole": {"Action": ["sts:*"], "Resource": [f"{ROLE}slipway-a-*"]},
    "allows roles of any service": {
        "Action": [iam.LINKED],
        "Resource": [f"{ROLE}aws-service-role/*"],
    },
    "`NotAction`": {"NotAction": ["s3:*"], "Resource": ["*"]},
    "allows everybody": {
        "Action": ["kms:Decrypt"],
        "Principal": {"AWS": "*"},
        "Condition": {"StringEquals": {"aws:PrincipalArn": f"{ROLE}aws-service-role/*"}},
    },
    "whatever their `sub` is": {
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Principal": {"Federated": "x"},
        "Condition": {"StringEquals": {"x:aud": "sts.amazonaws.com", "x:sub": "repo:a/b:*"}},
    },
    "other than as a whole": {
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Principal": {"Federated": "x"},
        "Condition": {"StringEquals": {"x:aud": "a", "x:sub": "b"}, "StringLike": {"x:sub": "repo:a/*"}},
    },
}


@pytest.mark.parametrize("said", BAD)
def test_a_way_up_is_found(said: str) -> None:
    found = list(iam.escalations({"Statement": [{"Effect": "Allow", **BAD[said]}]}))
    assert [one for one in found if said in one], found
    assert not list(iam.escalations({"Statement": [{"Effect": "Deny", **BAD[said]}]}))


ALLOWED: list[tuple[str, str, dict[str, str]]] = [
    ("iam:CreateRole", OWN, {"iam:PermissionsBoundary": BOUNDARY}),
    ("iam:AttachRolePolicy", OWN, {"iam:PermissionsBoundary": BOUNDARY}),
    ("iam:PassRole", OWN, {"iam:PassedToService": "eks.amazonaws.com"}),
    ("eks:CreateCluster", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/slipway-prod-main", {}),
    ("ec2:CreateVpc", f"{EC2}vpc/vpc-1", {ASKED: "prod"}),
    ("ec2:CreateTags", f"{EC2}vpc/vpc-1", {ASKED: "prod", "ec2:CreateAction": "CreateVpc"}),
    ("ec2:CreateTags", f"{EC2}security-group/sg-1", {ASKED: "prod"}),
    ("ec2:DeleteVpc", f"{EC2}vpc/vpc-1", {TAGGED: "prod"}),
    ("s3:PutBucketPolicy", "arn:aws:s3:::slipway-prod-main-models-1", {}),
    ("kms:PutKeyPolicy", KEY, {TAGGED: "prod"}),
    ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123456789EXAMPLE", {}),
    ("eks:CreateNodegroup", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/slipway-prod-main", {}),
    ("ec2:RunInstances", f"{EC2}launch-template/lt-1", {TAGGED: "prod"}),
    ("ec2:RunInstances", f"{EC2}instance/i-1", {ASKED: "prod"}),
    ("autoscaling:CreateOrUpdateTags", SCALED, {"aws:ResourceTag/eks:cluster-name": "slipway-prod-main"}),
]
REFUSED: list[tuple[str, str, dict[str, str]]] = [
    ("iam:CreateRole", OWN, {}),
    ("iam:CreateRole", OWN, {"iam:PermissionsBoundary": boundary_arn(ACCOUNT, "standby")}),
    ("iam:CreateRole", f"{ROLE}admin", {"iam:PermissionsBoundary": BOUNDARY}),
    ("iam:DeleteRolePermissionsBoundary", OWN, {}),
    ("iam:CreatePolicyVersion", BOUNDARY, {}),
    ("iam:AttachRolePolicy", f"{ROLE}slipway-bootstrap/slipway-deploy-prod", {"iam:PermissionsBoundary": BOUNDARY}),
    ("iam:UpdateAssumeRolePolicy", f"{ROLE}slipway-bootstrap/slipway-deploy-prod", {}),
    ("iam:UpdateAssumeRolePolicy", f"{ROLE}slipway-standby-west-1", {}),
    ("iam:PassRole", OWN, {"iam:PassedToService": "lambda.amazonaws.com"}),
    ("iam:PassRole", f"{ROLE}slipway-bootstrap/slipway-deploy-prod", {"iam:PassedToService": "ec2.amazonaws.com"}),
    ("sts:AssumeRole", OWN, {}),
    ("ec2:CreateVpc", f"{EC2}vpc/vpc-1", {ASKED: "standby"}),
    ("ec2:DeleteVpc", f"{EC2}vpc/vpc-1", {TAGGED: "standby"}),
    ("ec2:DeleteVpc", f"{EC2}vpc/vpc-1", {}),
    # Neither takes another's thing nor gives its own away.
    ("ec2:CreateTags", f"{EC2}security-group/sg-1", {ASKED: "prod", TAGGED: "standby"}),
    ("ec2:CreateTags", f"{EC2}vpc/vpc-1", {ASKED: "standby", TAGGED: "prod"}),
    ("eks:AssociateAccessPolicy", f"arn:aws:eks:us-east-1:{ACCOUNT}:access-entry/slipway-standby-west/role/x", {}),
    ("kms:PutKeyPolicy", KEY, {TAGGED: "bootstrap"}),
    ("kms:ScheduleKeyDeletion", KEY, {}),
    ("s3:DeleteBucket", "arn:aws:s3:::slipway-bootstrap-state-1", {}),
    ("s3:DeleteObject", "arn:aws:s3:::slipway-prod-main-models-1/models/chat/a", {}),
    ("ecr:DeleteRepository", f"arn:aws:ecr:us-east-1:{ACCOUNT}:repository/slipway/gateway", {}),
    ("route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/ZANOTHER", {}),
    ("ec2:RunInstances", f"{EC2}launch-template/lt-1", {TAGGED: "standby"}),
    ("ec2:RunInstances", f"{EC2}instance/i-1", {}),
    ("ec2:TerminateInstances", f"{EC2}instance/i-1", {TAGGED: "prod"}),
    ("autoscaling:CreateOrUpdateTags", SCALED, {"aws:ResourceTag/eks:cluster-name": "slipway-standby-west"}),
    ("autoscaling:SetDesiredCapacity", SCALED, {"aws:ResourceTag/eks:cluster-name": "slipway-prod-main"}),
]


@pytest.mark.parametrize(("action", "resource", "context"), ALLOWED)
def test_whoever_deploys_may(action: str, resource: str, context: dict[str, str]) -> None:
    assert iam.allows(of_role("deploy-prod"), action, resource, context)
    assert not iam.allows(of_role("drift-prod"), action, resource, context)
    if not action.startswith("route53:"):  # both are in one zone
        assert not iam.allows(of_role("deploy-standby"), action, resource, context)


@pytest.mark.parametrize(("action", "resource", "context"), REFUSED)
def test_whoever_deploys_may_not(action: str, resource: str, context: dict[str, str]) -> None:
    assert not iam.allows(of_role("deploy-prod"), action, resource, context)


@pytest.mark.parametrize("role", ["deploy-prod", "drift-prod"])
def test_doctor_may_ask_all_that_it_asks(role: str) -> None:
    held, zone = of_role(role), "Z0123456789EXAMPLE"
    for rights in DOCTOR_RIGHTS.values():
        for one in rights.reads:
            for action in one.actions:
                (on,) = one.on
                assert iam.allows(held, action, on.format(account=ACCOUNT, zone=zone)), action
    assert not iam.allows(held, "route53:GetHostedZone", "arn:aws:route53:::hostedzone/ZOTHER")


def test_a_bucket_is_emptied_where_nothing_is_protected_only() -> None:
    bucket = "arn:aws:s3:::slipway-standby-west-models-1/a"
    for variant, may in (("as_it_ships", False), ("all_of_it", True)):
        held = of_role("deploy-standby", f"bootstrap {variant}")
        assert iam.allows(held, "s3:DeleteObjectVersion", bucket) is may


@pytest.mark.parametrize("action", ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"])
def test_state_is_that_of_one_stack(action: str) -> None:
    (own,) = [one for one in of_role("deploy-prod") if iam.allows([one], "s3:PutObject", _state("stacks", "prod.json"))]
    (seen,) = [one for one in of_role("drift-prod") if iam.allows([one], "s3:GetObject", _state("stacks", "prod.json"))]
    for part, name in (
        *(("stacks", "prod.json"), ("stacks", "prod.json.bak"), ("history", "prod/prod-1.history.json")),
        *(("backups", "prod/prod.1.json"), ("locks/organization", "prod/1.json")),
    ):
        assert iam.allows([own], action, _state(part, name)), name
        assert iam.allows([seen], action, _state(part, name)) is (action == "s3:GetObject"), name
    for other in ("standby.json", "prod-eu.json", "prod-eu/1.json"):
        assert not iam.allows([own, seen], action, _state("stacks", other)), other


def _state(part: str, name: str) -> str:
    """As the harness calls the bucket."""
    return f"arn:aws:s3:::bootstrap-state/.pulumi/{part}/slipway/{name}"


def test_whoever_looks_changes_nothing() -> None:
    verbs = ("Get", "List", "Describe", "Decrypt", "View")
    for document in (*of_role("drift-prod"), *of_role("drift-standby")):
        for one in iam.statements(document):
            assert all(action.partition(":")[2].startswith(verbs) for action in one["Action"])


def test_identity_center_is_for_who_makes_grafana_alone() -> None:
    every = "bootstrap all_of_it"
    for action in ("sso:AssociateProfile", "grafana:CreateWorkspace"):
        on = f"arn:aws:grafana:us-west-2:{ACCOUNT}:/workspaces/g-0a1b" if action.startswith("grafana") else "*"
        assert iam.allows(of_role("deploy-standby", every), action, on, {ASKED: "standby"})
        assert not iam.allows(of_role("drift-standby", every), action, on, {ASKED: "standby"})
        assert not iam.allows(of_role("deploy-prod", every), action, on, {ASKED: "prod"})


def test_weights_of_others_are_listed_by_who_streams_them_and_only_there() -> None:
    bound = [documents("bootstrap all_of_it")["aws:iam/policy:Policy bootstrap-boundary-standby policy"]]
    assert iam.allows(bound, "s3:ListBucket", "arn:aws:s3:::models-of-mine")
    assert not iam.allows(bound, "s3:ListBucket", "arn:aws:s3:::models-of-others")


@pytest.mark.parametrize("stack", ["prod as_it_ships", "prod fabric", "prod no_way_out"])
def test_what_a_stack_s_roles_are_given_is_within_their_boundary(stack: str) -> None:
    """Beyond it they would be refused, on the day that they first ask."""
    bound = [documents("bootstrap all_of_it")["aws:iam/policy:Policy bootstrap-boundary-prod policy"]]
    own = {n: d for n, d in documents(stack).items() if n.startswith("aws:iam/rolePolicy")}
    assert len(own) >= 4
    for name, document in own.items():
        for one in iam.statements(document):
            context = {TAGGED: "prod", "kms:GrantIsForAWSResource": "true", "aws:RequestedRegion": "us-east-1"}
            for action in one["Action"]:
                for resource in one["Resource"]:
                    assert iam.allows(bound, action, _as_on_aws(resource), context), f"{name} {action} {resource}"


def _as_on_aws(arn: str) -> str:
    """The harness' ARNs have logical names; buckets and keys are called otherwise on AWS."""
    if arn == "*":
        return arn
    service, rest = arn.split(":")[2], arn.split(":", 5)[5]
    forms = {
        "s3": f"arn:aws:s3:::slipway-prod-main-{rest.removeprefix('main-buckets-')}",
        "kms": KEY,
    }
    return forms.get(service, arn)


def test_beyond_its_boundary_a_role_has_nothing() -> None:
    bound = [documents("bootstrap as_it_ships")["aws:iam/policy:Policy bootstrap-boundary-prod policy"]]
    here = {"aws:RequestedRegion": "us-east-1"}
    assert iam.allows(bound, "ec2:RunInstances", f"{EC2}instance/i-1", here)
    for action, resource, context in (
        ("ec2:TerminateInstances", f"{EC2}instance/i-1", {**here, TAGGED: "standby"}),
        ("ec2:RunInstances", f"{EC2}instance/i-1", {"aws:RequestedRegion": "eu-west-1"}),
        ("iam:CreateRole", OWN, {"iam:PermissionsBoundary": BOUNDARY}),
        ("iam:PassRole", f"{ROLE}slipway-bootstrap/slipway-deploy-prod", {}),
        ("sts:AssumeRole", f"{ROLE}slipway-bootstrap/slipway-deploy-prod", {}),
        ("s3:GetObject", "arn:aws:s3:::slipway-bootstrap-state-1/a", {}),
        ("kms:Decrypt", KEY, {TAGGED: "bootstrap"}),
        ("eks:CreateAccessEntry", f"arn:aws:eks:us-east-1:{ACCOUNT}:cluster/slipway-standby-west", {}),
    ):
        assert not iam.allows(bound, action, resource, context), action


def test_weights_elsewhere_are_read_where_day_one_names_them() -> None:
    (bound,) = [d for n, d in documents("bootstrap all_of_it").items() if "boundary-standby" in n]
    theirs = "arn:aws:s3:::models-of-mine/qwen3-8b/SHA256SUMS"
    assert iam.allows([bound], "s3:GetObject", theirs)
    assert iam.allows([bound], "kms:Decrypt", on_bootstrap.WEIGHTS_KEY)
    for action, resource in (
        *(("s3:PutObject", theirs), ("s3:GetObject", "arn:aws:s3:::models-of-others/a")),
        *(("kms:Encrypt", on_bootstrap.WEIGHTS_KEY), ("kms:Decrypt", KEY)),
    ):
        assert not iam.allows([bound], action, resource), action
    (none,) = [d for n, d in documents("bootstrap as_it_ships").items() if "boundary-standby" in n]
    assert not iam.allows([none], "s3:GetObject", theirs)


def test_every_role_of_a_bounded_site_has_the_boundary() -> None:
    deployment = ROOT / "Pulumi.prod.yaml"

    def bounded(changed: dict[str, Any]) -> None:
        changed["sites"]["main"]["platform"]["permissions_boundary"] = BOUNDARY

    roles = on_aws.inputs(on_aws.recorded(deployment, bounded), "aws:iam/role:Role")
    assert len(roles) >= 6
    assert {one["permissionsBoundary"] for one in roles.values()} == {BOUNDARY}
    assert all(one["namePrefix"] == "slipway-prod-main-" for one in roles.values())
    plain = on_aws.inputs(on_aws.registrations(), "aws:iam/role:Role")
    assert not [name for name, one in plain.items() if "permissionsBoundary" in one]


@pytest.mark.parametrize("variant", on_bootstrap.VARIANTS)
def test_everything_is_allowed_on_everything_only_where_aws_knows_no_less(variant: str) -> None:
    lists = {*ANY_RESOURCE, *LISTS}
    assert all(ANY_RESOURCE.values()), "each with its reason"
    for name, document in documents(f"bootstrap {variant}").items():
        if name.startswith(("aws:kms/key", "aws:s3/")):
            continue  # in its own policy, `*` is the thing itself
        for one in iam.statements(document):
            wide = {action for action in one["Action"] if "*" in action}
            assert wide <= ({*BOUNDARY_SERVICES} if is_boundary(name) else set()), name
            if "*" in one.get("Resource", ()) and one["Effect"] == "Allow":
                most = {*BOUNDARY_SERVICES, *SEES_GROUPS, "ecr:GetAuthorizationToken"}
                allowed = lists | (most if is_boundary(name) else set())
                assert {*one["Action"]} <= allowed, name


def test_policies_are_as_long_as_aws_takes_and_as_many() -> None:
    for name, document in documents("bootstrap all_of_it").items():
        if name.startswith("aws:iam/policy"):
            assert len(json.dumps(document, separators=(",", ":"))) <= POLICY_CHARACTERS, name
    attached = on_bootstrap.registrations("all_of_it").of_type("aws:iam/rolePolicyAttachment:RolePolicyAttachment")
    for role in ("deploy-prod", "deploy-standby"):
        assert 1 < len([one for one in attached if f"-{role}-" in one.name]) <= POLICIES_OF_A_ROLE
