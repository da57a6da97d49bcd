"""Rules of the objects of a stack together: who has which account, who may reach whom, how many must stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.plan.in_cluster import ENGINE, ENGINE_OPERATIONS_PORT, GATEWAY
from infra.policy.object_rules import BOTH, COMPONENT, is_a_setting_of_a_cloud
from infra.policy.pods import Pod, manifest, of_kind, pods
from infra.policy.rule import Broken, Resource, StackRule

Objects = Iterator[Mapping[str, Any]]
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject")
Resources = Sequence[Resource]


def _objects(resources: Resources, *kinds: str) -> Objects:
    return (found for one in resources if (found := of_kind(one, *kinds)) is not None)


def _pods(resources: Resources) -> list[Pod]:
    return [pod for one in resources for pod in pods(one)]


def _place(one: Mapping[str, Any]) -> tuple[str, str]:
    return one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _namespaces_with_pods(resources: Resources) -> list[str]:
    return sorted({_place(pod.owner)[0] for pod in _pods(resources)})


def _account(pod: Pod) -> tuple[str, str]:
    return _place(pod.owner)[0], pod.spec.get("serviceAccountName", "default")


def _tokens_are_used(resources: Resources) -> Broken:
    uses = {
        (_place(binding)[0], subject["name"])
        for binding in _objects(resources, "RoleBinding")
        for subject in binding.get("subjects", ())
    }
    for pod in _pods(resources):
        sources = [one for volume in pod.volumes for one in volume.get("projected", {}).get("sources", ())]
        if any("serviceAccountToken" in one for one in sources) and _account(pod) not in uses:
            yield f"{_place(pod.owner)[1]} has a token and no role"


def _own_accounts(resources: Resources) -> Broken:
    made = {_place(account) for account in _objects(resources, "ServiceAccount")}
    every = _pods(resources)
    # The pods of a group are one workload.
    stay = [account for account, _ in {(_account(pod), _place(pod.owner)): None for pod in every if pod.stays}]
    for pod in every:
        account = _account(pod)
        if account not in made:
            yield f"{_place(pod.owner)[1]} runs as `{account[1]}`, which the stack does not make"
        if stay.count(account) > (1 if pod.stays else 0):
            yield f"{_place(pod.owner)[1]} shares `{account[1]}` with another workload"
    yield from (f"`{name}` is the account of nobody" for _, name in sorted(made - {*map(_account, every)}))


def _denied_first(resources: Resources) -> Broken:
    denied = {
        _place(policy)[0]
        for policy in _objects(resources, "NetworkPolicy")
        if not any(policy["spec"].get("podSelector", {}).values())
        and {*policy["spec"].get("policyTypes", ())} == BOTH
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    }
    for namespace in _namespaces_with_pods(resources):
        if namespace not in denied:
            yield f"`{namespace}` does not deny every connection first"


def _engines_by_gateways(resources: Resources) -> Broken:
    """Whoever is named by labels of pods is a gateway. Another namespace may be that of who reads metrics; a range of
    addresses may be, where nothing but metrics is reached."""
    gateway = {"podSelector": {"matchLabels": {COMPONENT: GATEWAY}}}
    for policy in _objects(resources, "NetworkPolicy"):
        if policy["spec"].get("podSelector", {}).get("matchLabels") != {COMPONENT: ENGINE}:
            continue
        for rule in policy["spec"].get("ingress", ()):
            metrics = {port.get("port") for port in rule.get("ports", ())} == {ENGINE_OPERATIONS_PORT}
            for source in rule.get("from", ()):
                reads_metrics = "namespaceSelector" in source or (metrics and "ipBlock" in source)
                if source != gateway and not reads_metrics:
                    yield f"{_place(policy)[1]} lets somebody else than gateways to engines"


def _budgets(resources: Resources) -> Broken:
    scaled = {
        (_place(one)[0], one["spec"]["scaleTargetRef"]["name"]): one["spec"] for one in _objects(resources, *SCALERS)
    }
    budgets = [one["spec"] for one in _objects(resources, "PodDisruptionBudget")]
    for pod in _pods(resources):
        if not pod.stays or "selector" not in pod.owner["spec"]:
            continue
        at_least = _least(pod.owner["spec"], scaled.get(_place(pod.owner), {}))
        chosen = [one for one in budgets if one.get("selector") == pod.owner["spec"]["selector"]]
        if at_least >= 2 and not chosen:
            yield f"{_place(pod.owner)[1]} has no disruption budget"
        # With its engine in its own pod it is one by its nature.
        if (
            at_least < 2
            and not pod.sidecars
            and pod.owner["spec"]["selector"].get("matchLabels", {}).get(COMPONENT) == GATEWAY
        ):
            yield f"{_place(pod.owner)[1]} is one gateway; there must be two"


def _least(workload: Mapping[str, Any], scaler: Mapping[str, Any]) -> int:
    return workload.get("replicas", scaler.get("minReplicas", scaler.get("minReplicaCount", 1)))


def _bounded(resources: Resources) -> Broken:
    for kind in ("ResourceQuota", "LimitRange"):
        has = {_place(one)[0] for one in _objects(resources, kind)}
        for namespace in _namespaces_with_pods(resources):
            if namespace not in has:
                yield f"`{namespace}` has no {kind}"


def _plain_redirects(resources: Resources) -> Broken:
    """A listener without TLS only sends to the one with it."""
    plain = {
        (gateway["metadata"]["name"], listener["name"])
        for gateway in _objects(resources, "Gateway")
        for listener in gateway["spec"]["listeners"]
        if listener["protocol"] == "HTTP"
    }
    for route in _objects(resources, "HTTPRoute"):
        parents = {(one["name"], one.get("sectionName")) for one in route["spec"].get("parentRefs", ())}
        everywhere = {(name, section) for name, section in plain if (name, None) in parents}
        if not (parents & plain or everywhere):
            continue
        for rule in route["spec"].get("rules", ()):
            schemes = {one.get("requestRedirect", {}).get("scheme") for one in rule.get("filters", ())}
            if "backendRefs" in rule or schemes != {"https"}:
                yield f"{route['metadata']['name']} answers in plain HTTP"


def _in_namespaces(resources: Resources) -> Broken:
    made = {one["metadata"]["name"] for one in _objects(resources, "Namespace")}
    objects = [found for one in resources if (found := manifest(one)) is not None]
    used = {_place(found)[0] for found in objects if not is_a_setting_of_a_cloud(found)} - {""}
    yield from (f"`{name}` is not made by the stack, so that nothing says what it enforces" for name in used - made)


STACK_RULES = (
    StackRule(name="known-namespaces", control="K06", says="Namespaces are the stack's own.", check=_in_namespaces),
    StackRule(name="tokens-are-used", control="K07", says="A token only where a role is.", check=_tokens_are_used),
    StackRule(name="own-accounts", control="K08", says="Workloads are somebody of their own.", check=_own_accounts),
    StackRule(name="denied-first", control="K09", says="Everything is denied first.", check=_denied_first),
    StackRule(name="engines-by-gateways", control="K10", says="Gateways reach engines.", check=_engines_by_gateways),
    StackRule(name="budgets", control="K17", says="Two gateways; budgets where two.", check=_budgets),
    StackRule(name="bounded", control="K20", says="A namespace has an end.", check=_bounded),
    StackRule(name="plain-redirects", control="K24", says="Plain HTTP only redirects.", check=_plain_redirects),
)
