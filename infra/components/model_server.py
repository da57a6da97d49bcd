"""The engines of one model in a cluster: their replicas, the address they are found by, and what protects them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_certificates import Authority, ServerCertificate
from infra.components.engine_pods import EngineObjects, engine_files, entry, pod_template
from infra.components.labels import labels, selector
from infra.components.leader_worker_set import leader_worker_set, replicas_labels
from infra.components.weights_mount import named_bucket
from infra.plan.in_cluster import ENGINE, ENGINE_PORT
from infra.plan.nodes import GpuClaim
from infra.plan.serving import EnginePlan

core = kubernetes.core.v1
meta = kubernetes.meta.v1


class ModelServer(pulumi.ComponentResource):
    """Owns the replicas of one model and what they need of their own: key, certificate, files, Service, disruption
    budget. It does not own their service account and network policies, the volume of their weights, or what scales
    them.

    `key` is what the gateway shows to them, `authority` vouches for them to it; `image` is ours, whose launcher fetches
    weights."""

    def __init__(
        self,
        name: str,
        engine: EnginePlan,
        cluster: ClusterHandle,
        *,
        key: pulumi.Input[str],
        authority: Authority,
        image: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:ModelServer", name, None, opts)
        self.engine, self._cluster, self._child = engine, cluster, cluster.child(self)
        pod = engine.pod
        self.objects = EngineObjects(
            key_secret=self._key(name, key) if pod.key_files else None,
            certificate=self._certificate(name, authority),
            files=self._files(name),
            claim_template=self._claim(name, claim) if (claim := cluster.nodes[engine.pool].claim) else None,
            launcher_image=image,
        )
        if not engine.beside_gateway:
            self._pods(name, self.objects)
        self.register_outputs({"name": engine.name})

    def _pods(self, name: str, objects: EngineObjects) -> None:
        engine, cluster, pod = self.engine, self._cluster, self.engine.pod
        patience = self._waiting(pod.ready_seconds)
        if engine.groups:
            leader_worker_set(f"{name}-engine", engine, engine.groups, cluster, objects, patience)
        else:
            _deployment(f"{name}-engine", self._metadata(engine.name), engine, cluster, objects, patience)
        # Without an address of its own: the gateway reads which pods are ready, and chooses between them itself.
        core.Service(
            f"{name}-service",
            metadata=self._metadata(engine.name),
            spec=core.ServiceSpecArgs(
                cluster_ip="None",
                selector=selector(ENGINE, engine.name),
                ports=[core.ServicePortArgs(name="https", port=ENGINE_PORT, target_port="https")],
            ),
            opts=self._child,
        )
        if pod.disruptions is not None:
            kubernetes.policy.v1.PodDisruptionBudget(
                f"{name}-budget",
                metadata=self._metadata(engine.name),
                spec=kubernetes.policy.v1.PodDisruptionBudgetSpecArgs(
                    max_unavailable=pod.disruptions,
                    selector=meta.LabelSelectorArgs(match_labels=replicas_labels(engine)),
                    # What does not answer anyway must not keep a node from being drained.
                    unhealthy_pod_eviction_policy="AlwaysAllow",
                ),
                opts=self._child,
            )

    def _key(self, name: str, key: pulumi.Input[str]) -> pulumi.Output[str]:
        """The engine's key, as the launcher and the engine want to read it."""
        known = pulumi.Output.from_input(key)
        files = {file: known.apply(_with_key(content)) for file, content in self.engine.pod.key_files.items()}
        secret = core.Secret(
            f"{name}-key",
            metadata=self._metadata(f"{self.engine.name}-key"),
            type="Opaque",
            string_data=files,
            opts=self._child,
        )
        return secret.metadata.apply(lambda metadata: metadata.name or "")

    def _certificate(self, name: str, authority: Authority) -> pulumi.Output[str]:
        """What it shows to gateways. Renewed in its place: pods take it over as it is mounted."""
        known, namespace = self.engine.name, self._cluster.namespace
        issued = ServerCertificate(
            f"{name}-certificate",
            names=[known, f"{known}.{namespace}.svc"],
            authority=authority,
            opts=pulumi.ResourceOptions(parent=self),
        )
        secret = core.Secret(
            f"{name}-certificate",
            metadata=self._metadata(f"{known}-certificate"),
            type="kubernetes.io/tls",
            string_data={"tls.crt": issued.certificate, "tls.key": issued.key},
            opts=self._child,
        )
        return secret.metadata.apply(lambda metadata: metadata.name or "")

    def _files(self, name: str) -> pulumi.Output[str]:
        """What was rendered for it. The name changes with the content: pods follow, and old ones keep theirs."""
        content = {entry(path): text for path, text in engine_files(self.engine).items()}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
        files = core.ConfigMap(
            f"{name}-files",
            metadata=self._metadata(f"{self.engine.name}-files-{digest}"),
            data={path: named_bucket(text, self._cluster.weights_bucket) for path, text in content.items()},
            immutable=True,
            opts=self._child,
        )
        return files.metadata.apply(lambda metadata: metadata.name or "")

    def _claim(self, name: str, claim: GpuClaim) -> pulumi.Output[str]:
        """Devices of each pod's own."""
        resource = kubernetes.resource.v1
        selectors = (
            [resource.DeviceSelectorArgs(cel=resource.CELDeviceSelectorArgs(expression=claim.selector))]
            if claim.selector
            else None
        )
        exactly = resource.ExactDeviceRequestArgs(
            device_class_name=claim.device_class, count=claim.count, allocation_mode="ExactCount", selectors=selectors
        )
        template = resource.ResourceClaimTemplate(
            f"{name}-gpus",
            metadata=self._metadata(f"{self.engine.name}-gpus"),
            spec=resource.ResourceClaimTemplateSpecArgs(
                spec=resource.ResourceClaimSpecArgs(
                    devices=resource.DeviceClaimArgs(
                        requests=[resource.DeviceRequestArgs(name="gpus", exactly=exactly)]
                    )
                )
            ),
            opts=self._child,
        )
        return template.metadata.apply(lambda metadata: metadata.name or "")

    def _metadata(self, name: str) -> kubernetes.meta.v1.ObjectMetaArgs:
        return meta.ObjectMetaArgs(
            name=name, namespace=self._cluster.namespace, labels=labels(ENGINE, self.engine.name)
        )

    def _waiting(self, seconds: int) -> pulumi.ResourceOptions:
        """As long as the cold start may take; an update takes one after another."""
        many = seconds * max(1, self.engine.replicas.max)
        timeouts = pulumi.CustomTimeouts(create=f"{seconds}s", update=f"{many}s")
        return pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(custom_timeouts=timeouts))


def _deployment(
    name: str,
    metadata: kubernetes.meta.v1.ObjectMetaArgs,
    engine: EnginePlan,
    cluster: ClusterHandle,
    objects: EngineObjects,
    opts: pulumi.ResourceOptions,
) -> None:
    pod = engine.pod
    kubernetes.apps.v1.Deployment(
        name,
        metadata=metadata,
        spec=kubernetes.apps.v1.DeploymentSpecArgs(
            # Where something scales it, that alone says how many there are.
            replicas=engine.replicas.min if engine.scaling is None else None,
            selector=meta.LabelSelectorArgs(match_labels=selector(ENGINE, engine.name)),
            strategy=kubernetes.apps.v1.DeploymentStrategyArgs(
                type="RollingUpdate",
                rolling_update=kubernetes.apps.v1.RollingUpdateDeploymentArgs(
                    max_surge=pod.surge, max_unavailable=pod.unavailable
                ),
            ),
            progress_deadline_seconds=pod.ready_seconds,
            revision_history_limit=3,
            template=pod_template(engine, cluster, objects),
        ),
        opts=opts,
    )


def _with_key(content: str) -> Callable[[str], str]:
    return lambda key: content.replace("{key}", key)
