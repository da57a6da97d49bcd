"""What is watched of a site outside its cluster: requests that the load balancer fails, and ways out that are full.

What is inside is watched by whoever scrapes the gateways.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.platforms.aws.network import NetworkPlan

# A few requests that meet a gateway at its end are no outage, and a third of a minute is no alarm.
FAILED_REQUESTS = 10
PERIOD_SECONDS = 60
PERIODS = 5


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """Rings when the `statistic` of a metric is above `most` in each of `periods`. `of` says whose metric it is:
    `balancer`, `targets`, or a public subnet, whose NAT gateway it is."""

    name: str
    description: str
    of: str
    namespace: str
    metric: str
    statistic: str
    most: int
    period_seconds: int
    periods: int


def alarms(network: NetworkPlan) -> tuple[Alarm, ...]:
    """All of a site."""
    return tuple(_alarms(network))


def _alarms(network: NetworkPlan) -> Iterator[Alarm]:
    yield Alarm(
        name="failed-requests",
        description="The load balancer answers with errors of its own: no gateway takes requests in time",
        of="balancer",
        namespace="AWS/ApplicationELB",
        metric="HTTPCode_ELB_5XX_Count",
        statistic="Sum",
        most=FAILED_REQUESTS,
        period_seconds=PERIOD_SECONDS,
        periods=PERIODS,
    )
    yield Alarm(
        name="unwell-gateways",
        description="A gateway does not answer the load balancer's health checks",
        of="targets",
        namespace="AWS/ApplicationELB",
        metric="UnHealthyHostCount",
        statistic="Maximum",
        most=0,
        period_seconds=PERIOD_SECONDS,
        periods=PERIODS,
    )
    for subnet in dict.fromkeys(network.exits.values()):
        yield Alarm(
            name=f"way-out-{subnet}",
            description="A NAT gateway has no port left: nodes behind it do not reach the internet",
            of=subnet,
            namespace="AWS/NATGateway",
            metric="ErrorPortAllocation",
            statistic="Sum",
            most=0,
            period_seconds=PERIOD_SECONDS,
            periods=PERIODS,
        )
