"""How a GKE cluster is reached: with a token that Google's plugin is asked for each time."""

from __future__ import annotations

from infra.platforms.kubeconfig import kubeconfig as of_a_cluster


def kubeconfig(name: str, host: str, certificate_authority: str | None) -> str:
    """As JSON, which is YAML. Its name in DNS shows a certificate that everybody trusts; an address shows the
    cluster's own."""
    cluster = {"server": f"https://{host}"}
    if certificate_authority is not None:
        cluster["certificate-authority-data"] = certificate_authority
    return of_a_cluster(name, cluster, "v1beta1", ("gke-gcloud-auth-plugin",), provideClusterInfo=True)
