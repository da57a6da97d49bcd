"""The stand-ins without the CLI: names that clouds refuse, what is never free again, and what refuses to go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from tests.clouds import aws, gcp
from tests.clouds.cloud import Cloud
from tests.clouds.plugin import CLOUD_FILE, Provider
from tests.cluster.plugin_values import UNKNOWN, plain, struct

FACTS = {"aws": aws.FACTS, "gcp": gcp.FACTS}


class Ended(Exception):
    """What gRPC makes of `abort`."""


class Context:
    """Of a call."""

    def abort(self, code: object, details: str) -> None:
        del code
        raise Ended(details)


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CLOUD_FILE, str(tmp_path / "cloud.json"))
    return tmp_path / "cloud.json"


def provider(cloud: str) -> Provider:
    made = Provider(FACTS[cloud], "1.0.0")
    made.Configure(provider_pb2.ConfigureRequest(args=struct({FACTS[cloud].place: "here"})), Context())
    return made


def check(kind: str, logical: str, **inputs: Any) -> Any:
    request = provider_pb2.CheckRequest(type=kind, name=logical, news=struct(inputs), randomSeed=b"a seed")
    return provider(kind.partition(":")[0]).Check(request, Context())


@pytest.mark.parametrize(
    ("kind", "logical", "inputs", "why"),
    [
        (
            "aws:lb/targetGroup:TargetGroup",
            "g" * 25,
            {},
            f"could not make instance of 'aws:lb/targetGroup:TargetGroup': name '{'g' * 25}-' plus 7 random chars is "
            "longer than maximum length 32",
        ),
        ("aws:lb/loadBalancer:LoadBalancer", "door", {"namePrefix": "slipway"}, "has to have 1 to 32 characters"),
        ("aws:lb/loadBalancer:LoadBalancer", "door", {"name": "internal-door"}, "has to match"),
        ("aws:iam/role:Role", "role", {"name": "r" * 65}, "has to have 1 to 64 characters"),
        ("aws:iam/role:Role", "role", {"namePrefix": "r" * 39}, "has to have 1 to 64 characters"),
        ("aws:s3/bucket:Bucket", "models", {"bucket": "my_models"}, "has to match"),
        ("aws:s3/bucket:Bucket", "my_models", {}, "has to match"),
        ("aws:elasticache/replicationGroup:ReplicationGroup", "2nd-limits", {}, "has to match"),
        ("aws:secretsmanager/secret:Secret", "key", {"name": "a key"}, "has to match"),
        ("gcp:serviceaccount/account:Account", "run", {"accountId": "short"}, "has to have 6 to 30 characters"),
        ("gcp:serviceaccount/account:Account", "run", {"accountId": "a" * 31}, "has to have 6 to 30 characters"),
        ("gcp:serviceaccount/account:Account", "run", {"accountId": "2nd-run"}, "has to match"),
        ("gcp:storage/bucket:Bucket", "of-google", {}, "has to match"),
        ("gcp:container/cluster:Cluster", "c", {"name": "c" * 41}, "has to have 1 to 40 characters"),
        ("gcp:container/nodePool:NodePool", "p", {"namePrefix": "p" * 32}, "has to have 1 to 40 characters"),
        ("gcp:compute/network:Network", "Main", {}, "has to match"),
        ("gcp:cloudrunv2/service:Service", "s", {"name": "s" * 50}, "has to have 1 to 49 characters"),
        ("gcp:kms/keyRing:KeyRing", "k" * 56, {}, "is longer than maximum length 63"),
        ("gcp:dns/recordSet:RecordSet", "r", {"name": "llm.example.com"}, "has to match"),
    ],
)
def test_a_name_is_refused(kind: str, logical: str, inputs: dict[str, Any], why: str) -> None:
    (failure,) = check(kind, logical, **inputs).failures
    assert why in failure.reason
    assert failure.property


@pytest.mark.parametrize(
    ("kind", "logical", "inputs", "named"),
    [
        ("aws:lb/targetGroup:TargetGroup", "g" * 24, {}, "name"),
        ("aws:s3/bucket:Bucket", "Models", {}, "bucket"),
        ("aws:iam/role:Role", "role", {"namePrefix": "r" * 38}, None),
        ("gcp:container/nodePool:NodePool", "p", {"namePrefix": "p" * 31}, None),
        ("gcp:serviceaccount/account:Account", "run", {"accountId": "a" * 30}, None),
        ("gcp:storage/bucketIAMMember:BucketIAMMember", "Any_Thing.", {"bucket": "b"}, None),
        # Whatever it will be: nobody knows it yet.
        ("gcp:compute/network:Network", "n", {"name": UNKNOWN}, None),
    ],
)
def test_a_name_is_taken(kind: str, logical: str, inputs: dict[str, Any], named: str | None) -> None:
    checked = check(kind, logical, **inputs)
    assert not checked.failures
    made = {key: value for key, value in plain(checked.inputs).items() if key not in (*inputs, "__defaults")}
    assert [*made] == ([named] if named else [])
    assert all(str(name).startswith(f"{logical.lower()}-") for name in made.values())


def _create(own: Provider, kind: str, **inputs: Any) -> str:
    request = provider_pb2.CreateRequest(type=kind, name="one", properties=struct(inputs))
    return own.Create(request, Context()).id


def test_a_preview_knows_what_is_given_and_nothing_that_the_cloud_makes_of_it() -> None:
    given = {"namePrefix": "p-", "cluster": "c", "location": "l"}
    kind = "gcp:container/nodePool:NodePool"
    request = provider_pb2.CreateRequest(type=kind, name="one", properties=struct(given), preview=True)
    answer = provider("gcp").Create(request, Context())
    assert plain(answer.properties) == {**given, "name": UNKNOWN}
    kind, given = "aws:s3/bucket:Bucket", {"bucket": "models"}
    request = provider_pb2.CreateRequest(type=kind, name="one", properties=struct(given), preview=True)
    seen = plain(provider("aws").Create(request, Context()).properties)
    assert seen.pop("bucket") == "models"
    assert seen["arn"] == UNKNOWN
    assert {*seen.values()} == {UNKNOWN}


def test_a_key_ring_s_name_is_never_free_again(file: Path) -> None:
    own, kind = provider("gcp"), "gcp:kms/keyRing:KeyRing"
    given = _create(own, kind, name="keys", location="europe-west4")
    assert given == "projects/here/locations/europe-west4/keyRings/keys"
    own.Delete(provider_pb2.DeleteRequest(type=kind, id=given), Context())
    assert not Cloud(file).things()
    with pytest.raises(Ended, match="there is a gcp:kms/keyRing:KeyRing"):
        _create(own, kind, name="keys", location="europe-west4")


@pytest.mark.parametrize(
    ("kind", "inputs", "guard"),
    [
        ("gcp:cloudrunv2/service:Service", {"name": "s", "location": "l"}, "deletionProtection"),
        ("gcp:container/cluster:Cluster", {"name": "c", "location": "l"}, "deletionProtection"),
        (
            "aws:lb/loadBalancer:LoadBalancer",
            {"name": "d", "enableDeletionProtection": True},
            "enableDeletionProtection",
        ),
    ],
)
def test_what_is_guarded_does_not_go(kind: str, inputs: dict[str, Any], guard: str, file: Path) -> None:
    own = provider(kind.partition(":")[0])
    given = _create(own, kind, **inputs)
    with pytest.raises(Ended, match=f"without setting {guard}=false"):
        own.Delete(provider_pb2.DeleteRequest(type=kind, id=given), Context())
    assert len(Cloud(file).things()) == 1
    request = provider_pb2.UpdateRequest(type=kind, id=given, news=struct({**inputs, guard: False}))
    own.Update(request, Context())
    own.Delete(provider_pb2.DeleteRequest(type=kind, id=given), Context())
    assert not Cloud(file).things()
