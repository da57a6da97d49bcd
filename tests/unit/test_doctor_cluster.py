"""Doctor's judgement of a cluster: what each answer of an API server means for a plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from infra.catalog.cluster_parts import network_policy_agents, storage_provisioners
from infra.catalog.controllers import controllers
from infra.doctor.finding import Finding, State, guarded, ok
from infra.plan.nodes import ANY_NODE, NodeChoice
from infra.platforms.kubernetes.api import Unanswered
from infra.platforms.kubernetes.checks import access, admission, apis, images, network, nodes, quotas, storage
from infra.platforms.kubernetes.created import KINDS, Kind
from infra.platforms.kubernetes.needs import NamedNeed, PodsNeed, VolumeNeed
from tests.unit.test_doctor_needs import needs

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
GPU = "nvidia.com/gpu"
WHOLE = NodeChoice(labels={f"{GPU}.product": "L4"}, resources={GPU: 1}, tolerates=GPU)
PODS = PodsNeed(name="l4-1", nodes=WHOLE, demand={"cpu": 4, "memory": 2.0**34, GPU: 1}, least=3, most=5)


def node(
    name: str,
    zone: str = "a",
    gpus: int = 1,
    taints: Sequence[str] = (GPU,),
    ready: str = "True",
    resource: str = GPU,
    **more: Any,
) -> dict[str, Any]:
    allocatable = {"cpu": "16", "memory": "64Gi", **({resource: str(gpus)} if gpus else {})}
    return {
        "metadata": {"name": name, "labels": {nodes.ZONE: zone, f"{GPU}.product": "L4"}},
        "spec": {"taints": [{"key": key, "effect": "NoSchedule"} for key in taints], **more},
        "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]},
    }


def room(
    found: Sequence[Mapping[str, Any]], zones: Sequence[str] = (), pods: PodsNeed = PODS, used: nodes.Used | None = None
) -> Finding:
    (one,) = nodes.room(pods, zones, found, used or {})
    assert bool(one.remedy) == (one.state is not OK)
    return one


FIVE = [node(str(number)) for number in range(5)]


@pytest.mark.parametrize(
    ("found", "state", "words"),
    [
        (FIVE, OK, "5 nodes, room for 5 of 3 to 5 pods"),
        (FIVE[:4], LOOK, "room for 4 of 3 to 5"),
        (FIVE[:2], MISSING, "room for 2 of 3 to 5"),
        ([node("one", gpus=8)], LOOK, "room for 4"),  # of 16 processors each pod takes 4
        (list[dict[str, Any]](), MISSING, "the cluster has no node"),
        ([node("a", gpus=0)], MISSING, f"no node offers `{GPU}`"),
        ([node("a", taints=[GPU, "team"])], MISSING, "none of which takes these pods: 1 tainted team"),
        ([node("a", unschedulable=True)], MISSING, "1 cordoned"),
        ([node("a", ready="Unknown")], MISSING, "1 not ready"),
    ],
)
def test_nodes_have_room_or_say_why_not(found: Sequence[Mapping[str, Any]], state: State, words: str) -> None:
    one = room(found)
    assert one.state is state
    assert words in one.found


def test_nodes_of_another_gpu_are_told_by_what_they_have() -> None:
    other = replace(PODS, nodes=replace(WHOLE, labels={f"{GPU}.product": "H100"}))
    assert room(FIVE, pods=other).found == "no node has nvidia.com/gpu.product=H100; those with GPUs have L4 (5 nodes)"


def test_parts_of_a_gpu_are_a_resource_of_their_own() -> None:
    part = "nvidia.com/mig-3g.40gb"
    pods = replace(PODS, nodes=replace(WHOLE, resources={part: 1}), demand={"cpu": 1, part: 1}, most=3)
    assert room(FIVE, pods=pods).found == f"no node offers `{part}`"
    assert room([node("a", gpus=3, resource=part)], pods=pods).state is OK


def test_what_others_use_is_not_free() -> None:
    pod = {
        "metadata": {"namespace": "others"},
        "spec": {"nodeName": "0", "containers": [{"resources": {"requests": {GPU: "1"}}}, {}]},
        "status": {"phase": "Running"},
    }
    ended = {**pod, "status": {"phase": "Succeeded"}}
    ours = {**pod, "metadata": {"namespace": "slipway"}}
    used = nodes.used_by_others(iter([pod, ended, ours]), "slipway")
    assert {name: dict(amounts) for name, amounts in used.items()} == {"0": {GPU: 1}}
    assert "room for 4" in room(FIVE, used=used).found


def test_zones_are_kept_even() -> None:
    """The scheduler puts no second pod beyond any other zone's: three in `a` are of no use beside one in `b`."""
    found = [*(node(f"a{number}") for number in range(4)), node("b", zone="b")]
    assert "room for 3 of" in room(found, zones=("a", "b")).found
    assert "room for 5 of" in room(found).found
    one = room(found, zones=("a", "b", "c"))
    assert (one.state, one.what) == (MISSING, "nodes for l4-1: zones")
    assert "no room in c" in one.found


