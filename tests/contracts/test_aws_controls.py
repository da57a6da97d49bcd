"""Security controls of what a site on AWS is made of, each by itself: what a scanner sees, and what it does not.

A01 to A09 and P01, P02.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest

from infra.plan.client_keys import KeysByDriver
from infra.platforms.aws.gateway_secrets import (
    SecretsOfStackSettings,
    SecretsOfStoreSettings,
    gateway_secrets_problems,
)
from infra.platforms.aws.policies import FORCED_WILDCARDS
from infra.platforms.aws.secrets_plan import secrets_problems
from infra.policy.cloud_rules import GUARDS
from tests.computed import computed, security_group
from tests.harness import Recorder
from tests.manifests import plain, unmarked
from tests.on_aws import CLIENT_KEYS, LIMITS_STORE, VARIANTS, documents, inputs, of_aws, only, registrations

CLUSTER = "aws:eks/cluster:Cluster"
POOL, CLASS = "kubernetes:karpenter.sh/v1:NodePool", "kubernetes:eks.amazonaws.com/v1:NodeClass"
GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def test_a01_the_api_is_private_or_for_named_ranges(seen: Recorder) -> None:
    network = only(seen, CLUSTER)["vpcConfig"]
    assert network["endpointPrivateAccess"] is True
    assert network["endpointPublicAccess"] == bool(network.get("publicAccessCidrs"))
    for cidr in network.get("publicAccessCidrs", ()):
        assert ip_network(cidr).prefixlen >= 8


def test_a01_prod_is_private() -> None:
    assert only(registrations(), CLUSTER)["vpcConfig"]["endpointPublicAccess"] is False


def test_a02_all_logs_of_the_control_plane_are_kept_encrypted(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    assert sorted(cluster["enabledClusterLogTypes"]) == [
        *("api", "audit", "authenticator", "controllerManager", "scheduler")
    ]
    groups = inputs(seen, "aws:cloudwatch/logGroup:LogGroup")
    assert [one for one in groups.values() if one.get("name") == f"/aws/eks/{cluster['name']}/cluster"]
    for name, one in groups.items():
        assert one["kmsKeyId"], name
        assert one["retentionInDays"] >= 365, name


def test_a03_secrets_of_the_cluster_have_a_key_of_their_own(seen: Recorder) -> None:
    encryption = only(seen, CLUSTER)["encryptionConfig"]
    assert encryption["resources"] == ["secrets"]
    others = [json.dumps(one.inputs) for one in of_aws(seen) if one.type != CLUSTER]
    assert not [text for text in others if f'"{encryption["provider"]["keyArn"]}"' in text]
    for name, key in inputs(seen, "aws:kms/key:Key").items():
        assert key["enableKeyRotation"] is True, name
        assert key["deletionWindowInDays"] == 30, name


def test_a04_credentials_of_machines_are_one_hop_away(seen: Recorder) -> None:
    """Auto Mode sets it itself, and lets nobody change it: its classes know no such field."""
    templates = inputs(seen, TEMPLATE)
    for name, template in templates.items():
        assert template["metadataOptions"]["httpTokens"] == "required", name
        assert template["metadataOptions"]["httpPutResponseHopLimit"] == 1, name
    assert bool(templates) == bool(inputs(seen, GROUP))
    for one in inputs(seen, CLASS).values():
        assert {*one["spec"]} <= {
            *("role", "subnetSelectorTerms", "securityGroupSelectorTerms", "networkPolicy", "networkPolicyEventLogs"),
            *("ephemeralStorage", "capacityReservationSelectorTerms"),
        }


def test_a05_machines_are_private_spread_and_encrypted(seen: Recorder) -> None:
    subnets = inputs(seen, "aws:ec2/subnet:Subnet")
    assert all(subnet["mapPublicIpOnLaunch"] is False for subnet in subnets.values())
    private = {f"{name}-id" for name in subnets if "-private-" in name}
    for one in inputs(seen, CLASS).values():
        used = {term["id"] for term in one["spec"]["subnetSelectorTerms"]}
        assert len(used) == 3
        assert used == private or not private, "all private, or those that were given"
        assert one["spec"]["ephemeralStorage"]["kmsKeyID"]
    for pool in inputs(seen, POOL).values():
        assert len(_required(pool, "topology.kubernetes.io/zone")) >= 2
    for name, template in inputs(seen, TEMPLATE).items():
        for device in template["blockDeviceMappings"]:
            assert device["ebs"]["encrypted"] == "true", name
            assert device["ebs"]["kmsKeyId"], name
        assert "keyName" not in template, "nobody logs in"
    zones = {next(iter(group["subnetIds"])) for group in inputs(seen, GROUP).values()}
    assert zones <= private
    assert len(zones) in (0, 3)


def test_a05_nobody_comes_in_but_by_http_and_https(seen: Recorder) -> None:
    for name, rule in inputs(seen, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").items():
        if rule.get("referencedSecurityGroupId") == rule["securityGroupId"]:
            continue  # those who are in it, with one another
        assert rule["ipProtocol"] == "tcp", name
        assert rule["fromPort"] == rule["toPort"], name
        if "prefixListId" in rule:
            # Of AWS' own lists, that of health checks alone.
            assert (name, rule["fromPort"]) == ("main-door-health-from-route-53", 8443)
            continue
        assert rule["fromPort"] in (
            (80, 443) if rule.get("cidrIpv4") == "0.0.0.0/0" else (80, 443, 2049, 6379, 8080)
        ), name
    for group in inputs(seen, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup").values():
        assert group["ingress"] == []
        assert group["egress"] == []


def test_a05_who_asked_whom_is_logged(seen: Recorder) -> None:
    networks, flows = inputs(seen, "aws:ec2/vpc:Vpc"), inputs(seen, "aws:ec2/flowLog:FlowLog")
    assert len(networks) == len(flows)
    assert all(flow["trafficType"] == "ALL" for flow in flows.values())


def _statements(seen: Recorder) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, document in documents(seen).items():
        for statement in document["Statement"]:
            yield name, statement


def test_a06_no_right_is_wider_than_aws_forces(seen: Recorder) -> None:
    used = _wildcards(seen)
    groups = bool(inputs(seen, GROUP))
    assert used == {*FORCED_WILDCARDS} - (set() if groups else {"Describe", "autoScalingGroup:*"}), "none is left over"
    assert all(FORCED_WILDCARDS.values())


def _wildcards(seen: Recorder) -> set[str]:
    """Those that a stack uses, by their entry in the list; any other one fails."""
    used: set[str] = set()
    for name, statement in _statements(seen):
        for action in statement["Action"]:
            if "*" in action:
                assert action == "kms:*" or statement["Effect"] == "Deny", name
                used.add(action)
        looks = all(_LOOKS.search(action) for action in statement["Action"])
        for resource in statement.get("Resource", ()):
            if resource == "*":
                assert name.startswith("aws:kms/key:Key ") or looks, name
                used.add("Describe" if looks else "Resource *")
            else:
                assert resource.startswith("arn:aws:"), name
                scaled = re.sub(r"(?<=:autoScalingGroup:)\*(?=:autoScalingGroupName/eks-)", "ID", resource)
                used |= {"autoScalingGroup:*"} if scaled != resource else set()
                assert ":*" not in scaled.removesuffix(":*"), name
    return used


_LOOKS = re.compile(r"^(autoscaling|ec2|elasticloadbalancing):(Describe|GetInstanceTypes)[A-Za-z]+$")


def test_a06_nobody_may_give_rights(seen: Recorder) -> None:
    allowed = {
        action for _, statement in _statements(seen) if statement["Effect"] == "Allow" for action in statement["Action"]
    }
    assert not {action for action in allowed if action.startswith(("iam:", "organizations:", "sts:AssumeRoleWith"))}


def test_a06_a_role_of_pods_is_for_one_account_of_one_cluster(seen: Recorder) -> None:
    found = [statement for _, statement in _statements(seen) if statement.get("Principal", {}) == {"Service": PODS}]
    assert found
    for statement in found:
        condition = statement["Condition"]["StringEquals"]
        assert condition["aws:RequestTag/eks-cluster-arn"].startswith("arn:aws:eks:")
        assert condition["aws:RequestTag/kubernetes-namespace"] in ("slipway", "kube-system")
        assert condition["aws:RequestTag/kubernetes-service-account"]


PODS = "pods.eks.amazonaws.com"


def test_a06_each_workload_reads_its_own_model_alone() -> None:
    found = documents(registrations())
    policy = found["aws:iam/rolePolicy:RolePolicy main-identity-engine-chat policy"]
    rights = {tuple(one["Action"]): one["Resource"] for one in policy["Statement"]}
    bucket = "arn:aws:s3:::main-buckets-models"
    assert rights[("s3:GetObject",)] == [f"{bucket}/models/chat/*"]
    assert not [action for actions in rights for action in actions if "Put" in action or "Delete" in action]
    associations = inputs(registrations(), "aws:eks/podIdentityAssociation:PodIdentityAssociation")
    assert {one["serviceAccount"] for one in associations.values()} == {"engine-chat", "model-fetch", "gateway"}


def test_a06_gateways_put_an_audit_and_nothing_else(seen: Recorder) -> None:
    name = "aws:iam/rolePolicy:RolePolicy main-identity-gateway policy"
    if seen.of_type(FILES):
        (statement,) = documents(seen)[name]["Statement"]
        assert statement["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        assert statement["Resource"] == [CLIENT_KEYS]
        return
    statements = [one for one in documents(seen)[name]["Statement"] if one["Sid"] != "Secrets"]
    rights = [(one["Effect"], one["Action"], one["Resource"]) for one in statements]
    ((_, _, (key,)),) = [right for right in rights if right[1] == ["kms:GenerateDataKey"]]
    assert key.endswith("/main-keys-data")
    assert rights == [
        ("Allow", ["s3:PutObject"], ["arn:aws:s3:::main-buckets-audit/audit/*"]),
        ("Allow", ["kms:GenerateDataKey"], [key]),
    ]


def test_a06_nobody_is_let_in_by_a_file_in_the_cluster(seen: Recorder) -> None:
    access = only(seen, CLUSTER)["accessConfig"]
    assert access["authenticationMode"] == "API"
    named = [e for e in inputs(seen, "aws:eks/accessEntry:AccessEntry").values() if e["type"] == "STANDARD"]
    assert access["bootstrapClusterCreatorAdminPermissions"] == (not named)


def test_a07_buckets_are_private_versioned_logged_and_over_tls(seen: Recorder) -> None:
    buckets = inputs(seen, "aws:s3/bucket:Bucket")
    audit = set() if seen.of_type(FILES) else {"main-buckets-audit"}
    assert {*buckets} == {"main-buckets-models", "main-buckets-logs"} | audit
    for name in buckets:
        block = _of(seen, "bucketPublicAccessBlock:BucketPublicAccessBlock", name)
        assert [block[field] for field in BLOCKS] == [True] * 4
        assert _of(seen, "bucketVersioning:BucketVersioning", name)["versioningConfiguration"]["status"] == "Enabled"
        assert _of(seen, "bucketLifecycleConfiguration:BucketLifecycleConfiguration", name)["rules"]
        policy = json.loads(_of(seen, "bucketPolicy:BucketPolicy", name)["policy"])
        denied = [one for one in policy["Statement"] if one["Effect"] == "Deny"]
        assert {"Bool": {"aws:SecureTransport": "false"}} in [one["Condition"] for one in denied]
        assert all(one["Principal"] == "*" and one["Action"] == ["s3:*"] for one in denied)
        for one in policy["Statement"]:
            assert one["Effect"] == "Deny" or "Service" in one["Principal"], "no account and nobody of the world"
    for name in {*buckets} - {"main-buckets-logs"}:
        assert _of(seen, "bucketLogging:BucketLogging", name)["targetBucket"] == "main-buckets-logs-id"


FILES = "aws:efs/fileSystem:FileSystem"
BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


def test_a07_weights_and_audit_have_a_key_of_ours(seen: Recorder) -> None:
    """Logs have AWS' own: neither load balancers nor S3 itself write with another."""
    encrypted = {
        name: _of(seen, "bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration", name)
        for name in inputs(seen, "aws:s3/bucket:Bucket")
    }
    default = "applyServerSideEncryptionByDefault"
    models, logs = (encrypted[f"main-buckets-{use}"]["rules"][0][default] for use in ("models", "logs"))
    kept = [encrypted[name]["rules"][0][default] for name in encrypted if name.endswith("-audit")]
    assert len(kept) == (not seen.of_type(FILES))
    for one in (models, *kept):
        assert one["sseAlgorithm"] == "aws:kms"
        assert one["kmsMasterKeyId"].endswith("/main-keys-data")
    assert logs == {"sseAlgorithm": "AES256"}


