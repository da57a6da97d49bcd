"""How weights come into a pod: the volume, where it is mounted, and the container that fetches them."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import ClusterHandle
from infra.components.pod_security import container_security
from infra.plan.bucket_mount import BucketMount
from infra.plan.engine_process import LAUNCHER
from infra.plan.in_cluster import MODEL_SOURCE_ENTRY, MODEL_SOURCE_SECRET, WEIGHTS_BUCKET_PLACE
from infra.plan.weights_volume import WeightsVolume

core = kubernetes.core.v1
WEIGHTS = "weights"
TOKEN = "model-source"  # noqa: S105 - a volume's name
TOKEN_FOLDER = "/run/secrets/model-source"  # noqa: S105 - a folder
TEMPORARY = "fetch-tmp"
# Writing a file's last bytes and its digest is all that it does at a time.
FETCH_MEMORY = "1Gi"


def weights_volumes(
    plan: WeightsVolume, cluster: ClusterHandle, *, fetches: bool
) -> list[kubernetes.core.v1.VolumeArgs]:
    """Of a pod that has weights; with `fetches` also what the container that fetches needs."""
    if plan.mount:
        return [*_mounted(plan, plan.mount, cluster), *launcher_volumes(token=False)]
    found = [] if plan.streamed else [_volume(plan, read_only=plan.filled_by_job and not fetches)]
    return [*found, *launcher_volumes(token=plan.asks_a_hub)] if fetches else found


def launcher_volumes(*, token: bool) -> list[kubernetes.core.v1.VolumeArgs]:
    """Of a pod in which the launcher moves weights; with the `token` for a hub, or without."""
    found = [core.VolumeArgs(name=TEMPORARY, empty_dir=core.EmptyDirVolumeSourceArgs(size_limit="64Mi"))]
    if token:
        secret = core.SecretVolumeSourceArgs(
            # A public repository asks for none.
            secret_name=MODEL_SOURCE_SECRET,
            optional=True,
            default_mode=0o440,
            items=[core.KeyToPathArgs(key=MODEL_SOURCE_ENTRY, path="token")],
        )
        found.append(core.VolumeArgs(name=TOKEN, secret=secret))
    return found


def weights_mounts(plan: WeightsVolume) -> list[kubernetes.core.v1.VolumeMountArgs]:
    """For a container that reads weights."""
    if plan.mount:
        return [
            core.VolumeMountArgs(name=one.volume, mount_path=one.path, sub_path=one.sub_path, read_only=True)
            for one in plan.mount.weights
        ]
    return [] if plan.streamed else [_mount(plan, read_only=True)]


def weights_containers(
    plan: WeightsVolume, image: pulumi.Input[str], cluster: ClusterHandle
) -> list[kubernetes.core.v1.ContainerArgs]:
    """What a pod runs before its engine: whatever fetches its weights, or checks those that it mounts."""
    if plan.mount:
        mounts = weights_mounts(plan)
        return [_launcher("check", plan.mount.checks, image, cluster, token=False, disk="1Gi", mounts=mounts)]
    return [fetch_container(plan, image, cluster)] if plan.fetched_by_pods else []


def _mount(plan: WeightsVolume, *, read_only: bool) -> kubernetes.core.v1.VolumeMountArgs:
    return core.VolumeMountArgs(name=WEIGHTS, mount_path=plan.mounted_at, sub_path=plan.sub_path, read_only=read_only)


def fetch_container(
    plan: WeightsVolume, image: pulumi.Input[str], cluster: ClusterHandle
) -> kubernetes.core.v1.ContainerArgs:
    """Fetches what is not there yet, each file checked."""
    return _launcher(
        "fetch",
        plan.fetches,
        image,
        cluster,
        token=plan.asks_a_hub,
        disk=f"{plan.size_gib if plan.on_the_nodes_disk else 1}Gi",
        mounts=[_mount(plan, read_only=False)],
    )


def mirror_container(
    plan: WeightsVolume, image: pulumi.Input[str], cluster: ClusterHandle
) -> kubernetes.core.v1.ContainerArgs:
    """Copies from a hub what is not in the site's bucket yet, each file checked. It keeps nothing on a disk."""
    return _launcher("mirror", plan.mirrors, image, cluster, token=True, disk="1Gi", mounts=[])


