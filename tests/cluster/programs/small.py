"""A namespace with a gateway in it, as a program would make it; the configuration says what is to be wrong with it."""

import json

import pulumi
import pulumi_kubernetes as kubernetes

config = pulumi.Config()
cluster = kubernetes.Provider(
    "cluster",
    cluster_identifier="tests",
    enable_config_map_mutable=config.get_bool("mutable") is not False,
    enable_patch_force=True,
)
on_cluster = pulumi.ResourceOptions(provider=cluster)
labels = {"app.kubernetes.io/name": config.get("label") or "gateway"}

namespace = kubernetes.core.v1.Namespace(
    "small",
    metadata={"labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    opts=on_cluster,
)
inside = pulumi.ResourceOptions(provider=cluster, parent=namespace, deleted_with=namespace)


def named(name: str) -> kubernetes.meta.v1.ObjectMetaArgs:
    return kubernetes.meta.v1.ObjectMetaArgs(name=name, namespace=namespace.metadata.name)


kubernetes.core.v1.ConfigMap(
    "greeting", metadata=named("gateway"), data={"greeting": config.require("greeting")}, opts=inside
)
kubernetes.core.v1.Secret(
    "key", metadata=named("gateway"), string_data={"key": pulumi.Output.secret(config.require("secret"))}, opts=inside
)
kubernetes.policy.v1.PodDisruptionBudget(
    "budget",
    metadata=named("gateway"),
    spec=kubernetes.policy.v1.PodDisruptionBudgetSpecArgs(
        max_unavailable=1, selector=kubernetes.meta.v1.LabelSelectorArgs(match_labels=labels)
    ),
    opts=inside,
)
rights = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
if config.get_bool("non_root") is False:
    del rights["runAsNonRoot"]
container = {
    "name": "main",
    "image": "example.test/gateway",
    "securityContext": rights,
    "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}},  # the server writes both in another way
}
gateway = kubernetes.apps.v1.Deployment(
    "gateway",
    metadata=named("gateway"),
    spec={
        "replicas": config.get_int("replicas") or 3,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    },
    opts=pulumi.ResourceOptions.merge(
        inside,
        pulumi.ResourceOptions(custom_timeouts=pulumi.CustomTimeouts(create=f"{config.get('seconds') or 60}s")),
    ),
)

if config.get_bool("too_many_rights"):
    kubernetes.core.v1.Pod(
        "rights", metadata=named("rights"), spec={"containers": [container], "hostNetwork": True}, opts=inside
    )
if config.get("taken"):
    kubernetes.core.v1.ConfigMap(
        "taken",
        metadata={"name": "theirs", "namespace": config.get("taken")},
        data={"of": json.dumps("ours")},
        opts=on_cluster,
    )
if config.get_bool("unknown_kind"):
    kubernetes.apiextensions.CustomResource(
        "unknown",
        api_version="karpenter.sh/v1",
        kind="NodePool",
        metadata=named("gateway"),
        spec={},
        opts=inside,
    )

pulumi.export("namespace", namespace.metadata.name)
pulumi.export("available", gateway.status.apply(lambda status: status and status.available_replicas))
