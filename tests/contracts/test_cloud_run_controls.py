"""Security controls of a site on Cloud Run, each by itself: what no scanner knows of its services."""

from __future__ import annotations

from typing import Any

import pytest

from infra.platforms.cloud_run.front_door_plan import COUNTED_RULES
from infra.render.terraform.names import terraform_types
from infra.render.terraform.plan import of_a_cloud
from tests.harness import SECRET_MARK, Recorder
from tests.on_cloud_run import VARIANTS, inputs, only, registrations

gcp = pytest.importorskip("pulumi_gcp", reason="no pulumi-gcp: `tools/python/install gcp` installs it")
SERVICE, JOB = "gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/job:Job"
BUCKET, KEY = "gcp:storage/bucket:Bucket", "gcp:kms/cryptoKey:CryptoKey"
SECRET, VERSION = "gcp:secretmanager/secret:Secret", "gcp:secretmanager/secretVersion:SecretVersion"
POLICY, BACKEND = "gcp:compute/securityPolicy:SecurityPolicy", "gcp:compute/backendService:BackendService"
MEMBERS = (
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:cloudrunv2/serviceIamMember:ServiceIamMember",
)
PROTECTED = (KEY, BUCKET)


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


# The service.


def test_whoever_has_a_balancer_in_front_is_reached_through_it_alone() -> None:
    service = only(registrations(), SERVICE)
    assert service["ingress"] == "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
    assert service["defaultUriDisabled"] is True
    assert only(registrations("own_address"), SERVICE)["ingress"] == "INGRESS_TRAFFIC_ALL"


def test_nobody_is_everybody_in_iam(seen: Recorder) -> None:
    """Without invokers the gateway asks for keys, and IAM's question is off: no right is given to all the world."""
    for kind in MEMBERS:
        for name, one in inputs(seen, kind).items():
            assert one["member"] not in ("allUsers", "allAuthenticatedUsers"), name


def test_callers_of_iam_are_asked_by_google_first() -> None:
    assert only(registrations(), SERVICE)["invokerIamDisabled"] is True
    assert only(registrations("own_address"), SERVICE)["invokerIamDisabled"] is False
    members = inputs(registrations("own_address"), MEMBERS[3]).values()
    assert {(one["member"], one["role"]) for one in members} == {
        ("group:team@example.com", "roles/run.invoker"),
        ("user:one@example.com", "roles/run.invoker"),
    }


def test_every_container_runs_what_its_digest_says(seen: Recorder) -> None:
    jobs = [job["template"]["template"] for job in inputs(seen, JOB).values()]
    for template in [only(seen, SERVICE)["template"], *jobs]:
        assert all("@sha256:" in container["image"] for container in template["containers"])


def test_the_projects_policy_decides_which_images_run() -> None:
    for kind in (SERVICE, JOB):
        assert only(registrations(), kind)["binaryAuthorization"] == {"useDefault": True}
        assert "binaryAuthorization" not in only(registrations("own_address"), kind)


def test_no_secret_is_in_an_environment_or_an_argument(seen: Recorder) -> None:
    for one in (*seen.of_type(SERVICE), *seen.of_type(JOB)):
        assert SECRET_MARK not in str(one.inputs), "none of it is secret: secrets are files"
        for env in _every(one.inputs, "envs"):
            assert "valueSource" not in str(env), "a variable is read by whoever reads the service"


def test_every_file_is_a_secret_version_that_is_named(seen: Recorder) -> None:
    volumes = [volume for volume in only(seen, SERVICE)["template"]["volumes"] if "secret" in volume]
    assert len(volumes) >= 3
    for volume in volumes:
        (item,) = volume["secret"]["items"]
        assert item["version"].isdecimal(), "`latest` would change what runs"


def test_all_traffic_leaves_by_the_sites_own_network(seen: Recorder) -> None:
    jobs = [job["template"]["template"] for job in inputs(seen, JOB).values()]
    for template in [only(seen, SERVICE)["template"], *jobs]:
        assert template["vpcAccess"]["egress"] == "ALL_TRAFFIC"
        (interface,) = template["vpcAccess"]["networkInterfaces"]
        assert interface == {"network": "main-network-id", "subnetwork": "main-network-id"}


