"""Everything that serves on one cluster, whoever made the cluster: isolation, engines, gateways, front door."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.autoscaling import Autoscaling
from infra.components.client_keys import ClientKey
from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_certificates import Authority
from infra.components.engine_pods import beside
from infra.components.gateway import Gateway
from infra.components.gateway_files import GATEWAY_SECRETS
from infra.components.gateway_image import gateway_image
from infra.components.isolation import Isolation
from infra.components.making import Makings
from infra.components.model_cache import ModelCache
from infra.components.model_server import ModelServer
from infra.components.observability import Observability
from infra.components.releases import Releases
from infra.components.shared_limits import SharedLimits
from infra.components.trials import Trials
from infra.components.weights_mirror import WeightsMirror
from infra.plan.in_cluster import (
    ENGINE_AUTHORITY_ENTRY,
    ENGINE_KEY_ENTRY,
    ENGINE_KEY_SECRET,
    GATEWAY,
    LIMITS_AUTHORITY_ENTRY,
    MODEL_SOURCE_ENTRY,
    MODEL_SOURCE_SECRET,
    PART_OF,
    SHARED_LIMITS,
)
from infra.plan.serving import EnginePlan, ServingPlan
from infra.platforms.base import SiteSecrets

core, meta = kubernetes.core.v1, kubernetes.meta.v1


class ServingStack(pulumi.ComponentResource):
    """Owns all that a site runs inside its cluster; asks the handle for whatever differs between clusters. `endpoint`
    is where clients send requests."""

    def __init__(
        self,
        name: str,
        plan: ServingPlan,
        secrets: SiteSecrets,
        cluster: ClusterHandle,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:ServingStack", name, None, opts)
        child = cluster.child(self)
        isolation = Isolation(f"{name}-isolation", plan, cluster, child)
        inside = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[isolation]))

        engine_key = self._made(f"{name}-engine-key", "gateway of engines")
        authority = Authority(f"{name}-engines", site=name, opts=pulumi.ResourceOptions(parent=self))
        known: dict[str, pulumi.Input[str]] = {
            ENGINE_KEY_ENTRY: engine_key,
            ENGINE_AUTHORITY_ENTRY: authority.certificate,
        }
        mounted = [_secret(f"{name}-engine-key", ENGINE_KEY_SECRET, known, cluster, inside)]
        token = pulumi.Output.secret(secrets.huggingface_token)
        source = _secret(f"{name}-model-source", MODEL_SOURCE_SECRET, {MODEL_SOURCE_ENTRY: token}, cluster, inside)
        fetching = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[source]))

        if plan.shared_limits:
            password = self._made(f"{name}-{SHARED_LIMITS}", "gateway of shared limits")
            store = SharedLimits(f"{name}-{SHARED_LIMITS}", plan.shared_limits, password, cluster, inside)
            mounted.append(store.secret)
        if plan.limits_beside and cluster.limits_url is not None:
            found: dict[str, pulumi.Input[str]] = {"url": pulumi.Output.secret(cluster.limits_url)}
            if cluster.limits_authority is not None:
                found[LIMITS_AUTHORITY_ENTRY] = cluster.limits_authority
            mounted.append(_secret(f"{name}-{SHARED_LIMITS}", SHARED_LIMITS, found, cluster, inside))

        image = gateway_image(f"{name}-image", plan.gateway_pods.build, plan.gateway_pods.image, self)
        servers = [
            self._engine(f"{name}-{engine.name}", engine, engine_key, authority, image, cluster, fetching)
            for engine in plan.engines.values()
        ]
        within = [server for server in servers if server.engine.beside_gateway]
        after = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[*within, *mounted]))
        parts = [beside(server.engine, cluster, server.objects) for server in within]
        gateway = Gateway(f"{name}-gateway", plan, secrets, cluster, after, image=image, beside=parts)
        if plan.trials:
            Trials(f"{name}-trials", plan.trials, secrets, cluster, inside, image=image)
        if plan.makings:
            own = {server.engine.model: server.objects for server in servers}
            served = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[*servers]))
            Makings(f"{name}-makings", plan.makings, secrets, cluster, own, served, image=image)
        if plan.releases:
            asked = pulumi.ResourceOptions.merge(after, pulumi.ResourceOptions(depends_on=[gateway]))
            Releases(f"{name}-releases", plan.releases, secrets, cluster, asked, image=image)
        if plan.monitoring:
            Observability(f"{name}-observability", plan.monitoring, cluster, inside)
        self.endpoint = pulumi.Output.from_input(cluster.front_door.attach(gateway.service, inside))
        self.register_outputs({"endpoint": self.endpoint})

    def _engine(
        self,
        name: str,
        engine: EnginePlan,
        key: pulumi.Output[str],
        authority: Authority,
        image: pulumi.Input[str],
        cluster: ClusterHandle,
        inside: pulumi.ResourceOptions,
    ) -> ModelServer:
        """One model: its weights, then the engines that read them, then what changes their number. The launcher, which
        fetches weights, is in the gateways' `image` too."""
        after: list[pulumi.Resource] = []
        if engine.weights_volume.mirrors:
            after.append(WeightsMirror(f"{name}-bucket", engine, cluster, image=image, opts=inside))
        if engine.weights_volume.claim:
            mirrored = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[*after]))
            after.append(ModelCache(f"{name}-weights", engine, cluster, image=image, opts=mirrored))
        filled = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=after))
        server = ModelServer(name, engine, cluster, key=key, authority=authority, image=image, opts=filled)
        if engine.scaling:
            scaled = pulumi.ResourceOptions.merge(inside, pulumi.ResourceOptions(depends_on=[server]))
            Autoscaling(
                f"{name}-scaling",
                engine,
                engine.scaling,
                cluster,
                service=GATEWAY,
                secret=GATEWAY_SECRETS,
                opts=scaled,
            )
        return server

    def _made(self, name: str, client: str) -> pulumi.Output[str]:
        """A key that the stack makes once, for who is a client inside."""
        return ClientKey(name, client=client, opts=pulumi.ResourceOptions(parent=self)).key


def _secret(
    name: str,
    called: str,
    data: dict[str, pulumi.Input[str]],
    cluster: ClusterHandle,
    opts: pulumi.ResourceOptions,
) -> pulumi.Resource:
    labels = {"app.kubernetes.io/part-of": PART_OF}
    metadata = meta.ObjectMetaArgs(name=called, namespace=cluster.namespace, labels=labels)
    return core.Secret(name, metadata=metadata, string_data=data, opts=opts)
