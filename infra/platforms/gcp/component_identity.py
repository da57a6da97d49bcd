"""Deploys rights of workloads: what each service account of the cluster may do at Google, without a key of any."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.platforms.gcp.identity_plan import READS_SECRETS, WorkloadRights


class Identity(pulumi.ComponentResource):
    """Owns a right for each workload, given to its service account itself (Workload Identity Federation), unless
    `members` says who it is to Google: no key is stored, and no pod is its machine."""

    def __init__(
        self,
        name: str,
        plan: Mapping[str, WorkloadRights],
        *,
        project: str,
        number: pulumi.Output[str],
        buckets: Mapping[str, pulumi.Output[str]],
        members: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:Identity", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for workload, planned in plan.items():
            principal = number.apply(lambda known, of=planned: _principal(known, project, of))
            member = members.get(workload, principal)
            if planned.bucket is not None:
                bucket = buckets[planned.bucket]
                gcp.storage.BucketIAMMember(
                    f"{name}-{workload}",
                    bucket=bucket,
                    role=planned.role,
                    member=member,
                    condition=gcp.storage.BucketIAMMemberConditionArgs(
                        title=f"{planned.bucket} of {workload}",
                        expression=bucket.apply(lambda known, of=planned: _allowed(known, of)),
                    ),
                    opts=child,
                )
            for secret in planned.secrets:
                _, of, _, called = secret.split("/")
                gcp.secretmanager.SecretIamMember(
                    f"{name}-{workload}-{called}",
                    project=of,
                    secret_id=called,
                    role=READS_SECRETS,
                    member=member,
                    opts=child,
                )
        self.register_outputs({})


def _principal(number: str, project: str, planned: WorkloadRights) -> str:
    """As IAM calls a service account of a cluster (GKE documentation, "Workload Identity Federation", read 2026-11)."""
    pool = f"projects/{number}/locations/global/workloadIdentityPools/{project}.svc.id.goog"
    return f"principal://iam.googleapis.com/{pool}/subject/ns/{planned.namespace}/sa/{planned.service_account}"


def _allowed(bucket: str, planned: WorkloadRights) -> str:
    """What is below its prefixes; and where it lists, the bucket itself, which is what names are asked of."""
    whole = f"projects/_/buckets/{bucket}"
    found = [f'resource.name.startsWith("{whole}/objects/{prefix}")' for prefix in planned.prefixes]
    return " || ".join([*found, *([f'resource.name == "{whole}"'] if planned.lists else [])])
