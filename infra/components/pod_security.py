"""What every pod of ours may do: nothing that Pod Security `restricted` forbids, and no writing but in its volumes."""

from __future__ import annotations

import pulumi_kubernetes as kubernetes

USER = 10001
core = kubernetes.core.v1


def pod_security(user: int = USER) -> kubernetes.core.v1.PodSecurityContextArgs:
    """For a pod: its user owns its volumes. A large volume is not walked again at every start."""
    return core.PodSecurityContextArgs(
        run_as_non_root=True,
        run_as_user=user,
        run_as_group=user,
        fs_group=user,
        fs_group_change_policy="OnRootMismatch",
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )


def container_security(user: int = USER) -> kubernetes.core.v1.SecurityContextArgs:
    """For each of its containers."""
    return core.SecurityContextArgs(
        run_as_non_root=True,
        run_as_user=user,
        run_as_group=user,
        allow_privilege_escalation=False,
        privileged=False,
        read_only_root_filesystem=True,
        capabilities=core.CapabilitiesArgs(drop=["ALL"]),
        seccomp_profile=core.SeccompProfileArgs(type="RuntimeDefault"),
    )
