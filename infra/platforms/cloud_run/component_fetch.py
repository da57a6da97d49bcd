"""Deploys what fills the bucket with weights: a job that has run, and found everything as it must be, or it fails."""

from __future__ import annotations

import pulumi
import pulumi_gcp as gcp

from infra.plan.engine_process import LAUNCHER
from infra.platforms.cloud_run.component_network import Network
from infra.platforms.cloud_run.component_secrets import Kept
from infra.platforms.cloud_run.containers import WEIGHTS_FOLDER, WEIGHTS_VOLUME, FetchPlan

run = gcp.cloudrunv2
SECOND_GENERATION = "EXECUTION_ENVIRONMENT_GEN2"
# Google's word for what may still change; waiting for an execution is such a thing.
LAUNCH_STAGE = "BETA"
# What broke off continues.
RETRIES = 3


class Fetch(pulumi.ComponentResource):
    """Owns the job. It is there when its execution has ended well; other weights are another execution."""

    def __init__(
        self,
        name: str,
        plan: FetchPlan,
        *,
        region: str,
        image: pulumi.Input[str],
        account: pulumi.Input[str],
        network: Network,
        token: Kept,
        bucket: pulumi.Input[str],
        key_id: pulumi.Input[str],
        binary_authorization: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Fetch", name, None, opts)
        patience = pulumi.CustomTimeouts(create=f"{plan.longest_seconds}s", update=f"{plan.longest_seconds}s")
        run.Job(
            name,
            name=plan.name,
            location=region,
            launch_stage=LAUNCH_STAGE,
            run_execution_token=plan.execution,
            # It holds nothing, and goes with the site.
            deletion_protection=False,
            binary_authorization=run.JobBinaryAuthorizationArgs(use_default=True) if binary_authorization else None,
            template=run.JobTemplateArgs(
                task_count=1,
                template=run.JobTemplateTemplateArgs(
                    service_account=account,
                    encryption_key=key_id,
                    execution_environment=SECOND_GENERATION,
                    max_retries=RETRIES,
                    timeout=f"{plan.longest_seconds}s",
                    vpc_access=run.JobTemplateTemplateVpcAccessArgs(
                        egress="ALL_TRAFFIC",
                        network_interfaces=[
                            run.JobTemplateTemplateVpcAccessNetworkInterfaceArgs(
                                network=network.network, subnetwork=network.subnetwork
                            )
                        ],
                    ),
                    containers=[
                        run.JobTemplateTemplateContainerArgs(
                            name="fetch",
                            image=image,
                            commands=list(LAUNCHER),
                            args=list(plan.arguments),
                            resources=run.JobTemplateTemplateContainerResourcesArgs(
                                limits={"cpu": str(plan.processors), "memory": f"{plan.memory_gibibytes}Gi"}
                            ),
                            volume_mounts=[
                                run.JobTemplateTemplateContainerVolumeMountArgs(
                                    name=WEIGHTS_VOLUME, mount_path=WEIGHTS_FOLDER
                                ),
                                run.JobTemplateTemplateContainerVolumeMountArgs(
                                    name=plan.token.name, mount_path=plan.token.folder
                                ),
                            ],
                        )
                    ],
                    volumes=[
                        run.JobTemplateTemplateVolumeArgs(
                            name=WEIGHTS_VOLUME, gcs=run.JobTemplateTemplateVolumeGcsArgs(bucket=bucket)
                        ),
                        run.JobTemplateTemplateVolumeArgs(
                            name=plan.token.name,
                            secret=run.JobTemplateTemplateVolumeSecretArgs(
                                secret=token.secret,
                                items=[
                                    run.JobTemplateTemplateVolumeSecretItemArgs(
                                        path=plan.token.file, version=token.version, mode=0o444
                                    )
                                ],
                            ),
                        ),
                    ],
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self, custom_timeouts=patience),
        )
        self.register_outputs({})