def test_only_what_the_gateways_file_names_leaves() -> None:
    rules = inputs(registrations(), "gcp:compute/firewall:Firewall")
    out, rest = rules["main-network-out"], rules["main-network-nothing-else"]
    assert out["allows"] == [{"protocol": "tcp", "ports": ["443"]}]
    assert rest["denies"] == [{"protocol": "all"}]
    assert out["priority"] < rest["priority"]
    assert {rule["direction"] for rule in rules.values()} == {"EGRESS"}, "nothing comes in"
    # Where its store of limits is, only a secret says.
    anywhere = inputs(registrations("own_address"), "gcp:compute/firewall:Firewall")["main-network-out"]
    assert anywhere["allows"] == [{"protocol": "tcp"}]


# Keys, secrets, buckets.


def test_everything_that_is_kept_has_the_sites_key(seen: Recorder) -> None:
    key = only(seen, KEY)
    assert key["rotationPeriod"] == "7776000s"
    for name, bucket in inputs(seen, BUCKET).items():
        assert bucket["encryption"]["defaultKmsKeyName"] == "main-keys-id", name
    for name, secret in inputs(seen, SECRET).items():
        (replica,) = secret["replication"]["userManaged"]["replicas"]
        assert replica["customerManagedEncryption"] == {"kmsKeyName": "main-keys-id"}, name
        assert replica["location"] == "europe-west4", name
    assert only(seen, SERVICE)["template"]["encryptionKey"] == "main-keys-id"
    for job in inputs(seen, JOB).values():
        assert job["template"]["template"]["encryptionKey"] == "main-keys-id"


def test_what_is_encrypted_waits_for_the_right_to_be(seen: Recorder) -> None:
    granted = {one.urn for one in seen.of_type(MEMBERS[2])}
    assert len(granted) == 3
    for kind in ("Secrets", "Audit", "Weights", "Fetch", "Service"):
        for one in seen.of_type(f"slipway:cloud_run:{kind}"):
            assert granted <= {*one.depends_on}, one.name


def test_buckets_are_private_and_the_audit_stays(seen: Recorder) -> None:
    for name, bucket in inputs(seen, BUCKET).items():
        assert bucket["publicAccessPrevention"] == "enforced", name
        assert bucket["uniformBucketLevelAccess"] is True, name
        assert bucket["forceDestroy"] is False, name


def test_nobody_takes_the_audit_back() -> None:
    bucket = inputs(registrations(), BUCKET)["main-audit"]
    assert bucket["retentionPolicy"] == {"retentionPeriod": str(400 * 86_400), "isLocked": False}
    locked = inputs(registrations("in_the_image"), BUCKET)["main-audit"]
    assert locked["retentionPolicy"] == {"retentionPeriod": str(30 * 86_400), "isLocked": True}
    (kept,) = [one for one in registrations().of_type(BUCKET) if one.name == "main-audit"]
    assert kept.retained
    # Somebody else's bucket is somebody else's.
    assert "main-audit" not in inputs(registrations("own_address"), BUCKET)


@pytest.mark.parametrize("kind", PROTECTED)
def test_what_is_kept_refuses_to_be_deleted(kind: str) -> None:
    assert all(one.protect for one in registrations().of_type(kind))
    assert not any(one.protect for one in registrations("own_address").of_type(kind))
    assert only(registrations(), SERVICE)["deletionProtection"] is True
    assert only(registrations("own_address"), SERVICE)["deletionProtection"] is False


def test_secrets_are_marked_as_such(seen: Recorder) -> None:
    assert all(one.is_secret("secretData") for one in seen.of_type(VERSION))


# Rights.


