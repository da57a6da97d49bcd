"""The pod of an engine as Kubernetes has it: from the plan's pod, its container, its volume of weights and its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels, selector
from infra.components.pod_security import container_security, pod_security
from infra.components.weights_mount import fetch_container, weights_mounts, weights_volumes
from infra.plan.in_cluster import ENGINE
from infra.plan.nodes import NodeChoice
from infra.plan.serving import EnginePlan
from infra.plan.types import Probe

core = kubernetes.core.v1
SHARED_MEMORY = "shared-memory"
KEY = "key"
FILES = "files"
GPU_CLAIM = "gpu"


@dataclass(frozen=True, kw_only=True)
class EngineObjects:
    """What a pod refers to, by name: None where there is none. `image` is that of the launcher, which fetches."""

    key_secret: str | None
    files: str | None
    claim_template: str | None
    service_account: pulumi.Input[str]
    launcher_image: pulumi.Input[str]


def pod_template(
    engine: EnginePlan, cluster: ClusterHandle, objects: EngineObjects
) -> kubernetes.core.v1.PodTemplateSpecArgs:
    """One replica."""
    nodes, pod = cluster.nodes[engine.pool], engine.pod
    own = labels(ENGINE, engine.name)
    fetch = fetch_container(engine.weights_volume, objects.launcher_image, only_look=True)
    return core.PodTemplateSpecArgs(
        metadata=kubernetes.meta.v1.ObjectMetaArgs(labels=own),
        spec=core.PodSpecArgs(
            service_account_name=objects.service_account,
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security(engine.container.user),
            termination_grace_period_seconds=pod.grace_seconds,
            priority_class_name=None,
            node_selector=dict(nodes.labels) or None,
            tolerations=_tolerations(nodes),
            topology_spread_constraints=_spread(engine, cluster),
            image_pull_secrets=[core.LocalObjectReferenceArgs(name=name) for name in cluster.image_pull_secrets] or None,
            resource_claims=[
                core.PodResourceClaimArgs(name=GPU_CLAIM, resource_claim_template_name=objects.claim_template)
            ]
            if objects.claim_template
            else None,
            init_containers=[fetch] if fetch else None,
            containers=[_engine_container(engine, nodes, objects)],
            volumes=[*weights_volumes(engine.weights_volume), *_volumes(engine, objects)],
        ),
    )


def _engine_container(
    engine: EnginePlan, nodes: NodeChoice, objects: EngineObjects
) -> kubernetes.core.v1.ContainerArgs:
    container, pod = engine.container, engine.pod
    disk = sum(pod.folders.values())
    whole = {name: str(count) for name, count in nodes.resources.items()}
    return core.ContainerArgs(
        name="engine",
        image=container.image.reference,
        image_pull_policy="IfNotPresent",
        command=list(pod.command),
        env=[core.EnvVarArgs(name=name, value=value) for name, value in sorted(container.environment.items())] or None,
        ports=[
            core.ContainerPortArgs(name=name, container_port=int(port)) for name, port in container.ports.items()
        ],
        resources=core.ResourceRequirementsArgs(
            requests={
                "cpu": str(pod.processors),
                "memory": f"{pod.memory_gib}Gi",
                "ephemeral-storage": f"{disk}Gi",
                **whole,
            },
            limits={
                "cpu": str(pod.most_processors),
                "memory": f"{pod.memory_gib}Gi",
                "ephemeral-storage": f"{disk + 1}Gi",
                **whole,
            },
            claims=[core.ResourceClaimArgs(name=GPU_CLAIM)] if objects.claim_template else None,
        ),
        security_context=container_security(container.user),
        startup_probe=_probe(container.readiness_path, container.probes.startup),
        readiness_probe=_probe(container.readiness_path, container.probes.readiness),
        liveness_probe=_probe(container.liveness_path, container.probes.liveness),
        # Asked of the kubelet: no image needs a shell or `sleep` for it.
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=pod.pre_stop_seconds))
        ),
        volume_mounts=[
            *weights_mounts(engine.weights_volume, read_only=True),
            *_mounts(engine, objects),
        ],
    )


def _probe(path: str, probe: Probe) -> kubernetes.core.v1.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port="http"),
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failures,
    )


def _tolerations(nodes: NodeChoice) -> list[kubernetes.core.v1.TolerationArgs] | None:
    if nodes.tolerates is None:
        return None
    return [core.TolerationArgs(key=nodes.tolerates, operator="Exists", effect="NoSchedule")]


def _spread(
    engine: EnginePlan, cluster: ClusterHandle
) -> list[kubernetes.core.v1.TopologySpreadConstraintArgs]:
    """Over zones strictly, over hosts as far as they go. Nodes that are gone or full of taints do not count: a zone
    that is lost must not keep its pods from the others. Each version of the pods is spread by itself."""
    zones = ("topology.kubernetes.io/zone", "DoNotSchedule" if len(cluster.zones) > 1 else "ScheduleAnyway")
    return [
        core.TopologySpreadConstraintArgs(
            max_skew=1,
            topology_key=key,
            when_unsatisfiable=otherwise,
            label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=selector(ENGINE, engine.name)),
            match_label_keys=["pod-template-hash"],
            node_affinity_policy="Honor",
            node_taints_policy="Honor",
        )
        for key, otherwise in (zones, ("kubernetes.io/hostname", "ScheduleAnyway"))
    ]


def _volumes(engine: EnginePlan, objects: EngineObjects) -> list[kubernetes.core.v1.VolumeArgs]:
    pod = engine.pod
    found = [
        core.VolumeArgs(name=_folder(path), empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=f"{size}Gi"))
        for path, size in pod.folders.items()
    ]
    if pod.shared_memory_gib:
        memory = core.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=f"{pod.shared_memory_gib}Gi")
        found.append(core.VolumeArgs(name=SHARED_MEMORY, empty_dir=memory))
    if objects.key_secret and pod.key_path:
        secret = core.SecretVolumeSourceArgs(
            secret_name=objects.key_secret,
            default_mode=0o440,
            items=[core.KeyToPathArgs(key=KEY, path=pod.key_path.rpartition("/")[2])],
        )
        found.append(core.VolumeArgs(name=KEY, secret=secret))
    if objects.files:
        found.append(
            core.VolumeArgs(name=FILES, config_map=core.ConfigMapVolumeSourceArgs(name=objects.files, default_mode=0o444))
        )
    return found


def _mounts(engine: EnginePlan, objects: EngineObjects) -> list[kubernetes.core.v1.VolumeMountArgs]:
    pod = engine.pod
    found = [core.VolumeMountArgs(name=_folder(path), mount_path=path) for path in pod.folders]
    if pod.shared_memory_gib:
        found.append(core.VolumeMountArgs(name=SHARED_MEMORY, mount_path="/dev/shm"))  # noqa: S108 - in the container
    if objects.key_secret and pod.key_path:
        found.append(core.VolumeMountArgs(name=KEY, mount_path=pod.key_path.rpartition("/")[0], read_only=True))
    if objects.files:
        folders = sorted({path.rpartition("/")[0] for path in engine.container.files})
        found += [core.VolumeMountArgs(name=FILES, mount_path=folder, read_only=True) for folder in folders]
    return found


def _folder(path: str) -> str:
    """A volume's name for a writable folder."""
    return f"folder{path.replace('/', '-')}"
