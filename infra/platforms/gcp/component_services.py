"""Deploys what a site needs of its project: services that are on, and who Google's own parts of it are."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

# Google's own accounts for parts of a project, by use (IAM documentation, "Service agents", read 2026-11).
AGENTS = {
    "cluster": "container-engine-robot",
    "disks": "compute-system",
    "images": "gcp-sa-artifactregistry",
}
# Whose agent is there only when somebody has asked for it.
ASKED_FOR = {"images": "artifactregistry.googleapis.com", "limits": "memorystore.googleapis.com"}


class Services(pulumi.ComponentResource):
    """Owns that services are on: they stay on when the site goes, as others may use them. `agents` are members of IAM,
    by what they do; `number` is the project's."""

    def __init__(
        self,
        name: str,
        services: Sequence[str],
        *,
        project: str,
        provider: gcp.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Services", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        on = [
            gcp.projects.Service(
                f"{name}-{service.partition('.')[0]}",
                service=service,
                disable_on_destroy=False,
                opts=child,
            )
            for service in services
        ]
        found = gcp.organizations.get_project_output(
            project_id=project, opts=pulumi.InvokeOutputOptions(parent=self, provider=provider, depends_on=on)
        )
        self.number = found.apply(lambda known: known.number)
        after = pulumi.ResourceOptions.merge(child, pulumi.ResourceOptions(depends_on=on))
        asked = {
            use: gcp.projects.ServiceIdentity(f"{name}-{use}", service=service, opts=after).member
            for use, service in ASKED_FOR.items()
            if service in services
        }
        # It is there as soon as somebody has asked for it.
        buckets = gcp.storage.get_project_service_account_output(
            project=project, opts=pulumi.InvokeOutputOptions(parent=self, provider=provider, depends_on=on)
        ).apply(lambda known: known.member)
        self.agents: dict[str, pulumi.Output[str]] = {
            use: self.number.apply(
                lambda number, domain=domain: f"serviceAccount:service-{number}@{domain}.iam.gserviceaccount.com"
            )
            for use, domain in AGENTS.items()
        } | {**asked, "buckets": buckets}
        self.register_outputs({"number": self.number})
