"""Stacks on Google Cloud, as staging ships and changed: each variant shows what the first one does not have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tests.harness import Recorder, Registration
from tests.manifests import ROOT, plain, recorded

FILE = ROOT / "Pulumi.staging.yaml"
IMAGE_DISK = "projects/example-staging/global/images/engines"
CLIENT_KEYS = "projects/example-secrets/secrets/clients"
Deployment = dict[str, Any]


def platform(deployment: Deployment) -> Any:
    return deployment["sites"]["main"]["platform"]


def as_it_ships(deployment: Deployment) -> None:
    del deployment


def every_way_to_buy(deployment: Deployment) -> None:
    """Images on a disk, nothing protected, no firewall, an API for named ranges, a budget that somebody hears of."""
    own = platform(deployment)
    own["nodes"] = {
        "purchase": ["reservation", "flex_start", "on_demand"],
        "reservation": "gpus",
        "flex_start_seconds": 86_400,
        "image_disk": IMAGE_DISK,
    }
    own["api_endpoint"] = {"access": "public", "cidrs": ["203.0.113.0/24"]}
    own |= {"armor": None, "deletion_protection": False, "binary_authorization": False}
    # Images of KEDA are on the internet.
    own |= {"nat": False, "keda": False}
    own |= {"dns_zone": "llm", "labels": {"owner": "platform"}, "billing_account": "012345-6789AB-CDEF01"}
    own["notification_channels"] = ["projects/example-staging/notificationChannels/12"]
    deployment["budget"] = {"dollars_per_month": 25_000}


def existing_network(deployment: Deployment) -> None:
    """Somebody else's network; an API by its name; keys of Secret Manager; an audit that not even its owner deletes;
    cards that have other disks."""
    own = platform(deployment)
    own["network"] = {
        "existing": {"network": "shared", "subnetwork": "nodes", "pods_range": "p", "services_range": "s"}
    }
    own |= {"audit_bucket": {"days": 30, "locked": True}, "dns_endpoint": True}
    resource = f'[{{resourceName: "{CLIENT_KEYS}/versions/latest", path: web}}]'
    own["client_keys_from"] = {"kind": "csi", "provider": "gke", "parameters": {"secrets": resource}}
    deployment["models"]["chat"]["accelerator"] = {"type": "RTX-PRO-6000"}
    deployment["models"]["chat"].pop("quantization")


def over_a_vpn(deployment: Deployment) -> None:
    """Nobody on the internet reaches it: a private link to somebody's own network."""
    platform(deployment)["vpn"] = {
        "tunnels": [
            {"peer_address": "203.0.113.10", "shared_secret": {"secret": "first_tunnel"}},
            {"peer_address": "203.0.113.11", "shared_secret": {"secret": "second_tunnel"}},
        ],
        "peer_asn": 65_010,
        "peer_ranges": ["10.0.0.0/14", "192.168.7.0/24"],
    }


def peered(deployment: Deployment) -> None:
    """Nobody on the internet reaches it: another network of Google Cloud does."""
    platform(deployment)["peering"] = {
        "network": "projects/example-apps/global/networks/apps",
        "peer_ranges": ["10.8.0.0/16"],
    }


def memorystore(deployment: Deployment) -> None:
    """Limits counted in a store beside the cluster."""
    platform(deployment)["memorystore"] = {"node_type": "highmem-medium"}


VARIANTS: dict[str, Callable[[Deployment], None]] = {
    change.__name__: change
    for change in (as_it_ships, every_way_to_buy, existing_network, over_a_vpn, peered, memorystore)
}


@cache
def registrations(variant: str = "as_it_ships") -> Recorder:
    return recorded(FILE, VARIANTS[variant])


def inputs(seen: Recorder, kind: str) -> dict[str, dict[str, Any]]:
    """What was asked for, by logical name, of one kind: `gcp:container/cluster:Cluster`."""
    return {one.name: plain(one.inputs) for one in seen.of_type(kind)}


def only(seen: Recorder, kind: str) -> dict[str, Any]:
    (found,) = inputs(seen, kind).values()
    return found


def of_google(seen: Recorder) -> list[Registration]:
    return [one for one in seen.seen if one.type.startswith("gcp:")]
