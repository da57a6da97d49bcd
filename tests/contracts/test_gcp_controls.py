"""Security controls of what a site on Google Cloud is made of, each by itself: what a scanner sees, and what it does
not. G01 to G06, and of A and P those that a cloud has wherever it is."""

from __future__ import annotations

import json
from ipaddress import ip_network
from typing import Any

import pytest

from infra.plan.client_keys import KeysByDriver
from infra.platforms.gcp.secrets_plan import secrets_problems
from tests.harness import Recorder
from tests.manifests import plain, unmarked
from tests.on_gcp import CLIENT_KEYS, VARIANTS, inputs, of_google, only, registrations

CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
BUCKET, KEY = "gcp:storage/bucket:Bucket", "gcp:kms/cryptoKey:CryptoKey"
SUBNETWORK, NETWORK = "gcp:compute/subnetwork:Subnetwork", "gcp:compute/network:Network"
STORE, BECOMES = "gcp:memorystore/instance:Instance", "gcp:serviceaccount/iAMMember:IAMMember"
MEMBER, BUCKET_MEMBER = "gcp:projects/iAMMember:IAMMember", "gcp:storage/bucketIAMMember:BucketIAMMember"
POLICY = "gcp:compute/securityPolicy:SecurityPolicy"


@pytest.fixture(params=[*VARIANTS])
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def machines(seen: Recorder) -> dict[str, dict[str, Any]]:
    return {name: pool["nodeConfig"] for name, pool in inputs(seen, POOL).items()}


