"""Where a site's gateways find the hashes of their clients' keys: in the stack, or in a store that others fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from infra.plan.types import DeploymentPlan


@dataclass(frozen=True, kw_only=True)
class KeysOfStack:
    """Made or given with the stack, which writes them into a Secret."""

    made_by_us: bool = True


@dataclass(frozen=True, kw_only=True)
class KeysInSecret:
    """In a Secret that is there."""

    name: str
    made_by_us: bool = False


@dataclass(frozen=True, kw_only=True)
class KeysInStore:
    """In a store that External Secrets copies from: every property of the entry `key` is a client."""

    store: str
    store_kind: str
    key: str
    refresh: str
    made_by_us: bool = False


@dataclass(frozen=True, kw_only=True)
class KeysByDriver:
    """In a store that a CSI driver mounts from; nothing of them is ever in the cluster's own database."""

    provider: str
    parameters: Mapping[str, str]
    made_by_us: bool = False


KEYS_OF_STACK = KeysOfStack()
ClientKeySource = KeysOfStack | KeysInSecret | KeysInStore | KeysByDriver


def secrets_of_stack(plan: DeploymentPlan, names: Iterable[str]) -> tuple[str, ...]:
    """Of the secrets that a deployment names those that some deployed site has from the stack."""
    read = [getattr(plan.sites[site].details, "secrets_of_stack", None) for site in plan.deployed_sites]
    return tuple(name for name in names if any(of is None or name in of for of in read))


def clients_with_our_keys(plan: DeploymentPlan) -> tuple[str, ...]:
    """The clients whose keys the stack makes: all of them where any site reads keys from the stack, otherwise none."""
    ours = any(getattr(site.details, "keys_are_ours", True) for site in plan.sites.values())
    return tuple(plan.clients) if ours else ()
