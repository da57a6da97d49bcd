"""Network policies of a site: everything is denied both ways, then exactly the planned flows are allowed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle, Source
from infra.plan.flows import (
    ANYWHERE,
    API_SERVER,
    AUTOSCALER,
    DNS,
    FRONT_DOOR,
    IDENTITY_SERVER,
    LIMITS_BESIDE,
    PROMETHEUS,
    Flow,
)
from infra.plan.in_cluster import (
    ENGINE,
    FETCHES_WEIGHTS,
    GATEWAY,
    MAKING,
    MODEL_FETCH,
    RELEASE,
    SHARED_LIMITS,
    TRIAL,
)

networking = kubernetes.networking.v1
Peers = list[kubernetes.networking.v1.NetworkPolicyPeerArgs]
EVERYTHING = ("0.0.0.0/0", "::/0")
# What selects the pods of each party inside. Whoever fetches weights is that whatever else it is.
INSIDE: Mapping[str, Mapping[str, str]] = {
    **{
        name: {"app.kubernetes.io/component": name} for name in (GATEWAY, ENGINE, SHARED_LIMITS, TRIAL, MAKING, RELEASE)
    },
    MODEL_FETCH: {FETCHES_WEIGHTS: "true"},
}


def network_policies(
    name: str,
    flows: tuple[Flow, ...],
    parties: Mapping[str, Mapping[str, str]],
    cluster: ClusterHandle,
    opts: pulumi.ResourceOptions,
) -> list[kubernetes.networking.v1.NetworkPolicy]:
    """One policy that denies, and one for each kind of pod. `parties` are further kinds, by their labels."""
    both, inside = ["Ingress", "Egress"], {**INSIDE, **parties}
    made = [_policy(f"{name}-default-deny", "default-deny", {}, cluster, opts, policy_types=both)]
    for party, selector in inside.items():
        incoming = [
            networking.NetworkPolicyIngressRuleArgs(from_=peers, ports=_ports(flow, cluster))
            for flow in flows
            if flow.target == party and (peers := _peers(flow.source, inside, cluster))
        ]
        outgoing = [
            networking.NetworkPolicyEgressRuleArgs(to=peers, ports=_ports(flow, cluster))
            for flow in flows
            if flow.source == party and (peers := _peers(flow.target, inside, cluster))
        ]
        if cluster.addresses.metadata_allowed and any(
            flow.target in (ANYWHERE, IDENTITY_SERVER) for flow in flows if flow.source == party
        ):
            peers = [block(cidr, ()) for cidr in cluster.addresses.metadata_allowed]
            outgoing.append(networking.NetworkPolicyEgressRuleArgs(to=peers))
        if incoming or outgoing:
            made.append(
                _policy(
                    f"{name}-{party}",
                    f"allow-{party}",
                    selector,
                    cluster,
                    opts,
                    policy_types=both,
                    ingress=incoming,
                    egress=outgoing,
                )
            )
    return made


def _policy(
    name: str,
    called: str,
    selector: Mapping[str, str],
    cluster: ClusterHandle,
    opts: pulumi.ResourceOptions,
    **spec: object,
) -> kubernetes.networking.v1.NetworkPolicy:
    return networking.NetworkPolicy(
        name,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(name=called, namespace=cluster.namespace),
        spec=networking.NetworkPolicySpecArgs(
            pod_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=dict(selector)),
            **spec,  # pyright: ignore[reportArgumentType]
        ),
        opts=opts,
    )


def _peers(party: str, inside: Mapping[str, Mapping[str, str]], cluster: ClusterHandle) -> Peers:
    """Empty where this cluster has no such party: then nothing is allowed."""
    if party in inside:
        selector = kubernetes.meta.v1.LabelSelectorArgs(match_labels=dict(inside[party]))
        return [networking.NetworkPolicyPeerArgs(pod_selector=selector)]
    return OUTSIDE[party](cluster)


def _anywhere(cluster: ClusterHandle) -> Peers:
    return [block(every, cluster.addresses.metadata) for every in EVERYTHING]


def _dns(cluster: ClusterHandle) -> Peers:
    pods = [_source(cluster.addresses.dns_pods)] if cluster.addresses.dns_pods else []
    return [*pods, *(block(cidr, ()) for cidr in cluster.addresses.dns)]


def _api_server(cluster: ClusterHandle) -> Peers:
    return [block(cidr, ()) for cidr in cluster.addresses.api_server] or _anywhere(cluster)


OUTSIDE: Mapping[str, Callable[[ClusterHandle], Peers]] = {
    FRONT_DOOR: lambda cluster: [_source(source) for source in cluster.front_door.sources],
    PROMETHEUS: lambda cluster: [_source(source) for source in cluster.scrapers],
    AUTOSCALER: lambda cluster: [_source(source) for source in cluster.scalers],
    DNS: _dns,
    API_SERVER: _api_server,
    ANYWHERE: _anywhere,
    # Allowed once for all flows of a party.
    IDENTITY_SERVER: lambda cluster: [],
    LIMITS_BESIDE: lambda cluster: [block(cidr, ()) for cidr in cluster.addresses.limits],
}


def _source(source: Source) -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    if source.cidr:
        return block(source.cidr, ())
    labels = kubernetes.meta.v1.LabelSelectorArgs
    return networking.NetworkPolicyPeerArgs(
        namespace_selector=None
        if source.namespace_labels is None
        else labels(match_labels=dict(source.namespace_labels)),
        pod_selector=None if source.pod_labels is None else labels(match_labels=dict(source.pod_labels)),
    )


def block(cidr: str, without: tuple[str, ...]) -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    """A range but for those of its own family that are denied."""
    denied = [other for other in without if (":" in other) == (":" in cidr)]
    return networking.NetworkPolicyPeerArgs(ip_block=networking.IPBlockArgs(cidr=cidr, except_=denied or None))


def _ports(flow: Flow, cluster: ClusterHandle) -> list[kubernetes.networking.v1.NetworkPolicyPortArgs]:
    if flow.target == API_SERVER:
        ports: tuple[int | None, ...] = cluster.addresses.api_server_ports
    else:
        ports = (flow.port,)
    protocols = ("TCP", "UDP") if flow.target == DNS else ("TCP",)
    return [networking.NetworkPolicyPortArgs(protocol=protocol, port=port) for port in ports for protocol in protocols]
