"""What is mounted into the gateways: their file, hashes of clients' keys, their own secrets, and where they write."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.labels import labels
from infra.plan.client_keys import KeysByDriver, KeysInSecret, KeysInStore, KeysOfStack
from infra.plan.gateway_pods import (
    CLIENT_KEYS_FOLDER,
    CONFIG_FILE,
    CONFIG_FOLDER,
    CONTAINED_FOLDER,
    RELEASED_FOLDER,
    SECRETS_FOLDER,
    SHARED_LIMITS_FOLDER,
    STATE_FOLDER,
    GatewayPods,
    gateway_file,
)
from infra.plan.in_cluster import (
    AUDIT_BUCKET_PLACE,
    CONTAINED,
    ENGINE_KEY_FOLDER,
    ENGINE_KEY_SECRET,
    GATEWAY,
    RELEASED,
    SHARED_LIMITS,
)
from infra.plan.serving import ServingPlan
from infra.platforms.base import SiteSecrets

core, meta = kubernetes.core.v1, kubernetes.meta.v1
CLIENT_KEYS = "client-keys"
GATEWAY_SECRETS = "gateway-secrets"
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
TOKEN_SECONDS = 3600
# The Secrets Store driver, and where a provider brings its own (GKE's add-on for Secret Manager).
DRIVER = "secrets-store.csi.k8s.io"
DRIVERS = {"gke": "secrets-store-gke.csi.k8s.io"}
# Readable by its user alone: the pod's group is that user's own.
FILE_MODE = 0o440


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """A volume of the pod, and where its container has it."""

    volume: kubernetes.core.v1.VolumeArgs
    path: str
    read_only: bool = True
    sub_path_expr: str | None = None
    # What must be there before a pod can start; none where the component did not make it.
    made: pulumi.Resource | None = None

    @property
    def mount(self) -> kubernetes.core.v1.VolumeMountArgs:
        return core.VolumeMountArgs(
            name=self.volume.name, mount_path=self.path, read_only=self.read_only, sub_path_expr=self.sub_path_expr
        )


def gateway_files(
    name: str, plan: ServingPlan, secrets: SiteSecrets, cluster: ClusterHandle, opts: pulumi.ResourceOptions
) -> list[Mounted]:
    """Makes them and says how they are mounted. Each is a folder: only then does a pod see that one has changed."""
    content = gateway_file(
        plan.gateway,
        {model: engine.name for model, engine in plan.engines.items()},
        {model: engine.origin for model, engine in plan.engines.items() if engine.origin},
    )
    config = core.ConfigMap(
        f"{name}-config",
        metadata=_named(GATEWAY, cluster),
        data={CONFIG_FILE: _named_bucket(json.dumps(content, indent=2, sort_keys=True), cluster.audit_bucket)},
        opts=opts,
    )
    config_volume = core.VolumeArgs(name="config", config_map=core.ConfigMapVolumeSourceArgs(name=GATEWAY))
    mounted = [
        Mounted(volume=config_volume, path=CONFIG_FOLDER, made=config),
        Mounted(volume=_at_run_time("contained", CONTAINED), path=CONTAINED_FOLDER),
        *([Mounted(volume=_at_run_time("released", RELEASED), path=RELEASED_FOLDER)] if plan.releases else []),
        _client_keys(name, plan.gateway_pods, secrets, cluster, opts),
        Mounted(volume=_secret_volume("engine-key", ENGINE_KEY_SECRET), path=ENGINE_KEY_FOLDER),
        *([Mounted(volume=account(), path=ACCOUNT_FOLDER)] if plan.finds_engines else []),
        Mounted(volume=_empty("tmp", "64Mi"), path="/tmp", read_only=False),  # noqa: S108 - a volume of the pod's own
        _state(name, plan.gateway_pods, cluster, opts),
    ]
    if plan.gateway_pods.secret_names:
        mounted.append(_secrets(name, plan.gateway_pods, secrets, cluster, opts))
    if plan.count_together:
        # The password of the store is in its address; else its authority is there too. Nothing more is a gateway's.
        store = plan.gateway["limits_store"]
        named = [store[field].rpartition("/")[2] for field in ("url_file", "ca_file") if field in store]
        entries = [core.KeyToPathArgs(key=entry, path=entry) for entry in named]
        mounted.append(
            Mounted(volume=_secret_volume("shared-limits", SHARED_LIMITS, entries), path=SHARED_LIMITS_FOLDER)
        )
    return mounted


def _named_bucket(text: str, bucket: pulumi.Input[str] | None) -> pulumi.Input[str]:
    """With the name of the audit's bucket, where the site makes one."""
    if bucket is None:
        return text
    return pulumi.Output.from_input(bucket).apply(lambda name: text.replace(AUDIT_BUCKET_PLACE, name))


