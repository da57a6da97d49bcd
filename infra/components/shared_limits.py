"""The Valkey in which the gateways of a site count together: one pod, a password, a volume."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels, selector
from infra.components.placement import spread, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.plan.in_cluster import SHARED_LIMITS, SHARED_LIMITS_PORT, priority_class
from infra.plan.shared_limits import SharedLimitsPlan

apps, core, meta = kubernetes.apps.v1, kubernetes.core.v1, kubernetes.meta.v1
CONFIG_FOLDER, DATA_FOLDER = "/etc/valkey", "/data"
CONFIG_FILE = "valkey.conf"
PRE_STOP_SECONDS, GRACE_SECONDS = 1, 30
# What is counted is never thrown away for room: a refused count is seen, a forgotten one is not.
CONFIG = """port {port}
bind * -::*
requirepass {password}
dir {folder}
appendonly yes
appendfsync everysec
save ""
maxmemory {memory}
maxmemory-policy noeviction
rename-command DEBUG ""
rename-command CONFIG ""
rename-command MODULE ""
"""
# Of the container's memory; a rewrite of the file copies what changes meanwhile.
MEMORY_SHARE = 0.6


class SharedLimits(pulumi.ComponentResource):
    """Owns Valkey's pod, service, password and volume. It keeps counts only: no key, no prompt, no answer. `secret` has
    its address for those who count in it."""

    def __init__(
        self,
        name: str,
        plan: SharedLimitsPlan,
        password: pulumi.Input[str],
        cluster: ClusterHandle,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:serving:SharedLimits", name, None, opts)
        child, named = cluster.child(self), _named(cluster)
        known = pulumi.Output.secret(password)
        self.secret = core.Secret(
            f"{name}-secret",
            metadata=named,
            string_data={
                "url": known.apply(lambda text: f"redis://:{text}@{SHARED_LIMITS}:{SHARED_LIMITS_PORT}/0"),
                CONFIG_FILE: known.apply(lambda text: _config(text, plan)),
            },
            opts=child,
        )
        # Pulumi waits for its pod: where what it mounts cannot be made, it must not wait for it.
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[self.secret]))
        store = apps.StatefulSet(name, metadata=named, spec=_stateful_set(plan, cluster), opts=after)
        core.Service(
            f"{name}-service",
            metadata=named,
            spec=core.ServiceSpecArgs(
                type="ClusterIP",
                selector=selector(SHARED_LIMITS, SHARED_LIMITS),
                ports=[core.ServicePortArgs(name="valkey", port=SHARED_LIMITS_PORT, target_port="valkey")],
            ),
            # Pulumi waits until a service has pods that answer: where these cannot be made, it must not wait for them.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[store])),
        )
        self.register_outputs({"service": SHARED_LIMITS})


def _config(password: str, plan: SharedLimitsPlan) -> str:
    memory = int(int(plan.memory.removesuffix("Mi")) * MEMORY_SHARE)
    return CONFIG.format(port=SHARED_LIMITS_PORT, password=password, folder=DATA_FOLDER, memory=f"{memory}mb")


def _stateful_set(plan: SharedLimitsPlan, cluster: ClusterHandle) -> kubernetes.apps.v1.StatefulSetSpecArgs:
    own = selector(SHARED_LIMITS, SHARED_LIMITS)
    return apps.StatefulSetSpecArgs(
        service_name=SHARED_LIMITS,
        replicas=1,
        selector=meta.LabelSelectorArgs(match_labels=own),
        template=core.PodTemplateSpecArgs(
            metadata=meta.ObjectMetaArgs(labels=labels(SHARED_LIMITS, SHARED_LIMITS)),
            spec=core.PodSpecArgs(
                service_account_name=SHARED_LIMITS,
                automount_service_account_token=False,
                enable_service_links=False,
                security_context=pod_security(),
                priority_class_name=priority_class(cluster.namespace, SHARED_LIMITS),
                termination_grace_period_seconds=GRACE_SECONDS,
                node_selector=dict(cluster.gateway_nodes.labels) or None,
                tolerations=tolerations(cluster.gateway_nodes) or None,
                topology_spread_constraints=spread(own, cluster.zones, revision="controller-revision-hash"),
                image_pull_secrets=cluster.pull_secrets(),
                containers=[_container(plan)],
                volumes=[
                    core.VolumeArgs(
                        name="config",
                        secret=core.SecretVolumeSourceArgs(
                            secret_name=SHARED_LIMITS,
                            default_mode=0o440,
                            items=[core.KeyToPathArgs(key=CONFIG_FILE, path=CONFIG_FILE)],
                        ),
                    )
                ],
            ),
        ),
        volume_claim_templates=[
            core.PersistentVolumeClaimArgs(
                metadata=meta.ObjectMetaArgs(name="data"),
                spec=core.PersistentVolumeClaimSpecArgs(
                    access_modes=["ReadWriteOnce"],
                    storage_class_name=cluster.storage.limits,
                    resources=core.VolumeResourceRequirementsArgs(requests={"storage": plan.volume_size}),
                ),
            )
        ],
    )


def _container(plan: SharedLimitsPlan) -> kubernetes.core.v1.ContainerArgs:
    return core.ContainerArgs(
        name=SHARED_LIMITS,
        image=plan.image,
        image_pull_policy="IfNotPresent",
        command=["valkey-server", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
        ports=[core.ContainerPortArgs(name="valkey", container_port=SHARED_LIMITS_PORT)],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": plan.cpu_request, "memory": plan.memory},
            limits={"cpu": plan.cpu_limit, "memory": plan.memory},
        ),
        security_context=container_security(),
        # By connecting alone: asking would need the password in a command.
        startup_probe=_probe(period=1, failures=60),
        readiness_probe=_probe(period=5, failures=2),
        liveness_probe=_probe(period=10, failures=3),
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=PRE_STOP_SECONDS))
        ),
        volume_mounts=[
            core.VolumeMountArgs(name="config", mount_path=CONFIG_FOLDER, read_only=True),
            core.VolumeMountArgs(name="data", mount_path=DATA_FOLDER),
        ],
    )


def _probe(*, period: int, failures: int) -> kubernetes.core.v1.ProbeArgs:
    return core.ProbeArgs(
        tcp_socket=core.TCPSocketActionArgs(port="valkey"),
        period_seconds=period,
        timeout_seconds=2,
        failure_threshold=failures,
    )


def _named(cluster: ClusterHandle) -> kubernetes.meta.v1.ObjectMetaArgs:
    own = labels(SHARED_LIMITS, SHARED_LIMITS)
    return meta.ObjectMetaArgs(name=SHARED_LIMITS, namespace=cluster.namespace, labels=own)