def test_pods_of_any_node_keep_off_those_with_gpus() -> None:
    pods = PodsNeed(name="gateways", nodes=ANY_NODE, demand={"cpu": 1.0, "memory": 1.0}, least=2, most=2)
    assert room(FIVE, pods=pods).state is MISSING
    assert room([node("plain", gpus=0, taints=())], pods=pods).state is OK


def test_zones_of_the_plan_and_of_the_nodes() -> None:
    three = replace(needs(), zones=("a", "b", "c"))
    found = [node("1", zone="a"), node("2", zone="b", ready="False")]
    (one,) = nodes.zones(three, found)
    assert (one.state, one.found) == (MISSING, "no ready node is in b, c; there are: a (1 nodes)")
    (one,) = nodes.zones(replace(three, zones=()), [node("1"), node("2", zone="b")])
    assert one.state is LOOK
    assert not [*nodes.zones(replace(three, zones=()), [node("1")])]


AUDIT = VolumeNeed(
    what="the audit", field="storage.audit", storage_class="fast", access_modes=("ReadWriteMany",), claim="audit"
)


def volume(provisioner: str, need: VolumeNeed = AUDIT, zones: Sequence[str] = (), **more: Any) -> Finding:
    found = {"metadata": {"name": "fast"}, "provisioner": provisioner, "allowVolumeExpansion": True, **more}
    (one,) = storage.judged(need, {"fast": found}, None, zones)
    return one


def test_a_class_must_be_able_to_do_what_is_asked() -> None:
    once = replace(AUDIT, access_modes=("ReadWriteOnce",))
    assert volume("efs.csi.aws.com").state is OK
    assert volume("ebs.csi.aws.com").found == "fast (ebs.csi.aws.com) has no RWX"
    assert volume("ebs.csi.aws.com").state is MISSING
    assert volume("example.com/own").state is UNKNOWN
    assert volume("efs.csi.aws.com", allowVolumeExpansion=False).state is LOOK
    assert volume("ebs.csi.aws.com", once, ("a", "b")).state is LOOK, "bound at once, in a zone of its own choice"
    assert volume("ebs.csi.aws.com", once, ("a", "b"), volumeBindingMode="WaitForFirstConsumer").state is OK


def test_a_default_class_and_a_volume_that_is_there() -> None:
    unnamed = replace(AUDIT, storage_class=None)
    (one,) = storage.judged(unnamed, {"fast": {"metadata": {}, "provisioner": "x"}}, None, ())
    assert one.found == "no StorageClass is the default, and none is named"
    default = {"metadata": {"annotations": {storage.DEFAULT: "true"}}, "provisioner": "efs.csi.aws.com"}
    (one,) = storage.judged(unnamed, {"shared": default}, None, ())
    assert one.found.startswith("shared (efs.csi.aws.com)")
    bound = {"status": {"phase": "Bound", "accessModes": ["ReadWriteMany"]}}
    (one,) = storage.judged(AUDIT, {}, bound, ())
    assert one.state is OK


@pytest.mark.parametrize(
    ("agents", "version", "state"),
    [
        ({"calico-node", "kube-proxy"}, "v1.35.1", OK),
        ({"kube-flannel-ds", "calico-node"}, "v1.35.1", OK),
        ({"kube-flannel-ds"}, "v1.35.1", MISSING),
        ({"aws-node"}, "v1.35.1-eks-1", UNKNOWN),
        ({"kube-proxy"}, "v1.35.1", UNKNOWN),
        (set[str](), "v1.35.1+k3s1", OK),
    ],
)
def test_who_enforces_network_policies(agents: set[str], version: str, state: State) -> None:
    assert network.enforced(agents, version).state is state


def test_versions() -> None:
    assert apis.version("v1.31.0", (1, 31)).state is OK
    assert apis.version("v1.35.1+k3s1", (1, 35)).state is OK
    old = apis.version("v1.30.9", (1, 31))
    assert (old.state, old.found) == (MISSING, "version v1.30.9, 1.31 or newer is needed")


def operator(image: str, ready: int = 1) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"containers": [{"image": image}]}}}, "status": {"readyReplicas": ready}}


@pytest.mark.parametrize(
    ("operators", "state"),
    [
        ([operator("ghcr.io/kedacore/keda:2.20.2")], OK),
        ([operator("mirror:5000/keda:v2.21.0@sha256:abc")], OK),
        ([operator("ghcr.io/kedacore/keda:2.20.1")], MISSING),
        ([operator("mirror:5000/keda@sha256:abc")], UNKNOWN),
        ([operator("ghcr.io/kedacore/keda:2.20.2", ready=0)], LOOK),
        (list[dict[str, Any]](), MISSING),
    ],
)
def test_kedas_version_is_that_of_its_image(operators: list[dict[str, Any]], state: State) -> None:
    assert apis.keda_found("keda", operators).state is state


def test_a_cluster_beyond_what_keda_is_tested_with() -> None:
    assert not [*apis.tested_with("KEDA", "v1.35.1")]
    assert not [*apis.tested_with("cert-manager", "v1.99.0")], "nobody named a window"
    (one,) = apis.tested_with("KEDA", "v1.36.0")
    assert (one.state, one.found) == (LOOK, "Kubernetes v1.36.0; KEDA 2.20.2 or newer is tested with 1.33 to 1.35")


