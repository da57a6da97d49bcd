"""Drain caps: how long each place lets a layer take to end, with where that is written and when it was read.

Data, not decisions: `drain_ladder.py` compares. A limit that the place itself enforces refuses a longer drain; one that
can only be known not to be enough is a warning ("not guaranteed here").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layer = Literal[
    "engine_shutdown",
    "pod_grace",
    "gateway_grace",
    "gateway_keep_alive",
    "load_balancer_deregistration",
    "load_balancer_idle",
    "node_grace",
    "spot_notice",
]


@dataclass(frozen=True, kw_only=True)
class Cap:
    """At most `seconds` for `layer`; `refuses` is False where a place never promises it, whatever is configured."""

    layer: Layer
    seconds: int
    what: str
    source: str
    as_of: str
    refuses: bool = True


@dataclass(frozen=True, kw_only=True)
class FrontDoor:
    """What stands before the gateway. `reuse_seconds` is how long it keeps an idle connection to the gateway;
    None means as long as its idle timeout, which the ladder itself decides."""

    name: str
    reuse_seconds: int | None
    caps: tuple[Cap, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """What ends machines, and how long it lets them take. `spot` is the notice that pods get of an interruption."""

    name: str
    caps: tuple[Cap, ...] = ()
    spot: Cap | None = None

    @property
    def longest_grace_seconds(self) -> int | None:
        """What a machine is given at most; None where that is ours to say."""
        return min((cap.seconds for cap in self.caps if cap.layer == "node_grace"), default=None)


APPLICATION_LOAD_BALANCER = FrontDoor(
    name="Application Load Balancer",
    reuse_seconds=None,
    caps=(
        Cap(
            layer="load_balancer_deregistration",
            seconds=3600,
            what="deregistration delay of a target group",
            source="AWS API reference, TargetGroupAttribute: deregistration_delay.timeout_seconds, 0-3600",
            as_of="2026-11-25",
        ),
        Cap(
            layer="load_balancer_idle",
            seconds=4000,
            what="idle timeout of the load balancer",
            source="Application Load Balancer user guide, connection idle timeout: 1-4000 (recalled, not read again)",
            as_of="2026-11",
        ),
    ),
)
GOOGLE_LOAD_BALANCER = FrontDoor(
    name="Google Cloud load balancer",
    # Fixed by Google: backends must keep connections longer, or answers are lost with a 502.
    reuse_seconds=600,
    caps=(
        Cap(
            layer="load_balancer_deregistration",
            seconds=3600,
            what="connection draining timeout of a backend service",
            source="Google Cloud documentation, Enable connection draining: 0 to 3600 seconds",
            as_of="2026-11-25",
        ),
        Cap(
            layer="load_balancer_idle",
            seconds=86_400,
            what="backend service timeout that Google recommends at most",
            source="gcpdiag rule lb/BP/2025_002: no more than 86,400 seconds",
            as_of="2026-11-25",
        ),
    ),
)
CLOUD_RUN_FRONT = FrontDoor(
    name="Cloud Run front end",
    reuse_seconds=600,
    caps=(
        Cap(
            layer="load_balancer_idle",
            seconds=3600,
            what="request timeout of a service",
            source="Google Cloud documentation, Cloud Run request timeout: up to 60 minutes (recalled, not read again)",
            as_of="2026-11",
        ),
    ),
)
# An ingress or proxy of the user's own; nginx keeps upstream connections for 60 s unless told otherwise.
OWN_INGRESS = FrontDoor(name="ingress of the cluster", reuse_seconds=60)

EKS_MANAGED_NODES = Nodes(
    name="EKS managed node group",
    caps=(
        Cap(
            layer="node_grace",
            seconds=900,
            what="drain of a managed node during an update",
            source="Amazon EKS user guide, Managed node update behavior: 15 minutes, then it fails or is forced",
            as_of="2026-11-25",
        ),
    ),
    spot=Cap(
        layer="spot_notice",
        seconds=120,
        what="notice of an EC2 Spot interruption",
        source="Amazon EC2 user guide, Spot Instance interruption notices: two minutes",
        as_of="2026-11",
    ),
)
# A NodePool's terminationGracePeriod is ours to set, so nothing but the spot notice bounds it.
EKS_AUTO_MODE_NODES = Nodes(name="EKS Auto Mode", spot=EKS_MANAGED_NODES.spot)
GKE_NODES = Nodes(
    name="GKE node pool",
    caps=(
        Cap(
            layer="node_grace",
            seconds=600,
            what="graceful termination when the cluster autoscaler removes a node",
            source="GKE documentation, cluster autoscaler: 10 minutes",
            as_of="2026-11",
        ),
        Cap(
            layer="node_grace",
            seconds=3600,
            what="graceful termination during a node upgrade",
            source="GKE documentation, node upgrades: one hour",
            as_of="2026-11",
        ),
    ),
    spot=Cap(
        layer="spot_notice",
        seconds=15,
        what="notice that pods get of a Spot VM's preemption",
        source="GKE documentation, Spot VMs: 30 seconds, of which pods get 15, best effort",
        as_of="2026-11",
    ),
)
CLOUD_RUN_INSTANCES = Nodes(
    name="Cloud Run",
    caps=(
        *(
            Cap(
                layer=layer,
                seconds=10,
                what="time between SIGTERM and SIGKILL",
                source="Google Cloud documentation, Cloud Run container contract: 10 seconds",
                as_of="2026-11",
                refuses=False,
            )
            for layer in ("pod_grace", "gateway_grace")
        ),
    ),
)
# A cluster that exists has its own rules; nobody but its operator knows them.
OWN_NODES = Nodes(name="nodes of the cluster")
