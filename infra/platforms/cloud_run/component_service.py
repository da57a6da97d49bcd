"""Deploys the service: its containers, what each has mounted, when it is ready, and who may call it."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from infra.platforms.cloud_run.component_network import Network
from infra.platforms.cloud_run.component_secrets import Kept
from infra.platforms.cloud_run.containers import WEIGHTS_FOLDER, WEIGHTS_VOLUME, ContainerPlan, HttpProbe
from infra.platforms.cloud_run.site_plan import ServicePlan

run = gcp.cloudrunv2
INVOKER = "roles/run.invoker"
# Read by whoever is in the container, as every image there has one user.
FILE_MODE = 0o444
SECOND_GENERATION = "EXECUTION_ENVIRONMENT_GEN2"


class Service(pulumi.ComponentResource):
    """Owns the service and the rights to call it. `address` is its own, `service` its name for who stands in front."""

    def __init__(
        self,
        name: str,
        plan: ServicePlan,
        *,
        region: str,
        images: Mapping[str, pulumi.Input[str]],
        account: pulumi.Input[str],
        network: Network,
        files: Mapping[str, Kept],
        weights_bucket: pulumi.Input[str] | None,
        key_id: pulumi.Input[str],
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:cloud_run:Service", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        service = run.Service(
            name,
            name=plan.name,
            location=region,
            ingress=plan.ingress,
            default_uri_disabled=not plan.default_address,
            # Keys of ours are asked for by the gateway; Google's own question comes before that.
            invoker_iam_disabled=not plan.invokers,
            binary_authorization=run.ServiceBinaryAuthorizationArgs(use_default=True)
            if plan.binary_authorization
            else None,
            deletion_protection=protected,
            template=run.ServiceTemplateArgs(
                service_account=account,
                encryption_key=key_id,
                execution_environment=SECOND_GENERATION,
                timeout=f"{plan.timeout_seconds}s",
                max_instance_request_concurrency=plan.concurrent_requests,
                scaling=run.ServiceTemplateScalingArgs(
                    min_instance_count=plan.min_instances, max_instance_count=plan.max_instances
                ),
                node_selector=run.ServiceTemplateNodeSelectorArgs(accelerator=plan.card) if plan.card else None,
                gpu_zonal_redundancy_disabled=not plan.zonal_redundancy if plan.card else None,
                vpc_access=run.ServiceTemplateVpcAccessArgs(
                    egress="ALL_TRAFFIC",
                    network_interfaces=[
                        run.ServiceTemplateVpcAccessNetworkInterfaceArgs(
                            network=network.network, subnetwork=network.subnetwork
                        )
                    ],
                ),
                containers=[_container(one, images[one.name]) for one in plan.containers],
                volumes=[
                    *_secret_volumes(plan, files),
                    *(_memory(one, path, size) for one in plan.containers for path, size in one.memory_folders.items()),
                    *([_weights(weights_bucket)] if weights_bucket is not None else []),
                ],
            ),
            opts=child,
        )
        for place, invoker in enumerate(plan.invokers):
            run.ServiceIamMember(
                f"{name}-invoker-{place}",
                name=service.name,
                location=region,
                role=INVOKER,
                member=invoker,
                opts=child,
            )
        self.service, self.address = service.name, service.uri
        self.register_outputs({"service": self.service})


def _container(plan: ContainerPlan, image: pulumi.Input[str]) -> run.ServiceTemplateContainerArgs:
    gpu = {"nvidia.com/gpu": "1"} if plan.card else {}
    return run.ServiceTemplateContainerArgs(
        name=plan.name,
        image=image,
        commands=list(plan.command),
        args=list(plan.arguments) or None,
        envs=[
            run.ServiceTemplateContainerEnvArgs(name=name, value=value)
            for name, value in sorted(plan.environment.items())
        ]
        or None,
        ports=run.ServiceTemplateContainerPortsArgs(name="http1", container_port=plan.port) if plan.port else None,
        resources=run.ServiceTemplateContainerResourcesArgs(
            limits={"cpu": str(plan.processors), "memory": f"{plan.memory_gibibytes}Gi", **gpu},
            # Instances with a GPU are paid for while they live, and so are those beside them.
            cpu_idle=False,
            startup_cpu_boost=True,
        ),
        startup_probe=_startup(plan.startup) if plan.startup else None,
        liveness_probe=_liveness(plan.liveness) if plan.liveness else None,
        depends_ons=list(plan.after) or None,
        volume_mounts=[
            *(_mount(file.name, file.folder) for file in plan.files),
            *(_mount(_folder(plan, path), path) for path in plan.memory_folders),
            *([_mount(WEIGHTS_VOLUME, WEIGHTS_FOLDER)] if plan.reads_weights else []),
        ],
    )


def _mount(name: str, path: str) -> run.ServiceTemplateContainerVolumeMountArgs:
    return run.ServiceTemplateContainerVolumeMountArgs(name=name, mount_path=path)


def _startup(probe: HttpProbe) -> run.ServiceTemplateContainerStartupProbeArgs:
    return run.ServiceTemplateContainerStartupProbeArgs(
        http_get=run.ServiceTemplateContainerStartupProbeHttpGetArgs(path=probe.path, port=probe.port),
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failures,
    )


def _liveness(probe: HttpProbe) -> run.ServiceTemplateContainerLivenessProbeArgs:
    return run.ServiceTemplateContainerLivenessProbeArgs(
        http_get=run.ServiceTemplateContainerLivenessProbeHttpGetArgs(path=probe.path, port=probe.port),
        period_seconds=probe.period_seconds,
        timeout_seconds=probe.timeout_seconds,
        failure_threshold=probe.failures,
    )


def _secret_volumes(plan: ServicePlan, files: Mapping[str, Kept]) -> list[run.ServiceTemplateVolumeArgs]:
    """One for each file, whichever containers have it."""
    wanted = {file.name: file for container in plan.containers for file in container.files}
    return [
        run.ServiceTemplateVolumeArgs(
            name=name,
            secret=run.ServiceTemplateVolumeSecretArgs(
                secret=files[name].secret,
                items=[
                    run.ServiceTemplateVolumeSecretItemArgs(path=file.file, version=files[name].version, mode=FILE_MODE)
                ],
            ),
        )
        for name, file in wanted.items()
    ]


def _memory(plan: ContainerPlan, path: str, mebibytes: int) -> run.ServiceTemplateVolumeArgs:
    return run.ServiceTemplateVolumeArgs(
        name=_folder(plan, path),
        empty_dir=run.ServiceTemplateVolumeEmptyDirArgs(medium="MEMORY", size_limit=f"{mebibytes}Mi"),
    )


def _weights(bucket: pulumi.Input[str]) -> run.ServiceTemplateVolumeArgs:
    return run.ServiceTemplateVolumeArgs(
        name=WEIGHTS_VOLUME, gcs=run.ServiceTemplateVolumeGcsArgs(bucket=bucket, read_only=True)
    )


def _folder(plan: ContainerPlan, path: str) -> str:
    """A volume's name for a folder of one container."""
    return f"{plan.name}{path.replace('/', '-')}"
