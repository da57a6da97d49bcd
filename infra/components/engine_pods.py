"""The pod of an engine as Kubernetes has it: the plan's pod and container, its weights, and its nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels, selector
from infra.components.placement import affinity, spread, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.components.weights_mount import WEIGHTS, weights_containers, weights_mounts, weights_volumes
from infra.plan.engine_pod import EnginePod
from infra.plan.engine_process import FOLDER, HEALTH_COMMAND, SPECIFICATION_FILE, WORKER_FILE
from infra.plan.in_cluster import (
    ENGINE,
    ENGINE_CERTIFICATE_FOLDER,
    ENGINE_KEY_FOLDER,
    ENGINE_OPERATIONS_PORT,
    ENGINE_PORT,
    FETCHES_WEIGHTS,
    priority_class,
)
from infra.plan.node_groups import GROUP_LABEL, SET_LABEL, NodeGroups
from infra.plan.nodes import NodeChoice
from infra.plan.serving import EnginePlan
from infra.plan.types import Probe
from infra.plan.weights_volume import COMPILED_FOLDER

core = kubernetes.core.v1
SHARED_MEMORY = "shared-memory"
KEY = "key"
CERTIFICATE = "certificate"
FILES = "files"
GPU_CLAIM = "gpu"
# By which LeaderWorkerSet tells one version of its pods from another.
REVISION = "leaderworkerset.sigs.k8s.io/template-revision-hash"


@dataclass(frozen=True, kw_only=True)
class EngineObjects:
    """What a pod refers to, by name: None where there is none. `launcher_image` has what fetches weights."""

    key_secret: pulumi.Input[str] | None
    certificate: pulumi.Input[str]
    files: pulumi.Input[str]
    claim_template: pulumi.Input[str] | None
    launcher_image: pulumi.Input[str]


def pod_template(
    engine: EnginePlan, cluster: ClusterHandle, objects: EngineObjects, worker: EnginePod | None = None
) -> kubernetes.core.v1.PodTemplateSpecArgs:
    """One replica, or the first of its pods where it has several; a further one is a `worker`."""
    nodes, pod, weights = cluster.nodes[engine.pool], worker or engine.pod, engine.weights_volume
    fetches = weights.fetched_by_pods
    return core.PodTemplateSpecArgs(
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            labels={
                **labels(pod.component, engine.name),
                **({FETCHES_WEIGHTS: "true"} if weights.reached_by_pods else {}),
            },
            annotations=dict(weights.mount.annotations) if weights.mount else None,
        ),
        spec=core.PodSpecArgs(
            service_account_name=engine.name,
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security(engine.container.user),
            priority_class_name=priority_class(cluster.namespace, ENGINE),
            termination_grace_period_seconds=pod.grace_seconds,
            node_selector=dict(nodes.labels) or None,
            affinity=_together(engine.groups, nodes) if engine.groups else affinity(nodes),
            tolerations=tolerations(nodes) or None,
            topology_spread_constraints=_spread(engine, cluster) if worker is None else None,
            image_pull_secrets=cluster.pull_secrets(),
            resource_claims=claims(objects),
            init_containers=weights_containers(weights, objects.launcher_image, cluster) or None,
            containers=[_container(engine, pod, nodes, objects)],
            volumes=[
                *weights_volumes(weights, cluster, fetches=fetches),
                *_volumes(pod, objects, engine_files(engine)),
            ],
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Beside:
    """An engine as a part of somebody else's pod: what starts before the pod's own containers, and ends after them."""

    containers: list[kubernetes.core.v1.ContainerArgs]
    volumes: list[kubernetes.core.v1.VolumeArgs]
    claims: list[kubernetes.core.v1.PodResourceClaimArgs] | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    nodes: NodeChoice


def beside(engine: EnginePlan, cluster: ClusterHandle, objects: EngineObjects) -> Beside:
    """With `restartPolicy: Always` an init container is a sidecar: what comes after it waits until it is there, and it
    is told to end when they have ended."""
    nodes, weights = cluster.nodes[engine.pool], engine.weights_volume
    fetches = weights.fetched_by_pods
    sidecar = _container(engine, engine.pod, nodes, objects)
    sidecar.restart_policy = "Always"
    return Beside(
        containers=[*weights_containers(weights, objects.launcher_image, cluster), sidecar],
        volumes=[
            *weights_volumes(weights, cluster, fetches=fetches),
            *_volumes(engine.pod, objects, engine_files(engine)),
        ],
        claims=claims(objects),
        labels={FETCHES_WEIGHTS: "true"} if weights.reached_by_pods else {},
        annotations=weights.mount.annotations if weights.mount else {},
        nodes=nodes,
    )


def claims(objects: EngineObjects) -> list[kubernetes.core.v1.PodResourceClaimArgs] | None:
    """Of the pod's devices, where it claims them."""
    template = objects.claim_template
    return [core.PodResourceClaimArgs(name=GPU_CLAIM, resource_claim_template_name=template)] if template else None


def _ports(pod: EnginePod) -> dict[str, int]:
    if not pod.answers:
        return {}
    api = {pod.port_name: ENGINE_PORT} if pod.port_name else {}
    return {**api, pod.watched_port_name: ENGINE_OPERATIONS_PORT}


def _spread(engine: EnginePlan, cluster: ClusterHandle) -> list[kubernetes.core.v1.TopologySpreadConstraintArgs]:
    own = selector(ENGINE, engine.name)
    return spread(own, cluster.zones, REVISION) if engine.groups else spread(own, cluster.zones)