def test_g01_nodes_are_private_and_the_api_is_for_named_ranges(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    private, named = cluster["privateClusterConfig"], cluster["masterAuthorizedNetworksConfig"]
    assert private["enablePrivateNodes"] is True
    assert all(pool["networkConfig"]["enablePrivateNodes"] is True for pool in inputs(seen, POOL).values())
    ranges = [one["cidrBlock"] for one in named.get("cidrBlocks", ())]
    assert private["enablePrivateEndpoint"] is (not ranges)
    assert all(ip_network(cidr).prefixlen >= 8 for cidr in ranges)
    assert named["gcpPublicCidrsAccessEnabled"] is False
    by_name = cluster["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]["allowExternalTraffic"]
    assert by_name is (seen is registrations("existing_network")), "only where it is said"


def test_g01_staging_is_private() -> None:
    assert only(registrations(), CLUSTER)["privateClusterConfig"]["enablePrivateEndpoint"] is True


def test_g01_nobody_comes_in_from_outside_of_the_network(seen: Recorder) -> None:
    walls = inputs(seen, "gcp:compute/firewall:Firewall")
    assert len(walls) == len(seen.of_type(NETWORK))
    for wall in walls.values():
        assert wall["direction"] == "INGRESS"
        assert wall["denies"] == [{"protocol": "all"}]
        assert wall["sourceRanges"] == ["0.0.0.0/0"]
        assert "allows" not in wall


def test_g02_pods_ask_gkes_own_server_who_they_are(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    assert cluster["workloadIdentityConfig"] == {"workloadPool": "example-staging.svc.id.goog"}
    for name, machine in {"default": cluster["nodeConfig"], **machines(seen)}.items():
        assert machine["workloadMetadataConfig"] == {"mode": "GKE_METADATA"}, name
    assert all(one["metadata"]["disable-legacy-endpoints"] == "true" for one in machines(seen).values())


def test_g03_nodes_are_shielded_repaired_and_upgraded(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    assert cluster["enableShieldedNodes"] is True
    for name, machine in {"default": cluster["nodeConfig"], **machines(seen)}.items():
        assert machine["shieldedInstanceConfig"] == {"enableSecureBoot": True, "enableIntegrityMonitoring": True}, name
    for name, pool in inputs(seen, POOL).items():
        # A machine of flex-start ends by itself; GKE has it only without repair.
        assert pool["management"] == {"autoRepair": "flex-start" not in name, "autoUpgrade": True}, name
    assert cluster["releaseChannel"] == {"channel": "REGULAR"}


def test_g04_policies_are_enforced_and_flows_logged(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    assert cluster["datapathProvider"] == "ADVANCED_DATAPATH"
    assert cluster["enableIntranodeVisibility"] is True
    # Google's own proxies are no machines, and their range knows neither.
    subnetworks = {name: one for name, one in inputs(seen, SUBNETWORK).items() if "purpose" not in one}
    assert len(subnetworks) == len(seen.of_type(NETWORK))
    for one in subnetworks.values():
        assert one["logConfig"]["flowSampling"] >= 0.5
        assert one["privateIpGoogleAccess"] is True


def test_g05_images_are_those_that_are_allowed_and_nobody_has_a_certificate(seen: Recorder) -> None:
    cluster = only(seen, CLUSTER)
    assert cluster["masterAuth"]["clientCertificateConfig"]["issueClientCertificate"] is False
    assert cluster["enableLegacyAbac"] is False


@pytest.mark.parametrize(
    ("variant", "mode"),
    [("as_it_ships", "PROJECT_SINGLETON_POLICY_ENFORCE"), ("every_way_to_buy", "DISABLED")],
)
def test_g05_binary_authorization_is_left_out_only_where_it_is_said(variant: str, mode: str) -> None:
    assert only(registrations(variant), CLUSTER)["binaryAuthorization"] == {"evaluationMode": mode}


def test_g06_nodes_are_an_account_of_their_own_with_the_least(seen: Recorder) -> None:
    account = inputs(seen, "gcp:serviceaccount/account:Account")["main-nodes"]
    email = f"{account['accountId']}@example-project.iam.gserviceaccount.com"
    for name, machine in {"default": only(seen, CLUSTER)["nodeConfig"], **machines(seen)}.items():
        assert machine["serviceAccount"] == email, name
    roles = {one["role"] for one in inputs(seen, MEMBER).values() if one["member"] == f"serviceAccount:{email}"}
    assert roles == {"roles/container.defaultNodeServiceAccount"}
    (reader,) = inputs(seen, "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember").values()
    assert (reader["role"], reader["member"]) == ("roles/artifactregistry.reader", f"serviceAccount:{email}")


# Whoever may all of these may do anything, or give others the right to.
TOO_WIDE = ("owner", "editor", "admin", "serviceAccountUser", "serviceAccountTokenCreator", "workloadIdentityUser")


def test_g06_no_role_is_wide_and_nobody_has_a_key(seen: Recorder) -> None:
    # Who becomes an account is told by who may: one account of the cluster's, below.
    members = [one for one in of_google(seen) if one.type.lower().endswith("iammember") and one.type != BECOMES]
    assert len(members) > 5
    for one in members:
        assert not [word for word in TOO_WIDE if one.inputs["role"].lower().endswith(word.lower())], one.name
        assert one.inputs["member"] not in ("allUsers", "allAuthenticatedUsers"), one.name
    assert not [one for one in of_google(seen) if one.type.endswith(("Key", "HmacKey")) and "kms" not in one.type]


def test_g06_only_gateways_become_who_counts_and_it_reaches_that_store_alone() -> None:
    seen = registrations("memorystore")
    email = "slipway-staging-main-gateway@example-project.iam.gserviceaccount.com"
    becomes = only(seen, BECOMES)
    assert becomes["member"] == "serviceAccount:example-staging.svc.id.goog[slipway/gateway]"
    assert becomes["serviceAccountId"].endswith(f"/{email}")
    given = {
        one.inputs["role"]: plain(one.inputs)
        for one in of_google(seen)
        if one.inputs.get("member") == f"serviceAccount:{email}"
    }
    assert {*given} == {"roles/memorystore.dbConnectionUser", "roles/storage.objectCreator"}
    store = only(seen, STORE)["instanceId"]
    found = given["roles/memorystore.dbConnectionUser"]["condition"]["expression"]
    assert found == f'resource.name.endsWith("/locations/us-central1/instances/{store}")'
    assert not registrations().of_type(BECOMES), "elsewhere gateways need no account of Google's"


def test_g06_each_workload_reaches_its_own_part_of_a_bucket_alone() -> None:
    found = inputs(registrations(), BUCKET_MEMBER)
    engine, fetch, gateway = (found[f"main-identity-{name}"] for name in ("engine-chat", "model-fetch", "gateway"))
    pool = "projects/123456789012/locations/global/workloadIdentityPools/example-staging.svc.id.goog"
    assert engine["member"] == f"principal://iam.googleapis.com/{pool}/subject/ns/slipway/sa/engine-chat"
    below = 'resource.name.startsWith("projects/_/buckets/main-buckets-{}/objects/{}")'
    assert engine["condition"]["expression"] == below.format("models", "models/chat/")
    assert gateway["condition"]["expression"] == below.format("audit", "audit/")
    assert [one["role"].rpartition(".")[2] for one in (engine, fetch, gateway)] == [
        *("objectViewer", "objectUser", "objectCreator")
    ]
    assert not [name for name, one in found.items() if "identity" in name and "condition" not in one]


def test_g06_policies_let_pods_to_who_says_who_they_are_and_not_to_machines() -> None:
    policies = inputs(registrations(), "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    out = [peer for rule in policies["main-serving-isolation-gateway"]["spec"]["egress"] for peer in rule["to"]]
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"].get("except", []) for peer in out if "ipBlock" in peer}
    assert {"169.254.169.252/32", "169.254.169.254/32"} <= {*blocks}
    assert "169.254.169.254/32" in blocks["0.0.0.0/0"]
    assert "fd20:ce::254/128" in blocks["::/0"]
    engine = policies["main-serving-isolation-engine"]["spec"]
    assert not engine.get("egress")


def test_a03_everything_is_encrypted_with_keys_of_ours_that_change(seen: Recorder) -> None:
    keys = inputs(seen, KEY)
    assert {*keys} == {"main-keys-cluster", "main-keys-data"}
    for name, key in keys.items():
        assert int(key["rotationPeriod"].removesuffix("s")) <= 90 * 86_400, name
        assert int(key["destroyScheduledDuration"].removesuffix("s")) >= 30 * 86_400, name
    assert only(seen, CLUSTER)["databaseEncryption"] == {"state": "ENCRYPTED", "keyName": "main-keys-cluster-id"}
    data = "main-keys-data-id"
    assert {machine["bootDiskKmsKey"] for machine in machines(seen).values()} == {data}
    assert {bucket["encryption"]["defaultKmsKeyName"] for bucket in inputs(seen, BUCKET).values()} == {data}
    assert only(seen, "gcp:artifactregistry/repository:Repository")["kmsKeyName"] == data
    (disks,) = inputs(seen, "kubernetes:storage.k8s.io/v1:StorageClass").values()
    assert disks["parameters"]["disk-encryption-kms-key"] == data


def test_a07_limits_are_encrypted_for_who_shows_who_it_is_and_outlive_a_zone() -> None:
    seen = registrations("memorystore")
    store = only(seen, STORE)
    assert (store["authorizationMode"], store["transitEncryptionMode"]) == ("IAM_AUTH", "SERVER_AUTHENTICATION")
    assert store["kmsKey"] == "main-keys-data-id"
    assert store["zoneDistributionConfig"] == {"mode": "MULTI_ZONE"}
    assert store["replicaCount"] >= 1
    assert store["deletionProtectionEnabled"]
    assert store["engineConfigs"] == {"maxmemory-policy": "noeviction"}
    policy = only(seen, "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy")
    assert policy["pscConfig"] == {"subnetworks": ["main-network-nodes-id"]}
    (endpoint,) = store["desiredAutoCreatedEndpoints"]
    assert endpoint["network"] == policy["network"]


def test_a03_only_who_must_uses_a_key(seen: Recorder) -> None:
    given = inputs(seen, "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember")
    users = {name.removeprefix("main-keys-"): one["member"].partition("@")[2] for name, one in given.items()}
    assert users["cluster-cluster"] == "container-engine-robot.iam.gserviceaccount.com"
    assert users["data-buckets"] == "gs-project-accounts.iam.gserviceaccount.com"
    counts = {"data-limits"} if seen.of_type(STORE) else set()
    assert {*users} == {"cluster-cluster", "data-disks", "data-buckets", "data-images"} | counts
    assert {one["role"] for one in given.values()} == {"roles/cloudkms.cryptoKeyEncrypterDecrypter"}


def test_a07_buckets_are_private_versioned_and_logged(seen: Recorder) -> None:
    buckets = inputs(seen, BUCKET)
    assert {*buckets} == {"main-buckets-models", "main-buckets-audit", "main-buckets-logs"}
    for name, bucket in buckets.items():
        assert bucket["uniformBucketLevelAccess"] is True, name
        assert bucket["publicAccessPrevention"] == "enforced", name
        assert ("versioning" in bucket) != ("retentionPolicy" in bucket), name
        assert ("logging" in bucket) == (name != "main-buckets-logs"), name


@pytest.mark.parametrize(("variant", "days", "locked"), [("as_it_ships", 365, False), ("existing_network", 30, True)])
def test_p02_nobody_takes_back_what_the_audit_says(variant: str, days: int, locked: bool) -> None:
    audit = inputs(registrations(variant), BUCKET)["main-buckets-audit"]
    assert audit["retentionPolicy"] == {"retentionPeriod": str(days * 86_400), "isLocked": locked}
    assert "Delete" not in json.dumps(audit["lifecycleRules"])


STATEFUL = {CLUSTER, KEY, BUCKET, "gcp:artifactregistry/repository:Repository"}


def test_p02_what_cannot_be_made_again_is_protected(seen: Recorder) -> None:
    protects = seen is not registrations("every_way_to_buy")
    found = [one for one in seen.seen if one.type in STATEFUL | {STORE}]
    assert {one.type for one in found} - {STORE} == STATEFUL
    assert {one.name for one in seen.seen if one.protect} == {one.name for one in found if protects}
    assert only(seen, CLUSTER)["deletionProtection"] is protects
    assert all(bucket["forceDestroy"] is not protects for bucket in inputs(seen, BUCKET).values())


def test_p01_secrets_are_secret(seen: Recorder) -> None:
    for one in seen.seen:
        assert "a-made-key" not in json.dumps(unmarked(one.inputs)), one.name
    holders = [one for one in seen.of_type("kubernetes:core/v1:Secret") if one.is_secret("stringData")]
    assert len(holders) == len(seen.of_type("kubernetes:core/v1:Secret")) >= 3


def test_no_prompt_is_refused_for_what_it_says() -> None:
    rules = only(registrations(), POLICY)["rules"]
    judged = [one for one in rules if "expr" in one["match"]]
    assert len(judged) == 18
    for rule in judged:
        refuses = "!request.path.startsWith('/v1/')" in rule["match"]["expr"]["expression"]
        assert rule["preview"] is not refuses
        assert rule["action"] == "deny(403)"
    *_, throttle, everybody = sorted(rules, key=lambda one: one["priority"])
    assert throttle["action"] == "throttle"
    assert throttle["rateLimitOptions"]["rateLimitThreshold"] == {"count": 2000, "intervalSec": 60}
    assert (everybody["action"], everybody["priority"]) == ("allow", 2_147_483_647)
    assert not registrations("every_way_to_buy").of_type(POLICY)


def test_k13_keys_of_secret_manager_are_mounted_and_never_in_the_cluster() -> None:
    seen = registrations("existing_network")
    (provider,) = inputs(seen, "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass").values()
    assert provider["spec"]["provider"] == "gke"
    gateway = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    (volume,) = [one for one in gateway["volumes"] if one["name"] == "client-keys"]
    assert volume["csi"]["driver"] == "secrets-store-gke.csi.k8s.io"
    assert only(seen, CLUSTER)["secretManagerConfig"] == {"enabled": True}
    (right,) = inputs(seen, "gcp:secretmanager/secretIamMember:SecretIamMember").values()
    assert (right["project"], right["secretId"]) == ("example-secrets", "clients")
    assert right["role"] == "roles/secretmanager.secretAccessor"
    assert right["member"].endswith("/ns/slipway/sa/gateway")
    assert not [one for one in seen.of_type("kubernetes:core/v1:Secret") if "client-keys" in one.name]


def test_a_secret_that_the_gateways_rights_could_not_name_is_refused() -> None:
    def problems(provider: str, text: str) -> list[str]:
        keys = KeysByDriver(provider=provider, parameters={"secrets": text})
        return [found.found for found in secrets_problems("here", keys)]

    assert problems("gke", "clients") == ["no name of a secret's version"]
    assert problems("gke", f"{CLIENT_KEYS}/versions/7") == []
    assert problems("vault", "clients") == []
