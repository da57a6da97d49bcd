"""How an EKS cluster is reached: with a token that the AWS CLI is asked for each time."""

from __future__ import annotations

from infra.platforms.kubeconfig import kubeconfig as of_a_cluster


def kubeconfig(name: str, region: str, endpoint: str, certificate_authority: str) -> str:
    """As JSON, which is YAML."""
    cluster = {"server": endpoint, "certificate-authority-data": certificate_authority}
    command = ("aws", "eks", "get-token", "--cluster-name", name, "--region", region, "--output", "json")
    return of_a_cluster(name, cluster, "v1", command)
