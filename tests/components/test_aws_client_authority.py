"""A site on AWS that asks clients for certificates: who is let in, and how Route 53 is answered without one."""

from __future__ import annotations

from typing import Any

import pytest

from infra.report.text import to_text
from tests.components.test_aws_site import records
from tests.on_aws import Deployment, inputs, only, plan_of, platform, registrations

VARIANT = "asks_for_certificates"
LISTENER = "aws:lb/listener:Listener"


def test_the_load_balancer_asks_for_certificates_of_the_authorities_in_the_bucket() -> None:
    seen = registrations(VARIANT)
    store = only(seen, "aws:lb/trustStore:TrustStore")
    assert store["caCertificatesBundleS3Bucket"] == "example-authorities"
    assert store["caCertificatesBundleS3Key"] == "client-authority/clients.pem"
    assert store["caCertificatesBundleS3ObjectVersion"] == "3sL4kqtJlcpXroDTDmJ"
    revoked = only(seen, "aws:lb/trustStoreRevocation:TrustStoreRevocation")
    assert (revoked["revocationsS3Bucket"], revoked["revocationsS3Key"]) == (
        "example-authorities",
        "client-authority/revoked.pem",
    )
    asked = inputs(seen, LISTENER)["main-door-https"]["mutualAuthentication"]
    assert asked["mode"] == "verify"
    assert asked["ignoreClientCertificateExpiry"] is False
    # Not before it knows what was taken back.
    assert asked["trustStoreArn"] == revoked["trustStoreArn"]


def test_without_revocations_the_store_is_all() -> None:
    def plain(deployment: Deployment) -> None:
        del platform(deployment)["client_authority"]["revoked"]

    door = plan_of(VARIANT, plain).sites["main"].details.front_door
    assert door.client_authority.revoked is None
    assert "aws:lb/trustStoreRevocation:TrustStoreRevocation" not in {one.type for one in registrations().seen}


def test_who_shows_none_is_let_in_nowhere_else() -> None:
    """Route 53 alone, to what it asks for, and to nothing else: not even with a certificate of its own."""
    seen = registrations(VARIANT)
    listeners = inputs(seen, LISTENER)
    assert {one["port"] for one in listeners.values()} == {80, 443, 8443}
    assert listeners["main-door-http"]["defaultActions"][0]["type"] == "redirect"
    health = listeners["main-door-health"]
    assert health["protocol"] == "HTTPS"
    assert "TLS13-1-2" in health["sslPolicy"]
    assert "mutualAuthentication" not in health
    (otherwise,) = health["defaultActions"]
    assert (otherwise["type"], otherwise["fixedResponse"]["statusCode"]) == ("fixed-response", "404")
    rule = only(seen, "aws:lb/listenerRule:ListenerRule")
    assert rule["conditions"] == [{"pathPattern": {"values": ["/health/deep"]}}]
    assert [action["type"] for action in rule["actions"]] == ["forward"]
    ways = inputs(seen, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    way = ways["main-door-health-from-route-53"]
    assert (way["fromPort"], way["toPort"]) == (8443, 8443)
    assert way["prefixListId"].startswith("pl-")
    assert not {"cidrIpv4", "cidrIpv6"} & {*way}


def test_the_name_still_leads_to_the_standby_when_the_first_site_is_not_well() -> None:
    seen = registrations(VARIANT)
    check = only(seen, "aws:route53/healthCheck:HealthCheck")
    assert (check["type"], check["port"], check["resourcePath"]) == ("HTTPS", 8443, "/health/deep")
    assert records(VARIANT)["shared"]["healthCheckId"] == "main-door-names-health-id"
    assert only(registrations(), "aws:route53/healthCheck:HealthCheck")["port"] == 443
    # Nobody asks the standby: it has no such door.
    assert plan_of(VARIANT).sites["west"].details.front_door.site_health_port == 443


def test_the_plan_says_it_and_what_it_costs() -> None:
    plan = plan_of(VARIANT)
    assert plan.sites["main"].security["clients"] == (
        "clients show a certificate of client-authority/clients.pem in the bucket example-authorities, but for those "
        "in client-authority/revoked.pem"
    )
    assert "clients" not in plan_of("as_it_ships").sites["main"].security
    assert "trust store" in to_text(plan)
    assert "trust store" not in to_text(plan_of("as_it_ships"))


@pytest.mark.parametrize("shows", [True, False])
def test_a_site_before_it_must_show_one(shows: bool) -> None:
    from infra.load import validate
    from infra.plan.build import build_plan
    from infra.problems import Refused

    deployment: dict[str, Any] = {**_hybrid()}
    if shows:
        pair = {"certificate": {"secret": "site"}, "key": {"secret": "site_key"}}
        deployment["topology"]["overflow"]["certificate"] = pair
        build_plan(validate(deployment, "case", {}), "case")
        return
    with pytest.raises(Refused, match=r"`cloud`, where the load balancer \(ALB\) lets nobody in without one") as said:
        build_plan(validate(deployment, "case", {}), "case")
    assert [one.where for one in said.value.problems] == ["slipway:deployment.topology.overflow.certificate"]


def _hybrid() -> dict[str, Any]:
    from infra.stack_file import read_stack_file
    from tests.unit.documents import CORPUS, deployment_of

    deployment = deployment_of(read_stack_file(CORPUS / "topology-hybrid.happy.yaml").values)
    deployment["topology"]["overflow"] = {"client": "own_site", "key": {"secret": "next_site"}}
    deployment["sites"]["cloud"]["platform"] = {
        "kind": "aws",
        "region": "us-east-1",
        "zones": ["us-east-1a", "us-east-1b"],
        "domain": "llm.example.com",
        "network": {"cidr": "10.60.0.0/16", "services_cidr": "192.168.0.0/20"},
        "client_authority": {"bucket": "example-authorities", "key": "client-authority/clients.pem"},
    }
    return deployment
