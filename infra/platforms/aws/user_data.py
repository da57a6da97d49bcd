"""What a machine of our own node groups is told at its start: its local disks are one, for images and weights."""

from __future__ import annotations

import base64

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
BOTTLEROCKET = """[settings.bootstrap-commands.local-disks]
commands = [
  ["apiclient", "ephemeral-storage", "init"],
  ["apiclient", "ephemeral-storage", "bind", "--dirs", "/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods"],
]
essential = true
mode = "always"
"""


def user_data(image: str, gpus: int) -> str | None:
    """For machines with GPUs, all of which have local disks; None for others, which have none."""
    if not gpus:
        return None
    text = BOTTLEROCKET if image.startswith("BOTTLEROCKET") else AMAZON_LINUX
    return base64.b64encode(text.encode()).decode()
