"""A bad registration for each rule: it bites there, and not on what is as it should be."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from infra.policy.cloud_rules import BUCKET, BUCKET_NEEDS, GUARDS, STATEFUL, is_protected
from infra.policy.cloud_run_rules import JOB, SERVICE
from infra.policy.rule import Resource, broken, resource
from infra.policy.rules import RULES
from tests import on_a_cluster, on_aws, on_cloud_run, on_gcp
from tests.contracts.source import ROOT
from tests.on_a_cluster import manifests, resources

Objects = dict[str, dict[str, Any]]
BY_NAME = {rule.name: rule for rule in RULES}
DEPLOYMENT = "Deployment/engine-chat"


def objects() -> Objects:
    """Those of a variant with a Gateway, a job, a role, everything; each time anew."""
    return {f"{one['kind']}/{one['metadata']['name']}": one for one in manifests("as_it_ships")}


def pod(found: Objects) -> dict[str, Any]:
    return found[DEPLOYMENT]["spec"]["template"]["spec"]


def container(found: Objects) -> dict[str, Any]:
    return pod(found)["containers"][0]


def context(**changed: Any) -> Callable[[Objects], None]:
    """Another security context of a container, and none of its pod that could stand in."""

    def change(found: Objects) -> None:
        pod(found)["securityContext"] = {}
        container(found)["securityContext"] |= changed

    return change


def of(path: str, value: Any) -> Callable[[Objects], None]:
    """Sets what is at `kind/name:a.b.0.c`; `...` takes it away."""

    def change(found: Objects) -> None:
        key, _, inner = path.partition(":")
        *way, last = [int(part) if part.isdigit() else part for part in inner.split(".")]
        there: Any = found[key]
        for part in way:
            there = there[part]
        if value is ...:
            del there[last]
        else:
            there[last] = value

    return change


def gone(key: str) -> Callable[[Objects], None]:
    return lambda found: found.pop(key) and None


def in_container(**changed: Any) -> Callable[[Objects], None]:
    return lambda found: container(found).update(changed)


def in_pod(**changed: Any) -> Callable[[Objects], None]:
    return lambda found: pod(found).update(changed)


def added(path: str, value: Any) -> Callable[[Objects], None]:
    """One more item of a list."""

    def change(found: Objects) -> None:
        key, _, inner = path.partition(":")
        there: Any = found[key]
        for part in inner.split("."):
            there = there[int(part) if part.isdigit() else part]
        there.append(value)

    return change


PEER = {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}}]}
ENGINE_POLICY = "NetworkPolicy/allow-engine"
TEMPLATE = f"{DEPLOYMENT}:spec.template.spec"
OF_OBJECTS: list[tuple[str, Callable[[Objects], None]]] = [
    ("nobody-is-root", context(runAsNonRoot=False)),
    ("nobody-is-root", context(runAsUser=999)),
    ("nobody-gains-rights", context(allowPrivilegeEscalation=True)),
    ("nobody-gains-rights", context(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]})),
    ("system-calls", context(seccompProfile={"type": "Unconfined"})),
    ("read-only", context(readOnlyRootFilesystem=False)),
    ("sized-volumes", added(f"{TEMPLATE}.volumes", {"name": "x", "emptyDir": {}})),
    ("nothing-of-the-host", in_pod(hostNetwork=True)),
    ("nothing-of-the-host", added(f"{TEMPLATE}.volumes", {"name": "x", "hostPath": {"path": "/"}})),
    ("nothing-of-the-host", context(privileged=True)),
    ("nothing-of-the-host", in_container(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("no-token", in_pod(automountServiceAccountToken=True)),
    (
        "no-token",
        added(
            f"{TEMPLATE}.volumes",
            {"name": "x", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 7200}}]}},
        ),
    ),
    ("secrets-are-files", in_container(envFrom=[{"secretRef": {"name": "x"}}])),
    ("secrets-are-files", in_container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}])),
    ("secrets-are-files", in_container(env=[{"name": "API_TOKEN", "value": "x"}])),
    ("images-by-digest", in_container(image="registry.example.com/image:1.2.3")),
    ("volumes-by-digest", added(f"{TEMPLATE}.volumes", {"name": "x", "image": {"reference": "weights:latest"}})),
    ("memory", in_container(resources={"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "2Gi"}})),
    ("memory", in_container(resources={"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}})),
    ("probes", lambda found: container(found).pop("startupProbe") and None),
    ("probes", lambda found: container(found)["livenessProbe"].update(httpGet={"path": "/ready", "port": 1})),
    ("probes", lambda found: container(found)["livenessProbe"].update(failureThreshold=1, periodSeconds=5)),
    ("spread", in_pod(topologySpreadConstraints=[])),
    ("spread", lambda found: pod(found)["topologySpreadConstraints"][0].update(labelSelector={})),
    ("ends-in-time", in_container(lifecycle={})),
    ("ends-in-time", in_pod(terminationGracePeriodSeconds=1)),
    (
        "fixed-weights",
        in_container(
            command=["python", "-m", "serving.launcher", "fetch"], args=['{"location": "x", "revision": "main"}']
        ),
    ),
    ("fixed-weights", in_container(env=[{"name": "HF_HOME", "value": "/cache"}])),
    ("no-foreign-code", in_container(args=["--trust-remote-code"])),
    ("no-foreign-code", in_container(env=[{"name": "VLLM_SERVER_DEV_MODE", "value": "1"}])),
    ("restricted", of("Namespace/slipway:metadata.labels", {})),
    ("restricted", of("Namespace/slipway:metadata.labels", {"pod-security.kubernetes.io/enforce": "restricted"})),
    ("own-namespace", of(f"{DEPLOYMENT}:metadata.namespace", "kube-system")),
    ("accounts-without-token", of("ServiceAccount/engine-chat:automountServiceAccountToken", ...)),
    ("policies-say-who", of(f"{ENGINE_POLICY}:spec.policyTypes", ["Ingress"])),
    ("policies-say-who", of(f"{ENGINE_POLICY}:spec.ingress.0.from", [])),
    ("policies-say-who", of(f"{ENGINE_POLICY}:spec.egress", [{"ports": [{"port": 443}]}])),
    ("engines-ask-nobody", of(f"{ENGINE_POLICY}:spec.egress", [PEER])),
    ("inside-only", of("Service/gateway:spec.type", "LoadBalancer")),
    ("no-metadata", added("NetworkPolicy/allow-gateway:spec.egress", PEER)),
    ("roles-say-what", of("Role/gateway:rules.0.verbs", ["*"])),
    ("roles-say-what", of("Role/gateway:rules.0.resources", ["secrets"])),
    ("no-ray", added("Service/gateway:spec.ports", {"port": 80, "targetPort": 8265})),
    ("tls", of("Gateway/front-door:spec.listeners.0.protocol", "TCP")),
    ("tls", of("Gateway/front-door:spec.listeners.0.tls", {"mode": "Passthrough"})),
    ("known-namespaces", of(f"{DEPLOYMENT}:metadata.namespace", "another")),
    ("tokens-are-used", gone("RoleBinding/gateway")),
    ("own-accounts", in_pod(serviceAccountName="gateway")),
    ("own-accounts", gone("ServiceAccount/engine-chat")),
    ("denied-first", gone("NetworkPolicy/default-deny")),
    ("engines-by-gateways", added(f"{ENGINE_POLICY}:spec.ingress.0.from", {"podSelector": {"matchLabels": {}}})),
    ("engines-by-gateways", added(f"{ENGINE_POLICY}:spec.ingress.0.from", {"ipBlock": {"cidr": "10.0.0.0/8"}})),
    ("budgets", gone("PodDisruptionBudget/engine-chat")),
    ("budgets", of("Deployment/gateway:spec.replicas", 1)),
    ("bounded", gone("ResourceQuota/site")),
    ("bounded", gone("LimitRange/site")),
    (
        "plain-redirects",
        lambda found: found["HTTPRoute/front-door-http"]["spec"].update(rules=[{"backendRefs": [{"name": "gateway"}]}]),
    ),
]


def ingress(**spec: Any) -> list[Resource]:
    return [made("kubernetes:networking.k8s.io/v1:Ingress", kind="Ingress", metadata={"name": "i"}, spec=spec)]


def made(token: str, name: str = "it", *, protect: bool = False, uses: tuple[str, ...] = (), **props: Any) -> Resource:
    return Resource(type=token, name=name, urn=name, props=props, protect=protect, uses=frozenset(uses))


def allows(token: str = "aws:iam/rolePolicy:RolePolicy", **statement: Any) -> Resource:
    found = {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": ["arn:aws:s3:::b/*"], **statement}
    return made(token, policy=json.dumps({"Version": "2012-10-17", "Statement": [found]}))


def on_run(token: str = SERVICE, **changed: Any) -> list[Resource]:
    """One of Cloud Run as it must be, but for what is changed."""
    template = {
        "containers": [{"image": f"registry.example.com/it@sha256:{'0' * 64}", "envs": [{"name": "A", "value": "b"}]}],
        "volumes": [{"name": "key", "secret": {"secret": "s", "items": [{"path": "key", "version": "3"}]}}],
        "encryptionKey": "k",
        "vpcAccess": {"egress": "ALL_TRAFFIC"},
        **changed,
    }
    return [made(token, template=template if token == SERVICE else {"template": template})]


CALLER = "gcp:cloudrunv2/serviceIamMember:ServiceIamMember"
BUCKET_PARTS = [made(BUCKET, "b"), *(made(kind, f"{index}", uses=("b",)) for index, kind in enumerate(BUCKET_NEEDS))]
PROTECTED = made("aws:kms/key:Key", "protected", protect=True, enableKeyRotation=True)
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
CLUSTER = "aws:eks/cluster:Cluster"
OPEN = ["0.0.0.0/0"]
# Rule, what is right, what is not.
OF_CLOUDS: list[tuple[str, list[Resource], list[Resource]]] = [
    (
        "encrypted",
        [made("aws:efs/fileSystem:FileSystem", encrypted=True, kmsKeyId="k")],
        [made("aws:efs/fileSystem:FileSystem", encrypted=False, kmsKeyId="k")],
    ),
    (
        "encrypted",
        [made("aws:cloudwatch/logGroup:LogGroup", kmsKeyId="k")],
        [made("aws:cloudwatch/logGroup:LogGroup")],
    ),
    ("encrypted", [made(CLUSTER, encryptionConfig={"resources": ["secrets"]})], [made(CLUSTER)]),
    *(("buckets", BUCKET_PARTS, BUCKET_PARTS[:without] + BUCKET_PARTS[without + 1 :]) for without in (1, 2, 3)),
    ("private", [made(CLUSTER, vpcConfig={"endpointPublicAccess": False})], [made(CLUSTER, vpcConfig={})]),
    (
        "private",
        [made(CLUSTER, vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": ["192.0.2.0/24"]})],
        [made(CLUSTER, vpcConfig={"endpointPublicAccess": True, "publicAccessCidrs": OPEN})],
    ),
    ("private", [made("aws:ec2/subnet:Subnet")], [made("aws:ec2/subnet:Subnet", mapPublicIpOnLaunch=True)]),
    (
        "private",
        [made(INGRESS, cidrIpv4="0.0.0.0/0", fromPort=443, toPort=443)],
        [made(INGRESS, cidrIpv4="0.0.0.0/0", fromPort=22, toPort=22)],
    ),
    ("private", [], [made([*BUCKET_NEEDS][1], blockPublicAcls=True)]),
    (
        "tagged",
        [made("pulumi:providers:aws", defaultTags=json.dumps({"tags": {"slipway:stack": "prod"}}))],
        [made("pulumi:providers:aws", defaultTags=json.dumps({"tags": {"owner": "me"}}))],
    ),
    (
        "tls",
        ingress(rules=[{"host": "a.example"}], tls=[{"hosts": ["a.example"]}]),
        ingress(rules=[{"host": "a.example"}, {"host": "b.example"}], tls=[{"hosts": ["a.example"]}]),
    ),
    ("tagged", [made("pulumi:providers:gcp", defaultLabels={"slipway-stack": "x"})], [made("pulumi:providers:gcp")]),
    *(("protected", [PROTECTED, made(kind, protect=True)], [PROTECTED, made(kind)]) for kind in (*STATEFUL, *GUARDS)),
    (
        "pinned-bases",
        [PROTECTED, made("docker-build:index:Image", buildArgs={"BASE": f"debian@sha256:{'0' * 64}"})],
        [PROTECTED, made("docker-build:index:Image", buildArgs={"BASE": "debian:trixie"})],
    ),
    ("no-wildcard", [allows()], [allows(Action="*")]),
    ("no-wildcard", [allows(Action="s3:ListBucket")], [allows(Action=["s3:*"])]),
    ("no-wildcard", [allows(Action="ecr:GetAuthorizationToken", Resource="*")], [allows(Resource="*")]),
    ("no-wildcard", [allows(Effect="Deny", Action="s3:*", Principal="*")], [allows(Principal={"AWS": "*"})]),
    (
        "no-wildcard",
        [allows("aws:kms/key:Key", Action="kms:*", Resource="*", Principal={"AWS": "arn:aws:iam::1:root"})],
        [allows("aws:kms/key:Key", Action="*", Resource="*")],
    ),
    ("run-callers", [made(CALLER, member="group:team@example.com")], [made(CALLER, member="allUsers")]),
    ("run-callers", [], [made("gcp:cloudrunv2/serviceIamBinding:ServiceIamBinding", members=["allUsers"])]),
    *(
        (rule, on_run(token), on_run(token, **changed))
        for token in (SERVICE, JOB)
        for rule, changed in (
            ("run-images", {"containers": [{"image": "registry.example.com/it:1"}]}),
            ("run-secrets", {"containers": [{"envs": [{"name": "KEY", "valueSource": {"secretKeyRef": {}}}]}]}),
            ("run-secrets", {"volumes": [{"secret": {"items": [{"path": "key", "version": "latest"}]}}]}),
            ("run-encrypted", {"encryptionKey": ""}),
            ("run-leaves", {"vpcAccess": {"egress": "PRIVATE_RANGES_ONLY"}}),
        )
    ),
]


GKE, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
GCS, WALL = "gcp:storage/bucket:Bucket", "gcp:compute/firewall:Firewall"
MEMBER = "gcp:projects/iAMMember:IAMMember"
PRIVATE_API = {"enablePrivateNodes": True, "enablePrivateEndpoint": True}
PUBLIC_API = {"enablePrivateNodes": True, "enablePrivateEndpoint": False}
CLOSED = {"publicAccessPrevention": "enforced", "uniformBucketLevelAccess": True}
COUNTS = "gcp:memorystore/instance:Instance"
SHOWN = {"authorizationMode": "IAM_AUTH", "transitEncryptionMode": "SERVER_AUTHENTICATION"}
SHIELDED = {"enableSecureBoot": True, "enableIntegrityMonitoring": True}


def machine(**config: Any) -> list[Resource]:
    known = {"serviceAccount": "nodes@p", "workloadMetadataConfig": {"mode": "GKE_METADATA"}}
    return [made(POOL, networkConfig={"enablePrivateNodes": True}, nodeConfig={**known, **config})]


def reached_by(*cidrs: str) -> list[Resource]:
    named = {"cidrBlocks": [{"cidrBlock": cidr} for cidr in cidrs]}
    return [made(GKE, privateClusterConfig=PUBLIC_API, masterAuthorizedNetworksConfig=named)]


OF_CLOUDS += [
    ("google-encrypted", [made(GKE, databaseEncryption={"keyName": "k"})], [made(GKE, databaseEncryption={})]),
    ("google-encrypted", machine(bootDiskKmsKey="k"), machine()),
    ("google-encrypted", [made(COUNTS, kmsKey="k", **SHOWN)], [made(COUNTS, **SHOWN)]),
    ("google-private", [made(COUNTS, **SHOWN)], [made(COUNTS, **{**SHOWN, "authorizationMode": "AUTH_DISABLED"})]),
    ("google-private", [made(COUNTS, **SHOWN)], [made(COUNTS, authorizationMode="IAM_AUTH")]),
    ("google-encrypted", [made(GCS, encryption={"defaultKmsKeyName": "k"})], [made(GCS)]),
    ("google-kept", [made(GCS, versioning={"enabled": True})], [made(GCS, versioning={"enabled": False})]),
    ("google-kept", [made(GCS, retentionPolicy={"retentionPeriod": "1"})], [made(GCS)]),
    ("google-private", [made(GKE, privateClusterConfig=PRIVATE_API)], [made(GKE, privateClusterConfig=PUBLIC_API)]),
    ("google-private", reached_by("192.0.2.0/24"), reached_by("192.0.2.0/24", "0.0.0.0/0")),
    ("google-private", machine(), [made(POOL, networkConfig={"enablePrivateNodes": False})]),
    ("google-private", [made(GCS, **CLOSED)], [made(GCS, **{**CLOSED, "publicAccessPrevention": "inherited"})]),
    ("google-private", [made(GCS, **CLOSED)], [made(GCS, **{**CLOSED, "uniformBucketLevelAccess": False})]),
    (
        "google-private",
        [
            made(WALL, denies=[{"protocol": "all"}]),
            made(WALL, allows=[{"protocol": "tcp"}], sourceRanges=["10.0.0.0/8"]),
        ],
        [made(WALL, allows=[{}], sourceRanges=["0.0.0.0/0"])],
    ),
    ("google-identity", [made(GKE, workloadIdentityConfig={"workloadPool": "p.svc.id.goog"})], [made(GKE)]),
    ("google-identity", machine(), machine(workloadMetadataConfig={"mode": "GCE_METADATA"})),
    ("google-identity", machine(), machine(serviceAccount="")),
    ("google-shielded", machine(shieldedInstanceConfig=SHIELDED), machine(shieldedInstanceConfig={})),
    ("google-narrow", [made(MEMBER, role="roles/logging.logWriter", member="x")], [made(MEMBER, role="roles/editor")]),
    ("google-narrow", [made(MEMBER, role="roles/x.viewer", member="x")], [made(MEMBER, role="roles/storage.admin")]),
    ("google-narrow", [], [made(MEMBER, role="roles/storage.objectViewer", member="allUsers")]),
]


@pytest.mark.parametrize(("name", "change"), OF_OBJECTS, ids=[f"{name}-{i}" for i, (name, _) in enumerate(OF_OBJECTS)])
def test_a_bad_object_breaks_the_rule(name: str, change: Callable[[Objects], None]) -> None:
    found = objects()
    assert broken(BY_NAME[name], resources([*found.values()])) == []
    change(found)
    assert broken(BY_NAME[name], resources([*found.values()]))


@pytest.mark.parametrize(("name", "good", "bad"), OF_CLOUDS, ids=[f"{n}-{i}" for i, (n, *_) in enumerate(OF_CLOUDS)])
def test_a_bad_resource_breaks_the_rule(name: str, good: list[Resource], bad: list[Resource]) -> None:
    assert broken(BY_NAME[name], good) == []
    assert broken(BY_NAME[name], bad)


def test_every_rule_has_shown_that_it_bites() -> None:
    assert {name for name, _ in OF_OBJECTS} | {name for name, *_ in OF_CLOUDS} == {*BY_NAME}


@pytest.mark.parametrize("place", [on_a_cluster, on_aws, on_gcp, on_cloud_run])
def test_what_is_made_breaks_none(place: Any) -> None:
    """As the pack sees it: registrations of every type, not only objects."""
    for variant in place.VARIANTS:
        every = [resource(one) for one in place.registrations(variant).seen]
        assert [f"{variant}: {line}" for rule in RULES for line in broken(rule, every)] == []


def test_unprotected_stacks_may_be_taken_down() -> None:
    assert not is_protected([made(kind) for kind in STATEFUL])
    assert broken(BY_NAME["protected"], [made(kind) for kind in STATEFUL]) == []
    assert is_protected([made(CLUSTER, deletionProtection=True)])


def test_a_pod_alone_and_one_inside_a_custom_resource_are_seen() -> None:
    spec = {"containers": [{"name": "c", "image": "x"}]}
    for props in (
        {"kind": "Pod", "metadata": {"name": "p"}, "spec": spec},
        {"kind": "LeaderWorkerSet", "metadata": {"name": "p"}, "spec": {"workerTemplate": {"spec": spec}}},
    ):
        assert broken(BY_NAME["images-by-digest"], [made("kubernetes:x", **props)])


def test_whoever_reads_the_rules_needs_no_pulumi() -> None:
    """Contract tests and scans hold them too."""
    for path in (ROOT / "infra" / "policy").glob("*rule*.py"):
        assert "import pulumi" not in path.read_text(), path


def test_without_its_extra_the_pack_says_what_to_install() -> None:
    """As Pulumi starts it: the folder alone."""
    without = (
        "import runpy, sys; sys.modules['pulumi_policy'] = None; runpy.run_path('infra/policy', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", without], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "do       run `tools/python/install policy`" in done.stderr