def _of(seen: Recorder, kind: str, name: str) -> dict[str, Any]:
    return inputs(seen, f"aws:s3/{kind}")[name]


def test_a07_limits_are_encrypted_behind_a_password_and_outlive_a_zone(seen: Recorder) -> None:
    """In nobody's cluster: a pod would go with its zone."""
    assert not seen.of_type("kubernetes:apps/v1:StatefulSet")
    stores = seen.of_type(STORE)
    (content,) = documents_of_gateways(seen)
    others = content["limits_store"]["url_file"].startswith("/run/secrets/gateway/")
    assert len(stores) == (0 if others else 1)
    for store in stores:
        asked = plain(store.inputs)
        assert asked["engine"] == "valkey"
        assert asked["atRestEncryptionEnabled"] is asked["transitEncryptionEnabled"] is True
        assert asked["transitEncryptionMode"] == "required"
        assert asked["kmsKeyId"].endswith("/main-keys-data")
        assert store.is_secret("authToken")
        assert re.fullmatch("[0-9a-f]{64}", store.inputs["authToken"]["value"]), (
            "ElastiCache takes few signs beside letters and digits"
        )
        assert asked["multiAzEnabled"] is asked["automaticFailoverEnabled"] is True
        zones = ["us-east-1a", "us-east-1b", "us-east-1d"]
        assert asked["preferredCacheClusterAzs"] == zones
        assert asked["numCacheClusters"] == 3
        assert asked["snapshotRetentionLimit"] >= 7
        assert asked["autoMinorVersionUpgrade"] is False
        (parameter,) = only(seen, "aws:elasticache/parameterGroup:ParameterGroup")["parameters"]
        assert parameter == {"name": "maxmemory-policy", "value": "noeviction"}
        machines = next(iter(inputs(seen, CLASS).values()), None)
        if machines:
            subnets = only(seen, "aws:elasticache/subnetGroup:SubnetGroup")["subnetIds"]
            assert subnets == [term["id"] for term in machines["spec"]["subnetSelectorTerms"]]


