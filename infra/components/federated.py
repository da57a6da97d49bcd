"""Federated rounds in a cluster: what lets sites alone reach a coordinator's job, and a site's job dial one.

Nothing is opened towards a site. Whoever reaches the coordinator needs an invitation: a site's key, and the authority
by whose certificate the site knows the coordinator.
"""

from __future__ import annotations

import json

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.client_keys import ClientKey
from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_certificates import Authority, ServerCertificate
from infra.components.labels import labels, selector
from infra.components.network_policies import EVERYTHING, Peers, block
from infra.plan.in_cluster import MAKING
from infra.plan.making_pods import MakingPod
from infra.plan.making_types import COORDINATOR_PORT, INVITATIONS_FOLDER, Listens

core, meta, networking = kubernetes.core.v1, kubernetes.meta.v1, kubernetes.networking.v1
INVITATIONS = "invitations"


def coordinator(
    name: str,
    making: MakingPod,
    listens: Listens,
    cluster: ClusterHandle,
    parent: pulumi.Resource,
    child: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    """The service, what it shows and by what it knows each site, and from where it is reached."""
    ours = pulumi.ResourceOptions(parent=parent)
    own, service = f"{name}-{making.name}", f"{making.name}.{cluster.namespace}.svc"
    authority = Authority(f"{own}-sites", site=own, opts=ours)
    names = sorted({service, f"{service}.cluster.local", listens.host})
    shown = ServerCertificate(f"{own}-certificate", names=names, authority=authority, opts=ours)
    keys = {site: ClientKey(f"{own}-{site}", client=f"site {site}", opts=ours).key for site in listens.sites}
    invitations = {
        f"{site}.json": pulumi.Output.secret(
            pulumi.Output.all(authority=authority.certificate, key=key).apply(lambda known: json.dumps(known))
        )
        for site, key in keys.items()
    }
    known: dict[str, pulumi.Input[str]] = {
        "ca.crt": authority.certificate,
        "tls.crt": shown.certificate,
        "tls.key": pulumi.Output.secret(shown.key),
        **invitations,
    }
    called = _named(f"{making.name}-invitations", making, cluster)
    inside: Peers = [_makings_of_any_namespace()]
    return [
        core.Secret(f"{own}-invitations", metadata=called, string_data=known, opts=child),
        core.Service(
            own,
            # It has endpoints while a job runs.
            metadata=_named(making.name, making, cluster, {"pulumi.com/skipAwait": "true"}),
            spec=core.ServiceSpecArgs(
                type="ClusterIP",
                # The tool is there before the pod is ready, which waits for the engine.
                publish_not_ready_addresses=True,
                selector=selector(MAKING, making.name),
                ports=[core.ServicePortArgs(name="grpc", port=listens.port, target_port=COORDINATOR_PORT)],
            ),
            opts=child,
        ),
        _policy(
            f"{own}-sites",
            making,
            cluster,
            child,
            ingress=[
                networking.NetworkPolicyIngressRuleArgs(
                    from_=[*inside, *(block(cidr, ()) for cidr in listens.sources)], ports=[_port(COORDINATOR_PORT)]
                )
            ],
        ),
    ]


def site(
    name: str, making: MakingPod, port: int, cluster: ClusterHandle, child: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """A way out to the coordinator's port, and to another namespace's coordinator."""
    outside = [block(every, cluster.addresses.metadata) for every in EVERYTHING]
    return [
        _policy(
            f"{name}-{making.name}-coordinator",
            making,
            cluster,
            child,
            egress=[
                networking.NetworkPolicyEgressRuleArgs(to=outside, ports=[_port(port)]),
                networking.NetworkPolicyEgressRuleArgs(
                    to=[_makings_of_any_namespace()], ports=[_port(COORDINATOR_PORT)]
                ),
            ],
        )
    ]


def invitation_mounts(making: MakingPod) -> list[kubernetes.core.v1.VolumeMountArgs]:
    """For the tool alone; none where nobody else takes part."""
    mount = core.VolumeMountArgs(name=INVITATIONS, mount_path=INVITATIONS_FOLDER, read_only=True)
    return [mount] if making.listens or making.dials else []


def invitation_volumes(making: MakingPod) -> list[kubernetes.core.v1.VolumeArgs]:
    """A site's own, which the user has brought; all of them for who made them."""
    if making.dials:
        own = f"{making.dials.site}.json"
        item = core.KeyToPathArgs(key=own, path=own)
        source = core.SecretVolumeSourceArgs(secret_name=making.dials.secret, default_mode=0o440, items=[item])
    elif making.listens:
        source = core.SecretVolumeSourceArgs(secret_name=f"{making.name}-invitations", default_mode=0o440)
    else:
        return []
    return [core.VolumeArgs(name=INVITATIONS, secret=source)]


def _makings_of_any_namespace() -> kubernetes.networking.v1.NetworkPolicyPeerArgs:
    return networking.NetworkPolicyPeerArgs(
        namespace_selector=meta.LabelSelectorArgs(),
        pod_selector=meta.LabelSelectorArgs(match_labels={"app.kubernetes.io/component": MAKING}),
    )


def _policy(
    name: str, making: MakingPod, cluster: ClusterHandle, child: pulumi.ResourceOptions, **rules: object
) -> kubernetes.networking.v1.NetworkPolicy:
    """Beside what every making may."""
    return networking.NetworkPolicy(
        name,
        metadata=_named(f"allow-{making.name}", making, cluster),
        spec=networking.NetworkPolicySpecArgs(
            pod_selector=meta.LabelSelectorArgs(match_labels=selector(MAKING, making.name)),
            policy_types=["Ingress", "Egress"],
            **rules,  # pyright: ignore[reportArgumentType]
        ),
        opts=child,
    )


def _port(number: int) -> kubernetes.networking.v1.NetworkPolicyPortArgs:
    return networking.NetworkPolicyPortArgs(protocol="TCP", port=number)


def _named(
    called: str, making: MakingPod, cluster: ClusterHandle, annotations: dict[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    own = labels(MAKING, making.name)
    return meta.ObjectMetaArgs(name=called, namespace=cluster.namespace, labels=own, annotations=annotations)
