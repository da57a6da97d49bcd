"""Makings in a cluster: jobs that make a version of a model on its machines, and judge it, when somebody starts one.

Three containers follow one another in a pod: the user's tool, which reads the weights and writes others; the model's
engine, which serves what it wrote to this pod alone; ours, which asks both and registers the version or removes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.asking_jobs import KEPT_SECONDS, RECORD, SOME_HOUR, client_keys, key_volume
from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_pods import GPU_CLAIM, EngineObjects, claims
from infra.components.federated import coordinator, invitation_mounts, invitation_volumes, site
from infra.components.labels import labels
from infra.components.placement import affinity, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.components.weights_mount import weights_containers, weights_mounts, weights_volumes
from infra.plan.engine_process import PYTHON
from infra.plan.in_cluster import FETCHES_WEIGHTS, MAKING
from infra.plan.making_pods import CONFIG_FILE, CONFIG_FOLDER, KEY_FOLDER, MODELS_FOLDER, TOOL_FOLDER, MakingPod
from infra.platforms.base import SiteSecrets

batch, core, meta = kubernetes.batch.v1, kubernetes.core.v1, kubernetes.meta.v1
KEYS = "making-keys"
# Of ours, which asks and counts digests.
JUDGE = {"cpu": "500m", "memory": "1Gi"}
SCRATCH, VERSIONS, SHARED_MEMORY, DATA = "scratch", "versions", "shared-memory", "data"
# Nothing is fetched by the tool: what it reads is mounted.
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HOME": "/tmp", "HF_HOME": "/tmp/huggingface"}  # noqa: S108


class Makings(pulumi.ComponentResource):
    """Owns a CronJob for each making, what its containers are told, the volume of the model's versions, and the keys of
    the clients that ask. A pod's termination message is the record. Versions go with the namespace: whoever serves one
    has copied it to where its stack has it from."""

    def __init__(
        self,
        name: str,
        makings: tuple[MakingPod, ...],
        secrets: SiteSecrets,
        cluster: ClusterHandle,
        engines: Mapping[str, EngineObjects],
        opts: pulumi.ResourceOptions | None = None,
        *,
        image: pulumi.Input[str],
    ) -> None:
        super().__init__("slipway:serving:Makings", name, None, opts)
        child = cluster.child(self)
        asking = (making.client for making in makings)
        keys = client_keys(name, _named(KEYS, cluster), asking, secrets, child)
        volumes = {making.claim: making for making in makings}
        claimed = [
            core.PersistentVolumeClaim(
                f"{name}-{claim}",
                # Most classes wait for the first pod, which somebody may start months later.
                metadata=_named(claim, cluster, {"pulumi.com/skipAwait": "true"}),
                spec=core.PersistentVolumeClaimSpecArgs(
                    access_modes=["ReadWriteOnce"],
                    storage_class_name=cluster.storage.weights,
                    resources=core.VolumeResourceRequirementsArgs(requests={"storage": f"{making.claim_gib}Gi"}),
                ),
                opts=child,
            )
            for claim, making in volumes.items()
        ]
        for making in makings:
            beside: list[pulumi.Resource] = []
            if making.listens:
                beside += coordinator(name, making, making.listens, cluster, self, child)
            if making.dials:
                beside += site(name, making, making.dials.port, cluster, child)
            told = core.ConfigMap(
                f"{name}-{making.name}-told",
                metadata=_named(making.name, cluster),
                data={CONFIG_FILE: json.dumps(making.config, indent=2, sort_keys=True), **making.files},
                opts=child,
            )
            after = pulumi.ResourceOptions(depends_on=[keys, told, *claimed, *beside])
            batch.CronJob(
                f"{name}-{making.name}",
                metadata=_named(making.name, cluster),
                spec=_spec(making, image, cluster, engines[making.model]),
                opts=pulumi.ResourceOptions.merge(child, after),
            )
        self.register_outputs({"makings": [making.name for making in makings]})


def _spec(
    making: MakingPod, image: pulumi.Input[str], cluster: ClusterHandle, objects: EngineObjects
) -> kubernetes.batch.v1.CronJobSpecArgs:
    nodes = cluster.nodes[making.gpus_pool]
    fetches = {FETCHES_WEIGHTS: "true"} if making.weights.fetched_by_pods else {}
    return batch.CronJobSpecArgs(
        schedule=making.schedule or SOME_HOUR,
        time_zone="Etc/UTC",
        suspend=making.schedule is None,
        concurrency_policy="Forbid",
        job_template=batch.JobTemplateSpecArgs(
            spec=batch.JobSpecArgs(
                # One that is not good enough is an answer, and a tool that fails would fail again.
                backoff_limit=making.retries,
                pod_failure_policy=_failures(making),
                active_deadline_seconds=making.deadline_seconds,
                ttl_seconds_after_finished=KEPT_SECONDS,
                template=core.PodTemplateSpecArgs(
                    metadata=meta.ObjectMetaArgs(labels={**labels(MAKING, making.name), **fetches}),
                    spec=core.PodSpecArgs(
                        restart_policy="Never",
                        service_account_name=MAKING,
                        automount_service_account_token=False,
                        enable_service_links=False,
                        security_context=pod_security(making.user),
                        node_selector=dict(nodes.labels) or None,
                        affinity=affinity(nodes),
                        tolerations=tolerations(nodes) or None,
                        image_pull_secrets=cluster.pull_secrets(),
                        resource_claims=claims(objects),
                        init_containers=_before(making, image, cluster, objects),
                        containers=[_judge(making, image)],
                        volumes=_volumes(making, cluster),
                    ),
                ),
            )
        ),
    )


def _failures(making: MakingPod) -> kubernetes.batch.v1.PodFailurePolicyArgs | None:
    """A machine that is taken away costs no retry, and what another try would not change is not tried again."""
    if not making.retries:
        return None

    def ends(container: str, *statuses: int) -> kubernetes.batch.v1.PodFailurePolicyRuleArgs:
        codes = batch.PodFailurePolicyOnExitCodesRequirementArgs(
            container_name=container, operator="In", values=list(statuses)
        )
        return batch.PodFailurePolicyRuleArgs(action="FailJob", on_exit_codes=codes)

    taken = batch.PodFailurePolicyOnPodConditionsPatternArgs(type="DisruptionTarget", status="True")
    return batch.PodFailurePolicyArgs(
        rules=[
            batch.PodFailurePolicyRuleArgs(action="Ignore", on_pod_conditions=[taken]),
            ends("tool", 2),
            ends(MAKING, 1, 2),
        ]
    )


def _before(
    making: MakingPod, image: pulumi.Input[str], cluster: ClusterHandle, objects: EngineObjects
) -> list[kubernetes.core.v1.ContainerArgs]:
    """In this order: what brings the weights, the tool, and the engine, which stays until ours has ended."""
    claimed = objects.claim_template is not None
    tool = core.ContainerArgs(
        name="tool",
        image=making.image,
        image_pull_policy="IfNotPresent",
        command=list(making.command),
        env=[core.EnvVarArgs(name=name, value=value) for name, value in sorted(OFFLINE.items())],
        resources=_resources(making, cluster, making.tool_memory_gib, claimed=claimed),
        security_context=container_security(making.user),
        volume_mounts=[
            *weights_mounts(making.weights),
            core.VolumeMountArgs(name=VERSIONS, mount_path=MODELS_FOLDER),
            core.VolumeMountArgs(name="tool", mount_path=TOOL_FOLDER, read_only=True),
            *_scratch(making, ("/tmp",)),  # noqa: S108 - a volume of the pod's own
            *([core.VolumeMountArgs(name=DATA, mount_path="/data", read_only=True)] if making.data_claim else []),
            *invitation_mounts(making),
        ],
    )
    engine = core.ContainerArgs(
        name="engine",
        image=making.engine_image,
        image_pull_policy="IfNotPresent",
        restart_policy="Always",
        command=list(making.engine_command),
        args=list(making.engine_arguments),
        env=[core.EnvVarArgs(name=name, value=value) for name, value in sorted(making.engine_environment.items())]
        or None,
        resources=_resources(making, cluster, making.memory_gib, claimed=claimed),
        security_context=container_security(making.user),
        volume_mounts=[
            core.VolumeMountArgs(name=VERSIONS, mount_path=MODELS_FOLDER, read_only=True),
            *_scratch(making, making.engine_folders),
        ],
    )
    return [*weights_containers(making.weights, image, cluster), tool, engine]


def _judge(making: MakingPod, image: pulumi.Input[str]) -> kubernetes.core.v1.ContainerArgs:
    return core.ContainerArgs(
        name=MAKING,
        image=image,
        image_pull_policy="IfNotPresent",
        command=[PYTHON, "-m", "serving.making"],
        args=[f"{CONFIG_FOLDER}/{CONFIG_FILE}", "--record", RECORD],
        resources=core.ResourceRequirementsArgs(requests=JUDGE, limits={**JUDGE, "cpu": "2"}),
        # Of the user who wrote the version, whose files it moves into place.
        security_context=container_security(making.user),
        termination_message_path=RECORD,
        volume_mounts=[
            *weights_mounts(making.weights),
            core.VolumeMountArgs(name=VERSIONS, mount_path=MODELS_FOLDER),
            core.VolumeMountArgs(name="told", mount_path=CONFIG_FOLDER, read_only=True),
            core.VolumeMountArgs(name="key", mount_path=KEY_FOLDER, read_only=True),
            core.VolumeMountArgs(name=SCRATCH, mount_path="/tmp", sub_path="judge"),  # noqa: S108 - the pod's own
        ],
    )


def _resources(
    making: MakingPod, cluster: ClusterHandle, memory_gib: int, *, claimed: bool
) -> kubernetes.core.v1.ResourceRequirementsArgs:
    """On the machines of the model's engine. The tool has ended when the engine starts: both have the same GPUs."""
    gpus = {name: str(count) for name, count in cluster.nodes[making.gpus_pool].resources.items()}
    same = {"memory": f"{memory_gib}Gi", **gpus}
    return core.ResourceRequirementsArgs(
        requests={"cpu": str(making.processors), **same},
        limits={"cpu": str(making.most_processors), **same},
        claims=[core.ResourceClaimArgs(name=GPU_CLAIM)] if claimed else None,
    )


