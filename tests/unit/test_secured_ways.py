"""Certificates that gateways show to other places: what their files and the plan say of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.gateway.secret import secret_names
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.gateway_pods import gateway_file, gateway_secret_names
from infra.plan.types import DeploymentPlan
from infra.report.markdown import to_markdown
from infra.report.text import to_text
from infra.stack_file import read_stack_file
from serving.gateway.config import load_config
from tests.contracts.gateway_files import GatewayFiles
from tests.unit.documents import CORPUS, deployment_of

PAIR = {"certificate": {"secret": "site_certificate"}, "key": {"secret": "site_key"}}


def corpus(name: str) -> Any:
    return deployment_of(read_stack_file(CORPUS / f"{name}.happy.yaml").values)


def planned(deployment: dict[str, Any]) -> DeploymentPlan:
    return build_plan(validate(deployment, "case", {}), "case")


def content(plan: DeploymentPlan, site: str) -> Any:
    details = plan.sites[site].details
    return getattr(details, "gateway_config", None) or details.serving.gateway_config


def upstream_of(plan: DeploymentPlan, site: str, model: str) -> Any:
    return content(plan, site)["models"][model]["upstreams"][-1]


def test_the_next_site_is_shown_the_certificate_and_known_by_its_authority() -> None:
    plan = planned(corpus("topology-hybrid"))
    assert upstream_of(plan, "datacentre", "chat@next")["tls"] == {
        "ca_file": "{secrets}/next_site_authority",
        "certificate_file": "{secrets}/site_certificate",
        "key_file": "{secrets}/site_certificate_key",
    }
    # Who hands on to nobody needs none of them.
    assert "site_certificate" not in json.dumps(content(plan, "cloud"))


def test_the_files_are_made_of_secrets_like_every_other_one() -> None:
    deployment = corpus("topology-hybrid")
    given = {*secret_names(validate(deployment, "case", {}))}
    assert given >= {"next_site", "site_certificate", "site_certificate_key", "next_site_authority"}
    file = content(planned(deployment), "datacentre")
    assert {"site_certificate", "site_certificate_key", "next_site_authority"} <= {*gateway_secret_names(file)}
    tls = gateway_file(file, {})["models"]["chat@next"]["upstreams"][0]["tls"]
    assert tls["key_file"] == "/run/secrets/gateway/site_certificate_key"


def test_without_them_nothing_is_said() -> None:
    deployment = corpus("topology-hybrid")
    for field in ("certificate", "authority"):
        del deployment["topology"]["overflow"][field]
    plan = planned(deployment)
    assert "tls" not in upstream_of(plan, "datacentre", "chat@next")
    for said in (to_text(plan), to_markdown(plan)):
        assert "certificates" not in said.replace("client certificates", "")


def test_the_plan_says_that_both_sides_show_certificates() -> None:
    for name, way in (("topology-hybrid", "datacentre to cloud"), ("topology-hybrid-local", "workshop to hall")):
        plan = planned(corpus(name))
        assert f"- {way}: with TLS, both sides show certificates\n" in to_markdown(plan)
        assert "shown, beside a key, to" in to_text(plan)


def test_an_authority_alone_is_no_certificate() -> None:
    deployment = corpus("topology-hybrid")
    del deployment["topology"]["overflow"]["certificate"]
    plan = planned(deployment)
    assert upstream_of(plan, "datacentre", "chat@next")["tls"] == {"ca_file": "{secrets}/next_site_authority"}
    assert "both sides show certificates" not in to_markdown(plan)


def test_any_upstream_is_shown_one() -> None:
    plan = planned(corpus("gateway-full"))
    upstream = upstream_of(plan, "here", "chat")
    assert upstream["tls"] == {
        "ca_file": "/etc/slipway/other-site-ca.pem",
        "certificate_file": "/etc/slipway/site.crt",
        "key_file": "/etc/slipway/site.key",
    }
    assert not {"certificate", "authority", "key"} & {*upstream}
    assert "shown, beside a key, to llm.example.com:8443" in to_text(plan)


def test_the_gateway_takes_what_is_planned_for_both_ends(tmp_path: Path) -> None:
    files = GatewayFiles(tmp_path)
    for site, file in files.of_every_site(validate(corpus("topology-hybrid-local"), "case", {})).items():
        (tmp_path / f"{site}.json").write_text(json.dumps(file))
        config = load_config(tmp_path / f"{site}.json")
        assert config.certificates is not None
        shown = [tls.certificate_file for tls in config.trusted]
        assert shown == ([str(files.of_field["certificate_file"])] if site == "workshop" else [])


def test_small_sites_show_theirs_at_the_central_one() -> None:
    plan = planned(corpus("topology-edge"))
    for site, model in (("store-1", "small@central"), ("store-1", "chat"), ("store-3", "small@central")):
        assert upstream_of(plan, site, model)["tls"] == {
            "ca_file": "{secrets}/central_authority",
            "certificate_file": "{secrets}/site_certificate",
            "key_file": "{secrets}/site_certificate_key",
        }
    assert "central_authority" not in json.dumps(content(plan, "datacentre"))
    assert "- store-1, store-2, store-3 to datacentre: with TLS, both sides show certificates\n" in to_markdown(plan)


def test_without_theirs_small_sites_reach_it_by_the_key_alone() -> None:
    deployment = corpus("topology-edge")
    for field in ("certificate", "authority"):
        del deployment["topology"]["fallback"][field]
    plan = planned(deployment)
    assert "tls" not in upstream_of(plan, "store-1", "small@central")
    assert "both sides show certificates" not in to_markdown(plan)
