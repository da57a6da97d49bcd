"""Rules of each object that is no workload: namespaces, network policies, roles, services, what ends TLS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from infra.plan.in_cluster import ENGINE
from infra.policy.pods import manifest, of_kind
from infra.policy.rule import Broken, Resource, Rule

SYSTEM = ("default", "kube-system", "kube-public", "kube-node-lease")
# What a cloud reads there and nowhere else: settings, which run nothing and give nobody a right.
SETTINGS_OF_A_CLOUD = {("ConfigMap", "kube-system", "amazon-vpc-cni")}
BOTH = {"Ingress", "Egress"}
COMPONENT = "app.kubernetes.io/component"
# Where machines have their credentials, by the range that would reach it.
METADATA = {"0.0.0.0/0": "169.254.169.254/32", "::/0": "fd00:ec2::254/128"}
TOO_MUCH = {"*", "secrets", "bind", "escalate", "impersonate"}
# Ray's dashboard and its client: whoever reaches them runs what they like.
RAY_PORTS = {8265, 10001}


def _restricted(one: Resource) -> Broken:
    if namespace := of_kind(one, "Namespace"):
        labels = namespace["metadata"].get("labels", {})
        if labels.get("pod-security.kubernetes.io/enforce") != "restricted":
            yield "does not enforce `restricted`"
        if not re.fullmatch(r"v1\.\d+", labels.get("pod-security.kubernetes.io/enforce-version", "")):
            yield "enforces it at no fixed version"


def is_a_setting_of_a_cloud(found: Mapping[str, Any]) -> bool:
    """Whether it is where a cloud reads it, and can be nowhere else."""
    metadata = found["metadata"]
    return (found.get("kind"), metadata.get("namespace"), metadata.get("name")) in SETTINGS_OF_A_CLOUD


def _own_namespace(one: Resource) -> Broken:
    found = manifest(one)
    if found is None or is_a_setting_of_a_cloud(found):
        return
    part = "name" if of_kind(one, "Namespace") else "namespace"
    if found["metadata"].get(part) in SYSTEM:
        yield "is in a namespace of the system"


def _account(one: Resource) -> Broken:
    if (account := of_kind(one, "ServiceAccount")) and account.get("automountServiceAccountToken") is not False:
        yield "`automountServiceAccountToken` is not false"


def _says_who(one: Resource) -> Broken:
    if policy := of_kind(one, "NetworkPolicy"):
        spec = policy["spec"]
        if {*spec.get("policyTypes", ())} != BOTH:
            yield "is not of both directions"
        # A rule without it allows everybody.
        yield from ("a rule without `from`" for rule in spec.get("ingress", ()) if not rule.get("from"))
        yield from ("a rule without `to`" for rule in spec.get("egress", ()) if not rule.get("to"))


def _engines_ask_nobody(one: Resource) -> Broken:
    if policy := of_kind(one, "NetworkPolicy"):
        selected = policy["spec"].get("podSelector", {}).get("matchLabels", {})
        if selected == {COMPONENT: ENGINE} and policy["spec"].get("egress"):
            yield "lets engines out"


def _inside_only(one: Resource) -> Broken:
    if (service := of_kind(one, "Service")) and service["spec"].get("type", "ClusterIP") != "ClusterIP":
        yield f"is of type `{service['spec']['type']}`: it is reached past the front door"


def _no_metadata(one: Resource) -> Broken:
    if policy := of_kind(one, "NetworkPolicy"):
        for rule in policy["spec"].get("egress", ()):
            for peer in rule.get("to", ()):
                block = peer.get("ipBlock", {})
                machine = METADATA.get(block.get("cidr", ""))
                if machine and machine not in block.get("except", ()):
                    yield f"`{block['cidr']}` without `{machine}` excepted"


def _says_what(one: Resource) -> Broken:
    if role := of_kind(one, "Role", "ClusterRole"):
        for rule in role.get("rules", ()):
            words = {word for part in ("verbs", "resources", "apiGroups") for word in rule.get(part, ())}
            yield from (f"allows `{word}`" for word in sorted(words & TOO_MUCH))


def _no_ray(one: Resource) -> Broken:
    if service := of_kind(one, "Service"):
        ports = {port.get(part) for port in service["spec"].get("ports", ()) for part in ("port", "targetPort")}
        yield from (f"shows Ray's port {port}" for port in sorted(ports & RAY_PORTS))


def _tls(one: Resource) -> Broken:
    if gateway := of_kind(one, "Gateway"):
        for listener in gateway["spec"]["listeners"]:
            tls: Mapping[str, Any] = listener.get("tls", {})
            if listener["protocol"] != "HTTP" and tls.get("mode", "Terminate") != "Terminate":
                yield f"`{listener['name']}` passes TLS on unread"
            elif listener["protocol"] not in ("HTTP", "HTTPS"):
                yield f"`{listener['name']}` is neither HTTPS nor a redirect to it"
    if ingress := of_kind(one, "Ingress"):
        hosts = {host for tls in ingress["spec"].get("tls", ()) for host in tls["hosts"]}
        plain = {rule.get("host", "*") for rule in ingress["spec"].get("rules", ())} - hosts
        yield from (f"`{host}` is served without TLS" for host in sorted(plain))


OBJECT_RULES = (
    Rule(name="restricted", control="K06", says="Namespaces enforce `restricted`.", check=_restricted),
    Rule(name="own-namespace", control="K06", says="Nothing is in the system's namespaces.", check=_own_namespace),
    Rule(name="accounts-without-token", control="K07", says="Accounts hand no token out.", check=_account),
    Rule(name="policies-say-who", control="K09", says="Network policies say who, both ways.", check=_says_who),
    Rule(name="engines-ask-nobody", control="K10", says="Engines ask nobody.", check=_engines_ask_nobody),
    Rule(name="inside-only", control="K10", says="Services are inside the cluster.", check=_inside_only),
    Rule(name="no-metadata", control="K11", says="Machines' credentials are out of reach.", check=_no_metadata),
    Rule(name="roles-say-what", control="K12", says="Roles say which verbs on what.", check=_says_what),
    Rule(name="no-ray", control="K23", says="Ray's own ports are in no Service.", check=_no_ray),
    Rule(name="tls", control="K24", says="Nothing is served in plain.", check=_tls),
)
