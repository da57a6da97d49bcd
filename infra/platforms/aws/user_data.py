"""What a machine of our own node groups is told at its start: its local disks are one, for images and weights."""

from __future__ import annotations

import base64

from infra.platforms.aws.gpu_sharing import SharedGpus

AMAZON_LINUX = """MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="slipway"

--slipway
Content-Type: application/node.eks.aws

apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  featureGates:
    FastImagePull: true
  instance:
    localStorage:
      strategy: RAID0
--slipway--
"""
# Images of engines have few layers and are large: parts of each come at once (values of awslabs/ai-on-eks; settings of
# bottlerocket.dev, container-runtime-plugins, since 1.44, read 2026-11). AL2023 knows that by one word.
BOTTLEROCKET = """[settings.bootstrap-commands.local-disks]
commands = [
  ["apiclient", "ephemeral-storage", "init"],
  ["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods",
   "/var/lib/soci-snapshotter"],
]
essential = true
mode = "always"

[settings.container-runtime]
snapshotter = "soci"

[settings.container-runtime-plugins.soci-snapshotter]
pull-mode = "parallel-pull-unpack"

[settings.container-runtime-plugins.soci-snapshotter.parallel-pull-unpack]
max-concurrent-downloads-per-image = 20
concurrent-download-chunk-size = "16mb"
max-concurrent-unpacks-per-image = 10
discard-unpacked-layers = true
"""


# Without both, GPUs in turn would have another name, and a pod could ask for two that are one.
TIME_SLICES = """
[settings.kubelet-device-plugins.nvidia]
device-sharing-strategy = "time-slicing"

[settings.kubelet-device-plugins.nvidia.time-slicing]
replicas = {replicas}
rename-by-default = false
fail-requests-greater-than-one = true
"""
# Every GPU of a machine is divided into as many of these parts as it has, which pods ask for as if they were GPUs: the
# strategy of its device plugin is `single` then (bottlerocket.dev, kubelet-device-plugins, read 2026-11).
MIG = """
[settings.kubelet-device-plugins.nvidia]
device-partitioning-strategy = "mig"

[settings.kubelet-device-plugins.nvidia.mig.profile]
"{model}" = "{profile}"
"""


def user_data(image: str, gpus: int, sharing: SharedGpus | None = None) -> str | None:
    """For machines with GPUs, all of which have local disks; None for others, which have none. Amazon Linux has no
    device plugin of its own that would be told how GPUs are shared."""
    if not gpus:
        return None
    text = BOTTLEROCKET + _shared(sharing) if image.startswith("BOTTLEROCKET") else AMAZON_LINUX
    return base64.b64encode(text.encode()).decode()


def _shared(sharing: SharedGpus | None) -> str:
    if sharing is None:
        return ""
    if sharing.profile:
        return MIG.format(model=sharing.model, profile=sharing.profile)
    return TIME_SLICES.format(replicas=sharing.replicas)
