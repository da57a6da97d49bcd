"""Trials of the models of a cluster: jobs that ask through the gateways, at their hours or when somebody starts one."""

from __future__ import annotations

import json

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.asking_jobs import KEPT_SECONDS, RECORD, SOME_HOUR, client_keys, key_volume
from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.components.placement import tolerations
from infra.components.pod_security import container_security, pod_security
from infra.naming import normalised
from infra.plan.engine_process import PYTHON
from infra.plan.in_cluster import FETCHES_WEIGHTS, TRIAL
from infra.plan.trial_pods import (
    CONFIG_FILE,
    CONFIG_FOLDER,
    KEY_FOLDER,
    RESULTS_FOLDER,
    TOOL_DISK,
    TOOL_MEMORY,
    TrialPod,
)
from infra.plan.trial_types import ToolPlan
from infra.platforms.base import SiteSecrets
from infra.trials.tool import HOME

batch, core, meta = kubernetes.batch.v1, kubernetes.core.v1, kubernetes.meta.v1
KEYS = "trial-keys"
RESULTS = "results"


class Trials(pulumi.ComponentResource):
    """Owns a CronJob for each trial, what it is told, and the keys of the clients that ask. A pod's termination message
    is the record."""

    def __init__(
        self,
        name: str,
        trials: tuple[TrialPod, ...],
        secrets: SiteSecrets,
        cluster: ClusterHandle,
        opts: pulumi.ResourceOptions | None = None,
        *,
        image: pulumi.Input[str],
    ) -> None:
        super().__init__("slipway:serving:Trials", name, None, opts)
        child = cluster.child(self)
        asking = (trial.client for trial in trials)
        keys = client_keys(name, _named(KEYS, cluster), asking, secrets, child)
        for trial in trials:
            told = core.ConfigMap(
                f"{name}-{trial.name}-told",
                metadata=_named(trial.name, cluster),
                data={CONFIG_FILE: json.dumps(trial.config, indent=2, sort_keys=True)},
                opts=child,
            )
            batch.CronJob(
                f"{name}-{trial.name}",
                metadata=_named(trial.name, cluster),
                spec=_spec(trial, image, cluster),
                opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[keys, told])),
            )
        self.register_outputs({"trials": [trial.name for trial in trials]})


def _spec(trial: TrialPod, image: pulumi.Input[str], cluster: ClusterHandle) -> kubernetes.batch.v1.CronJobSpecArgs:
    return batch.CronJobSpecArgs(
        schedule=trial.schedule or SOME_HOUR,
        time_zone="Etc/UTC",
        suspend=trial.schedule is None,
        # Two loads at once would measure each other.
        concurrency_policy="Forbid",
        job_template=batch.JobTemplateSpecArgs(
            spec=batch.JobSpecArgs(
                # One that is not passed is an answer, and not to be asked for again.
                backoff_limit=0,
                active_deadline_seconds=trial.deadline_seconds,
                ttl_seconds_after_finished=KEPT_SECONDS,
                template=core.PodTemplateSpecArgs(
                    metadata=meta.ObjectMetaArgs(labels=_labels(trial)),
                    spec=core.PodSpecArgs(
                        restart_policy="Never",
                        service_account_name=TRIAL,
                        automount_service_account_token=False,
                        enable_service_links=False,
                        security_context=pod_security(),
                        tolerations=tolerations(cluster.gateway_nodes) or None,
                        node_selector=dict(cluster.gateway_nodes.labels) or None,
                        image_pull_secrets=cluster.pull_secrets(),
                        init_containers=[_tool(trial, trial.tool)] if trial.tool else None,
                        containers=[_container(trial, image)],
                        volumes=_volumes(trial),
                    ),
                ),
            )
        ),
    )


def _container(trial: TrialPod, image: pulumi.Input[str]) -> kubernetes.core.v1.ContainerArgs:
    return core.ContainerArgs(
        name=TRIAL,
        image=image,
        image_pull_policy="IfNotPresent",
        command=[PYTHON, "-m", "serving.trials"],
        args=[f"{CONFIG_FOLDER}/{CONFIG_FILE}", "--record", RECORD],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": trial.cpu_request, "memory": trial.memory},
            limits={"cpu": trial.cpu_limit, "memory": trial.memory},
        ),
        security_context=container_security(),
        termination_message_path=RECORD,
        volume_mounts=[
            core.VolumeMountArgs(name="told", mount_path=CONFIG_FOLDER, read_only=True),
            # Who judges what a tool has left asks nobody.
            core.VolumeMountArgs(name=RESULTS, mount_path=RESULTS_FOLDER, read_only=True)
            if trial.tool
            else core.VolumeMountArgs(name="key", mount_path=KEY_FOLDER, read_only=True),
            core.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
        ],
    )


def _tool(trial: TrialPod, tool: ToolPlan) -> kubernetes.core.v1.ContainerArgs:
    """It alone has the client's key, in the environment where it looks for one."""
    key = core.SecretKeySelectorArgs(name=KEYS, key=trial.client)
    return core.ContainerArgs(
        name=normalised(tool.name),
        image=tool.image,
        image_pull_policy="IfNotPresent",
        command=[*tool.command],
        env=[
            *(core.EnvVarArgs(name=name, value=value) for name, value in sorted(tool.environment.items())),
            core.EnvVarArgs(name=tool.key_environment, value_from=core.EnvVarSourceArgs(secret_key_ref=key)),
        ],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": trial.cpu_request, "memory": TOOL_MEMORY},
            limits={"cpu": trial.cpu_limit, "memory": TOOL_MEMORY},
        ),
        security_context=container_security(),
        volume_mounts=[
            core.VolumeMountArgs(name=RESULTS, mount_path=RESULTS_FOLDER),
            core.VolumeMountArgs(name="tool-tmp", mount_path=HOME),
        ],
    )


def _labels(trial: TrialPod) -> dict[str, str]:
    """What fetches data sets reaches what fetches weights reaches: names, and the internet by HTTPS."""
    fetches = {FETCHES_WEIGHTS: "true"} if trial.tool and trial.tool.downloads else {}
    return {**labels(TRIAL, trial.name), **fetches}


def _volumes(trial: TrialPod) -> list[kubernetes.core.v1.VolumeArgs]:
    own = (
        [
            core.VolumeArgs(name=RESULTS, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="512Mi")),
            core.VolumeArgs(name="tool-tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=TOOL_DISK)),
        ]
        if trial.tool
        else [key_volume(KEYS, trial.client)]
    )
    return [
        core.VolumeArgs(name="told", config_map=core.ConfigMapVolumeSourceArgs(name=trial.name)),
        *own,
        core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="64Mi")),
    ]


def _named(name: str, cluster: ClusterHandle) -> kubernetes.meta.v1.ObjectMetaArgs:
    return meta.ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=labels(TRIAL, name))
