"""What the gateways of a hybrid deployment are told of the next site, and what the plan says of the way there."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.link_types import Crossing, TokenPrice
from infra.plan.types import DeploymentPlan
from infra.report.html import to_html
from infra.report.markdown import to_markdown
from infra.report.text import to_text
from infra.stack_file import read_stack_file
from serving.gateway.config import load_config
from tests.manifests import ROOT
from tests.unit.documents import deployment_of


def hybrid(**overflow: Any) -> dict[str, Any]:
    deployment = deployment_of(read_stack_file(ROOT / "Pulumi.hybrid.yaml").values)
    deployment["topology"]["overflow"] |= overflow
    return deployment


def planned(deployment: dict[str, Any]) -> DeploymentPlan:
    return build_plan(validate(deployment, "case", {}), "case")


def gateway(plan: DeploymentPlan, site: str) -> Any:
    details = plan.sites[site].details
    return getattr(details, "gateway_config", None) or details.serving.gateway_config


def test_the_first_site_knows_the_next_one_and_when_requests_go_there() -> None:
    plan = planned(hybrid(busy_percent=80, return_percent=60, wait_seconds=2, dollars_per_day=None))
    models = gateway(plan, "datacentre")["models"]
    assert list(models) == ["chat", "chat@next"]
    assert models["chat"]["upstreams"][0]["concurrent_requests"] == 8
    assert models["chat"]["fallbacks"] == ["chat@next"]
    assert models["chat"]["overflow"] == {
        "model": "chat@next",
        "busy_percent": 80,
        "return_percent": 60,
        "wait_seconds": 2.0,
    }
    (there,) = models["chat@next"]["upstreams"]
    assert there == {
        "url": "https://overflow.llm.example.com",
        "kind": "slipway",
        "boundary": "gcp-eu",
        "model": "chat",
        "key_file": "{secrets}/next_site",
    }
    assert "overflow_dollars_per_day" not in gateway(plan, "datacentre")
    # The last one in order hands on to nobody.
    assert list(gateway(plan, "cloud")["models"]) == ["chat"]
    assert "overflow" not in gateway(plan, "cloud")["models"]["chat"]


def test_engines_that_say_how_full_their_caches_are_are_asked() -> None:
    deployment = hybrid(kv_cache_percent=85)
    rule = gateway(planned(deployment), "datacentre")["models"]["chat"]["overflow"]
    assert rule["kv_cache"] == {"percent": 85, "path": "/metrics", "metric": "vllm:kv_cache_usage_perc"}
    deployment["models"]["chat"] |= {
        "engine": {"kind": "llama_cpp", "image": f"registry.example.com/slipway/llama@sha256:{'4' * 64}"},
        "source": {
            "kind": "huggingface",
            "repo": "bartowski/SmolLM2-1.7B-Instruct-GGUF",
            "revision": "9217f5db79a29953eb74d5343926648285ec7e67",
            "file": "SmolLM2-1.7B-Instruct-Q4_K_M.gguf",
            "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        },
    }
    deployment["models"]["chat"].pop("quantization")
    deployment["topology"]["overflow"]["dollars_per_day"] = None
    rule = gateway(planned(deployment), "datacentre")["models"]["chat"]["overflow"]
    assert "kv_cache" not in rule


def test_the_gateway_takes_what_is_planned_for_it(tmp_path: Path) -> None:
    """Its own reader says so: fields, names, classes and places fit together."""
    content = json.dumps(gateway(planned(hybrid(wait_seconds=2)), "datacentre"))
    (tmp_path / "next_site").write_text("a-key")
    (tmp_path / "redis").write_text("redis://127.0.0.1:1/0")
    filled = json.loads(
        content.replace("{secrets}/limits_store", f"{tmp_path}/redis").replace("{secrets}", str(tmp_path))
    )
    for model in filled["models"].values():
        model["upstreams"] = [
            {**upstream, "url": "http://127.0.0.1:1", "key_file": None} if "{" in upstream["url"] else upstream
            for upstream in model["upstreams"]
        ]
    for name in ("audit", "telemetry", "privacy"):
        filled.pop(name, None)
    (tmp_path / "gateway.json").write_text(json.dumps(filled))
    config = load_config(tmp_path / "gateway.json")
    rule = config.models["chat"].overflow
    assert rule is not None
    assert rule.price is not None
    assert config.overflow_dollars_per_day == 50


def test_an_address_of_its_own_goes_before_the_domain_and_plain_http_is_said() -> None:
    plan = planned(hybrid(url="http://10.9.0.1:8080"))
    assert gateway(plan, "datacentre")["models"]["chat@next"]["upstreams"][0]["url"] == "http://10.9.0.1:8080"
    assert any("is asked over plain HTTP (http://10.9.0.1:8080)" in warning for warning in plan.weakenings)
    assert not any("plain HTTP" in warning for warning in planned(hybrid()).weakenings)


def test_a_site_without_a_domain_needs_an_address() -> None:
    deployment = hybrid()
    deployment["topology"]["order"].reverse()
    del deployment["sites"]["datacentre"]["platform"]["front_door"]
    with pytest.raises(Exception, match=r"nothing, and the platform of `datacentre` has no domain"):
        planned(deployment)


def test_waiting_and_what_is_left_of_it_are_in_the_drain() -> None:
    """A request waits for a place, and then as long as any other where the next site does not take it."""
    none, some = planned(hybrid()), planned(hybrid(wait_seconds=20))
    assert none.models["chat"].drain.longest_wait_seconds == 30
    assert some.models["chat"].drain.longest_wait_seconds == 50
    grew = [plan.models["chat"].drain.gateway_grace_seconds for plan in (none, some)]
    assert grew[1] - grew[0] == 20
    deployment = hybrid()
    del deployment["topology"]["overflow"]
    del deployment["clients"]["overflow"]
    plan = planned(deployment)
    assert plan.models["chat"].drain.longest_wait_seconds == 0
    assert plan.links == ()
    assert "chat@next" not in gateway(plan, "datacentre")["models"]


def test_tokens_cost_what_is_written_else_what_the_next_sites_machines_do() -> None:
    (link,) = planned(hybrid()).links
    assert link.overflow is not None
    price = link.overflow.prices["chat"]
    model = planned(hybrid()).models["chat"]
    assert model.price is not None
    assert model.performance is not None
    # By hand: answers bear their prompts, 4 tokens of which belong to each of theirs (1000 in, 250 out).
    assert price.by == "machines of cloud at full load"
    assert price.input_dollars_per_million_tokens == model.price.dollars_per_million_input_tokens
    whole = price.output_dollars_per_million_tokens + 4 * price.input_dollars_per_million_tokens
    assert whole == pytest.approx(model.price.dollars_per_million_output_tokens, abs=0.002)
    deployment = hybrid()
    deployment["models"]["chat"]["price"] = {
        "input_dollars_per_million_tokens": 1,
        "output_dollars_per_million_tokens": 3,
    }
    plan = planned(deployment)
    (link,) = plan.links
    assert link.overflow is not None
    assert link.overflow.prices == {
        "chat": TokenPrice(input_dollars_per_million_tokens=1, output_dollars_per_million_tokens=3, by="price")
    }
    content = gateway(plan, "datacentre")
    assert content["overflow_dollars_per_day"] == 50
    assert content["models"]["chat"]["overflow"]["price"] == {
        "input_dollars_per_million_tokens": 1,
        "output_dollars_per_million_tokens": 3,
    }


def test_it_costs_more_where_its_machines_are_not_full() -> None:
    deployment = hybrid()
    deployment["models"]["chat"]["objective"] = {"requests_per_second": 0.4, "input_tokens": 1000, "output_tokens": 250}
    (link,) = planned(deployment).links
    (full,) = planned(hybrid()).links
    assert link.overflow is not None
    assert full.overflow is not None
    dear, cheap = link.overflow.prices["chat"], full.overflow.prices["chat"]
    assert dear.by == "machines of cloud at the stated load"
    assert dear.output_dollars_per_million_tokens > cheap.output_dollars_per_million_tokens


def test_which_data_may_cross_and_how_is_said_of_every_client() -> None:
    deployment = hybrid()
    deployment["clients"]["raw"] = {"models": ["chat"], "requests_per_minute": 6, "data_class": "internal"}
    deployment["clients"]["own"] = {"models": ["chat"], "requests_per_minute": 6, "data_class": "here"}
    deployment["gateway"]["data_classes"]["here"] = ["on-prem"]
    (link,) = planned(deployment).links
    assert link.boundaries == ("on-prem", "gcp-eu")
    assert link.clients == ("web", "raw")
    assert link.crossings == (
        Crossing(data_class="internal", clients=("web",), crosses=True, personal_data="tokenise"),
        Crossing(data_class="restricted", clients=("legal",), crosses=False, personal_data=""),
        Crossing(data_class="internal", clients=("raw",), crosses=True, personal_data="off"),
        Crossing(data_class="here", clients=("own",), crosses=False, personal_data=""),
    )


@pytest.mark.parametrize("report", [to_text, to_markdown, to_html])
def test_every_report_says_it(report: Callable[[DeploymentPlan], str]) -> None:
    said = " ".join(report(planned(hybrid(wait_seconds=2))).replace("\\", "").split())
    for part in (
        "personal data as placeholders",
        "stays",
        "from 90 % of its concurrent requests until below 70 %; one without a place waits 2 s first",
        "at most $50.00 a day",
    ):
        assert part in said, part
    unlimited = " ".join(report(planned(hybrid(dollars_per_day=None, busy_percent=100))).split())
    assert "no limit on what it costs in a day" in unlimited
    assert "when it is full, until below 70 %" in unlimited