def test_a_kind_in_another_version_only() -> None:
    (route,) = [kind for kind, _ in KINDS if kind.kind == "HTTPRoute"]
    (one,) = apis.judged("Gateway API", [route], {route: ("gateway.networking.k8s.io/v1beta1",)})
    assert one.found == (
        "no HTTPRoute (gateway.networking.k8s.io/v1); of this group there is gateway.networking.k8s.io/v1beta1"
    )
    assert "install Gateway API 1.2 or newer" in one.remedy


def test_an_object_that_says_it_does_not_work() -> None:
    need = NamedNeed(what="ClusterIssuer", path="", name="internal", condition="Ready", field="f", remedy="r")
    broken = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "no such secret"}]}}
    assert apis.object_found(need, broken).found == "there, not ready: no such secret"
    assert apis.object_found(need, {}).state is MISSING
    assert apis.object_found(replace(need, condition=None), {}).state is OK


def test_rights_that_are_denied_are_told_together() -> None:
    kinds = [kind for kind, _ in KINDS]
    named: Mapping[str, Kind] = {kind.kind: kind for kind in kinds}
    denied = {named[kind]: ("create",) for kind in ("Role", "RoleBinding", "Namespace")}
    first, second = access.judged("me", "slipway", kinds, denied)
    assert "roles.rbac.authorization.k8s.io, rolebindings.rbac.authorization.k8s.io" in first.found
    assert "Role in slipway" in first.remedy
    assert "ClusterRole" in second.remedy
    assert [one.state for one in access.judged("me", "slipway", kinds, {})] == [OK]


def test_quotas_in_either_spelling() -> None:
    def judged(**hard: str) -> Finding:
        (one,) = quotas.judged(
            {"metadata": {"name": "team"}, "spec": {"hard": hard}}, {"requests.cpu": 15, "requests.memory": 2.0**35}
        )
        return one

    assert judged(cpu="16", memory="32Gi").state is OK
    assert judged(cpu="8").found == "requests.cpu 8, 15 needed"
    assert judged(**{"requests.memory": "16Gi"}).found == "requests.memory 16Gi, 32Gi needed"
    assert judged(secrets="1").state is OK


def test_registries() -> None:
    assert images.registry("registry.corp:5000/team/vllm:1@sha256:ab") == "registry.corp:5000"
    assert images.registry("vllm/vllm-openai:v1") == "docker.io"
    states = {
        one.what: one.state for one in images.check(replace(needs(), images={"a": "x.example.com/a", "b": "c/d"}))
    }
    assert states == {"images of x.example.com": MISSING, "images of docker.io": OK}


@pytest.mark.parametrize(("apart", "state"), [(0.4, OK), (-20.0, OK), (31.0, LOOK), (-90.0, LOOK), (None, UNKNOWN)])
def test_clocks(apart: float | None, state: State) -> None:
    assert admission.clock(apart).state is state


class Takes:
    """A cluster that answers a dry run so."""

    def __init__(self, refusal: Unanswered | None, labels: Mapping[str, str] | None = None) -> None:
        self._refusal, self._labels, self.asked = refusal, labels, list[str]()

    def find(self, path: str) -> Any:
        return None if self._labels is None else {"metadata": {"labels": self._labels}}

    def would_create(self, path: str, manifest: Any) -> None:
        self.asked.append(path)
        if self._refusal:
            raise self._refusal


@pytest.mark.parametrize(
    ("refusal", "state"),
    [
        (Unanswered(403, 'pods "x" is forbidden: violates PodSecurity "restricted:v1.31"'), OK),
        (Unanswered(422, f"metadata.labels[{admission.ENFORCE}]: Invalid value"), OK),
        (Unanswered(403, "user x cannot create namespaces"), UNKNOWN),
        (None, MISSING),
    ],
)
def test_pod_security_must_refuse(refusal: Unanswered | None, state: State) -> None:
    for labels, path in ((None, "/api/v1/namespaces"), ({admission.ENFORCE: "restricted"}, "/pods")):
        cluster: Any = Takes(refusal, labels)
        (one,) = admission.check(cluster, needs())
        assert one.state is state
        assert cluster.asked[0].endswith(path)


def test_a_check_that_cannot_ask_says_so_and_ends_no_other() -> None:
    def half() -> Iterator[Finding]:
        yield ok("first", "there")
        raise Unanswered(403, "nodes is forbidden")

    first, second = guarded("nodes", half, Unanswered)
    assert first.state is OK
    assert (second.state, second.what, second.found) == (UNKNOWN, "nodes", "cannot be told: nodes is forbidden")


def test_every_row_of_the_tables_says_who_says_so_and_when() -> None:
    for row in (*controllers().values(), *storage_provisioners().values(), *network_policy_agents().values()):
        assert row.source
        assert row.as_of >= "2026-01-01"
    assert {kind.controller for kind, _ in KINDS if kind.controller} <= {*controllers()}
    assert controllers()["KEDA"].least_version == "2.20.2"
