"""What a cluster has of what serving can use: how weights are kept, what scales, and whether somebody scrapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.plan.weights_bucket import WeightsBucket


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """`weights_mode` says how volumes of `weights_class` are used: `read_write_many`, `read_only_many` or `node_local`;
    without a class every pod fetches its own. `weight_images` are by model. `weights_bucket` is one of the site, where
    what a hub has is copied once. `limits_store` says whether gateways count in a store that the site has beside the
    cluster, `limits_by_identity` that they show it who they are, `audit_on_one_node` that the audit's volume is on a
    disk of one node."""

    weights_class: str | None = None
    weights_mode: str = "read_write_many"
    weight_images: Mapping[str, str] = field(default_factory=dict[str, str])
    weights_bucket: WeightsBucket | None = None
    keda: bool = False
    prometheus: bool = False
    limits_store: bool = False
    limits_by_identity: bool = False
    audit_on_one_node: bool = False

    def __hash__(self) -> int:
        # Images are few and rarely differ between sites: equality looks at them.
        return hash((self.weights_class, self.weights_mode, self.keda, self.prometheus))


NOTHING_MORE = ClusterFacts()