STORE = "aws:elasticache/replicationGroup:ReplicationGroup"


def documents_of_gateways(seen: Recorder) -> list[dict[str, Any]]:
    maps = inputs(seen, "kubernetes:core/v1:ConfigMap").values()
    return [json.loads(one["data"]["gateway.json"]) for one in maps if "gateway.json" in one["data"]]


def test_a07_gateways_have_the_stores_address_as_a_secret_alone() -> None:
    seen = registrations()
    (secret,) = [one for one in seen.of_type("kubernetes:core/v1:Secret") if one.name.endswith("shared-limits")]
    assert secret.is_secret("stringData")
    token = seen.of_type(STORE)[0].inputs["authToken"]["value"]
    assert secret.inputs["stringData"]["value"] == {
        "url": f"rediss://:{token}@{computed(seen, STORE)['primaryEndpointAddress']}:6379/0"
    }
    (content,) = documents_of_gateways(seen)
    assert content["limits_store"]["url_file"] == "/run/secrets/shared-limits/url"
    assert content["limits_store"]["when_away"] == "local"
    assert token not in json.dumps(content)
    gateway = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    assert [one["secret"] for one in gateway["volumes"] if one["name"] == "shared-limits"] == [
        {"secretName": "shared-limits", "defaultMode": 0o440, "items": [{"key": "url", "path": "url"}]}
    ]


