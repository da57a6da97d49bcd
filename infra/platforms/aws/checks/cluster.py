"""The cluster: whether EKS supports its version, and whether services have the roles that they make once an account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.aws.account import Account, Unanswered
from infra.platforms.aws.site_plan import AwsSitePlan

MOST_NAMED = 5
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


def addons(account: Account, details: AwsSitePlan) -> Iterator[Finding]:
    """What EKS has of each for the cluster's version: whether what is named is among it, and what is by default."""
    wanted = details.cluster.kubernetes_version
    for addon in details.cluster.addons.values():
        rows = account.every("eks", "describe_addon_versions", "addons", kubernetesVersion=wanted, addonName=addon.name)
        offered = [one for row in rows for one in row.get("addonVersions", ())]
        yield addon_judged(addon.name, addon.version, wanted, offered)


def addon_judged(
    name: str, named: str | None, kubernetes_version: str, offered: Sequence[Mapping[str, Any]]
) -> Finding:
    what = f"add-on {name}"
    versions = [str(one.get("addonVersion")) for one in offered]
    default = next((version for version, one in zip(versions, offered, strict=True) if _is_default(one)), None)
    if not versions:
        return missing(what, f"EKS has none for {kubernetes_version}", "name another `kubernetes_version`")
    if named is not None and named not in versions:
        found = f"EKS has no {named} for {kubernetes_version}"
        return missing(what, found, f"name one of `addon_versions`: {', '.join(versions[:MOST_NAMED])}")
    if named is not None:
        return ok(what, f"{named}, as named; by default {default or versions[0]}")
    return ok(what, f"{default or versions[0]} by default; newest {versions[0]}")


def _is_default(offered: Mapping[str, Any]) -> bool:
    return any(one.get("defaultVersion") for one in offered.get("compatibilities", ()))


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
