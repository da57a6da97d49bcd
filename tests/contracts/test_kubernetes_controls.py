"""What every workload and namespace on a cluster must be, control by control, over all objects of every variant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.plan.in_cluster import ENGINE, ENGINE_OPERATIONS_PORT, ENGINE_PORT, GATEWAY, RELEASE
from infra.policy.rule import broken
from infra.policy.rules import RULES
from tests.manifests import pod_templates
from tests.on_a_cluster import VARIANTS, manifests, of_kind, resources

NAMESPACE = "slipway"
SET = "leaderworkerset.sigs.k8s.io/name"
CLUSTER_WIDE = ("Namespace", "PriorityClass")


@pytest.fixture(params=VARIANTS)
def found(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return manifests(request.param)


Found = list[dict[str, Any]]
# Workload, its template's specification, the workload itself.
Pod = tuple[str, dict[str, Any], dict[str, Any]]


def pods(found: Found) -> list[Pod]:
    every = [(name, template["spec"], whole) for name, template, whole in pod_templates(found)]
    assert len(every) >= 2, "a gateway, maybe with its engine, and a job that fetches weights"
    return every


def serving(found: Found) -> list[Pod]:
    """Those that stay."""
    return [pod for pod in pods(found) if pod[2]["kind"] not in ("Job", "CronJob")]


def containers(found: Found) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, spec, _ in pods(found):
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            yield f"{name}/{container['name']}", container, spec


def sidecars(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """What starts before the containers of a pod, and stays."""
    return [one for one in spec.get("initContainers", ()) if one.get("restartPolicy") == "Always"]


def in_one_pod(found: Found) -> bool:
    """Whether the gateway has its engine in its own pod."""
    return bool(sidecars(of_kind(found, "Deployment")[GATEWAY]["spec"]["template"]["spec"]))


def long_running(found: Found) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, spec, _ in serving(found):
        for container in (*spec["containers"], *sidecars(spec)):
            yield f"{name}/{container['name']}", container, spec


def holds(control: str, found: Found) -> None:
    """The rules of `infra/policy` for that control: the policy pack holds every stack to the same."""
    rules = [rule for rule in RULES if rule.control == control]
    assert rules
    assert [line for rule in rules for line in broken(rule, resources(found))] == []


def test_k01_nobody_is_root(found: Found) -> None:
    holds("K01", found)


def test_k02_nobody_gains_rights(found: Found) -> None:
    holds("K02", found)


def test_k03_system_calls_are_those_of_the_runtime(found: Found) -> None:
    holds("K03", found)


def test_k04_nothing_is_written_but_to_sized_volumes(found: Found) -> None:
    holds("K04", found)
    for name, container, spec in containers(found):
        assert {mount["name"] for mount in container["volumeMounts"]} <= _volumes(found, spec), name


def _volumes(found: Found, spec: dict[str, Any]) -> set[str]:
    claimed = {
        claim["metadata"]["name"]
        for whole in of_kind(found, "StatefulSet").values()
        if whole["spec"]["template"]["spec"] is spec
        for claim in whole["spec"]["volumeClaimTemplates"]
    }
    return {volume["name"] for volume in spec["volumes"]} | claimed


def test_k05_nothing_of_the_host(found: Found) -> None:
    holds("K05", found)


def test_k06_the_namespace_enforces_restricted(found: Found) -> None:
    holds("K06", found)
    assert {one["metadata"].get("namespace") for one in found if one["kind"] not in CLUSTER_WIDE} == {NAMESPACE}


def test_k07_no_token_but_where_the_api_is_used(found: Found) -> None:
    uses = {subject["name"] for binding in of_kind(found, "RoleBinding").values() for subject in binding["subjects"]}
    # It asks where engines are; of one in its own pod it knows. Who judges releases writes down how far they are.
    judges = {RELEASE} & of_kind(found, "Deployment").keys()
    assert uses == (set() if in_one_pod(found) else {GATEWAY, *judges})
    holds("K07", found)
    for name, spec, _ in pods(found):
        tokens = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
        has = [source for source in tokens if "serviceAccountToken" in source]
        assert bool(has) == (spec["serviceAccountName"] in uses), name


def test_k08_every_workload_is_somebody_of_its_own(found: Found) -> None:
    holds("K08", found)


def test_k09_everything_is_denied_first(found: Found) -> None:
    holds("K09", found)


def test_k10_only_the_gateway_reaches_engines(found: Found) -> None:
    """Prometheus, where it is there, reads their metrics at a port that has nothing else."""
    holds("K10", found)
    reached: dict[int, list[Any]] = {}
    for policy in of_kind(found, "NetworkPolicy").values():
        selected = policy["spec"]["podSelector"].get("matchLabels", {})
        if SET in selected:
            (rule,) = policy["spec"]["ingress"]
            assert rule["from"] == [{"podSelector": {"matchLabels": selected}}], "the nodes of a group, each other"
            assert {*selected} == {SET, "leaderworkerset.sigs.k8s.io/group-index"}
        if selected == {"app.kubernetes.io/component": ENGINE}:
            for rule in policy["spec"]["ingress"]:
                for port in rule["ports"]:
                    reached.setdefault(port["port"], []).extend(rule["from"])
    gateway = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": GATEWAY}}}
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert in_one_pod(found) or reached.pop(ENGINE_PORT) == [gateway]
    assert reached in ({}, {ENGINE_OPERATIONS_PORT: [prometheus]})


def test_k11_the_machines_credentials_are_out_of_reach(found: Found) -> None:
    holds("K11", found)
    peers = [
        peer
        for policy in of_kind(found, "NetworkPolicy").values()
        for rule in policy["spec"].get("egress", ())
        for peer in rule["to"]
    ]
    assert [peer for peer in peers if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"], "models come from outside"


def test_k12_roles_say_which_verbs_on_what(found: Found) -> None:
    holds("K12", found)
    kinds = {one["kind"] for one in found}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    for role in of_kind(found, "Role").values():
        for rule in role["rules"]:
            # Of one object by its name, more may be done than to look at it.
            assert {*rule["verbs"]} <= ({"get", "patch"} if "resourceNames" in rule else {"get", "list", "watch"})


def test_k13_secrets_are_files(found: Found) -> None:
    holds("K13", found)
    for name, config in of_kind(found, "ConfigMap").items():
        text = str(config.get("data"))
        assert "a-made-key" not in text, name
        assert not re.search(
            r"[0-9a-f]{64}", re.sub(r'@sha256:[0-9a-f]{64}|"(sha256|digest)": "[0-9a-f]{64}"', "", text)
        ), name


def test_k14_images_are_by_digest(found: Found) -> None:
    holds("K14", found)
    for name, container, _ in containers(found):
        assert container["image"].startswith("registry.example.com/"), name


def test_k15_memory_is_what_was_asked_for(found: Found) -> None:
    holds("K15", found)


def test_k16_all_three_probes_and_liveness_alone(found: Found) -> None:
    holds("K16", found)
    for name, container, _ in long_running(found):
        ports = {port["name"] for port in container.get("ports", ())}
        for kind in ("startup", "readiness", "liveness"):
            probe = container[f"{kind}Probe"]
            if (asked := probe.get("httpGet") or probe.get("tcpSocket")) is not None:
                assert asked["port"] in ports, name
            elif container["name"] == RELEASE:
                assert "/tmp/alive" in probe["exec"]["command"][-1], name
            else:
                assert probe["exec"]["command"][1:] == ["-m", "serving.launcher.health", "/run/slipway"], name


def test_k17_two_gateways_and_budgets(found: Found) -> None:
    holds("K17", found)
    scaled = of_kind(found, "HorizontalPodAutoscaler") | of_kind(found, "ScaledObject")
    budgets = [budget["spec"] for budget in of_kind(found, "PodDisruptionBudget").values()]
    gateways = of_kind(found, "Deployment")[GATEWAY]["spec"]
    if in_one_pod(found):
        assert gateways["replicas"] == 1
        assert (scaled, budgets) == ({}, []), "nothing to take one of, and nothing to add to"
        return
    assert "replicas" not in gateways, "the autoscaler owns it"
    assert scaled[GATEWAY]["spec"]["minReplicas"] >= 2
    targets = {one["spec"]["scaleTargetRef"]["name"]: one for one in scaled.values()}
    for name, _, whole in serving(found):
        least = _least(whole, targets)
        # A group ends with any of its pods.
        every = {"matchLabels": {SET: whole["metadata"]["name"]}}
        selected = [spec for spec in budgets if spec["selector"] == whole["spec"].get("selector", every)]
        assert len(selected) == (least >= 2), name
        assert all(spec["maxUnavailable"] == 1 for spec in selected), name


def _least(whole: dict[str, Any], scaled: dict[str, dict[str, Any]]) -> int:
    spec = scaled.get(whole["metadata"]["name"], {}).get("spec", {})
    if "replicas" in whole["spec"]:
        return whole["spec"]["replicas"]
    return spec.get("minReplicas", spec.get("minReplicaCount", 2))


def test_k18_spread_over_zones_and_hosts(found: Found) -> None:
    holds("K18", found)
    for name, spec, whole in serving(found):
        if whole["kind"] == "LeaderWorkerSet":
            (near,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
            assert near["topologyKey"] == "example.com/rack", name
            assert near["matchLabelKeys"] == ["leaderworkerset.sigs.k8s.io/group-index"], "its own group, no other"
            if whole["spec"]["leaderWorkerTemplate"]["workerTemplate"]["spec"] == spec:
                continue  # where its leader is
        spread = {one["topologyKey"]: one for one in spec["topologySpreadConstraints"]}
        assert {*spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, name
        for constraint in spread.values():
            assert constraint["maxSkew"] == 1, name
            own = {"matchLabels": {key: labels(whole)[key] for key in OWN}}
            assert constraint["labelSelector"] == whole["spec"].get("selector", own), name


OWN = ("app.kubernetes.io/component", "app.kubernetes.io/name")


def labels(whole: dict[str, Any]) -> dict[str, str]:
    return whole["metadata"]["labels"]


def test_k18_zones_that_are_known_are_a_must() -> None:
    for variant, must in (("inside_only", "ScheduleAnyway"), ("as_it_ships", "DoNotSchedule")):
        for name, spec, _ in serving(manifests(variant)):
            (zones,) = [one for one in spec["topologySpreadConstraints"] if one["topologyKey"].endswith("/zone")]
            assert zones["whenUnsatisfiable"] == must, name


def test_k19_it_may_end_before_it_must(found: Found) -> None:
    holds("K19", found)
    for name, container, spec in long_running(found):
        # A sidecar is told when the containers have ended, which have a preStop.
        beside = container in sidecars(spec)
        pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"] if not beside else 0
        assert pre_stop >= 1 or beside, name
        assert pre_stop + _drain(found, name, container) < spec["terminationGracePeriodSeconds"], name


def _drain(found: Found, name: str, container: dict[str, Any]) -> int:
    """What it is told it may take, where it is told."""
    arguments = container.get("args", [])
    if "--drain-seconds" in arguments:
        return int(arguments[arguments.index("--drain-seconds") + 1])
    files = of_kind(found, "ConfigMap")
    own = "engine-chat" if name == f"Deployment {GATEWAY}/engine" else _of(name).removesuffix("-groups")
    told = [
        int(seconds)
        for at in files
        if f"{at}-".startswith(f"{own}-files")
        for seconds in re.findall(r'"drain_seconds": (\d+)', str(files[at].get("data")))
    ]
    assert bool(told) == ("engine" in name)
    return max(told, default=0)


def _of(name: str) -> str:
    return name.split("/")[0].split()[-1]


def test_k19_gateways_end_after_engines(found: Found) -> None:
    graces = {name: spec["terminationGracePeriodSeconds"] for name, spec, _ in serving(found)}
    assert graces[f"Deployment {GATEWAY}"] >= max(
        (grace for name, grace in graces.items() if "engine" in name), default=0
    )


def test_k20_a_namespace_has_an_end(found: Found) -> None:
    holds("K20", found)
    (hard,) = [quota["spec"]["hard"] for quota in of_kind(found, "ResourceQuota").values()]
    (limits,) = [one["spec"]["limits"] for one in of_kind(found, "LimitRange").values()]
    # Six replicas of each model with one GPU each, and one that takes over; beside them four groups of two nodes with
    # eight; each job that makes a version; or one.
    groups = bool(of_kind(found, "LeaderWorkerSet"))
    models = 1 + ("engine-chat-next" in of_kind(found, "Deployment"))
    makings = len([name for name in of_kind(found, "CronJob") if name.startswith("making-")])
    gpus = 7 * models + 4 * 2 * 8 * groups + makings
    assert hard["requests.nvidia.com/gpu"] == ("2" if in_one_pod(found) else str(gpus))
    assert int(hard["pods"]) >= len(pods(found))
    assert limits[0]["default"]["memory"]


def test_k21_no_code_of_others_runs(found: Found) -> None:
    holds("K21", found)


def test_k22_weights_are_those_of_a_commit_and_no_hub_is_asked_at_run_time(found: Found) -> None:
    """That they are safetensors or GGUF and nothing else is the launcher's to see (`tests/serving`)."""
    holds("K22", found)
    told = [word for _, container, _ in containers(found) for word in container.get("args", ()) if "revision" in word]
    assert told, "something is fetched"
    assert all(re.search(r'"revision": "[0-9a-f]{40}"', word) for word in told)


def test_k23_nobody_runs_code_by_way_of_ray(found: Found) -> None:
    """Engines of several nodes start their processes themselves, and their meeting point is in no Service."""
    holds("K23", found)
    ports = {port["port"] for service in of_kind(found, "Service").values() for port in service["spec"]["ports"]}
    assert 29500 not in ports
    for config in of_kind(found, "ConfigMap").values():
        assert not re.search(r'"ray"|"--[a-z-]*ray', str(config.get("data")))
    for name, container, _ in containers(found):
        assert not [one for one in container.get("env", ()) if one["name"].startswith("RAY_")], name


def test_k24_nothing_is_served_in_plain(found: Found) -> None:
    holds("K24", found)
    ends = 0
    for gateway in of_kind(found, "Gateway").values():
        for listener in gateway["spec"]["listeners"]:
            tls = listener["protocol"] == "HTTPS"
            assert tls == (listener.get("tls", {}).get("mode") == "Terminate")
            ends += tls
    for ingress in of_kind(found, "Ingress").values():
        assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/force-ssl-redirect"] == "true"
        ends += 1
    inside_only = not of_kind(found, "Gateway") and not of_kind(found, "Ingress")
    assert ends == (0 if inside_only else 1)