def _secrets(
    name: str, pods: GatewayPods, secrets: SiteSecrets, cluster: ClusterHandle, opts: pulumi.ResourceOptions
) -> Mounted:
    """The volume with a file for each secret of the gateways' own."""
    if isinstance(pods.secrets, KeysByDriver):
        made = _class_of_driver(f"{name}-secrets", GATEWAY_SECRETS, pods.secrets, cluster, opts)
        return Mounted(volume=_driver_volume("secrets", GATEWAY_SECRETS, pods.secrets), path=SECRETS_FOLDER, made=made)
    made = core.Secret(
        f"{name}-secrets",
        metadata=_named(GATEWAY_SECRETS, cluster),
        string_data=pulumi.Output.secret(secrets.gateway_secrets).apply(_only(pods.secret_names)),
        opts=opts,
    )
    return Mounted(volume=_secret_volume("secrets", GATEWAY_SECRETS), path=SECRETS_FOLDER, made=made)


def _only(names: tuple[str, ...]) -> Callable[[str], dict[str, str]]:
    """Of the stack's secrets those that this site's file names."""

    def chosen(text: str) -> dict[str, str]:
        given: dict[str, str] = json.loads(text)
        return {secret: given[secret] for secret in names if secret in given}

    return chosen


def _client_keys(
    name: str, pods: GatewayPods, secrets: SiteSecrets, cluster: ClusterHandle, opts: pulumi.ResourceOptions
) -> Mounted:
    """The volume with a file for each client, wherever they come from."""
    source, made = pods.keys, None
    volume = _secret_volume(CLIENT_KEYS, source.name if isinstance(source, KeysInSecret) else CLIENT_KEYS)
    if isinstance(source, KeysByDriver):
        made = _class_of_driver(f"{name}-client-keys", CLIENT_KEYS, source, cluster, opts)
        volume = _driver_volume(CLIENT_KEYS, CLIENT_KEYS, source)
    elif isinstance(source, KeysInStore):
        spec = {
            "refreshInterval": source.refresh,
            "secretStoreRef": {"name": source.store, "kind": source.store_kind},
            "target": {"name": CLIENT_KEYS, "creationPolicy": "Owner"},
            "dataFrom": [{"extract": {"key": source.key}}],
        }
        made = _custom(
            f"{name}-client-keys", "external-secrets.io/v1", "ExternalSecret", CLIENT_KEYS, spec, cluster, opts, "Ready"
        )
    elif isinstance(source, KeysOfStack):
        made = core.Secret(
            f"{name}-client-keys",
            metadata=_named(CLIENT_KEYS, cluster),
            string_data=pulumi.Output.secret(secrets.key_hashes).apply(lambda text: _key_files(text, pods.key_expiry)),
            opts=opts,
        )
    return Mounted(volume=volume, path=CLIENT_KEYS_FOLDER, made=made)


def _class_of_driver(
    name: str, called: str, source: KeysByDriver, cluster: ClusterHandle, opts: pulumi.ResourceOptions
) -> pulumi.Resource:
    """What the driver is to mount from a store."""
    spec = {"provider": source.provider, "parameters": dict(source.parameters)}
    return _custom(name, "secrets-store.csi.x-k8s.io/v1", "SecretProviderClass", called, spec, cluster, opts)


def _driver_volume(name: str, called: str, source: KeysByDriver) -> kubernetes.core.v1.VolumeArgs:
    """Mounted from a store: in the pod's memory, and nowhere else in the cluster."""
    driver = core.CSIVolumeSourceArgs(
        driver=DRIVERS.get(source.provider, DRIVER),
        read_only=True,
        volume_attributes={"secretProviderClass": called},
    )
    return core.VolumeArgs(name=name, csi=driver)