@pytest.mark.parametrize(
    ("variant", "ranges"),
    [
        ("as_it_ships", ["10.40.0.0/19", "10.40.32.0/19", "10.40.96.0/19"]),
        ("existing_network", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]),
    ],
)
def test_a07_only_gateways_of_the_site_reach_the_store(variant: str, ranges: list[str]) -> None:
    seen = registrations(variant)
    (rule,) = [
        one
        for one in inputs(seen, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule").values()
        if one["fromPort"] == 6379
    ]
    assert rule["referencedSecurityGroupId"] == security_group(seen)
    assert "cidrIpv4" not in rule
    policies = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    found = {
        name: [peer["ipBlock"]["cidr"] for peer in way["to"]]
        for name, policy in policies.items()
        for way in policy["spec"].get("egress", ())
        if {"protocol": "TCP", "port": 6379} in way.get("ports", ())
    }
    assert found == {"main-serving-isolation-gateway": ranges}


def test_a08_images_are_scanned_encrypted_and_stay_what_they_are(seen: Recorder) -> None:
    repositories = inputs(seen, "aws:ecr/repository:Repository")
    assert {"gateway", "vllm"} <= {name.removeprefix("main-registry-") for name in repositories}
    for name, one in repositories.items():
        assert one["imageTagMutability"] == "IMMUTABLE", name
        assert one["imageScanningConfiguration"]["scanOnPush"] is True, name
        (encryption,) = one["encryptionConfigurations"]
        assert encryption["encryptionType"] == "KMS", name
        assert encryption["kmsKey"].endswith("/main-keys-data"), name
    assert {*inputs(seen, "aws:ecr/lifecyclePolicy:LifecyclePolicy")} == {*repositories}


def _required(pool: dict[str, Any], key: str) -> list[str]:
    (found,) = [r for r in pool["spec"]["template"]["spec"]["requirements"] if r["key"] == key]
    assert found["operator"] == "In"
    return found["values"]


def test_a09_machines_of_several_types_are_repaired_and_end_in_time(seen: Recorder) -> None:
    """Auto Mode sees interruptions and repairs machines itself; node groups of EKS do when they are told to."""
    for name, pool in inputs(seen, POOL).items():
        several = "reservation" not in name
        assert (len(_required(pool, "node.kubernetes.io/instance-type")) > 1) == several, name
    for name, group in inputs(seen, GROUP).items():
        assert group["nodeRepairConfig"]["enabled"] is True, name
        # A reservation is of one type, and so are machines of one replica, and all that have one H100.
        one_type = "reservation" in name or "h100" in name
        assert (len(group.get("instanceTypes", [""])) > 1) != one_type, name
        assert group["updateConfig"]["maxUnavailable"] == 1, name
    for name, pool in inputs(seen, POOL).items():
        template = pool["spec"]["template"]["spec"]
        ends = int(template["terminationGracePeriod"].removesuffix("s"))
        # EKS ends a node after 21 days, whatever a pool says.
        assert int(template["expireAfter"].removesuffix("h")) * 3600 + ends <= 21 * 86_400, name
        assert ends >= _slowest_pod(seen), name


def _slowest_pod(seen: Recorder) -> int:
    deployments = inputs(seen, "kubernetes:apps/v1:Deployment").values()
    return max(one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] for one in deployments)