def _launcher(
    verb: str,
    told: tuple[str, ...],
    image: pulumi.Input[str],
    cluster: ClusterHandle,
    *,
    token: bool,
    disk: str,
    mounts: list[kubernetes.core.v1.VolumeMountArgs],
) -> kubernetes.core.v1.ContainerArgs:
    with_token = ["--token-file", f"{TOKEN_FOLDER}/token"] if token else []
    return core.ContainerArgs(
        name="weights",
        image=image,
        image_pull_policy="IfNotPresent",
        command=[*LAUNCHER, verb],
        args=[*with_token, *(named_bucket(text, cluster.weights_bucket) for text in told)],
        resources=core.ResourceRequirementsArgs(
            requests={"cpu": "500m", "memory": FETCH_MEMORY, "ephemeral-storage": disk},
            limits={"cpu": "2", "memory": FETCH_MEMORY, "ephemeral-storage": disk},
        ),
        security_context=container_security(),
        volume_mounts=[
            *mounts,
            *([core.VolumeMountArgs(name=TOKEN, mount_path=TOKEN_FOLDER, read_only=True)] if token else []),
            core.VolumeMountArgs(name=TEMPORARY, mount_path="/tmp"),  # noqa: S108 - in the container
        ],
    )


def named_bucket(text: str, bucket: pulumi.Input[str] | None) -> pulumi.Input[str]:
    """With the name of the bucket of weights, where the site has one."""
    if bucket is None or WEIGHTS_BUCKET_PLACE not in text:
        return text
    return pulumi.Output.from_input(bucket).apply(lambda name: text.replace(WEIGHTS_BUCKET_PLACE, name))


def _mounted(plan: WeightsVolume, mount: BucketMount, cluster: ClusterHandle) -> list[kubernetes.core.v1.VolumeArgs]:
    """The bucket, and what was read of it."""
    cache = core.EmptyDirVolumeSourceArgs(size_limit=f"{plan.size_gib}Gi")
    found = [
        core.VolumeArgs(
            name=one.volume,
            csi=core.CSIVolumeSourceArgs(
                driver=mount.driver,
                read_only=True,
                volume_attributes={
                    name: named_bucket(text, cluster.weights_bucket) for name, text in one.attributes.items()
                },
            ),
        )
        for one in mount.weights
    ]
    return [*found, core.VolumeArgs(name=mount.cache, empty_dir=cache)]


def _volume(plan: WeightsVolume, *, read_only: bool) -> kubernetes.core.v1.VolumeArgs:
    if plan.image:
        image = core.ImageVolumeSourceArgs(reference=plan.image, pull_policy="IfNotPresent")
        return core.VolumeArgs(name=WEIGHTS, image=image)
    if plan.claim:
        claim = core.PersistentVolumeClaimVolumeSourceArgs(
            claim_name=plan.claim,
            # Mounted for reading only, a volume that one node may write can be on many.
            read_only=read_only and not plan.compiled,
        )
        return core.VolumeArgs(name=WEIGHTS, persistent_volume_claim=claim)
    if plan.storage_class:
        template = core.PersistentVolumeClaimTemplateArgs(
            spec=core.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=plan.storage_class,
                resources=core.VolumeResourceRequirementsArgs(requests={"storage": f"{plan.size_gib}Gi"}),
            )
        )
        return core.VolumeArgs(name=WEIGHTS, ephemeral=core.EphemeralVolumeSourceArgs(volume_claim_template=template))
    disk = core.EmptyDirVolumeSourceArgs(size_limit=f"{plan.size_gib}Gi")
    return core.VolumeArgs(name=WEIGHTS, empty_dir=disk)