def test_each_account_has_just_what_it_uses() -> None:
    rights = {
        (one["member"].partition("@")[0].rpartition("-")[2], one["role"].partition("/")[2])
        for kind in MEMBERS[:2]
        for one in inputs(registrations(), kind).values()
    }
    assert rights == {
        ("run", "secretmanager.secretAccessor"),
        ("run", "storage.objectViewer"),
        ("fetch", "secretmanager.secretAccessor"),
        ("fetch", "storage.objectUser"),
        # Puts its audit, and neither reads, replaces nor deletes any.
        ("run", "storage.objectCreator"),
    }


def test_nobody_has_a_key_of_an_account(seen: Recorder) -> None:
    assert not [one for one in seen.seen if one.type.endswith(("HmacKey", "serviceaccount/key:Key"))]


def test_no_right_is_of_the_whole_project(seen: Recorder) -> None:
    assert not [one for one in seen.seen if one.type.startswith("gcp:projects/iam")]


def test_each_secret_has_one_reader(seen: Recorder) -> None:
    readers: dict[str, list[str]] = {}
    for one in inputs(seen, MEMBERS[0]).values():
        readers.setdefault(one["secretId"], []).append(one["member"])
    assert len(readers) == len(inputs(seen, SECRET))
    assert all(len(members) == 1 for members in readers.values())


def test_whoever_serves_does_not_fetch() -> None:
    seen = registrations()
    service = only(seen, SERVICE)["template"]["serviceAccount"]
    assert service != only(seen, JOB)["template"]["template"]["serviceAccount"]


# Front door.


def test_the_firewall_bounds_each_address_and_counts_the_rest() -> None:
    policy = only(registrations(), POLICY)
    assert only(registrations(), BACKEND)["securityPolicy"] == "main-door-id"
    (bound,) = [rule for rule in policy["rules"] if rule["action"] == "throttle"]
    limit = bound["rateLimitOptions"]
    assert limit["rateLimitThreshold"] == {"count": 2000, "intervalSec": 60}
    assert (limit["exceedAction"], limit["enforceOnKey"]) == ("deny(429)", "IP")
    counted = [rule for rule in policy["rules"] if "expr" in rule["match"]]
    assert len(counted) == len(COUNTED_RULES)
    # A prompt about SQL is no attack.
    assert all(rule["preview"] is True for rule in counted)
    priorities = [rule["priority"] for rule in policy["rules"]]
    assert priorities == sorted({*priorities})
    assert policy["rules"][-1]["priority"] == 2_147_483_647


def test_without_a_firewall_there_is_none() -> None:
    assert not registrations("in_the_image").of_type(POLICY)
    assert "securityPolicy" not in only(registrations("in_the_image"), BACKEND)


def test_the_door_speaks_tls_alone() -> None:
    seen = registrations()
    policy = only(seen, "gcp:compute/sSLPolicy:SSLPolicy")
    assert (policy["profile"], policy["minTlsVersion"]) == ("RESTRICTED", "TLS_1_2")
    assert only(seen, "gcp:compute/targetHttpsProxy:TargetHttpsProxy")["sslPolicy"] == "main-door-id"
    rule = only(seen, "gcp:compute/globalForwardingRule:GlobalForwardingRule")
    assert rule["portRange"] == "443"
    assert only(seen, BACKEND)["logConfig"] == {"enable": True, "sampleRate": 1}


# Types.


def test_every_type_is_one_of_the_packages_own() -> None:
    """A type that nobody looked up is refused before anything is written."""
    known = {one.type for variant in VARIANTS for one in registrations(variant).seen if of_a_cloud(one)}
    assert known <= {*terraform_types()}
    assert terraform_types()[SERVICE].name == "google_cloud_run_v2_service"
    assert terraform_types()[SERVICE].property("envs") == "env"


def _every(value: Any, wanted: str) -> list[Any]:
    if isinstance(value, dict):
        own = [value[wanted]] if wanted in value else []
        return own + [found for inner in value.values() for found in _every(inner, wanted)]
    return [found for inner in value for found in _every(inner, wanted)] if isinstance(value, list) else []
