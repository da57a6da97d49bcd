"""The provider of a cluster that a site makes itself."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes


def cluster_provider(
    name: str, kubeconfig: pulumi.Input[str], called: str, opts: pulumi.ResourceOptions
) -> kubernetes.Provider:
    """For what is made inside the cluster of that name."""
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        # The cluster is known by its name: another token for it is still the same cluster.
        cluster_identifier=called,
        enable_server_side_apply=True,
        # Otherwise a changed file would be another object, and its pods replaced.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        # What somebody has changed by hand is taken back. Without it the server refuses: the field is theirs now.
        enable_patch_force=True,
        opts=opts,
    )
