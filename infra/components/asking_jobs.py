"""What pods that ask a model have in common: keys of the clients as whom they ask, and how jobs run and are kept."""

from __future__ import annotations

from collections.abc import Iterable

import pulumi
import pulumi_kubernetes as kubernetes

from infra.platforms.base import SiteSecrets

core = kubernetes.core.v1
# Where Kubernetes keeps a container's last words, which outlive its log.
RECORD = "/dev/termination-log"
# Nobody starts it at this hour, as it is suspended; Kubernetes wants one.
SOME_HOUR = "0 0 1 1 *"
KEPT_SECONDS = 7 * 24 * 3600


def client_keys(
    name: str,
    metadata: kubernetes.meta.v1.ObjectMetaArgs,
    clients: Iterable[str],
    secrets: SiteSecrets,
    opts: pulumi.ResourceOptions,
) -> kubernetes.core.v1.Secret:
    """A key of each of these clients and of no others, by client."""
    known = {client: secrets.client_keys[client] for client in sorted({*clients}) if client in secrets.client_keys}
    return core.Secret(f"{name}-keys", metadata=metadata, string_data=known, opts=opts)


def key_volume(secret: str, client: str) -> kubernetes.core.v1.VolumeArgs:
    """The key of one of them, as the file that has its name."""
    item = core.KeyToPathArgs(key=client, path=client)
    source = core.SecretVolumeSourceArgs(secret_name=secret, default_mode=0o440, items=[item])
    return core.VolumeArgs(name="key", secret=source)
