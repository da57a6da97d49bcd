"""The cluster: whether EKS supports its version, and whether services have the roles that they make once an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.site_plan import AwsSitePlan

SPOT, VALKEY = "spot.amazonaws.com", "elasticache.amazonaws.com"
# As AWS calls them (IAM user guide, services that work with IAM, read 2026-11).
ROLES: Mapping[str, str] = {
    "eks.amazonaws.com": "AWSServiceRoleForAmazonEKS",
    "elasticloadbalancing.amazonaws.com": "AWSServiceRoleForElasticLoadBalancing",
    SPOT: "AWSServiceRoleForEC2Spot",
    VALKEY: "AWSServiceRoleForElastiCache",
}


def version(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Asks for the one version."""
    wanted = details.cluster.kubernetes_version
    found = list(account.every("eks", "describe_cluster_versions", "clusterVersions", clusterVersions=[wanted]))
    yield version_judged(wanted, found)


def version_judged(wanted: str, found: Sequence[Mapping[str, Any]]) -> Finding:
    what = f"EKS {wanted}"
    one = next((row for row in found if row.get("clusterVersion") == wanted), None)
    status = one.get("versionStatus") if one else None
    newer = "name a newer `kubernetes_version`"
    if one and status == "STANDARD_SUPPORT":
        return ok(what, f"supported until {_day(one.get('endOfStandardSupportDate'))}")
    if one and status == "EXTENDED_SUPPORT":
        until = _day(one.get("endOfExtendedSupportDate"))
        return look(what, f"in extended support until {until}: its control plane costs more than is planned", newer)
    return missing(what, "not supported by EKS in this region", newer)


def _day(when: Any) -> str:
    return when.date().isoformat() if when else "a day that AWS does not tell"


def roles(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """Those of services that this site uses."""
    spot = any(pool.purchase == "spot" for pool in details.machines.pools.values())
    used = [name for name in ROLES if (name != SPOT or spot) and (name != VALKEY or details.limits)]
    yield from roles_judged(used, {name for name in used if _is_there(account, ROLES[name])})


def _is_there(account: Account, role: str) -> bool:
    try:
        account.ask("iam", "get_role", RoleName=role)
    except Unanswered as answer:
        if answer.code == "NoSuchEntity":
            return False
        raise
    return True


def roles_judged(used: Sequence[str], there: set[str]) -> Iterator[Finding]:
    """Services make theirs when they are first asked; spot machines are asked for by a role that may not."""
    if SPOT in used and SPOT not in there:
        yield look(
            "role of spot machines",
            f"none of {SPOT} in this account: its first spot machine may be refused",
            f"`aws iam create-service-linked-role --aws-service-name {SPOT}`",
        )
    later = [name for name in used if name not in there and name != SPOT]
    told = {"there": [name for name in used if name in there], "made with the first deployment": later}
    yield ok("roles of services", "; ".join(f"{when}: {', '.join(names)}" for when, names in told.items() if names))