def _key_files(text: str, expiry: Mapping[str, str]) -> dict[str, str]:
    """A file for each client: a hash in each line, and when the key ends where it does."""
    hashes: dict[str, list[str]] = json.loads(text)
    return {
        client: "".join(f"{known} {expiry[client]}\n" if client in expiry else f"{known}\n" for known in of)
        for client, of in hashes.items()
    }


def _state(name: str, pods: GatewayPods, cluster: ClusterHandle, opts: pulumi.ResourceOptions) -> Mounted:
    """Where the gateway keeps its audit: a folder of its own on a volume that all of them have, or the pod's disk."""
    audit = pods.audit
    if audit is None or audit.volume is None:
        return Mounted(volume=_empty("state", audit.size if audit else "64Mi"), path=STATE_FOLDER, read_only=False)
    kept = core.PersistentVolumeClaim(
        f"{name}-audit",
        # A class may wait for the first pod, which waits for this.
        metadata=_named(audit.volume, cluster, {"pulumi.com/skipAwait": "true"}),
        spec=core.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce" if audit.one_node else "ReadWriteMany"],
            storage_class_name=cluster.storage.audit,
            resources=core.VolumeResourceRequirementsArgs(requests={"storage": audit.size}),
        ),
        # Who asked what of which model is not to go with what served it.
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(retain_on_delete=True)),
    )
    claim = core.PersistentVolumeClaimVolumeSourceArgs(claim_name=audit.volume)
    return Mounted(
        volume=core.VolumeArgs(name="state", persistent_volume_claim=claim),
        path=STATE_FOLDER,
        read_only=False,
        sub_path_expr=GATEWAY if audit.one_node else "$(POD_NAME)",
        made=kept,
    )


def account() -> kubernetes.core.v1.VolumeArgs:
    """A short-lived token of the pod's account, which only this container gets."""
    token = core.ServiceAccountTokenProjectionArgs(path="token", expiration_seconds=TOKEN_SECONDS)
    authority = core.ConfigMapProjectionArgs(
        name="kube-root-ca.crt", items=[core.KeyToPathArgs(key="ca.crt", path="ca.crt")]
    )
    namespace = core.DownwardAPIVolumeFileArgs(
        path="namespace", field_ref=core.ObjectFieldSelectorArgs(field_path="metadata.namespace")
    )
    sources = [
        core.VolumeProjectionArgs(service_account_token=token),
        core.VolumeProjectionArgs(config_map=authority),
        core.VolumeProjectionArgs(downward_api=core.DownwardAPIProjectionArgs(items=[namespace])),
    ]
    return core.VolumeArgs(
        name="account", projected=core.ProjectedVolumeSourceArgs(sources=sources, default_mode=FILE_MODE)
    )


def _secret_volume(
    name: str, secret: str, items: list[kubernetes.core.v1.KeyToPathArgs] | None = None
) -> kubernetes.core.v1.VolumeArgs:
    source = core.SecretVolumeSourceArgs(secret_name=secret, default_mode=FILE_MODE, items=items)
    return core.VolumeArgs(name=name, secret=source)


def _at_run_time(name: str, called: str) -> kubernetes.core.v1.VolumeArgs:
    """What is blocked, or released, once somebody says so: what is in it is not the stack's to change."""
    return core.VolumeArgs(name=name, config_map=core.ConfigMapVolumeSourceArgs(name=called, optional=True))


def _empty(name: str, size: str) -> kubernetes.core.v1.VolumeArgs:
    return core.VolumeArgs(name=name, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit=size))


def _custom(
    name: str,
    api_version: str,
    kind: str,
    called: str,
    spec: Mapping[str, Any],
    cluster: ClusterHandle,
    opts: pulumi.ResourceOptions,
    wait_for: str | None = None,
) -> pulumi.Resource:
    """An object that an operator of the cluster's acts upon."""
    annotations = {"pulumi.com/waitFor": f"condition={wait_for}"} if wait_for else None
    return kubernetes.apiextensions.CustomResource(
        name,
        api_version=api_version,
        kind=kind,
        metadata=_named(called, cluster, annotations),
        spec=dict(spec),
        opts=opts,
    )


def _named(
    name: str, cluster: ClusterHandle, annotations: dict[str, str] | None = None
) -> kubernetes.meta.v1.ObjectMetaArgs:
    own = labels(GATEWAY, GATEWAY)
    return meta.ObjectMetaArgs(name=name, namespace=cluster.namespace, labels=own, annotations=annotations)
