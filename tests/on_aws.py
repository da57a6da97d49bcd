"""Stacks on AWS, as prod ships and changed: each variant shows what the first one does not have."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.deployable import refuse_undeployable
from infra.plan.types import DeploymentPlan
from tests.harness import Recorder, Registration
from tests.manifests import ROOT, plain, recorded

FILE = ROOT / "Pulumi.prod.yaml"
CLIENT_KEYS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/clients-a1b2c3"
LIMITS_STORE = "arn:aws:secretsmanager:us-east-1:123456789012:secret:llm/limits-d4e5f6"
WORKSPACE = "arn:aws:aps:us-east-1:123456789012:workspace/ws-0a1b2c3d-0123-4567-89ab-0123456789ab"
GRAFANA = {
    "administrators": ["94482488-3041-7055-2b0d-0a1b2c3d4e5f"],
    "viewers": ["94482488-3041-7055-2b0d-0a1b2c3d4e60", "94482488-3041-7055-2b0d-0a1b2c3d4e61"],
    "viewer_users": 4,
}
SMALL = {
    "kind": "huggingface",
    "repo": "Qwen/Qwen3-0.6B",
    "revision": "c1899de289a04d12100db370d81485cdf75e47ca",
}
Deployment = dict[str, Any]


def platform(deployment: Deployment, site: str = "main") -> Any:
    return deployment["sites"][site]["platform"]


def as_it_ships(deployment: Deployment) -> None:
    del deployment


def one_site(deployment: Deployment) -> None:
    """No standby, nobody else with its name, one way out, spot first, and nothing protected."""
    del deployment["sites"]["west"]
    deployment["topology"] = {"kind": "microservice"}
    own = platform(deployment)
    own |= {"nat": "single", "waf": None, "deletion_protection": False, "hosted_zone_id": "Z0123456789OWN"}
    own["nodes"] = {"kind": "auto_mode", "purchase": ["reservation", "spot", "on_demand"]}
    own["reservation_id"] = "cr-0123456789abcdef0"
    # A machine that is taken away gives its pods two minutes.
    deployment["models"]["chat"]["longest_generation_seconds"] = 60
    deployment["gateway"]["limits"]["keep_alive_seconds"] = 120
    own["api_endpoint"] = {"access": "public", "cidrs": ["203.0.113.0/24"]}
    deployment["budget"] = {"dollars_per_month": 25_000}
    own["alarm_topics"] = ["arn:aws:sns:us-east-1:123456789012:operations"]
    own["administrators"] = ["arn:aws:iam::123456789012:role/operations"]


def existing_network(deployment: Deployment) -> None:
    """Somebody else's network, without a public subnet; the audit on a file system; keys of Secrets Manager; and a
    workspace of Prometheus of many sites."""
    platform(deployment)["prometheus_workspace"] = {"kind": "existing", "arn": WORKSPACE}
    platform(deployment)["audit_bucket"] = None
    platform(deployment)["client_keys_from"] = {
        "kind": "csi",
        "provider": "aws",
        "parameters": {"usePodIdentity": "true", "region": "us-east-1", "objects": f"- objectName: {CLIENT_KEYS}\n"},
    }
    zones = platform(deployment)["zones"]
    platform(deployment)["network"] = {
        "existing": {
            "vpc_id": "vpc-0123456789abcdef0",
            "private_subnets": {zone: f"subnet-0123456789abcde{place}" for place, zone in enumerate(zones)},
        }
    }


def no_way_out(deployment: Deployment) -> None:
    """And limits counted in somebody else's store, whose address is in Secrets Manager, an audit that not even the
    account's owner deletes; Shield Advanced, and a workspace of Prometheus whose alerts a topic hears and whose metrics
    a Grafana shows."""
    platform(deployment)["audit_bucket"] = {"mode": "compliance", "days": 30}
    store = {"kind": "redis", "url": {"secret": "limits_store"}, "gateways": 3}
    deployment["gateway"]["limits_store"] = store
    platform(deployment)["gateway_secrets_from"] = {"kind": "store", "secrets": {"limits_store": LIMITS_STORE}}
    # Images of KEDA are on the internet.
    platform(deployment).update(nat="none", keda=False)
    platform(deployment)["shield_advanced"] = True
    platform(deployment)["prometheus_workspace"] = {"kind": "new", "grafana": GRAFANA}
    platform(deployment)["alarm_topics"] = ["arn:aws:sns:us-east-1:123456789012:operations"]


def managed(deployment: Deployment) -> None:
    """Node groups of ours, bought in every way."""
    one_site(deployment)
    platform(deployment)["nodes"] = {
        "kind": "managed",
        "purchase": ["reservation", "spot", "on_demand"],
        "root_volume_gibibytes": 300,
        "reservation_zone": "us-east-1b",
    }


def fabric(deployment: Deployment) -> None:
    """A model that no machine holds, on machines of a capacity block; by Amazon Linux."""
    managed(deployment)
    platform(deployment)["nodes"] |= {
        "purchase": ["reservation", "on_demand"],
        "image": "amazon_linux_2023",
        "capacity_block": True,
    }
    model = deployment["models"]["chat"]
    model["source"] = {
        "kind": "huggingface",
        "repo": "deepseek-ai/DeepSeek-R1",
        "revision": "56d4cbbb4d29f4355bab4b9a39ccb717a14ad5ad",
    }
    model["accelerator"] = {"type": "H100", "count": 8, "nodes": 2}
    model |= {"context_tokens": 8192, "concurrent_requests": 16, "scaling": {"min_replicas": 2, "max_replicas": 3}}
    for field in ("objective", "adapters", "speculative"):
        model.pop(field, None)
    del deployment["budget"]


def shared(deployment: Deployment) -> None:
    """GPUs that replicas share: L40S in turn, H100 by MIG."""
    managed(deployment)
    own = platform(deployment)
    del own["reservation_id"]
    sharing = {"L40S": {"kind": "time_slices", "replicas": 3}, "H100": {"kind": "mig", "profile": "3g.40gb"}}
    own["nodes"] = {"kind": "managed", "sharing": sharing}
    chat = deployment["models"]["chat"]
    # Nobody knows how fast a shared one is.
    del chat["objective"]
    part = deepcopy(chat)
    chat |= {"source": SMALL, "engine": chat["engine"] | {"gpu_memory_percent": 30}}
    chat["scaling"] = {"min_replicas": 4, "max_replicas": 7}
    deployment["models"]["part"] = part | {
        "accelerator": {"type": "H100"},
        "scaling": {"min_replicas": 3, "max_replicas": 4},
    }
    deployment["clients"]["web"]["models"] = ["chat", "part"]
    del deployment["budget"]


def _behind(deployment: Deployment, **link: Any) -> None:
    """One site that a private link alone leads to, protected as prod is."""
    one_site(deployment)
    platform(deployment).update({"waf": {}, "deletion_protection": True, "api_endpoint": {}, **link})


def over_a_vpn(deployment: Deployment) -> None:
    """Nobody on the internet reaches it: a private link to somebody's own network, which speaks no BGP."""
    secrets = [{"secret": "first_tunnel"}, {"secret": "second_tunnel"}]
    connections = [{"peer_address": "203.0.113.10", "shared_secrets": secrets}, {"peer_address": "203.0.113.11"}]
    _behind(deployment, vpn={"connections": connections, "peer_ranges": ["10.0.0.0/14", "192.168.7.0/24"]})


