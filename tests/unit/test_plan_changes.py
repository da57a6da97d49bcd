"""What a change of a stack file does: to things, price, capacity, latency and requests in flight, case by case."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.changes import compare
from infra.plan.plan_data import is_plan
from infra.report.changes import changes_data, changes_html, changes_markdown, changes_text
from tests.config.corpus import HAPPY, load_and_plan
from tests.unit.documents import examples, values
from tests.unit.plan_pairs import ROOT, changed, effects, fields, plan_of

STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
PLANS = {stack: plan_of(stack) for stack in STACKS}
plans = st.sampled_from(STACKS).map(PLANS.__getitem__)


def chat(document: dict[str, Any]) -> dict[str, Any]:
    return document["models"]["chat"]


def row(found: Any, what: str) -> Any:
    (one,) = [row for row in found.in_flight if row.what == what]
    return one


@pytest.mark.parametrize("stack", STACKS)
def test_against_itself_nothing_changes_and_one_sentence_says_so(stack: str) -> None:
    found = compare(PLANS[stack], copy.deepcopy(PLANS[stack]), "main")
    assert found.nothing
    said = "nothing changes, neither what will exist nor what it costs or does."
    assert changes_text(found) == f"CHANGES against main: {said}"
    assert changes_markdown(found) == f"### What `{stack}` changes against main: {said}"
    assert changes_html(found).splitlines()[1:-1] == [f'<h2 id="changes-heading">Changes against main: {said}</h2>']


@pytest.mark.parametrize("path", HAPPY, ids=lambda path: path.name.partition(".")[0])
def test_every_accepted_file_is_equal_to_itself(path: Any) -> None:
    from infra.report import to_data

    plan = to_data(load_and_plan(path))
    assert compare(plan, plan, "main").nothing


def test_a_new_stack_is_new_as_a_whole() -> None:
    found = compare(None, PLANS["prod"], "main")
    assert not found.nothing
    assert {change.status for change in (*found.sites, *found.models, *found.clients)} == {"added"}
    assert found.in_flight == ()
    assert (found.price.per_month_min.before, found.price.per_month_min.after) == (
        0,
        PLANS["prod"]["price"]["dollars_per_month"]["min"],
    )


def test_another_machine_type_is_another_model_speed_and_price() -> None:
    found = changed("prod", lambda d: chat(d).update(accelerator={"type": "H100"}))
    assert fields(found.models, "chat") == {"accelerator": ("1 × L40S", "1 × H100")}
    site = fields(found.sites, "main")
    assert site["node pool l40s-1: machine"] == ("g6e.xlarge", None)
    assert site["node pool h100-1: machines"] == (None, "3 to 8")
    assert site["node pool h100-1: bought as"] == (None, "on_demand")
    (latency,) = found.latency
    assert latency.per_output_token.difference is not None
    assert latency.per_output_token.difference < 0
    assert found.price.per_hour_min.difference is not None
    assert found.price.per_hour_min.difference > 0
    assert row(found, "model `chat`").effect == "rolling"
    assert "change of accelerator:" in row(found, "model `chat`").text


def test_more_replicas_restart_nothing_and_fewer_drain() -> None:
    more = changed("prod", lambda d: chat(d)["scaling"].update(max_replicas=12))
    assert fields(more.models, "chat") == {"replicas": ("3 to 16", "3 to 24")}
    assert effects(more) == {"model `chat`": "nothing"}
    (one,) = more.capacity
    speed = PLANS["prod"]["models"]["chat"]["performance"]["requests_per_second"]
    # The standby's replicas serve nothing while all is well.
    assert one.at_max_replicas.after == pytest.approx(12 * speed)
    assert one.at_max_replicas.percent == 50
    fewer = changed("prod", lambda d: chat(d)["scaling"].update(max_replicas=6))
    assert row(fewer, "model `chat`").effect == "drain"
    assert row(fewer, "model `chat`").seconds == 150


def test_an_engine_argument_is_shown_by_its_name_and_rolled() -> None:
    found = changed("prod", other_arguments)
    assert fields(found.models, "chat") == {"argument --enforce-eager": (None, "(set)")}
    assert row(found, "model `chat`").text.startswith("change of arguments: replicas are replaced one after the")


def test_other_weights_are_rolled() -> None:
    found = changed("prod", lambda d: chat(d)["source"].update(revision="c" * 40))
    assert fields(found.models, "chat")["weights"] == ("Qwen/Qwen3-8B @ b968826d9c46", "Qwen/Qwen3-8B @ cccccccccccc")
    assert row(found, "model `chat`").effect == "rolling"
    assert "change of weights:" in row(found, "model `chat`").text


def test_another_image_is_rolled() -> None:
    image = f"vllm/vllm-openai:v0.33.0@sha256:{'a' * 64}"
    # Without one that is named, it is whatever the tag means.
    found = changed(
        "prod",
        lambda d: chat(d)["engine"].update(image=image),
        first=lambda d: chat(d)["engine"].pop("image", None),
    )
    assert fields(found.models, "chat") == {"image": ("vllm/vllm-openai:v0.33.0", image)}
    assert "change of image:" in row(found, "model `chat`").text
    assert [warning for warning in found.gone_warnings if "digest" in warning]


def test_limits_of_clients_are_a_reload() -> None:
    found = changed("prod", lambda d: d["clients"]["web"].update(tokens_per_minute=800_000))
    assert fields(found.clients, "web") == {"tokens per minute": (400_000, 800_000)}
    assert effects(found) == {"gateway of `main`, `west`": "reload"}
    assert row(found, "gateway of `main`, `west`").seconds is None
    assert (found.weaker, found.new_warnings) == ((), ())


def test_a_client_that_is_gone_is_refused_from_then_on() -> None:
    def with_batch(document: dict[str, Any]) -> None:
        document["clients"]["batch"] = {"models": ["chat"], "requests_per_minute": 60, "data_class": "internal"}

    found = changed("prod", lambda d: d["clients"].pop("batch"), first=with_batch)
    assert [(change.name, change.status) for change in found.clients] == [("batch", "removed")]
    assert row(found, "gateway of `main`, `west`").text.endswith("new requests with a key of `batch` get 401")


def test_a_model_that_is_gone_ends_after_its_drain() -> None:
    def with_second(document: dict[str, Any]) -> None:
        document["models"]["second"] = copy.deepcopy(chat(document))

    found = changed("prod", lambda d: d["models"].pop("second"), first=with_second)
    assert [(change.name, change.status) for change in found.models] == [("second", "removed")]
    gone = row(found, "model `second`")
    assert (gone.effect, gone.seconds) == ("removed", 150)
    assert "404 `model_not_found`, what is left is `chat`" in gone.text
    together = [capacity for capacity in found.capacity if capacity.model is None]
    assert [capacity.at_min_replicas.percent for capacity in together] == [-50]


def test_a_site_that_is_gone_leaves_its_endpoint_to_others_or_to_nobody() -> None:
    plan = PLANS["prod"]
    alone = copy.deepcopy(plan)
    del alone["sites"]["west"]
    found = compare(plan, alone, "main")
    assert row(found, "site `west`").effect == "removed"
    assert row(found, "site `west`").text.endswith("https://llm.example.com is answered by `main`")
    other = copy.deepcopy(plan)
    other["sites"] = {"east": other["sites"].pop("main")}
    other["sites"]["east"]["endpoint"] = "https://other.example.com"
    found = compare(plan, other, "main")
    assert row(found, "site `main`").text.endswith("https://llm.example.com no longer answers")


def test_another_region_is_another_place() -> None:
    def moved(document: dict[str, Any]) -> None:
        document["sites"]["west"]["platform"].update(region="us-east-2", zones=["us-east-2a", "us-east-2b"])

    site = row(changed("prod", moved), "site `west`")
    assert (site.effect, site.seconds) == ("interrupted", 150)
    assert "another region is another place, and cannot be rolled" in site.text


@pytest.mark.parametrize(
    ("stack", "network", "said"),
    [
        ("prod", {"cidr": "10.40.0.0/16", "services_cidr": "172.20.0.0/20"}, "another range for services is"),
        ("prod", {"cidr": "10.42.0.0/16", "services_cidr": "172.18.128.0/20"}, "another network is"),
        ("staging", {"cidr": "10.70.0.0/16"}, "another range for pods is"),
    ],
)
def test_a_range_of_a_cluster_cannot_move(stack: str, network: dict[str, str], said: str) -> None:
    site = row(changed(stack, lambda d: d["sites"]["main"]["platform"].update(network=network)), "site `main`")
    assert site.effect == "interrupted"
    assert site.text.startswith(said)


def test_other_machines_in_a_pool_move_what_runs_on_them() -> None:
    other = copy.deepcopy(PLANS["prod"])
    (pool,) = [pool for pool in other["sites"]["main"]["node_pools"] if pool["name"] == "l40s-1"]
    pool["purchase"] = ["spot"]
    found = compare(PLANS["prod"], other, "main")
    assert fields(found.sites, "main") == {"node pool l40s-1: bought as": ("on_demand", "spot")}
    assert row(found, "site `main`").effect == "rolling"
    assert row(found, "site `main`").seconds == 150


def scarce(replicas: int) -> Any:
    """As many machines as replicas: none is left for one more."""
    return lambda document: chat(document).update(scaling={"min_replicas": replicas, "max_replicas": replicas})


def other_arguments(document: dict[str, Any]) -> None:
    chat(document)["engine"]["cuda_graphs"] = False


def test_without_a_spare_machine_it_is_replaced_in_place() -> None:
    model = row(changed("prod", other_arguments, first=scarce(3)), "model `chat`")
    assert model.effect == "rolling"
    assert "in place on `main`, where no machine is left for one more" in model.text
    assert model.text.endswith("meanwhile 2 of 3 replicas serve")


def test_the_only_replica_on_the_only_machine_cannot_be_rolled() -> None:
    def one(document: dict[str, Any]) -> None:
        chat(document).update(scaling={"min_replicas": 1, "max_replicas": 1})

    model = row(changed("staging", other_arguments, first=one), "model `chat`")
    assert model.effect == "interrupted"
    assert "cannot be rolled on `main`: no machine for a second replica" in model.text


def test_where_machines_are_not_the_plan_s_it_says_so() -> None:
    model = row(changed("dev", lambda d: chat(d).update(context_tokens=1536, max_output_tokens=512)), "model `chat`")
    assert model.effect == "rolling"
    assert model.text.endswith("needs room for one more replica on `here`, which this plan cannot see")


def test_what_a_place_does_not_promise_is_not_promised_here() -> None:
    model = row(changed("serverless", other_arguments), "model `chat`")
    assert "NOT GUARANTEED on `main`" in model.text


def test_protection_that_is_gone_stands_first() -> None:
    def weak(document: dict[str, Any]) -> None:
        del document["clients"]["web"]["tokens_per_minute"]
        document["gateway"]["audit"] = None
        document["gateway"]["data_classes"]["internal"].append("aws-west")

    def two_boundaries(document: dict[str, Any]) -> None:
        document["sites"]["west"]["boundary"] = "aws-west"
        document["gateway"]["data_classes"]["any"] = ["aws", "aws-west"]
        document["clients"]["free"] = {"models": ["chat"], "requests_per_minute": 60, "data_class": "any"}

    found = changed("prod", weak, first=two_boundaries)
    assert found.weaker == (
        "client `web`: no limit on tokens per minute any more",
        "gateway of `main`, `west`: no audit any more",
        "data of the class `internal` may now go to `aws-west` too",
    )
    assert [warning for warning in found.new_weakenings if warning.startswith("no audit is kept")]
    assert found.new_warnings == ()
    assert changes_text(found).splitlines()[2:4] == ["WEAKER THAN BEFORE", f"  {found.weaker[0]}"]


def test_weaker_privacy_and_rules_that_are_gone() -> None:
    def strict(document: dict[str, Any]) -> None:
        document["gateway"]["guardrails"] = {"strict": {"deny_patterns": {"project": "nightfall"}}}
        document["clients"]["web"].update(guardrails="strict", privacy={"mode": "block"})

    def loose(document: dict[str, Any]) -> None:
        document["clients"]["web"].update(guardrails=None, privacy={"mode": "mask"})

    assert changed("prod", loose, first=strict).weaker == (
        "client `web`: no guardrails any more",
        "client `web`: privacy is `mask`, was `block`",
    )
    assert changed("prod", strict).weaker == ()


def test_an_older_plan_is_compared_as_far_as_it_goes() -> None:
    older = copy.deepcopy(PLANS["prod"])
    del older["price"], older["models"]["chat"]["performance"], older["models"]["chat"]["container"]
    older["sites"]["main"]["details"] = {}
    found = compare(older, PLANS["prod"], "old.json")
    assert found.not_compared == (
        "price: the other plan has none, it is of a version that did not price",
        "capacity and latency of the model `chat`: not known before",
    )
    assert found.price.per_month_min.before is None
    assert found.price.per_month_min.difference is None
    assert not [r for r in found.in_flight if r.what.startswith("model")]


def test_what_no_part_knows_is_a_change_all_the_same() -> None:
    other = copy.deepcopy(PLANS["prod"])
    other["sites"]["main"]["certificate_file"] = "else.crt"
    found = compare(PLANS["prod"], other, "main")
    assert not found.nothing
    assert [field.field for field in found.others] == ["sites.main.certificate_file"]


def test_everything_is_escaped_where_it_is_shown() -> None:
    said = "<script>alert('x')</script> | @all `a|b`"
    found = compare(PLANS["prod"], PLANS["prod"] | {"warnings": [said]}, "<b>")
    page, markdown = changes_html(found), changes_markdown(found)
    for shown in (page, markdown):
        assert "<script>" not in shown
        assert "<b>" not in shown
        assert "&lt;script&gt;" in shown
    assert "@all" not in markdown
    assert " | " not in markdown


def test_a_plan_of_before_weakenings_were_told_apart_has_none_that_are_new() -> None:
    weak = "model `chat`: the image has no known digest"
    known = PLANS["hybrid"]
    plan = known | {name: [weak, *known[name]] for name in ("weakenings", "warnings")}
    older = {key: value for key, value in plan.items() if key != "weakenings"}
    assert compare(older, plan, "old.json").nothing
    without = older | {"warnings": known["warnings"]}
    assert [*compare(without, plan, "old.json").new_weakenings] == [weak]


def test_what_only_one_version_tells_is_no_change() -> None:
    older = copy.deepcopy(PLANS["prod"])
    del older["models"]["chat"]["cold_start"], older["models"]["chat"]["container"]["image"]["entry"]
    for site in older["sites"].values():
        del site["security"], site["drain"], site["node_pools"]
    assert compare(older, PLANS["prod"], "old.json").nothing


def test_a_change_of_security_is_shown() -> None:
    found = changed("prod", lambda d: d["sites"]["west"]["platform"].update(deletion_protection=False))
    assert "security: deletion" in fields(found.sites, "west")


@given(plans, plans)
@examples(60)
def test_a_price_difference_is_the_same_the_other_way_round(one: dict[str, Any], other: dict[str, Any]) -> None:
    there, back = compare(one, other, "a").price, compare(other, one, "b").price
    for end in ("per_hour_min", "per_hour_max", "per_month_min", "per_month_max"):
        differences = getattr(there, end).difference, getattr(back, end).difference
        assert differences[0] == pytest.approx(-differences[1], abs=1e-9)


@given(plans, st.data())
@examples(150)
def test_no_data_whatsoever_ends_in_a_stack_trace(plan: dict[str, Any], data: st.DataObject) -> None:
    damaged = copy.deepcopy(plan)
    for _ in range(data.draw(st.integers(1, 4))):
        place: Any = damaged
        for _ in range(data.draw(st.integers(0, 4))):
            inside = [value for value in (place.values() if isinstance(place, dict) else place) if value]
            inside = [value for value in inside if isinstance(value, dict | list)]
            if not inside:
                break
            place = data.draw(st.sampled_from(inside))
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        if keys:
            place[data.draw(st.sampled_from(keys))] = data.draw(values)
    if is_plan(damaged):
        for found in (compare(damaged, plan, "x"), compare(plan, damaged, "x")):
            assert changes_text(found)
            assert changes_markdown(found)
            assert changes_html(found)
            assert json.dumps(changes_data(found))
