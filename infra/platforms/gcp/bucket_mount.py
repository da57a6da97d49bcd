"""Cloud Storage FUSE, by which engines' pods have the site's bucket of weights as a file system: tuned to read once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from infra.plan.bucket_mount import BucketMount, MountedWeights, checked
from infra.plan.in_cluster import WEIGHTS_BUCKET_PLACE
from infra.plan.types import Weights

DRIVER = "gcsfuse.csi.storage.gke.io"
# The name by which the driver knows that a volume of the pod is for its cache.
CACHE = "gke-gcsfuse-cache"
# As accelerated-platforms ships it (`model-deployment-tuned-a100-dws.yaml`, 2026-08-20): what is below a digest or a
# commit never changes, so that what is known of it never ages; whole files are cached, in pieces that come in parallel.
TUNED = (
    "implicit-dirs",
    "metadata-cache:ttl-secs:-1",
    "metadata-cache:stat-cache-max-size-mb:-1",
    "metadata-cache:type-cache-max-size-mb:-1",
    "metadata-cache:negative-ttl-secs:0",
    "file-cache:max-size-mb:-1",
    "file-cache:cache-file-for-range-read:true",
    "file-cache:enable-parallel-downloads:true",
    # Containers are nobody's in particular, and only read.
    "file-mode=444",
    "dir-mode=555",
)
# Of the container that GKE puts before ours, so that init containers see the mount too (from 1.29.3 on: the driver's
# release notes, read 2026-11). What it caches is in a volume, with a size of its own ("0" is no limit); memory has one,
# for without it a namespace's default of 256 MiB would be its. 2 GiB is assumed, 2026-11.
ANNOTATIONS: Mapping[str, str] = {
    "gke-gcsfuse/volumes": "true",
    "gke-gcsfuse/cpu-request": "500m",
    "gke-gcsfuse/cpu-limit": "0",
    "gke-gcsfuse/memory-request": "2Gi",
    "gke-gcsfuse/memory-limit": "2Gi",
    "gke-gcsfuse/ephemeral-storage-request": "1Gi",
    "gke-gcsfuse/ephemeral-storage-limit": "0",
}


def bucket_mount(wanted: Mapping[str, Weights], folder: Callable[[Weights], str]) -> BucketMount:
    """Decides it. A volume shows one folder of the bucket, and nothing beside it."""
    return BucketMount(
        driver=DRIVER,
        weights=tuple(
            MountedWeights(
                volume="weights" if number == 0 else f"weights-{number}",
                path=path,
                # An engine that reads one file is given its path.
                sub_path=weights.file,
                attributes={
                    "bucketName": WEIGHTS_BUCKET_PLACE,
                    "mountOptions": ",".join((*TUNED, f"only-dir:{folder(weights)}")),
                    # Nothing of a pod that waits: whether it may read is seen by whoever checks the files.
                    "skipCSIBucketAccessCheck": "true",
                },
            )
            for number, (path, weights) in enumerate(wanted.items())
        ),
        cache=CACHE,
        annotations=ANNOTATIONS,
        checks=tuple(checked(path, weights) for path, weights in wanted.items()),
    )