def test_a09_the_first_way_to_buy_is_asked_first() -> None:
    pools = inputs(registrations("one_site"), POOL)
    weights = {name.removeprefix("main-pools-l40s-1-"): pool["spec"]["weight"] for name, pool in pools.items()}
    assert weights["reservation"] > weights["spot"] > weights["on-demand"]
    kinds = {
        name.removeprefix("main-pools-"): _required(pool, "karpenter.sh/capacity-type") for name, pool in pools.items()
    }
    assert kinds == {
        "gateway-on-demand": ["on-demand"],
        "l40s-1-reservation": ["reserved"],
        "l40s-1-spot": ["spot"],
        "l40s-1-on-demand": ["on-demand"],
    }


def test_p01_secrets_are_secret(seen: Recorder) -> None:
    """The harness' keys are canaries: marked wherever they are."""
    for one in seen.seen:
        assert "a-made-key" not in json.dumps(unmarked(one.inputs)), one.name
        assert "canary" not in json.dumps(unmarked(one.inputs)), one.name
    holders = [one for one in seen.of_type("kubernetes:core/v1:Secret") if one.is_secret("stringData")]
    assert len(holders) == len(seen.of_type("kubernetes:core/v1:Secret")) >= 3


STATEFUL = {
    *("aws:eks/cluster:Cluster", "aws:kms/key:Key", "aws:s3/bucket:Bucket", "aws:ecr/repository:Repository"),
    "aws:efs/fileSystem:FileSystem",
    "aws:elasticache/replicationGroup:ReplicationGroup",
}


# A destroy that is refused, or a rename, removes first whatever is not protected: also what makes a bucket private.
WITH_GUARDS = ("aws:s3/", "aws:kms/", "aws:ecr/")


