"""How the things of a stack are called on AWS, by which rights are bounded."""

from __future__ import annotations

from dataclasses import dataclass

from infra.bootstrap.config import BootstrapSettings
from infra.naming import normalised
from infra.platforms.aws.names import name_prefix


@dataclass(frozen=True, kw_only=True)
class StackName:
    """One site of a stack. `full` is what a cluster is called, `prefix` is how names of roles and buckets begin."""

    stack: str
    site: str
    region: str
    full: str
    prefix: str


def stack_names(config: BootstrapSettings) -> tuple[StackName, ...]:
    """Those of every stack."""
    return tuple(
        StackName(
            stack=stack,
            site=site,
            region=region,
            full=f"slipway-{normalised(f'{stack}-{site}')}",
            prefix=name_prefix(stack, site),
        )
        for stack, settings in config.stacks.items()
        for site, region in settings.sites.items()
    )