def asks_for_a_peering(deployment: Deployment) -> None:
    """A private link to another VPC, whose owner is asked."""
    other = {"vpc_id": "vpc-0fedcba9876543210", "account": "210987654321", "region": "us-west-2"}
    _behind(deployment, peering={**other, "peer_ranges": ["10.8.0.0/16"]})


def accepts_a_peering(deployment: Deployment) -> None:
    """A private link to another VPC, whose owner has asked."""
    asked = {"connection_id": "pcx-0123456789abcdef0", "resolves_names": True}
    _behind(deployment, peering={**asked, "peer_ranges": ["10.8.0.0/16"]})


def asks_for_certificates(deployment: Deployment) -> None:
    """Nobody is let in without a certificate, at either site; Route 53 is asked for none."""
    for site in ("main", "west"):
        platform(deployment, site)["client_authority"] = {
            "bucket": "example-authorities",
            "key": "client-authority/clients.pem",
            "version": "3sL4kqtJlcpXroDTDmJ",
            "revoked": {"key": "client-authority/revoked.pem"},
        }


VARIANTS: dict[str, Callable[[Deployment], None]] = {
    change.__name__: change
    for change in (
        *(as_it_ships, one_site, existing_network, no_way_out, managed, fabric, shared),
        *(over_a_vpn, asks_for_a_peering, accepts_a_peering, asks_for_certificates),
    )
}


@cache
def registrations(variant: str = "as_it_ships") -> Recorder:
    return recorded(FILE, VARIANTS[variant])


def deployment() -> Deployment:
    """As prod ships it, each time anew."""
    content: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return content["config"]["slipway:deployment"]


def plan_of(variant: str, change: Callable[[Deployment], Any] | None = None) -> DeploymentPlan:
    """As it is deployed; `change` may alter the variant. Raises Refused."""
    changed = deployment()
    VARIANTS[variant](changed)
    if change is not None:
        change(changed)
    plan = build_plan(validate(changed, "prod", {}), "prod")
    refuse_undeployable(plan)
    return plan


def inputs(seen: Recorder, kind: str) -> dict[str, dict[str, Any]]:
    """What was asked for, by logical name, of one kind: `aws:eks/cluster:Cluster`."""
    return {one.name: plain(one.inputs) for one in seen.of_type(kind)}


def only(seen: Recorder, kind: str) -> dict[str, Any]:
    (found,) = inputs(seen, kind).values()
    return found


def documents(seen: Recorder) -> dict[str, Any]:
    """Every policy in a stack: of roles, trust, buckets and keys, by type and name."""
    fields = ("policy", "assumeRolePolicy")
    return {
        f"{one.type} {one.name} {field}": json.loads(one.inputs[field])
        for one in seen.seen
        for field in fields
        if one.type.startswith("aws:") and field in one.inputs and '"Statement"' in one.inputs[field]
    }


def of_aws(seen: Recorder) -> list[Registration]:
    return [one for one in seen.seen if one.type.startswith("aws:")]
