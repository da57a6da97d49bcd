"""Releases of a cluster's models: who judges them, and the object in which they are, which no deployment writes."""

from __future__ import annotations

import json

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.asking_jobs import client_keys
from infra.components.cluster_handle import ClusterHandle
from infra.components.gateway_files import ACCOUNT_FOLDER, account
from infra.components.labels import labels, selector
from infra.components.placement import spread, tolerations
from infra.components.pod_security import container_security, pod_security
from infra.plan.engine_process import PYTHON
from infra.plan.gateway_pods import CONFIG_FILE, CONFIG_FOLDER
from infra.plan.in_cluster import GATEWAY, GATEWAY_OPERATIONS, OPERATIONS_PORT, RELEASE, RELEASED
from infra.plan.release_pods import QUESTION_KEYS_FOLDER, QUESTIONS_FILE, QUESTIONS_FOLDER, ReleasePod
from infra.platforms.base import SiteSecrets

apps, core, rbac, meta = kubernetes.apps.v1, kubernetes.core.v1, kubernetes.rbac.v1, kubernetes.meta.v1
# Enough for the counts of a thousand gateways.
CPU_REQUEST, CPU_LIMIT, MEMORY = "50m", "500m", "256Mi"
QUESTIONS, KEYS = "release-questions", "release-keys"
ALIVE = "/tmp/alive"  # noqa: S108 - in a volume of the pod's own
# It looks every 10 s, and waits 5 s for each gateway that does not answer.
DEAD_SECONDS = 600
PROBE_SECONDS = 30
# Nobody asks it anything; what it is about to write, it may.
PRE_STOP_SECONDS, GRACE_SECONDS = 1, 30


class Releases(pulumi.ComponentResource):
    """Owns the judge, its right to one object and that object. What is in the object is the judge's and that of whoever
    runs `python -m infra release`: the stack makes it empty, and never looks at it again."""

    def __init__(
        self,
        name: str,
        plan: ReleasePod,
        secrets: SiteSecrets,
        cluster: ClusterHandle,
        opts: pulumi.ResourceOptions | None = None,
        *,
        image: pulumi.Input[str],
    ) -> None:
        super().__init__("slipway:serving:Releases", name, None, opts)
        child = cluster.child(self)
        kept = core.ConfigMap(
            f"{name}-state",
            metadata=_named(RELEASED, cluster),
            # No data: what nobody applies has another owner, also where the server is asked who owns what.
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(ignore_changes=["data"])),
        )
        who = core.ServiceAccount(
            f"{name}-account", metadata=_named(RELEASE, cluster), automount_service_account_token=False, opts=child
        )
        may = _right(name, cluster, child, after=[who])
        told = _questions(name, plan, secrets, cluster, child) if plan.questions else []
        core.Service(
            f"{name}-gateways",
            # Of pods that are ready when engines are: nobody waits for them here.
            metadata=_named(GATEWAY_OPERATIONS, cluster, {"pulumi.com/skipAwait": "true"}),
            spec=core.ServiceSpecArgs(
                # One address for each of them.
                cluster_ip="None",
                selector=selector(GATEWAY, GATEWAY),
                ports=[core.ServicePortArgs(name="operations", port=OPERATIONS_PORT, target_port="operations")],
            ),
            opts=child,
        )
        apps.Deployment(
            name,
            metadata=_named(RELEASE, cluster),
            spec=_judge(plan, image, cluster),
            opts=pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=[kept, may, *told])),
        )
        self.register_outputs({"state": RELEASED})


def _right(
    name: str, cluster: ClusterHandle, opts: pulumi.ResourceOptions, *, after: list[pulumi.Resource]
) -> pulumi.Resource:
    """To read and change that one object; to make one is a right that no name bounds."""
    rule = rbac.PolicyRuleArgs(
        api_groups=[""], resources=["configmaps"], resource_names=[RELEASED], verbs=["get", "patch"]
    )
    role = rbac.Role(f"{name}-role", metadata=_named(RELEASE, cluster), rules=[rule], opts=opts)
    return rbac.RoleBinding(
        f"{name}-role-binding",
        metadata=_named(RELEASE, cluster),
        role_ref=rbac.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind="Role", name=RELEASE),
        subjects=[rbac.SubjectArgs(kind="ServiceAccount", name=RELEASE, namespace=cluster.namespace)],
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[role, *after])),
    )


def _questions(
    name: str, plan: ReleasePod, secrets: SiteSecrets, cluster: ClusterHandle, opts: pulumi.ResourceOptions
) -> list[pulumi.Resource]:
    """What candidates are asked before each step, and the keys of the clients who ask, of no others."""
    return [
        core.ConfigMap(
            f"{name}-questions",
            metadata=_named(QUESTIONS, cluster),
            data={QUESTIONS_FILE: json.dumps(plan.questions, indent=2, sort_keys=True)},
            opts=opts,
        ),
        client_keys(name, _named(KEYS, cluster), plan.clients, secrets, opts),
    ]


