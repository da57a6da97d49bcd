"""Deploys the front door of a site on Google Cloud: a load balancer that ends TLS, made by GKE for a Gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import Source
from infra.components.front_door import GatewayApi, OfACloud
from infra.plan.in_cluster import GATEWAY, PART_OF
from infra.platforms.gcp.component_firewall import firewall
from infra.platforms.gcp.component_inside_door import InsideDoor
from infra.platforms.gcp.component_names import Names, zone_that_answers
from infra.platforms.gcp.front_door_plan import FrontDoorPlan

compute = gcp.compute
POLICIES = "networking.gke.io/v1"
CERTIFICATE_MAP = "networking.gke.io/certmap"
# Of every request, in millionths.
ALL_LOGGED = 1_000_000


class FrontDoor(pulumi.ComponentResource):
    """Owns what is outside of the cluster: address, names, certificate, firewall and which TLS is spoken. Answers
    stream through it, and a silent connection is ended later than any answer may take."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        provider: gcp.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:gcp:FrontDoor", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        address = compute.GlobalAddress(f"{name}-address", address_type="EXTERNAL", opts=child)
        zone = zone_that_answers(plan, pulumi.InvokeOutputOptions(parent=self, provider=provider))
        names = Names(f"{name}-names", plan.hosts, zone=zone, address=address.address, opts=child)
        # With forward secrecy alone, and nothing that is older.
        tls = compute.SSLPolicy(f"{name}-tls", profile="RESTRICTED", min_tls_version="TLS_1_2", opts=child)
        policy = firewall(f"{name}-firewall", plan, child) if plan.requests_per_minute is not None else None
        self.address, self.tls_policy = address.name, tls.name
        self.annotations: dict[str, pulumi.Input[str]] = {CERTIFICATE_MAP: names.certificate_map}
        self.tls_options: dict[str, pulumi.Input[str]] | None = None
        self.firewall: pulumi.Output[str] | None = policy.name if policy else None
        self.register_outputs({"address": self.address})


@dataclass(frozen=True, kw_only=True)
class BoundByGateway:
    """The Gateway whose load balancer GKE makes, and the policies that say how it treats the gateways."""

    name: str
    plan: FrontDoorPlan
    namespace: str
    door: FrontDoor | InsideDoor
    sources: tuple[Source, ...]

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        plan, door = self.plan, self.door
        to_gateways = {"group": "", "kind": "Service", "name": GATEWAY}
        backend: dict[str, Any] = {
            "timeoutSec": plan.idle_seconds,
            "connectionDraining": {"drainingTimeoutSec": plan.deregistration_seconds},
            "logging": {"enabled": True, "sampleRate": ALL_LOGGED},
            **({"securityPolicy": door.firewall} if door.firewall is not None else {}),
        }
        health = {
            "checkIntervalSec": plan.health_seconds,
            "timeoutSec": plan.health_timeout_seconds,
            "healthyThreshold": plan.health_times,
            "unhealthyThreshold": plan.health_times,
            "config": {
                "type": "HTTP",
                "httpHealthCheck": {
                    "portSpecification": "USE_FIXED_PORT",
                    "port": plan.port,
                    "requestPath": plan.health_path,
                },
            },
        }
        # Its load balancer is outside of the cluster: what goes with that would leave it behind, and all that it holds.
        opts = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions())
        opts.deleted_with = None
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[service]))
        policies = [
            self._policy("backend", "GCPBackendPolicy", backend, to_gateways, after),
            self._policy("health", "HealthCheckPolicy", health, to_gateways, after),
            self._policy(
                "tls",
                "GCPGatewayPolicy",
                {"sslPolicy": door.tls_policy},
                {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front-door"},
                after,
            ),
        ]
        gateway = GatewayApi(
            name=self.name,
            plan=plan.gateway,
            namespace=self.namespace,
            cloud=OfACloud(
                annotations=door.annotations,
                address=door.address,
                hosts=(plan.site_host,),
                tls_options=door.tls_options,
            ),
        )
        # A load balancer that does not know them yet cuts answers.
        return gateway.attach(service, pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=policies)))

    def _policy(
        self, called: str, kind: str, default: dict[str, Any], target: dict[str, str], opts: pulumi.ResourceOptions
    ) -> kubernetes.apiextensions.CustomResource:
        labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/component": "front-door"}
        return kubernetes.apiextensions.CustomResource(
            f"{self.name}-{called}-policy",
            api_version=POLICIES,
            kind=kind,
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name=GATEWAY, namespace=self.namespace, labels=labels),
            spec={"default": default, "targetRef": target},
            opts=opts,
        )
