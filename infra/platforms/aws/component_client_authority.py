"""Deploys whose certificates clients show at the load balancer, and where it is asked for its health without one."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.client_authority import ClientAuthorityPlan
from infra.platforms.aws.front_door_plan import FrontDoorPlan

lb = aws.lb


class ClientAuthority(pulumi.ComponentResource):
    """Owns the trust store. `authentication` is what a listener asks with, once what was taken back is known."""

    def __init__(
        self, name: str, plan: ClientAuthorityPlan, name_prefix: str, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:aws:ClientAuthority", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        store = lb.TrustStore(
            name,
            name_prefix=name_prefix,
            ca_certificates_bundle_s3_bucket=plan.bucket,
            ca_certificates_bundle_s3_key=plan.authorities.key,
            ca_certificates_bundle_s3_object_version=plan.authorities.version,
            tags={"Name": name},
            opts=child,
        )
        arn = store.arn
        if plan.revoked:
            revoked = lb.TrustStoreRevocation(
                f"{name}-revoked",
                trust_store_arn=store.arn,
                revocations_s3_bucket=plan.bucket,
                revocations_s3_key=plan.revoked.key,
                revocations_s3_object_version=plan.revoked.version,
                opts=child,
            )
            arn = revoked.trust_store_arn
        self.authentication = lb.ListenerMutualAuthenticationArgs(
            mode="verify", trust_store_arn=arn, ignore_client_certificate_expiry=False
        )
        self.register_outputs({"trust_store_arn": store.arn})


class HealthDoor(pulumi.ComponentResource):
    """Owns a listener for Route 53's health checks alone, which show no certificate: it has their path and no other."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        balancer_arn: pulumi.Input[str],
        targets_arn: pulumi.Input[str],
        certificate_arn: pulumi.Input[str],
        security_group_id: pulumi.Input[str],
        provider: aws.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:HealthDoor", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        # AWS keeps the list of where they come from (VPC user guide, "AWS-managed prefix lists", read 2026-11).
        askers = aws.ec2.get_managed_prefix_list_output(
            name=f"com.amazonaws.{plan.region}.route53-healthchecks",
            opts=pulumi.InvokeOutputOptions(parent=self, provider=provider),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-from-route-53",
            security_group_id=security_group_id,
            description="Health checks of Route 53",
            ip_protocol="tcp",
            from_port=plan.site_health_port,
            to_port=plan.site_health_port,
            prefix_list_id=askers.id,
            opts=child,
        )
        nothing = lb.ListenerDefaultActionFixedResponseArgs(content_type="text/plain", status_code="404")
        listener = lb.Listener(
            name,
            load_balancer_arn=balancer_arn,
            port=plan.site_health_port,
            protocol="HTTPS",
            ssl_policy=plan.tls_policy,
            certificate_arn=certificate_arn,
            default_actions=[lb.ListenerDefaultActionArgs(type="fixed-response", fixed_response=nothing)],
            opts=child,
        )
        path = lb.ListenerRuleConditionPathPatternArgs(values=[plan.site_health_path])
        lb.ListenerRule(
            f"{name}-path",
            listener_arn=listener.arn,
            priority=1,
            conditions=[lb.ListenerRuleConditionArgs(path_pattern=path)],
            actions=[lb.ListenerRuleActionArgs(type="forward", target_group_arn=targets_arn)],
            tags={"Name": name},
            opts=child,
        )
        self.register_outputs({})
