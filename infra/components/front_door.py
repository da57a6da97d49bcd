"""How requests come into a cluster that exists: a Gateway and its routes, an Ingress, or nothing but a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import FrontDoor, Source, in_namespace
from infra.plan.front_door import FrontDoorPlan
from infra.plan.in_cluster import PART_OF, SERVICE_PORT

meta, networking = kubernetes.meta.v1, kubernetes.networking.v1
GATEWAY_API = "gateway.networking.k8s.io/v1"
ANY_NAMESPACE = Source(namespace_labels={})
# Clouds' and proxies' own limits would cut long answers; 0 is none (Gateway API, GEP-1742).
NO_LIMIT = "0s"


def front_door(name: str, plan: FrontDoorPlan | None, namespace: str) -> FrontDoor:
    """The one that a plan names. `name` begins its objects' logical names, which are one stack's."""
    if plan is None:
        return InsideOnly(namespace=namespace)
    return KINDS[plan.kind](name=name, plan=plan, namespace=namespace)


@dataclass(frozen=True, kw_only=True)
class InsideOnly:
    """Clients are pods of the cluster, and use the service itself."""

    namespace: str
    sources: tuple[Source, ...] = (ANY_NAMESPACE,)

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        del opts
        return _after(service, f"http://gateway.{self.namespace}.svc")


@dataclass(frozen=True, kw_only=True)
class _FrontDoor:
    """What either kind is made of, and who sends its requests."""

    name: str
    plan: FrontDoorPlan
    namespace: str

    @property
    def sources(self) -> tuple[Source, ...]:
        namespace = self.plan.namespace
        return (in_namespace(namespace),) if namespace else (ANY_NAMESPACE,)


@dataclass(frozen=True, kw_only=True)
class OfACloud:
    """What a cloud whose load balancer a Gateway is brings itself: annotations or options of TLS that name its
    certificates, the name of its address, and further names of the site. How long an answer may take is said
    by its own policies."""

    annotations: Mapping[str, pulumi.Input[str]]
    address: pulumi.Input[str]
    hosts: tuple[str, ...]
    tls_options: Mapping[str, pulumi.Input[str]] | None = None


@dataclass(frozen=True, kw_only=True)
class GatewayApi(_FrontDoor):
    """A Gateway of a class that the cluster has, with one route for requests, and one that sends plain HTTP away."""

    cloud: OfACloud | None = None

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        plan, cloud = self.plan, self.cloud
        _certificate(self.name, plan, self.namespace, opts)
        listener: dict[str, Any] = {"allowedRoutes": {"namespaces": {"from": "Same"}}}
        tls: dict[str, Any] = {}
        if cloud is None:
            listener["hostname"] = plan.host
            certificate = {"kind": "Secret", "name": plan.tls_secret}
            tls = {"tls": {"mode": "Terminate", "certificateRefs": [certificate]}}
        elif cloud.tls_options:
            tls = {"tls": {"mode": "Terminate", "options": dict(cloud.tls_options)}}
        gateway = _object(
            self.name,
            "front-door",
            GATEWAY_API,
            "Gateway",
            self.namespace,
            {
                "gatewayClassName": plan.class_name,
                "listeners": [
                    {**listener, "name": "https", "protocol": "HTTPS", "port": 443, **tls},
                    {**listener, "name": "http", "protocol": "HTTP", "port": 80},
                ],
                **({"addresses": [{"type": "NamedAddress", "value": cloud.address}]} if cloud else {}),
            },
            opts,
            wait_for="Programmed",
            annotations=dict(cloud.annotations) if cloud else None,
        )
        after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[gateway, service]))
        timeouts = {} if cloud else {"timeouts": {"request": NO_LIMIT, "backendRequest": NO_LIMIT}}
        self._route("https", [{**_to_gateways(), **timeouts}], after)
        away = {"type": "RequestRedirect", "requestRedirect": {"scheme": "https", "statusCode": 301}}
        self._route("http", [{"filters": [away]}], after)
        return _after(gateway, f"https://{plan.host}")

    def _route(self, listener: str, rules: list[dict[str, Any]], opts: pulumi.ResourceOptions) -> None:
        spec = {
            "parentRefs": [{"name": "front-door", "sectionName": listener}],
            "hostnames": [self.plan.host, *(self.cloud.hosts if self.cloud else ())],
            "rules": rules,
        }
        dns = _dns_record(self.plan) if listener == "https" else {}
        _object(
            self.name, f"front-door-{listener}", GATEWAY_API, "HTTPRoute", self.namespace, spec, opts, annotations=dns
        )


@dataclass(frozen=True, kw_only=True)
class IngressController(_FrontDoor):
    """An Ingress of a class that the cluster has. The annotations are those of ingress-nginx: what others do about
    buffering and long answers is in their own settings."""

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        plan = self.plan
        _certificate(self.name, plan, self.namespace, opts)
        backend = networking.IngressBackendArgs(
            service=networking.IngressServiceBackendArgs(
                name="gateway", port=networking.ServiceBackendPortArgs(number=SERVICE_PORT)
            )
        )
        path = networking.HTTPIngressPathArgs(path="/", path_type="Prefix", backend=backend)
        ingress = networking.Ingress(
            f"{self.name}-front-door",
            metadata=_named("front-door", self.namespace, {**_unbuffered(plan), **_dns_record(plan)}),
            spec=networking.IngressSpecArgs(
                ingress_class_name=plan.class_name,
                tls=[networking.IngressTLSArgs(hosts=[plan.host], secret_name=plan.tls_secret)],
                rules=[
                    networking.IngressRuleArgs(host=plan.host, http=networking.HTTPIngressRuleValueArgs(paths=[path]))
                ],
            ),
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[service])),
        )
        return _after(ingress, f"https://{plan.host}")


KINDS: Mapping[str, type[GatewayApi | IngressController]] = {"Gateway": GatewayApi, "Ingress": IngressController}


def _after(resource: pulumi.CustomResource, text: str) -> pulumi.Output[str]:
    """Known when that is there."""
    return pulumi.Output.all(resource.id).apply(lambda _: text)


def _to_gateways() -> dict[str, Any]:
    return {
        "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
        "backendRefs": [{"name": "gateway", "port": SERVICE_PORT}],
    }


def _unbuffered(plan: FrontDoorPlan) -> dict[str, str]:
    """Tokens go out at once, an answer may be silent as long as one may take, and plain HTTP is sent away."""
    prefix, seconds = "nginx.ingress.kubernetes.io", str(plan.idle_seconds)
    return {
        f"{prefix}/ssl-redirect": "true",
        f"{prefix}/force-ssl-redirect": "true",
        f"{prefix}/proxy-buffering": "off",
        f"{prefix}/proxy-request-buffering": "off",
        f"{prefix}/proxy-http-version": "1.1",
        f"{prefix}/proxy-read-timeout": seconds,
        f"{prefix}/proxy-send-timeout": seconds,
        # The gateway says itself what is too large, in its own words.
        f"{prefix}/proxy-body-size": str(plan.body_bytes + 1),
    }


def _dns_record(plan: FrontDoorPlan) -> dict[str, str]:
    return {"external-dns.alpha.kubernetes.io/hostname": plan.host} if plan.dns_record else {}


def _certificate(name: str, plan: FrontDoorPlan, namespace: str, opts: pulumi.ResourceOptions) -> None:
    """Made and renewed by cert-manager, where the plan names an issuer; otherwise the Secret is somebody else's."""
    if plan.tls_issuer is None:
        return
    spec = {
        "secretName": plan.tls_secret,
        "dnsNames": [plan.host],
        "issuerRef": {"group": "cert-manager.io", "kind": "ClusterIssuer", "name": plan.tls_issuer},
        "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
        "usages": ["digital signature", "server auth"],
    }
    _object(
        name, "front-door-certificate", "cert-manager.io/v1", "Certificate", namespace, spec, opts, wait_for="Ready"
    )


def _object(
    site: str,
    name: str,
    api_version: str,
    kind: str,
    namespace: str,
    spec: dict[str, Any],
    opts: pulumi.ResourceOptions,
    *,
    wait_for: str | None = None,
    annotations: Mapping[str, pulumi.Input[str]] | None = None,
) -> kubernetes.apiextensions.CustomResource:
    waiting = {"pulumi.com/waitFor": f"condition={wait_for}"} if wait_for else {}
    return kubernetes.apiextensions.CustomResource(
        f"{site}-{name}",
        api_version=api_version,
        kind=kind,
        metadata=_named(name, namespace, {**waiting, **(annotations or {})}),
        spec=spec,
        opts=opts,
    )


def _named(name: str, namespace: str, annotations: dict[str, pulumi.Input[str]]) -> kubernetes.meta.v1.ObjectMetaArgs:
    labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/component": "front-door"}
    return meta.ObjectMetaArgs(name=name, namespace=namespace, labels=labels, annotations=annotations or None)
