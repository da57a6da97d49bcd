"""Security controls of day one, each by itself, and what every component of ours keeps to: A06, A07, A08, P01, P02."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.bootstrap.plan import GITHUB
from tests.harness import Recorder
from tests.on_aws import inputs, of_aws, only
from tests.on_bootstrap import VARIANTS, registrations

BUCKETS = {"bootstrap-state", "bootstrap-logs"}


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def of_bucket(seen: Recorder, kind: str, use: str = "state") -> dict[str, Any]:
    return inputs(seen, f"aws:s3/{kind[0].lower()}{kind[1:]}:{kind}")[f"bootstrap-{use}"]


def test_a06_a_role_is_for_one_environment_of_one_repository(seen: Recorder) -> None:
    roles = inputs(seen, "aws:iam/role:Role")
    subjects: set[str] = set()
    for name, role in roles.items():
        (trusted,) = json.loads(role["assumeRolePolicy"])["Statement"]
        assert role["path"] == "/slipway-bootstrap/", name
        if name == "bootstrap-runner":
            assert trusted["Condition"] == {"StringEquals": {"aws:SourceAccount": "123456789012"}}
            continue
        claims = trusted["Condition"]["StringEquals"]
        assert claims[f"{GITHUB}:aud"] == "sts.amazonaws.com", name
        assert trusted["Principal"]["Federated"].endswith(f":oidc-provider/{GITHUB}"), name
        assert name == f"bootstrap-{claims[f'{GITHUB}:sub'].rpartition(':')[2]}"
        subjects.add(claims[f"{GITHUB}:sub"])
    assert subjects == {
        f"repo:example/slipway:environment:{job}-{stack}"
        for job in ("deploy", "drift")
        for stack in ("prod", "standby")
    }
    provider = only(seen, "aws:iam/openIdConnectProvider:OpenIdConnectProvider")
    assert (provider["url"], provider["clientIdLists"]) == (f"https://{GITHUB}", ["sts.amazonaws.com"])


def test_a07_state_is_private_versioned_encrypted_and_asked_for_in_the_open(seen: Recorder) -> None:
    assert {*inputs(seen, "aws:s3/bucket:Bucket")} == BUCKETS
    for use in ("state", "logs"):
        block = of_bucket(seen, "BucketPublicAccessBlock", use)
        assert {key: block[key] for key in block if key != "bucket"} == dict.fromkeys(
            ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets"), True
        )
        assert of_bucket(seen, "BucketOwnershipControls", use)["rule"]["objectOwnership"] == "BucketOwnerEnforced"
        assert of_bucket(seen, "BucketVersioning", use)["versioningConfiguration"]["status"] == "Enabled"
        denied = [
            one["Condition"]
            for one in json.loads(of_bucket(seen, "BucketPolicy", use)["policy"])["Statement"]
            if one["Effect"] == "Deny"
        ]
        assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    (rule,) = of_bucket(seen, "BucketServerSideEncryptionConfiguration")["rules"]
    default = rule["applyServerSideEncryptionByDefault"]
    assert default["sseAlgorithm"] == "aws:kms"
    assert default["kmsMasterKeyId"].endswith("/bootstrap-state")
    (old,) = of_bucket(seen, "BucketLifecycleConfiguration")["rules"]
    assert old["noncurrentVersionExpiration"]["noncurrentDays"] == 365
    assert "expiration" not in old, "state that nobody changes is still state"
    assert of_bucket(seen, "BucketLogging")["targetBucket"] == "bootstrap-logs-id"


def test_a08_images_are_scanned_encrypted_and_stay_what_they_are(seen: Recorder) -> None:
    repositories = inputs(seen, "aws:ecr/repository:Repository")
    assert {one["name"] for one in repositories.values()} == {f"slipway/{n}" for n in ("gateway", "valkey", "vllm")}
    for name, one in repositories.items():
        assert one["imageTagMutability"] == "IMMUTABLE", name
        assert one["imageScanningConfiguration"]["scanOnPush"] is True, name
        (encryption,) = one["encryptionConfigurations"]
        assert encryption["encryptionType"] == "KMS", name
        assert encryption["kmsKey"].endswith("/bootstrap-images"), name
    assert {*inputs(seen, "aws:ecr/lifecyclePolicy:LifecyclePolicy")} == {*repositories}


def test_p01_secrets_have_a_key_of_their_own(seen: Recorder) -> None:
    alias = only(seen, "aws:kms/alias:Alias")
    assert alias["targetKeyId"].endswith("/bootstrap-secrets")
    assert seen.outputs["secrets_provider"] == f"awskms://{alias['name']}?region=us-east-1"
    others = [json.dumps(one.inputs) for one in of_aws(seen) if one.type not in ("aws:kms/alias:Alias",)]
    users = [text for text in others if "bootstrap-secrets" in text and '"policy"' not in text]
    assert not [text for text in users if "Secrets in that state" not in text]
    for name, key in inputs(seen, "aws:kms/key:Key").items():
        assert key["enableKeyRotation"] is True, name
        assert key["deletionWindowInDays"] == 30, name


KEPT = ("aws:s3/", "aws:kms/", "aws:ecr/", "aws:iam/openIdConnectProvider")


@pytest.mark.parametrize("variant", VARIANTS)
def test_p02_what_cannot_be_made_again_is_protected_with_its_guards(variant: str) -> None:
    """A destroy that is refused removes whatever is not: also what makes a bucket private."""
    found = registrations(variant)
    protects = variant == "as_it_ships"
    expected = {
        one.urn for one in found.seen if one.type.startswith(KEPT) or one.name.startswith("bootstrap-boundary-")
    }
    assert len(expected) > 20
    assert {one.urn for one in of_aws(found) if one.protect} == (expected if protects else set())
    assert all(one["forceDestroy"] is not protects for one in inputs(found, "aws:s3/bucket:Bucket").values())
    assert all(one["forceDelete"] is not protects for one in inputs(found, "aws:ecr/repository:Repository").values())


def test_everything_has_a_parent_a_provider_of_ours_and_an_end(seen: Recorder) -> None:
    (stack,) = seen.of_type("pulumi:pulumi:Stack")
    (whole,) = seen.of_type("slipway:bootstrap:Bootstrap")
    (provider,) = seen.of_type("pulumi:providers:aws")
    assert whole.parent == stack.urn
    for one in seen.seen:
        if one not in (stack, whole):
            assert one.parent not in ("", stack.urn), one.name
        if one.type.startswith("aws:"):
            assert one.provider.startswith(provider.urn), one.name
        if not one.custom and one is not stack:
            assert one.type.startswith("slipway:"), one.type
            assert one.urn in seen.closed, one.name
    assert json.loads(provider.inputs["allowedAccountIds"]) == ["123456789012"]
    assert json.loads(provider.inputs["defaultTags"])["tags"]["slipway:stack"] == "bootstrap"


def test_a_budget_tells_before_it_is_spent(seen: Recorder) -> None:
    budget = only(seen, "aws:budgets/budget:Budget")
    assert (budget["limitAmount"], budget["timeUnit"]) == ("20000", "MONTHLY")
    assert budget["costFilters"] == [{"name": "TagKeyValue", "values": ["user:slipway:stack$prod"]}]
    told = {(one["notificationType"], one["threshold"]) for one in budget["notifications"]}
    assert told == {("ACTUAL", 80), ("FORECASTED", 100)}
    assert all(one["subscriberEmailAddresses"] == ["operations@example.com"] for one in budget["notifications"])


def test_a_runner_is_inside_and_let_in_by_nobody() -> None:
    assert not registrations().of_type("aws:codebuild/project:Project")
    seen = registrations("all_of_it")
    project = only(seen, "aws:codebuild/project:Project")
    assert project["vpcConfig"]["vpcId"] == "vpc-0123456789abcdef0"
    assert len(project["vpcConfig"]["subnets"]) == 2
    assert project["environment"]["privilegedMode"] is False
    assert not seen.of_type("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    rule = only(seen, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule")
    assert (rule["fromPort"], rule["toPort"]) == (443, 443)
    (group,) = only(seen, "aws:codebuild/webhook:Webhook")["filterGroups"]
    assert group["filters"] == [{"type": "EVENT", "pattern": "WORKFLOW_JOB_QUEUED"}]
    assert only(seen, "aws:cloudwatch/logGroup:LogGroup")["kmsKeyId"].endswith("/bootstrap-logs")