@pytest.mark.parametrize("variant", VARIANTS)
def test_p02_what_cannot_be_made_again_is_protected_with_its_guards(variant: str) -> None:
    seen = registrations(variant)
    protects = variant not in ("one_site", "managed", "fabric", "shared")
    found = [one for one in seen.seen if one.type in STATEFUL]
    elsewhere = {STORE} if variant == "no_way_out" else set()
    elsewhere |= set() if variant == "existing_network" else {FILES}
    assert {one.type for one in found} == STATEFUL - elsewhere
    guarded = {one.urn for one in seen.seen if one.type in STATEFUL or one.type.startswith(WITH_GUARDS)}
    assert {one.urn for one in seen.seen if one.protect} == (guarded if protects else set())
    if protects:
        # Whatever a bucket or a key is named in that no service brings along by itself.
        buckets = {one.name for one in found if one.type == "aws:s3/bucket:Bucket"}
        for kind in GUARDS:
            locked = {name for name in buckets if name.endswith("-audit")}
            expected = locked if "ObjectLock" in kind else buckets
            if kind.startswith("aws:s3/"):
                assert {one.name for one in seen.of_type(kind) if one.protect} == expected, kind
    assert only(seen, CLUSTER)["deletionProtection"] is protects
    assert only(seen, "aws:lb/loadBalancer:LoadBalancer")["enableDeletionProtection"] is protects
    assert all(one["forceDestroy"] is not protects for one in inputs(seen, "aws:s3/bucket:Bucket").values())


def test_k13_keys_of_secrets_manager_are_mounted_and_never_in_the_cluster() -> None:
    seen = registrations("existing_network")
    (provider,) = inputs(seen, "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass").values()
    assert provider["spec"]["provider"] == "aws"
    assert provider["spec"]["parameters"]["usePodIdentity"] == "true"
    assert CLIENT_KEYS in provider["spec"]["parameters"]["objects"]
    gateway = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    (volume,) = [one for one in gateway["volumes"] if one["name"] == "client-keys"]
    assert volume["csi"]["driver"] == "secrets-store.csi.k8s.io"
    addons = {one["addonName"] for one in inputs(seen, "aws:eks/addon:Addon").values()}
    assert "aws-secrets-store-csi-driver-provider" in addons, "whoever mounts them"
    assert not [one for one in seen.of_type("kubernetes:core/v1:Secret") if "client-keys" in one.name]


def test_k13_secrets_of_gateways_are_mounted_from_their_store_and_neither_in_the_cluster_nor_the_stack() -> None:
    seen = registrations("no_way_out")
    (provider,) = inputs(seen, "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass").values()
    assert provider["metadata"]["name"] == "gateway-secrets"
    parameters = provider["spec"]["parameters"]
    assert (provider["spec"]["provider"], parameters["usePodIdentity"], parameters["region"]) == (
        *("aws", "true", "us-east-1"),
    )
    (only_one,) = json.loads(parameters["objects"])
    assert only_one == {"objectName": LIMITS_STORE, "objectAlias": "limits_store"}
    pod = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    (volume,) = [one for one in pod["volumes"] if one["name"] == "secrets"]
    assert volume["csi"]["volumeAttributes"] == {"secretProviderClass": "gateway-secrets"}
    (container,) = pod["containers"]
    (mount,) = [one for one in container["volumeMounts"] if one["name"] == "secrets"]
    (content,) = documents_of_gateways(seen)
    assert content["limits_store"]["url_file"] == f"{mount['mountPath']}/limits_store"
    assert [one["name"] for one in container["env"]] == ["POD_NAME"]
    assert not [one for one in seen.of_type("kubernetes:core/v1:Secret") if "secrets" in one.name]
    name = "aws:iam/rolePolicy:RolePolicy main-identity-gateway policy"
    (read,) = [one for one in documents(seen)[name]["Statement"] if one["Sid"] == "Secrets"]
    assert read["Action"] == ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
    assert read["Resource"] == [LIMITS_STORE]
    addons = {one["addonName"] for one in inputs(seen, "aws:eks/addon:Addon").values()}
    assert "aws-secrets-store-csi-driver-provider" in addons, "whoever mounts them"
    folder = container["args"][container["args"].index("--secrets") + 1]
    assert folder == mount["mountPath"], "a file that has changed is seen there"


@pytest.mark.parametrize("variant", ["existing_network", "no_way_out"])
def test_k13_what_is_rotated_in_secrets_manager_is_mounted_anew(variant: str) -> None:
    """The driver does so only where it is told to."""
    addons = {one["addonName"]: one for one in inputs(registrations(variant), "aws:eks/addon:Addon").values()}
    told = json.loads(addons["aws-secrets-store-csi-driver-provider"]["configurationValues"])
    assert told == {"secrets-store-csi-driver": {"enableSecretRotation": True, "rotationPollInterval": "5m"}}


