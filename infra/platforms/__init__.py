"""What kind of place a site is: one folder and one registry line per platform; SDKs load only when it is deployed."""

from infra.platforms.base import Platform
from infra.registry import Registry

PLATFORMS: Registry[Platform] = Registry(
    name="platforms",
    builtin={
        "local": "infra.platforms.local.plan:PLATFORM",
        "kubernetes": "infra.platforms.kubernetes.plan:PLATFORM",
        "aws": "infra.platforms.aws.plan:PLATFORM",
        "gcp": "infra.platforms.gcp.plan:PLATFORM",
        "cloud_run": "infra.platforms.cloud_run.plan:PLATFORM",
    },
    settings={
        "local": "infra.platforms.local.config:LocalSettings",
        "kubernetes": "infra.platforms.kubernetes.config:KubernetesSettings",
        "aws": "infra.platforms.aws.config:AwsSettings",
        "gcp": "infra.platforms.gcp.config:GcpSettings",
        "cloud_run": "infra.platforms.cloud_run.config:CloudRunSettings",
    },
)