def _scratch(making: MakingPod, paths: tuple[str, ...]) -> list[kubernetes.core.v1.VolumeMountArgs]:
    """Folders that it writes and nobody needs afterwards."""
    found = [
        core.VolumeMountArgs(name=SCRATCH, mount_path=path, sub_path=path.strip("/").replace("/", "-"))
        for path in paths
    ]
    if making.shared_memory_gib:
        found.append(core.VolumeMountArgs(name=SHARED_MEMORY, mount_path="/dev/shm"))  # noqa: S108 - in the container
    return found


def _volumes(making: MakingPod, cluster: ClusterHandle) -> list[kubernetes.core.v1.VolumeArgs]:
    def told(name: str, files: list[str]) -> kubernetes.core.v1.VolumeArgs:
        items = [core.KeyToPathArgs(key=file, path=file) for file in files]
        content = core.ConfigMapVolumeSourceArgs(name=making.name, default_mode=0o444, items=items)
        return core.VolumeArgs(name=name, config_map=content)

    claim = core.PersistentVolumeClaimVolumeSourceArgs(claim_name=making.claim)
    data = core.PersistentVolumeClaimVolumeSourceArgs(claim_name=making.data_claim or "", read_only=True)
    scratch = core.EmptyDirVolumeSourceArgs(size_limit=f"{making.scratch_gib}Gi")
    memory = core.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=f"{making.shared_memory_gib}Gi")
    return [
        *weights_volumes(making.weights, cluster, fetches=making.weights.fetched_by_pods),
        core.VolumeArgs(name=VERSIONS, persistent_volume_claim=claim),
        told("told", [CONFIG_FILE]),
        told("tool", sorted(making.files)),
        key_volume(KEYS, making.client),
        core.VolumeArgs(name=SCRATCH, empty_dir=scratch),
        *([core.VolumeArgs(name=SHARED_MEMORY, empty_dir=memory)] if making.shared_memory_gib else []),
        *([core.VolumeArgs(name=DATA, persistent_volume_claim=data)] if making.data_claim else []),
        *invitation_volumes(making),
    ]


def _named(
    name: str, cluster: ClusterHandle, annotations: dict[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    own = labels(MAKING, name)
    return meta.ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=own, annotations=annotations)