def test_gateways_without_secrets_look_at_none() -> None:
    pod = inputs(registrations(), "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    assert ("--secrets" in pod["containers"][0]["args"]) == ("secrets" in {one["name"] for one in pod["volumes"]})


@pytest.mark.parametrize(
    ("secrets", "where", "said"),
    [
        ({"other": LIMITS_STORE}, "here.secrets.limits", "nothing"),
        ({"limits": LIMITS_STORE, "limit": LIMITS_STORE}, "here.secrets.limit", "a secret that nothing names"),
        ({"limits": LIMITS_STORE.replace("east-1", "west-2")}, "here.secrets.limits", "a secret of `us-west-2`"),
    ],
)
def test_a_store_has_exactly_what_gateways_read(secrets: dict[str, str], where: str, said: str) -> None:
    settings = SecretsOfStoreSettings(kind="store", secrets=secrets)
    found = {one.where: one.found for one in gateway_secrets_problems("here", settings, "us-east-1", ("limits",))}
    assert found[where] == said
    right = SecretsOfStoreSettings(kind="store", secrets={"limits": LIMITS_STORE})
    assert not [*gateway_secrets_problems("here", right, "us-east-1", ("limits",))]
    assert not [*gateway_secrets_problems("here", SecretsOfStackSettings(kind="stack"), "us-east-1", ("limits",))]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"objects": f"- objectName: {CLIENT_KEYS}"}, "no `usePodIdentity`"),
        ({"objects": "- objectName: llm/clients", "usePodIdentity": "true"}, "no ARN of a secret"),
    ],
)
def test_a_secret_that_the_gateways_role_could_not_name_is_refused(parameters: dict[str, str], said: str) -> None:
    (found,) = secrets_problems("here", KeysByDriver(provider="aws", parameters=parameters))
    assert found.found == said
    assert not [*secrets_problems("here", KeysByDriver(provider="vault", parameters=parameters))]


@pytest.mark.parametrize(
    ("variant", "mode", "days"), [("as_it_ships", "GOVERNANCE", 365), ("no_way_out", "COMPLIANCE", 30)]
)
def test_p02_nobody_takes_back_what_the_audit_says(variant: str, mode: str, days: int) -> None:
    seen = registrations(variant)
    assert inputs(seen, "aws:s3/bucket:Bucket")["main-buckets-audit"]["objectLockEnabled"] is True
    (lock,) = seen.of_type("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration")
    assert lock.name == "main-buckets-audit"
    assert plain(lock.inputs)["rule"] == {"defaultRetention": {"mode": mode, "days": days}}
    (versions,) = [one for one in seen.of_type(f"{VERSIONS}:BucketVersioning") if one.name == lock.name]
    assert versions.urn in lock.depends_on
    assert not seen.of_type("kubernetes:core/v1:PersistentVolumeClaim")


VERSIONS = "aws:s3/bucketVersioning"


def test_gateways_copy_their_audit_to_the_sites_bucket_without_a_key(seen: Recorder) -> None:
    (content,) = documents_of_gateways(seen)
    store = content["audit"].get("object_store")
    if seen.of_type(FILES):
        assert store is None
        return
    url = "https://main-buckets-audit-id.s3.us-east-1.amazonaws.com"
    assert store == {"kind": "s3", "url": url, "region": "us-east-1", "prefix": "audit/"}
    if variant_has_policies := inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy"):
        ways = variant_has_policies["main-serving-isolation-gateway"]["spec"]["egress"]
        reached = {peer["ipBlock"]["cidr"] for way in ways for peer in way["to"] if "ipBlock" in peer}
        assert "169.254.170.23/32" in reached, "who gives them credentials"
        assert [way for way in ways if {"protocol": "TCP", "port": 443} in way.get("ports", ())]


def test_p02_an_audit_on_a_volume_outlives_what_served() -> None:
    seen = registrations("existing_network")
    (audit,) = seen.of_type("kubernetes:core/v1:PersistentVolumeClaim")
    assert audit.retained
    (kept,) = [
        one
        for one in inputs(seen, "kubernetes:storage.k8s.io/v1:StorageClass").values()
        if one["metadata"]["name"] == audit.inputs["spec"]["storageClassName"]
    ]
    assert kept["reclaimPolicy"] == "Retain"
