"""What every workload and namespace on a cluster must be, control by control, over all objects of every variant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra.plan.in_cluster import ENGINE, ENGINE_OPERATIONS_PORT, ENGINE_PORT, GATEWAY
from tests.manifests import pod_templates
from tests.on_a_cluster import VARIANTS, manifests, of_kind

NAMESPACE = "slipway"
SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")
CLUSTER_WIDE = ("Namespace", "PriorityClass")


@pytest.fixture(params=VARIANTS)
def found(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return manifests(request.param)


Found = list[dict[str, Any]]
# Workload, its template's specification, the workload itself.
Pod = tuple[str, dict[str, Any], dict[str, Any]]


def pods(found: Found) -> list[Pod]:
    every = [(name, template["spec"], whole) for name, template, whole in pod_templates(found)]
    assert len(every) >= 3, "an engine, a job that fetches its weights, and a gateway"
    return every


def serving(found: Found) -> list[Pod]:
    """Those that stay."""
    return [pod for pod in pods(found) if pod[2]["kind"] != "Job"]


def containers(found: Found) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, spec, _ in pods(found):
        for container in (*spec["containers"], *spec.get("initContainers", ())):
            yield f"{name}/{container['name']}", container, spec


def long_running(found: Found) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for name, spec, _ in serving(found):
        for container in spec["containers"]:
            yield f"{name}/{container['name']}", container, spec


def test_k01_nobody_is_root(found: Found) -> None:
    for name, container, spec in containers(found):
        for context in (container["securityContext"], spec["securityContext"]):
            assert context["runAsNonRoot"] is True, name
            assert context["runAsUser"] >= 10_000, name
            assert context["runAsGroup"] >= 10_000, name


def test_k02_nobody_gains_rights(found: Found) -> None:
    for name, container, _ in containers(found):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False, name
        assert context["capabilities"] == {"drop": ["ALL"]}, name


def test_k03_system_calls_are_those_of_the_runtime(found: Found) -> None:
    for name, container, spec in containers(found):
        assert container["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name


def test_k04_nothing_is_written_but_to_sized_volumes(found: Found) -> None:
    for name, container, spec in containers(found):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
        assert {mount["name"] for mount in container["volumeMounts"]} <= _volumes(found, spec), name
    for name, spec, _ in pods(found):
        for volume in spec["volumes"]:
            if "emptyDir" in volume:
                assert volume["emptyDir"].get("sizeLimit"), f"{name}: {volume['name']}"


def _volumes(found: Found, spec: dict[str, Any]) -> set[str]:
    claimed = {
        claim["metadata"]["name"]
        for whole in of_kind(found, "StatefulSet").values()
        if whole["spec"]["template"]["spec"] is spec
        for claim in whole["spec"]["volumeClaimTemplates"]
    }
    return {volume["name"] for volume in spec["volumes"]} | claimed


def test_k05_nothing_of_the_host(found: Found) -> None:
    for name, spec, _ in pods(found):
        assert not {"hostNetwork", "hostPID", "hostIPC"} & {*spec}, name
        assert not [volume for volume in spec["volumes"] if "hostPath" in volume], name
    for name, container, _ in containers(found):
        assert not container["securityContext"].get("privileged"), name
        assert not [port for port in container.get("ports", ()) if "hostPort" in port], name


def test_k06_the_namespace_enforces_restricted(found: Found) -> None:
    namespaces = of_kind(found, "Namespace")
    assert {one["metadata"].get("namespace") for one in found if one["kind"] not in CLUSTER_WIDE} == {*namespaces}
    for name, namespace in namespaces.items():
        assert name not in SYSTEM
        labels = namespace["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
        assert re.fullmatch(r"v1\.\d+", labels["pod-security.kubernetes.io/enforce-version"])


def test_k07_no_token_but_where_the_api_is_used(found: Found) -> None:
    uses = {subject["name"] for binding in of_kind(found, "RoleBinding").values() for subject in binding["subjects"]}
    assert uses == {GATEWAY}
    for account in of_kind(found, "ServiceAccount").values():
        assert account["automountServiceAccountToken"] is False
    for name, spec, _ in pods(found):
        assert spec["automountServiceAccountToken"] is False, name
        tokens = [source for volume in spec["volumes"] for source in volume.get("projected", {}).get("sources", ())]
        has = [source for source in tokens if "serviceAccountToken" in source]
        assert bool(has) == (spec["serviceAccountName"] in uses), name
        assert all(source["serviceAccountToken"]["expirationSeconds"] <= 3600 for source in has)


def test_k08_every_workload_is_somebody_of_its_own(found: Found) -> None:
    accounts = of_kind(found, "ServiceAccount")
    stay = [spec["serviceAccountName"] for _, spec, _ in serving(found)]
    assert len(stay) == len({*stay})
    fetch = {spec["serviceAccountName"] for _, spec, whole in pods(found) if whole["kind"] == "Job"}
    assert not fetch & {*stay}
    assert {*stay} | fetch == {*accounts}, "nobody without a workload, and no workload as `default`"


def test_k09_everything_is_denied_first(found: Found) -> None:
    policies = of_kind(found, "NetworkPolicy")
    denies = [
        policy["spec"]
        for policy in policies.values()
        if not policy["spec"]["podSelector"].get("matchLabels") and {*policy["spec"]["policyTypes"]} == BOTH
    ]
    assert [spec for spec in denies if not spec.get("ingress") and not spec.get("egress")]
    for policy in policies.values():
        assert {*policy["spec"]["policyTypes"]} == BOTH
        for rule in policy["spec"].get("ingress", ()):
            assert rule.get("from"), "a rule without it allows everybody"
        for rule in policy["spec"].get("egress", ()):
            assert rule.get("to"), "a rule without it allows everybody"


BOTH = {"Ingress", "Egress"}


def test_k10_only_the_gateway_reaches_engines(found: Found) -> None:
    """Prometheus, where it is there, reads their metrics at a port that has nothing else."""
    reached: dict[int, list[Any]] = {}
    for policy in of_kind(found, "NetworkPolicy").values():
        if policy["spec"]["podSelector"].get("matchLabels") == {"app.kubernetes.io/component": ENGINE}:
            for rule in policy["spec"]["ingress"]:
                for port in rule["ports"]:
                    reached.setdefault(port["port"], []).extend(rule["from"])
            assert not policy["spec"].get("egress"), "an engine asks nobody"
    gateway = {"podSelector": {"matchLabels": {"app.kubernetes.io/component": GATEWAY}}}
    prometheus = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    assert reached.pop(ENGINE_PORT) == [gateway]
    assert reached in ({}, {ENGINE_OPERATIONS_PORT: [prometheus]})
    for service in of_kind(found, "Service").values():
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP"


def test_k11_the_machines_credentials_are_out_of_reach(found: Found) -> None:
    wide = [
        peer["ipBlock"]
        for policy in of_kind(found, "NetworkPolicy").values()
        for rule in policy["spec"].get("egress", ())
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("cidr") in ("0.0.0.0/0", "::/0")
    ]
    assert wide
    for block in wide:
        metadata = "fd00:ec2::254/128" if block["cidr"] == "::/0" else "169.254.169.254/32"
        assert metadata in block["except"]


def test_k12_roles_say_which_verbs_on_what(found: Found) -> None:
    kinds = {one["kind"] for one in found}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    for role in of_kind(found, "Role").values():
        for rule in role["rules"]:
            words = {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}
            assert not words & {"*", "secrets", "bind", "escalate", "impersonate"}
            assert {*rule["verbs"]} <= {"get", "list", "watch"}


def test_k13_secrets_are_files(found: Found) -> None:
    for name, container, _ in containers(found):
        assert "envFrom" not in container, name
        for variable in container.get("env", ()):
            assert "secretKeyRef" not in variable.get("valueFrom", {}), name
            assert not re.search(r"key|token|password|secret", variable["name"], re.IGNORECASE), name
    for name, config in of_kind(found, "ConfigMap").items():
        text = str(config["data"])
        assert "a-made-key" not in text, name
        assert not re.search(r"[0-9a-f]{64}", re.sub(r'"(sha256|digest)": "[0-9a-f]{64}"', "", text)), name


def test_k14_images_are_by_digest(found: Found) -> None:
    for name, container, _ in containers(found):
        assert re.fullmatch(r"registry\.example\.com/[^@]+@sha256:[0-9a-f]{64}", container["image"]), name
    for _, spec, _ in pods(found):
        for volume in spec["volumes"]:
            assert "@sha256:" in volume.get("image", {}).get("reference", "@sha256:")


def test_k15_memory_is_what_was_asked_for(found: Found) -> None:
    for name, container, _ in containers(found):
        resources = container["resources"]
        assert resources["requests"]["cpu"], name
        assert resources["requests"]["memory"] == resources["limits"]["memory"], name


def test_k16_all_three_probes_and_liveness_alone(found: Found) -> None:
    for name, container, _ in long_running(found):
        probes = [container[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
        ports = {port["name"] for port in container["ports"]}
        for probe in probes:
            assert (probe.get("httpGet") or probe.get("tcpSocket"))["port"] in ports, name
        # `/ready` asks engines; a gateway without them is no better for being started again.
        assert container["livenessProbe"].get("httpGet", {}).get("path") != "/ready", name
        assert probes[2]["failureThreshold"] * probes[2]["periodSeconds"] >= 30, name


def test_k17_two_gateways_and_budgets(found: Found) -> None:
    scaled = of_kind(found, "HorizontalPodAutoscaler") | of_kind(found, "ScaledObject")
    budgets = [budget["spec"] for budget in of_kind(found, "PodDisruptionBudget").values()]
    gateways = of_kind(found, "Deployment")[GATEWAY]["spec"]
    assert "replicas" not in gateways, "the autoscaler owns it"
    assert scaled[GATEWAY]["spec"]["minReplicas"] >= 2
    for name, _, whole in serving(found):
        least = _least(whole, scaled)
        selected = [spec for spec in budgets if spec["selector"] == whole["spec"]["selector"]]
        assert len(selected) == (least >= 2), name
        assert all(spec["maxUnavailable"] == 1 for spec in selected), name


def _least(whole: dict[str, Any], scaled: dict[str, dict[str, Any]]) -> int:
    spec = scaled.get(whole["metadata"]["name"], {}).get("spec", {})
    if "replicas" in whole["spec"]:
        return whole["spec"]["replicas"]
    return spec.get("minReplicas", spec.get("minReplicaCount", 2))


def test_k18_spread_over_zones_and_hosts(found: Found) -> None:
    for name, spec, whole in serving(found):
        spread = {one["topologyKey"]: one for one in spec["topologySpreadConstraints"]}
        assert {*spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}, name
        for constraint in spread.values():
            assert constraint["maxSkew"] == 1, name
            assert constraint["labelSelector"] == whole["spec"]["selector"], name


def test_k18_zones_that_are_known_are_a_must() -> None:
    for variant, must in (("as_it_ships", "ScheduleAnyway"), ("ingress_and_zones", "DoNotSchedule")):
        for name, spec, _ in serving(manifests(variant)):
            (zones,) = [one for one in spec["topologySpreadConstraints"] if one["topologyKey"].endswith("/zone")]
            assert zones["whenUnsatisfiable"] == must, name


def test_k19_it_may_end_before_it_must(found: Found) -> None:
    for name, container, spec in long_running(found):
        pre_stop = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pre_stop >= 1, name
        assert pre_stop + _drain(found, name, container) < spec["terminationGracePeriodSeconds"], name


def _drain(found: Found, name: str, container: dict[str, Any]) -> int:
    """What it is told it may take, where it is told."""
    arguments = container.get("args", [])
    if "--drain-seconds" in arguments:
        return int(arguments[arguments.index("--drain-seconds") + 1])
    files = of_kind(found, "ConfigMap")
    told = [
        re.search(r'"drain_seconds": (\d+)', str(files[at]["data"]))
        for at in files
        if f"{at}-".startswith(f"{_of(name)}-files")
    ]
    assert bool(told) == ("engine" in name)
    return max((int(one.group(1)) for one in told if one), default=0)


def _of(name: str) -> str:
    return name.split("/")[0].split()[-1]


def test_k19_gateways_end_after_engines(found: Found) -> None:
    graces = {name: spec["terminationGracePeriodSeconds"] for name, spec, _ in serving(found)}
    assert graces[f"Deployment {GATEWAY}"] >= max(grace for name, grace in graces.items() if "engine" in name)


def test_k20_a_namespace_has_an_end(found: Found) -> None:
    (hard,) = [quota["spec"]["hard"] for quota in of_kind(found, "ResourceQuota").values()]
    (limits,) = [one["spec"]["limits"] for one in of_kind(found, "LimitRange").values()]
    assert hard["requests.nvidia.com/gpu"] == "5", "four replicas with one GPU each, and one that takes over"
    assert int(hard["pods"]) >= len(pods(found))
    assert limits[0]["default"]["memory"]


def test_k24_nothing_is_served_in_plain(found: Found) -> None:
    ends = 0
    for gateway in of_kind(found, "Gateway").values():
        for listener in gateway["spec"]["listeners"]:
            tls = listener["protocol"] == "HTTPS"
            assert tls == (listener.get("tls", {}).get("mode") == "Terminate")
            ends += tls
            if not tls:
                routes = [_rules(route, listener["name"]) for route in of_kind(found, "HTTPRoute").values()]
                (rules,) = filter(None, routes)
                assert all("backendRefs" not in rule for rule in rules)
                assert all(f["requestRedirect"]["scheme"] == "https" for rule in rules for f in rule["filters"])
    for ingress in of_kind(found, "Ingress").values():
        hosts = {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
        assert {rule["host"] for rule in ingress["spec"]["rules"]} == hosts
        assert ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/force-ssl-redirect"] == "true"
        ends += 1
    inside_only = not of_kind(found, "Gateway") and not of_kind(found, "Ingress")
    assert ends == (0 if inside_only else 1)


def _rules(route: dict[str, Any], listener: str) -> list[dict[str, Any]]:
    here = any(parent["sectionName"] == listener for parent in route["spec"]["parentRefs"])
    return route["spec"]["rules"] if here else []
