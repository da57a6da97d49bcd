"""Network: who answers names, whether the domain has an address, and whether network policies are enforced."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterator

from infra.catalog.cluster_parts import network_policy_agents
from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.platforms.kubernetes.api import Cluster
from infra.platforms.kubernetes.needs import ClusterNeeds

DNS_SERVICE = "/api/v1/namespaces/kube-system/services/kube-dns"
# Whom the network policies let pods ask.
DNS_PODS = "k8s-app=kube-dns"
K3S, K3S_AGENT = "+k3s", "k3s, with the policy controller of kube-router inside"


def names(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Names inside the cluster, and the domain from here."""
    del needs
    service = cluster.find(DNS_SERVICE)
    pods = cluster.get("/api/v1/namespaces/kube-system/pods", labelSelector=DNS_PODS, limit="1")["items"]
    if service is None:
        yield missing(
            "names inside", "no Service kube-system/kube-dns", "install CoreDNS: pods find each other by its names"
        )
        return
    address = service["spec"].get("clusterIP")
    if not pods:
        yield missing(
            "names inside",
            f"no pod in kube-system has {DNS_PODS}: network policies let pods ask nobody else",
            f"label the pods that answer names, or add their addresses to `addresses.dns`, as {address}/32",
        )
    else:
        yield ok("names inside", f"Service kube-system/kube-dns at {address}")


def domain(needs: ClusterNeeds) -> Iterator[Finding]:
    """Whether clients would find the front door. Before the first deployment nobody knows its address."""
    if needs.host is None:
        return
    what = f"domain {needs.host}"
    try:
        found = sorted({str(entry[4][0]) for entry in socket.getaddrinfo(needs.host, 443, proto=socket.IPPROTO_TCP)})
    except OSError:
        remedy = (
            "external-dns is asked to make the record: see that it serves this domain"
            if needs.dns_record
            else f"once deployed, point it to the address that `kubectl -n {needs.namespace} get gateway,ingress` shows"
        )
        yield look(what, "has no address yet", remedy)
    else:
        yield ok(what, f"is at {', '.join(found)}")


def policies(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for the agents that run on every node."""
    del needs
    agents = {one["metadata"]["name"] for one in cluster.every("/apis/apps/v1/daemonsets")}
    yield enforced(agents, cluster.get("/version")["gitVersion"])


def enforced(agents: Collection[str], version: str) -> Finding:
    """By name: what enforces policies is not to be asked for anywhere."""
    what, known = "network policies", network_policy_agents()
    found = [known[name] for name in sorted(agents) if name in known]
    enforcing = [one.network for one in found if one.enforces == "yes"] + ([K3S_AGENT] if K3S in version else [])
    if enforcing:
        return ok(what, f"enforced by {', '.join(enforcing)}")
    if by_settings := [one.network for one in found if one.enforces == "settings"]:
        return unknown(
            what,
            f"{', '.join(by_settings)} enforces them only if it is told to",
            "look at its settings, or try a policy",
        )
    if found:
        return missing(
            what,
            f"{', '.join(one.network for one in found)} enforces none: every pod of the cluster reaches the engines",
            "add an agent that does, such as Calico or Cilium",
        )
    return unknown(
        what,
        "no network that is known here was found",
        "make sure that it enforces them: try one that denies everything",
    )