def _together(groups: NodeGroups, nodes: NodeChoice) -> kubernetes.core.v1.AffinityArgs:
    """All pods of a group on one fast network: whoever is placed first chooses which. Several groups may share it."""
    return core.AffinityArgs(
        pod_affinity=core.PodAffinityArgs(
            required_during_scheduling_ignored_during_execution=[
                core.PodAffinityTermArgs(
                    topology_key=nodes.fabric,
                    label_selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels={SET_LABEL: groups.name}),
                    match_label_keys=[GROUP_LABEL],
                )
            ]
        )
    )


def _container(
    engine: EnginePlan, pod: EnginePod, nodes: NodeChoice, objects: EngineObjects
) -> kubernetes.core.v1.ContainerArgs:
    container, probes = engine.container, engine.container.probes
    return core.ContainerArgs(
        name="engine",
        image=container.image.reference,
        image_pull_policy="IfNotPresent",
        command=list(pod.command),
        env=[core.EnvVarArgs(name=name, value=value) for name, value in sorted(container.environment.items())] or None,
        ports=[core.ContainerPortArgs(name=name, container_port=port) for name, port in _ports(pod).items()] or None,
        resources=_resources(pod, nodes, claims=objects.claim_template is not None),
        security_context=container_security(container.user),
        # Of the launcher, which asks the engine.
        startup_probe=_probe(pod, "/ready", probes.startup),
        readiness_probe=_probe(pod, "/ready", probes.readiness),
        liveness_probe=_probe(pod, "/live", probes.liveness),
        lifecycle=core.LifecycleArgs(
            # The kubelet waits itself: no image needs a shell for it.
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=pod.pre_stop_seconds))
        )
        if pod.pre_stop_seconds
        else None,
        volume_mounts=_mounts(engine, pod),
    )


def _resources(pod: EnginePod, nodes: NodeChoice, *, claims: bool) -> kubernetes.core.v1.ResourceRequirementsArgs:
    memory, disk = f"{pod.memory_gib}Gi", f"{pod.disk_gib}Gi"
    gpus = {name: str(count) for name, count in nodes.resources.items()}
    same = {"memory": memory, "ephemeral-storage": disk, **gpus}
    return core.ResourceRequirementsArgs(
        requests={"cpu": str(pod.processors), **same},
        limits={"cpu": str(pod.most_processors), **same},
        claims=[core.ResourceClaimArgs(name=GPU_CLAIM)] if claims else None,
    )


def _probe(pod: EnginePod, path: str, probe: Probe) -> kubernetes.core.v1.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port=pod.watched_port_name) if pod.answers else None,
        exec_=None if pod.answers else core.ExecActionArgs(command=list(HEALTH_COMMAND)),
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failures,
    )


def _volumes(pod: EnginePod, objects: EngineObjects, files: Mapping[str, str]) -> list[kubernetes.core.v1.VolumeArgs]:
    found = [
        core.VolumeArgs(name=_folder(path), empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=f"{size}Gi"))
        for path, size in pod.folders.items()
    ]
    if pod.shared_memory_gib:
        memory = core.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=f"{pod.shared_memory_gib}Gi")
        found.append(core.VolumeArgs(name=SHARED_MEMORY, empty_dir=memory))
    if objects.key_secret is not None and pod.key_files:
        secret = core.SecretVolumeSourceArgs(secret_name=objects.key_secret, default_mode=0o440)
        found.append(core.VolumeArgs(name=KEY, secret=secret))
    if pod.answers:
        certificate = core.SecretVolumeSourceArgs(secret_name=objects.certificate, default_mode=0o440)
        found.append(core.VolumeArgs(name=CERTIFICATE, secret=certificate))
    items = [core.KeyToPathArgs(key=entry(path), path=path) for path in files]
    content = core.ConfigMapVolumeSourceArgs(name=objects.files, default_mode=0o444, items=items)
    return [*found, core.VolumeArgs(name=FILES, config_map=content)]


def _mounts(engine: EnginePlan, pod: EnginePod) -> list[kubernetes.core.v1.VolumeMountArgs]:
    weights = engine.weights_volume
    found = weights_mounts(weights)
    found += [core.VolumeMountArgs(name=_folder(path), mount_path=path) for path in pod.folders]
    if weights.compiled:
        found += [
            core.VolumeMountArgs(name=WEIGHTS, mount_path=path, sub_path=COMPILED_FOLDER)
            for path in pod.compiled_folders
        ]
    if pod.shared_memory_gib:
        found.append(core.VolumeMountArgs(name=SHARED_MEMORY, mount_path="/dev/shm"))  # noqa: S108 - in the container
    if pod.key_files:
        found.append(core.VolumeMountArgs(name=KEY, mount_path=ENGINE_KEY_FOLDER, read_only=True))
    if pod.answers:
        # A folder: only then does a pod see that it was renewed.
        found.append(core.VolumeMountArgs(name=CERTIFICATE, mount_path=ENGINE_CERTIFICATE_FOLDER, read_only=True))
    return [*found, core.VolumeMountArgs(name=FILES, mount_path=FOLDER, read_only=True)]


def engine_files(engine: EnginePlan) -> dict[str, str]:
    """What was rendered for it, by path below the folder that it is mounted at."""
    told = {SPECIFICATION_FILE: engine.pod.specification}
    if engine.groups:
        told[WORKER_FILE] = engine.groups.worker.specification
    content = {**{path: json.dumps(each, indent=2) for path, each in told.items()}, **engine.container.files}
    return {path.removeprefix(f"{FOLDER}/"): text for path, text in content.items()}


def entry(path: str) -> str:
    """A file's name in a ConfigMap, which knows no folders."""
    return path.replace("/", ".")


def _folder(path: str) -> str:
    """A volume's name for a writable folder."""
    return f"folder{path.replace('/', '-')}"
