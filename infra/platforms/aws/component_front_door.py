"""Deploys the front door of a site on AWS: a load balancer that ends TLS, and what binds gateways to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes

from infra.components.cluster_handle import Source
from infra.plan.in_cluster import PART_OF, SERVICE_PORT
from infra.platforms.aws.component_client_authority import ClientAuthority, HealthDoor
from infra.platforms.aws.component_firewall import firewall, shield
from infra.platforms.aws.component_names import Names
from infra.platforms.aws.front_door_plan import HTTPS_PORT, FrontDoorPlan
from infra.platforms.aws.policies import BALANCER_LOGS

lb = aws.lb
ANYWHERE = "0.0.0.0/0"
HTTP, HTTPS = 80, HTTPS_PORT
# AWS adds 26 letters of its own, and takes 32.
SHORT_PREFIX = "slw-"


class FrontDoor(pulumi.ComponentResource):
    """Owns the load balancer, its certificate, names and firewall. Answers stream through it: it neither keeps nor
    changes them, and ends a silent connection later than any answer may take."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        cluster_name: pulumi.Input[str],
        cluster_security_group_id: pulumi.Input[str],
        vpc_id: pulumi.Input[str],
        subnet_ids: Sequence[pulumi.Input[str]],
        inside_cidrs: Sequence[str],
        logs_bucket: pulumi.Input[str],
        logs_key_arn: pulumi.Input[str],
        log_retention_days: int,
        provider: aws.Provider,
        protected: bool,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:FrontDoor", name, None, opts)
        self._name, self._plan = name, plan
        self._child = child = pulumi.ResourceOptions(parent=self)
        group = self._security_group(vpc_id, cluster_security_group_id, inside_cidrs)
        balancer = lb.LoadBalancer(
            f"{name}-balancer",
            name_prefix=SHORT_PREFIX,
            load_balancer_type="application",
            internal=plan.internal,
            subnets=[*subnet_ids],
            security_groups=[group.id],
            idle_timeout=plan.idle_seconds,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",
            enable_deletion_protection=protected,
            enable_zonal_shift=True,
            access_logs=lb.LoadBalancerAccessLogsArgs(bucket=logs_bucket, prefix=BALANCER_LOGS, enabled=True),
            tags={"Name": name},
            opts=child,
        )
        targets = lb.TargetGroup(
            f"{name}-gateways",
            name_prefix=SHORT_PREFIX,
            vpc_id=vpc_id,
            target_type="ip",
            port=plan.port,
            protocol="HTTP",
            deregistration_delay=plan.deregistration_seconds,
            # A gateway with the fewest answers under way: these last from seconds to minutes.
            load_balancing_algorithm_type="least_outstanding_requests",
            health_check=lb.TargetGroupHealthCheckArgs(
                path=plan.health_path,
                protocol="HTTP",
                matcher="200",
                interval=plan.health_seconds,
                timeout=plan.health_timeout_seconds,
                healthy_threshold=plan.health_times,
                unhealthy_threshold=plan.health_times,
            ),
            # Auto Mode puts nothing into a group that does not say whose it is.
            tags={"Name": name, "eks:eks-cluster-name": cluster_name},
            opts=child,
        )
        names = Names(f"{name}-names", plan, balancer=balancer, provider=provider, opts=child)
        known = plan.client_authority
        listener = lb.Listener(
            f"{name}-https",
            load_balancer_arn=balancer.arn,
            port=HTTPS,
            protocol="HTTPS",
            ssl_policy=plan.tls_policy,
            certificate_arn=names.certificate_arn,
            default_actions=[lb.ListenerDefaultActionArgs(type="forward", target_group_arn=targets.arn)],
            mutual_authentication=ClientAuthority(f"{name}-clients", known, SHORT_PREFIX, child).authentication
            if known
            else None,
            routing_http_response_strict_transport_security_header_value="max-age=31536000; includeSubDomains",
            opts=child,
        )
        if plan.site_health_port != HTTPS:
            HealthDoor(
                f"{name}-health",
                plan,
                balancer_arn=balancer.arn,
                targets_arn=targets.arn,
                certificate_arn=names.certificate_arn,
                security_group_id=group.id,
                provider=provider,
                opts=child,
            )
        redirect = lb.ListenerDefaultActionRedirectArgs(port=str(HTTPS), protocol="HTTPS", status_code="HTTP_301")
        lb.Listener(
            f"{name}-http",
            load_balancer_arn=balancer.arn,
            port=HTTP,
            protocol="HTTP",
            default_actions=[lb.ListenerDefaultActionArgs(type="redirect", redirect=redirect)],
            opts=child,
        )
        if plan.managed_rules:
            firewall(
                f"{name}-firewall",
                plan,
                balancer_arn=balancer.arn,
                logs_key_arn=logs_key_arn,
                log_retention_days=log_retention_days,
                opts=child,
            )
        if plan.shield_advanced:
            shield(f"{name}-shield", balancer_arn=balancer.arn, opts=child)
        self.target_group_arn = targets.arn
        balanced: dict[str, pulumi.Input[str]] = {"LoadBalancer": balancer.arn_suffix}
        # As CloudWatch knows them.
        self.dimensions: dict[str, dict[str, pulumi.Input[str]]] = {
            "balancer": balanced,
            "targets": {**balanced, "TargetGroup": targets.arn_suffix},
        }
        # A group that no listener has is one that the cluster's controller does not check.
        self.listener = listener
        self.register_outputs({"target_group_arn": self.target_group_arn})

    def _security_group(
        self, vpc_id: pulumi.Input[str], cluster_group_id: pulumi.Input[str], inside: Sequence[str]
    ) -> aws.ec2.SecurityGroup:
        """From clients by HTTPS, and by HTTP to be sent there; to gateways' port alone."""
        name, plan = self._name, self._plan
        group = aws.ec2.SecurityGroup(
            f"{name}-balancer",
            description="The load balancer: from clients, to gateways",
            vpc_id=vpc_id,
            tags={"Name": name},
            opts=self._child,
        )
        for protocol, port in {"https": HTTPS, "http": HTTP}.items():
            for place, cidr in enumerate(inside if plan.internal else (ANYWHERE,)):
                aws.vpc.SecurityGroupIngressRule(
                    f"{name}-{protocol}" + (f"-{place}" if plan.internal else ""),
                    security_group_id=group.id,
                    description=f"{protocol.upper()} from clients",
                    ip_protocol="tcp",
                    from_port=port,
                    to_port=port,
                    cidr_ipv4=cidr,
                    opts=self._child,
                )
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-gateways",
            security_group_id=group.id,
            description="Requests and health checks to gateways",
            referenced_security_group_id=cluster_group_id,
            ip_protocol="tcp",
            from_port=plan.port,
            to_port=plan.port,
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-balancer",
            security_group_id=cluster_group_id,
            description="Requests and health checks from the load balancer",
            referenced_security_group_id=group.id,
            ip_protocol="tcp",
            from_port=plan.port,
            to_port=plan.port,
            opts=self._child,
        )
        return group


@dataclass(frozen=True, kw_only=True)
class BoundByTargetGroup:
    """Gateways' addresses are put into the load balancer's group by the cluster's controller, and taken out before they
    end."""

    name: str
    plan: FrontDoorPlan
    namespace: str
    target_group_arn: pulumi.Input[str]
    sources: tuple[Source, ...]
    after: pulumi.Resource

    def attach(self, service: kubernetes.core.v1.Service, opts: pulumi.ResourceOptions) -> pulumi.Input[str]:
        labels = {"app.kubernetes.io/part-of": PART_OF, "app.kubernetes.io/component": "front-door"}
        binding = kubernetes.apiextensions.CustomResource(
            f"{self.name}-binding",
            api_version=self.plan.binding_version,
            kind="TargetGroupBinding",
            metadata=kubernetes.meta.v1.ObjectMetaArgs(name="gateway", namespace=self.namespace, labels=labels),
            spec={
                "serviceRef": {"name": service.metadata.name, "port": SERVICE_PORT},
                "targetGroupARN": self.target_group_arn,
                "targetType": "ip",
            },
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[service, self.after])),
        )
        return binding.id.apply(lambda _: f"https://{self.plan.host}")
