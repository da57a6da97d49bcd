"""Replicas of several nodes as a LeaderWorkerSet: each a group of pods that start, fail and are replaced together."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.engine_pods import EngineObjects, pod_template
from infra.components.labels import labels, selector
from infra.plan.in_cluster import ENGINE
from infra.plan.node_groups import SET_LABEL, NodeGroups
from infra.plan.serving import EnginePlan


def leader_worker_set(
    name: str,
    engine: EnginePlan,
    groups: NodeGroups,
    cluster: ClusterHandle,
    objects: EngineObjects,
    opts: pulumi.ResourceOptions,
) -> None:
    """The set. Its controller, which is the cluster's, makes a StatefulSet of leaders, one of workers for each of them,
    and the Service by which the pods of a group find one another."""
    api_version, kind, called = engine.scaled
    kubernetes.apiextensions.CustomResource(
        name,
        api_version=api_version,
        kind=kind,
        metadata=kubernetes.meta.v1.ObjectMetaArgs(
            name=called,
            namespace=cluster.namespace,
            labels=labels(ENGINE, engine.name),
            annotations={"pulumi.com/waitFor": "condition=Available"},
        ),
        spec={
            # Where something scales it, that alone says how many there are.
            **({"replicas": engine.replicas.min} if engine.scaling is None else {}),
            # Workers are needed for the leader to become ready, so they cannot wait for it.
            "startupPolicy": "LeaderCreated",
            "rolloutStrategy": {
                "type": "RollingUpdate",
                "rollingUpdateConfiguration": {
                    "maxSurge": engine.pod.surge,
                    "maxUnavailable": engine.pod.unavailable,
                },
            },
            "networkConfig": {"subdomainPolicy": "Shared"},
            "leaderWorkerTemplate": {
                "size": groups.size,
                # A group that has lost a part computes nothing any more.
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": pod_template(engine, cluster, objects),
                "workerTemplate": pod_template(engine, cluster, objects, groups.worker),
            },
        },
        opts=opts,
    )


def replicas_labels(engine: EnginePlan) -> dict[str, str]:
    """What selects every pod of every replica: of one that is a group, workers too, as it ends with any of them."""
    return {SET_LABEL: engine.groups.name} if engine.groups else selector(ENGINE, engine.name)
