"""Quotas: what this account may have, less what others in it use, against what the site has at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from infra.doctor.finding import Finding, guarded, look
from infra.doctor.quota_row import called, quota_row
from infra.plan.quota_types import QuotaNeed
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.quotas import (
    CLUSTERS,
    ELASTIC_ADDRESSES,
    INTERNET_GATEWAYS,
    LOAD_BALANCERS,
    NAT_GATEWAYS,
    NETWORKS,
    processors,
    quota_of,
)
from infra.platforms.aws.site_plan import AwsSitePlan

# EKS' own tag of the machines that it starts.
OF_CLUSTER = "aws:eks:cluster-name"
# As many load balancers as their tags can be asked of at once.
TAGS_AT_ONCE = 20
Thing = Mapping[str, Any]


def check(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """A row each; one that may not be asked hides no other."""
    for need in details.quotas:
        yield from guarded(called(need), lambda need=need: _asked(account, details, need), Unanswered)


def _asked(account: Account, details: AwsSitePlan, need: QuotaNeed) -> Iterator[Finding]:
    if need.code is None:
        yield look(called(need), "no quota is known here that counts them", "look for it in Service Quotas, under EC2")
        return
    used = USED.get(need.code, _machines)(account, details, need)
    allowed = _allowed(account, need.service, need.code)
    yield quota_row(need, allowed, used, lambda value: _request(need, value, details.region))


def _request(need: QuotaNeed, value: int, region: str) -> str:
    return (
        f"`aws service-quotas request-service-quota-increase --region {region} --service-code {need.service} "
        f"--quota-code {need.code} --desired-value {value}`"
    )


def _allowed(account: Account, service: str, code: str) -> int:
    """Until somebody asks for more, some quotas have their default only."""
    asked = {"ServiceCode": service, "QuotaCode": code}
    try:
        quota = account.ask("service-quotas", "get_service_quota", **asked)
    except Unanswered as answer:
        if answer.code != "NoSuchResourceException":
            raise
        quota = account.ask("service-quotas", "get_aws_default_service_quota", **asked)
    return int(quota["Quota"]["Value"])


def _machines(account: Account, details: AwsSitePlan, need: QuotaNeed) -> int:
    """Of all that run: those of one quota are known by their types only."""
    running = [{"Name": "instance-state-name", "Values": ["pending", "running"]}]
    found: Counter[str] = Counter()
    for reservation in account.every("ec2", "describe_instances", "Reservations", Filters=running):
        for one in reservation["Instances"]:
            # Others, such as capacity blocks, count nowhere.
            purchase = {None: "on_demand", "spot": "spot"}.get(one.get("InstanceLifecycle"))
            quota = quota_of(one["InstanceType"], purchase) if purchase else None
            if quota and not _own(one, details):
                cores: Thing = one.get("CpuOptions", {})
                counted = cores.get("CoreCount", 0) * cores.get("ThreadsPerCore", 0)
                found[quota.code] += counted or processors(one["InstanceType"]) or 0
    return found[need.code or ""]


def _listed(operation: str, key: str, **arguments: Any) -> Callable[[Account, AwsSitePlan, QuotaNeed], int]:
    """How many things of EC2 there are beside the site's own."""

    def count(account: Account, details: AwsSitePlan, need: QuotaNeed) -> int:
        del need
        return sum(not _own(one, details) for one in account.every("ec2", operation, key, **arguments))

    return count


def _nat_gateways(account: Account, details: AwsSitePlan, need: QuotaNeed) -> int:
    """In the zone of this site that has most of them."""
    del need
    there = [{"Name": "state", "Values": ["pending", "available", "deleting"]}]
    others = [
        one["SubnetId"]
        for one in account.every("ec2", "describe_nat_gateways", "NatGateways", Filters=there)
        if not _own(one, details)
    ]
    zones = {one["SubnetId"]: one["AvailabilityZone"] for one in account.every("ec2", "describe_subnets", "Subnets")}
    by_zone = Counter(zones.get(subnet) for subnet in others)
    return max(by_zone[zone] for zone in details.zones)


def _load_balancers(account: Account, details: AwsSitePlan, need: QuotaNeed) -> int:
    del need
    arns = [
        one["LoadBalancerArn"]
        for one in account.every("elbv2", "describe_load_balancers", "LoadBalancers")
        if one["Type"] == "application"
    ]
    own = 0
    for start in range(0, len(arns), TAGS_AT_ONCE):
        some = account.ask("elbv2", "describe_tags", ResourceArns=arns[start : start + TAGS_AT_ONCE])
        own += sum(_own(one, details) for one in some["TagDescriptions"])
    return len(arns) - own


def _clusters(account: Account, details: AwsSitePlan, need: QuotaNeed) -> int:
    del need
    return sum(name != details.cluster.name for name in account.every("eks", "list_clusters", "clusters"))


def _own(thing: Thing, details: AwsSitePlan) -> bool:
    pairs: Sequence[Thing] = thing.get("Tags", [])
    tags = {pair["Key"]: pair["Value"] for pair in pairs}
    return tags.get(OF_CLUSTER) == details.cluster.name or all(
        tags.get(key) == details.tags[key] for key in ("slipway:stack", "slipway:site")
    )


USED: Mapping[str, Callable[[Account, AwsSitePlan, QuotaNeed], int]] = {
    NETWORKS: _listed("describe_vpcs", "Vpcs"),
    INTERNET_GATEWAYS: _listed("describe_internet_gateways", "InternetGateways"),
    ELASTIC_ADDRESSES: _listed("describe_addresses", "Addresses"),
    NAT_GATEWAYS: _nat_gateways,
    LOAD_BALANCERS: _load_balancers,
    CLUSTERS: _clusters,
}
