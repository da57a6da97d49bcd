"""What AWS charges for a site beside machines and what is around any cluster: small things that are always there."""

from __future__ import annotations

from collections.abc import Iterator

from infra.platforms.aws.cluster_plan import ClusterPlan
from infra.platforms.aws.front_door_plan import FrontDoorPlan
from infra.platforms.aws.limits_plan import LimitsPlan
from infra.platforms.aws.link_plan import VpnPlan, link_uses
from infra.platforms.aws.network import NetworkPlan
from infra.platforms.aws.prometheus_plan import PrometheusPlan
from infra.price.bill import SharedUse, Use

KEYS = 3
GIB_OF_AUDIT = 50


def own_uses(
    region: str,
    zones: int,
    network: NetworkPlan,
    cluster: ClusterPlan,
    door: FrontDoorPlan,
    limits: LimitsPlan | None,
    vpn: VpnPlan | None,
    alarms: int,
    *,
    audit_bucket: bool,
    metrics: PrometheusPlan | None,
) -> Iterator[Use]:
    """Ways to AWS' own services, addresses, keys, the firewall, and what gateways share: a file system, and a store."""
    addresses = len({*network.exits.values()}) + (0 if door.internal else zones)
    # What Shield Advanced guards has the firewall without a fee (AWS WAF whitepaper, cost considerations).
    shown = metrics.grafana if metrics else None
    paid = not door.shield_advanced
    rules = (len(door.managed_rules) + (door.requests_per_five_minutes is not None)) * paid
    for what, item, fewest, most in (
        ("ways to AWS' services", "interface_endpoint", len(network.endpoints) * zones, len(network.endpoints) * zones),
        ("addresses on the internet", "public_address", addresses, addresses),
        ("keys", "encryption_key", KEYS, KEYS),
        ("trust store", "trust_store", *(2 * (door.client_authority is not None,))),
        ("firewall", "web_firewall", bool(rules), bool(rules)),
        ("its rules", "web_firewall_rule", rules, rules),
        *((("limits counted together", limits.node_type, len(limits.zones), len(limits.zones)),) if limits else ()),
        ("alarms", "alarm", alarms, alarms),
        ("collector of metrics", "prometheus_collector", metrics is not None, metrics is not None),
        ("who administers Grafana", "grafana_editor", *(2 * (shown.administrator_users if shown else 0,))),
        ("who looks at Grafana", "grafana_viewer", *(2 * (shown.viewer_users if shown else 0,))),
        ("audit of gateways", "shared_files", 0, GIB_OF_AUDIT if cluster.shared_files else 0),
        ("audit of gateways, locked", "object_storage", 0, GIB_OF_AUDIT if audit_bucket else 0),
    ):
        if most:
            yield Use(what=what, cloud="aws", region=region, item=item, minimum=float(fewest), maximum=float(most))
    yield from link_uses(vpn, region)
    if door.shield_advanced:
        yield SharedUse(
            what="Shield Advanced of the whole organisation",
            cloud="aws",
            region=region,
            item="shield_advanced",
            minimum=1.0,
            maximum=1.0,
        )
