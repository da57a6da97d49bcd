"""The pod of an engine as Kubernetes has it: the plan's pod and container, its weights, and its nodes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels, selector
from infra.components.placement import spread, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.components.weights_mount import WEIGHTS, fetch_container, weights_mount, weights_volumes
from infra.plan.engine_pod import EnginePod
from infra.plan.engine_process import COMMAND, FOLDER, SPECIFICATION_FILE
from infra.plan.in_cluster import (
    ENGINE,
    ENGINE_CERTIFICATE_FOLDER,
    ENGINE_KEY_FOLDER,
    ENGINE_OPERATIONS_PORT,
    ENGINE_PORT,
    FETCHES_WEIGHTS,
    priority_class,
)
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


@dataclass(frozen=True, kw_only=True)
class EngineObjects:
    """What a pod refers to, by name: None where there is none. `launcher_image` has what fetches weights."""

    key_secret: pulumi.Input[str] | None
    certificate: pulumi.Input[str]
    files: pulumi.Input[str]
    claim_template: pulumi.Input[str] | None
    launcher_image: pulumi.Input[str]


def pod_template(
    engine: EnginePlan, cluster: ClusterHandle, objects: EngineObjects
) -> kubernetes.core.v1.PodTemplateSpecArgs:
    """One replica."""
    nodes, pod, weights = cluster.nodes[engine.pool], engine.pod, engine.weights_volume
    fetches = bool(weights.fetches) and not weights.filled_by_job
    return core.PodTemplateSpecArgs(
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            labels={**labels(ENGINE, engine.name), **({FETCHES_WEIGHTS: "true"} if fetches else {})}
        ),
        spec=core.PodSpecArgs(
            service_account_name=engine.name,
            automount_service_account_token=False,
            enable_service_links=False,
            security_context=pod_security(engine.container.user),
            priority_class_name=priority_class(cluster.namespace, ENGINE),
            termination_grace_period_seconds=pod.grace_seconds,
            node_selector=dict(nodes.labels) or None,
            tolerations=tolerations(nodes) or None,
            topology_spread_constraints=spread(selector(ENGINE, engine.name), cluster.zones),
            image_pull_secrets=[core.LocalObjectReferenceArgs(name=name) for name in cluster.image_pull_secrets]
            or None,
            resource_claims=[
                core.PodResourceClaimArgs(name=GPU_CLAIM, resource_claim_template_name=objects.claim_template)
            ]
            if objects.claim_template
            else None,
            init_containers=[fetch_container(weights, objects.launcher_image)] if fetches else None,
            containers=[_container(engine, nodes, objects)],
            volumes=[*weights_volumes(weights, fetches=fetches), *_volumes(pod, objects, engine_files(engine))],
        ),
    )


def _container(engine: EnginePlan, nodes: NodeChoice, objects: EngineObjects) -> kubernetes.core.v1.ContainerArgs:
    container, pod = engine.container, engine.pod
    return core.ContainerArgs(
        name="engine",
        image=container.image.reference,
        image_pull_policy="IfNotPresent",
        command=list(COMMAND),
        env=[core.EnvVarArgs(name=name, value=value) for name, value in sorted(container.environment.items())] or None,
        ports=[
            core.ContainerPortArgs(name="https", container_port=ENGINE_PORT),
            core.ContainerPortArgs(name="operations", container_port=ENGINE_OPERATIONS_PORT),
        ],
        resources=_resources(pod, nodes, claims=objects.claim_template is not None),
        security_context=container_security(container.user),
        # Of the launcher, which asks the engine.
        startup_probe=_probe("/ready", container.probes.startup),
        readiness_probe=_probe("/ready", container.probes.readiness),
        liveness_probe=_probe("/live", container.probes.liveness),
        lifecycle=core.LifecycleArgs(
            # The kubelet waits itself: no image needs a shell for it.
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=pod.pre_stop_seconds))
        ),
        volume_mounts=_mounts(engine, objects),
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


def _probe(path: str, probe: Probe) -> kubernetes.core.v1.ProbeArgs:
    return core.ProbeArgs(
        http_get=core.HTTPGetActionArgs(path=path, port="operations"),
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
    if objects.key_secret is not None:
        secret = core.SecretVolumeSourceArgs(secret_name=objects.key_secret, default_mode=0o440)
        found.append(core.VolumeArgs(name=KEY, secret=secret))
    certificate = core.SecretVolumeSourceArgs(secret_name=objects.certificate, default_mode=0o440)
    found.append(core.VolumeArgs(name=CERTIFICATE, secret=certificate))
    items = [core.KeyToPathArgs(key=entry(path), path=path) for path in files]
    content = core.ConfigMapVolumeSourceArgs(name=objects.files, default_mode=0o444, items=items)
    return [*found, core.VolumeArgs(name=FILES, config_map=content)]


def _mounts(engine: EnginePlan, objects: EngineObjects) -> list[kubernetes.core.v1.VolumeMountArgs]:
    pod, weights = engine.pod, engine.weights_volume
    found = [weights_mount(weights, read_only=True)]
    found += [core.VolumeMountArgs(name=_folder(path), mount_path=path) for path in pod.folders]
    if weights.compiled:
        found += [
            core.VolumeMountArgs(name=WEIGHTS, mount_path=path, sub_path=COMPILED_FOLDER)
            for path in pod.compiled_folders
        ]
    if pod.shared_memory_gib:
        found.append(core.VolumeMountArgs(name=SHARED_MEMORY, mount_path="/dev/shm"))  # noqa: S108 - in the container
    if objects.key_secret is not None:
        found.append(core.VolumeMountArgs(name=KEY, mount_path=ENGINE_KEY_FOLDER, read_only=True))
    # A folder: only then does a pod see that it was renewed.
    found.append(core.VolumeMountArgs(name=CERTIFICATE, mount_path=ENGINE_CERTIFICATE_FOLDER, read_only=True))
    return [*found, core.VolumeMountArgs(name=FILES, mount_path=FOLDER, read_only=True)]


def engine_files(engine: EnginePlan) -> dict[str, str]:
    """What was rendered for it, by path below the folder that it is mounted at."""
    specification = {SPECIFICATION_FILE: json.dumps(engine.pod.specification, indent=2)}
    content = {**specification, **engine.container.files}
    return {path.removeprefix(f"{FOLDER}/"): text for path, text in content.items()}


def entry(path: str) -> str:
    """A file's name in a ConfigMap, which knows no folders."""
    return path.replace("/", ".")


def _folder(path: str) -> str:
    """A volume's name for a writable folder."""
    return f"folder{path.replace('/', '-')}"