def _judge(plan: ReleasePod, image: pulumi.Input[str], cluster: ClusterHandle) -> kubernetes.apps.v1.DeploymentSpecArgs:
    own = selector(RELEASE, RELEASE)
    volumes = [
        # The gateways' own file: the rules are in it.
        core.VolumeArgs(name="config", config_map=core.ConfigMapVolumeSourceArgs(name=GATEWAY)),
        account(),
        core.VolumeArgs(name="tmp", empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="16Mi")),
    ]
    if plan.questions:
        volumes += [
            core.VolumeArgs(name="questions", config_map=core.ConfigMapVolumeSourceArgs(name=QUESTIONS)),
            core.VolumeArgs(name="keys", secret=core.SecretVolumeSourceArgs(secret_name=KEYS, default_mode=0o440)),
        ]
    return apps.DeploymentSpecArgs(
        replicas=1,
        revision_history_limit=3,
        # Two would only get in each other's way; while there is none, nothing changes.
        strategy=apps.DeploymentStrategyArgs(type="Recreate"),
        selector=meta.LabelSelectorArgs(match_labels=own),
        template=core.PodTemplateSpecArgs(
            metadata=meta.ObjectMetaArgs(labels=labels(RELEASE, RELEASE)),
            spec=core.PodSpecArgs(
                service_account_name=RELEASE,
                automount_service_account_token=False,
                enable_service_links=False,
                security_context=pod_security(),
                termination_grace_period_seconds=GRACE_SECONDS,
                topology_spread_constraints=spread(own, cluster.zones),
                tolerations=tolerations(cluster.gateway_nodes) or None,
                node_selector=dict(cluster.gateway_nodes.labels) or None,
                image_pull_secrets=cluster.pull_secrets(),
                containers=[_container(plan, image)],
                volumes=volumes,
            ),
        ),
    )


def _container(plan: ReleasePod, image: pulumi.Input[str]) -> kubernetes.core.v1.ContainerArgs:
    told = [("questions", QUESTIONS_FOLDER), ("keys", QUESTION_KEYS_FOLDER)] if plan.questions else []
    return core.ContainerArgs(
        name=RELEASE,
        image=image,
        image_pull_policy="IfNotPresent",
        command=[PYTHON, "-m", "serving.release"],
        args=[
            *("--rules", f"{CONFIG_FOLDER}/{CONFIG_FILE}", "--config-map", RELEASED),
            *("--gateways", f"http://{GATEWAY_OPERATIONS}:{OPERATIONS_PORT}", "--alive", ALIVE),
            # All of the pod's addresses, of either family; who reaches them is the network policies'.
            *("--operations", f"0.0.0.0:{OPERATIONS_PORT}"),
            *(("--questions", f"{QUESTIONS_FOLDER}/{QUESTIONS_FILE}") if told else ()),
        ],
        ports=[core.ContainerPortArgs(name="operations", container_port=OPERATIONS_PORT)],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": CPU_REQUEST, "memory": MEMORY}, limits={"cpu": CPU_LIMIT, "memory": MEMORY}
        ),
        security_context=container_security(),
        startup_probe=_probe(DEAD_SECONDS // PROBE_SECONDS),
        readiness_probe=_probe(),
        liveness_probe=_probe(),
        lifecycle=core.LifecycleArgs(
            pre_stop=core.LifecycleHandlerArgs(sleep=core.SleepActionArgs(seconds=PRE_STOP_SECONDS))
        ),
        volume_mounts=[
            core.VolumeMountArgs(name="config", mount_path=CONFIG_FOLDER, read_only=True),
            core.VolumeMountArgs(name="account", mount_path=ACCOUNT_FOLDER, read_only=True),
            core.VolumeMountArgs(name="tmp", mount_path="/tmp"),  # noqa: S108 - a volume of the pod's own
            *(core.VolumeMountArgs(name=volume, mount_path=folder, read_only=True) for volume, folder in told),
        ],
    )


def _probe(failures: int = 3) -> kubernetes.core.v1.ProbeArgs:
    """It says by a file that it has looked."""
    said = f"import os, sys, time; sys.exit(time.time() - os.stat('{ALIVE}').st_mtime > {DEAD_SECONDS})"
    return core.ProbeArgs(
        exec_=core.ExecActionArgs(command=[PYTHON, "-c", said]),
        period_seconds=PROBE_SECONDS,
        timeout_seconds=10,
        failure_threshold=failures,
    )


def _named(
    name: str, cluster: ClusterHandle, annotations: dict[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    own = labels(RELEASE, name)
    return meta.ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=own, annotations=annotations)
