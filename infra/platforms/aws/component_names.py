"""Deploys the names of a site: a certificate that the zone's owner has shown to be ours, and where names lead."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from infra.platforms.aws.front_door_plan import FrontDoorPlan

route53 = aws.route53
# So often does Route 53 ask, and so many answers must be missing: about half a minute until the standby has the name.
ASK_SECONDS, MISSED = 10, 3
RECORD_SECONDS = 300


class Names(pulumi.ComponentResource):
    """Owns the certificate and the records. Where another site has the same name, Route 53 answers with the standby
    when the first one is not well, or of two that both serve, with the nearer one that is well. `certificate_arn` is
    known when it has been issued."""

    def __init__(
        self,
        name: str,
        plan: FrontDoorPlan,
        *,
        balancer: aws.lb.LoadBalancer,
        provider: aws.Provider,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("slipway:aws:Names", name, None, opts)
        self._name, self._plan = name, plan
        self._child = pulumi.ResourceOptions(parent=self)
        self._zone: pulumi.Input[str] = plan.hosted_zone_id or aws.route53.get_zone_output(
            name=plan.zone_name, opts=pulumi.InvokeOutputOptions(parent=self, provider=provider)
        ).apply(lambda found: found.zone_id)
        self.certificate_arn = self._certificate()
        target = route53.RecordAliasArgs(name=balancer.dns_name, zone_id=balancer.zone_id, evaluate_target_health=True)
        self._record(f"{name}-site", plan.site_host, target)
        self._shared(target)
        self.register_outputs({"certificate_arn": self.certificate_arn})

    def _certificate(self) -> pulumi.Output[str]:
        """For the shared name and the site's own."""
        plan = self._plan
        certificate = aws.acm.Certificate(
            f"{self._name}-certificate",
            domain_name=plan.host,
            subject_alternative_names=[plan.site_host],
            validation_method="DNS",
            key_algorithm="EC_prime256v1",
            opts=self._child,
        )
        records = [
            self._proof(called, host, certificate)
            for called, host in {"shared": plan.host, "site": plan.site_host}.items()
        ]
        issued = aws.acm.CertificateValidation(
            f"{self._name}-certificate",
            certificate_arn=certificate.arn,
            validation_record_fqdns=[record.fqdn for record in records],
            opts=self._child,
        )
        return issued.certificate_arn

    def _proof(self, called: str, host: str, certificate: aws.acm.Certificate) -> aws.route53.Record:
        """The record by which AWS sees whose the name is. That of the shared name is the same for every site: whoever
        comes second finds it there, and whoever goes first leaves it, or the others' certificates would end."""

        def part(field: str) -> pulumi.Output[str]:
            return certificate.domain_validation_options.apply(
                lambda options: next(getattr(option, field) for option in options if option.domain_name == host)
            )

        shared = called == "shared" and self._plan.failover is not None
        return route53.Record(
            f"{self._name}-proof-{called}",
            zone_id=self._zone,
            name=part("resource_record_name"),
            type=part("resource_record_type"),
            records=[part("resource_record_value")],
            ttl=RECORD_SECONDS,
            allow_overwrite=shared,
            opts=pulumi.ResourceOptions.merge(self._child, pulumi.ResourceOptions(retain_on_delete=shared)),
        )

    def _shared(self, target: aws.route53.RecordAliasArgs) -> None:
        plan = self._plan
        if plan.failover is None:
            self._record(f"{self._name}-shared", plan.host, target)
            return
        # The standby is asked for nothing: it is what is left.
        check = self._health_check().id if plan.failover != "secondary" else None
        active = plan.failover == "active"
        route53.Record(
            f"{self._name}-shared",
            zone_id=self._zone,
            name=plan.host,
            type="A",
            aliases=[target],
            set_identifier=plan.site_host,
            failover_routing_policies=None
            if active
            else [route53.RecordFailoverRoutingPolicyArgs(type=plan.failover.upper())],
            latency_routing_policies=[route53.RecordLatencyRoutingPolicyArgs(region=plan.region)] if active else None,
            health_check_id=check,
            opts=self._child,
        )

    def _record(self, name: str, host: str, target: aws.route53.RecordAliasArgs) -> None:
        route53.Record(name, zone_id=self._zone, name=host, type="A", aliases=[target], opts=self._child)

    def _health_check(self) -> aws.route53.HealthCheck:
        """By the site's own name, and whether engines behind it answer."""
        return route53.HealthCheck(
            f"{self._name}-health",
            type="HTTPS",
            fqdn=self._plan.site_host,
            port=self._plan.site_health_port,
            resource_path=self._plan.site_health_path,
            enable_sni=True,
            request_interval=ASK_SECONDS,
            failure_threshold=MISSED,
            tags={"Name": self._name},
            opts=self._child,
        )
