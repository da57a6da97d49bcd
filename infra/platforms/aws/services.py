"""Which services of AWS a site uses, as types of resources name them: who else sees something of it."""

from __future__ import annotations

from infra.platforms.aws.config import AwsSettings, ManagedNodes

ALWAYS = ("acm", "cloudwatch", "ec2", "ecr", "efs", "eks", "elasticache", "iam", "kms", "lb", "route53", "s3", "vpc")


def services(settings: AwsSettings) -> tuple[str, ...]:
    """All that a site with these settings may have resources of."""
    optional = {
        "amp": settings.prometheus_workspace is not None,
        "autoscaling": isinstance(settings.nodes, ManagedNodes),
        "budgets": bool(settings.alarm_topics),
        "shield": settings.shield_advanced,
        "wafv2": settings.waf is not None,
    }
    return tuple(f"aws:{name}" for name in sorted((*ALWAYS, *(name for name, used in optional.items() if used))))
