"""The plan as text and JSON: promised keys are there, and the text has what a person looks for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.report import to_data, to_json, to_text
from tests.config.corpus import HAPPY, load_and_plan
from tests.unit.documents import CORPUS


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Every leaf of plain data by its dotted path; names of sites and models as `<s>` and `<m>`."""
    if not isinstance(value, dict):
        return {path: value}
    label = {"sites": "<s>", "models": "<m>"}.get(path)
    return {
        found: leaf
        for key, inner in value.items()
        for found, leaf in flat(inner, f"{path}.{label or key}".removeprefix(".")).items()
    }


# Programs read these: they may be added to, never renamed and never of another type.
PROMISED: dict[str, type] = {
    "stack": str,
    "topology": str,
    "sites.<s>.platform": str,
    "models.<m>.engine": str,
    "models.<m>.engine_arguments": list,
    "models.<m>.replicas.min": int,
    "models.<m>.replicas.max": int,
    "models.<m>.drain.engine_shutdown_seconds": int,
    "models.<m>.drain.gateway_grace_seconds": int,
    "gateway_keep_alive_seconds": int,
    "warnings": list,
}


@pytest.mark.parametrize("path", HAPPY, ids=lambda path: path.name.partition(".")[0])
def test_promised_keys_are_in_every_plan(path: Path) -> None:
    found = flat(json.loads(to_json(load_and_plan(path))))
    assert {key: type(found.get(key)) for key in PROMISED} == PROMISED


def test_json_is_the_data_and_stable() -> None:
    plan = load_and_plan(CORPUS / "every-field.happy.yaml")
    assert json.loads(to_json(plan)) == to_data(plan)
    assert to_json(plan) == to_json(load_and_plan(CORPUS / "every-field.happy.yaml"))


def test_text_says_what_will_be_there() -> None:
    text = to_text(load_and_plan(CORPUS / "every-field.happy.yaml"))
    assert text.splitlines() == [
        "stack every-field: monolithic, 1 model on 1 site",
        "",
        "SITES",
        "  site  platform  endpoint           models",
        "  desk  local     http://[::1]:9000  chat",
        "",
        "MODELS",
        "  model  engine     task      context      longest answer  at once  replicas  each on     weights",
        "  chat   llama_cpp  generate  8192 tokens  2048 tokens     8        1         processors  "
        "bartowski/SmolLM2-1.7B-Instruct-GGUF/weights/SmolLM2-1.7B-Instruct-Q4_K_M.gguf @ 9217f5db79a2",
        "",
        "MODEL CARDS",
        "  model  from                                  version       licence     access     made",
        "  chat   bartowski/SmolLM2-1.7B-Instruct-GGUF  9217f5db79a2  Apache-2.0  not known  gguf-q4_k_m; from "
        "HuggingFaceTB/SmolLM2-1.7B-Instruct",
        "",
        "COLD START, in seconds at best and at worst, estimated: from when a replica is needed to its first answer",
        "  model  slowest at  provision node  pull image  fetch weights  load    warm up  in all   may take",
        "  chat   desk        0               0           3 to 8         0 to 2  1 to 5   4 to 15  300",
        "  model chat: to shorten it, nothing: replicas always run",
        "",
        "DRAIN, in seconds: how long each layer may take to end, so that no answer is cut",
        "  model  longest wait  longest generation  engine  gateway  process group",
        "  chat   0             300                 300     305      330",
        "  gateway keep-alive 75 s: what stands in front must close idle ones earlier",
        "",
        "SECURITY, what is private, encrypted, authenticated and recorded",
        "  what                        how it is                                           where",
        "  API                         reached from this machine only                      everywhere",
        "  operations and status page  reached from this machine only                      everywhere",
        "  in transit                  gateway to engine inside this machine               everywhere",
        "  authentication              every request: keys, of which only hashes are kept  everywhere",
        "  TLS at the gateway          none: it ends in front of the gateway, if anywhere  everywhere",
        "  limits of clients           counted by each gateway                             everywhere",
        "  where data may be           at local                                            everywhere",
        "  personal data               not looked for                                      everywhere",
        "  guardrails                  none                                                everywhere",
        "  audit                       each request, signed in a chain, without prompts    everywhere",
        "  engines                     answer only who shows their key: 1 of 1             everywhere",
        "  weights                     of one fixed version: 1 of 1                        everywhere",
        "  no named weakening",
        "",
        "CLIENTS",
        "  client  models  requests per minute",
        "  web     chat    600",
        "  batch   chat    60",
    ]


def test_a_weakening_is_a_warning_in_both_forms() -> None:
    plan = load_and_plan(CORPUS / "plain-http-on-the-network.happy.yaml")
    said = (
        "site `lab`: the API listens on 0.0.0.0 without TLS (`allow_plain_http`); "
        "keys and prompts cross the network readable"
    )
    unlimited = "no limit of any kind for `dev`: one client can take every engine"
    assert to_text(plan).endswith(f"\n\nWARNING  {unlimited}\n\nWARNING  {said}")
    assert to_data(plan)["warnings"] == [unlimited, said]


def test_a_limit_that_is_not_set_is_said_so() -> None:
    assert "dev     chat    no limit" in to_text(load_and_plan(CORPUS / "minimal.happy.yaml"))


def test_what_it_costs_and_whether_it_fits_has_keys_that_programs_read() -> None:
    data = to_data(load_and_plan(CORPUS / "budget.happy.yaml"))
    model, price = data["models"]["chat"], data["price"]
    assert set(model["memory"]) >= {"weights_gib", "kv_cache_gib", "free_gib"}
    assert set(model["performance"]) >= {
        "requests_per_second",
        "time_per_output_token_ms",
        "time_to_first_token_ms_low",
        "time_to_first_token_ms_high",
        "estimator",
        "error_band",
    }
    assert model["price"]["dollars_per_million_output_tokens"] > 0
    assert set(price["dollars_per_hour"]) == set(price["dollars_per_month"]) == {"min", "max"}
    assert price["as_of"]
    assert {"site", "what", "item", "dollars_per_month", "source", "as_of"} <= set(price["lines"][0])


def test_security_says_what_the_gateway_is_told() -> None:
    text = to_text(load_and_plan(CORPUS / "gateway-full.happy.yaml"))
    rows = {line[2:].split("  ")[0]: line for line in text.splitlines() if line.startswith("  ")}
    plan = load_and_plan(CORPUS / "gateway-full.happy.yaml")
    content = next(iter(plan.sites.values())).details.gateway_config
    assert content["identity"]["issuers"].keys()
    for name, issuer in ((name, name) for name in content["identity"]["issuers"]):
        assert issuer in rows["authentication"], name
    assert "client certificates" in rows["authentication"]
    assert rows["audit"].count("signed in a chain") == 1
    for name in content["guardrails"]:
        assert name in rows["guardrails"]


def test_without_an_audit_security_says_none_and_counts_the_weakening() -> None:
    plan = load_and_plan(CORPUS / "plain-http-on-the-network.happy.yaml")
    assert "2 named weakenings, among the warnings" in to_text(plan)
    assert plan.weakenings == plan.warnings
    assert "reached by whoever reaches 0.0.0.0" in to_text(plan)


def test_the_memory_of_a_gpu_is_all_of_it() -> None:
    memory = load_and_plan(CORPUS / "budget.happy.yaml").models["chat"].memory
    assert memory
    parts = (memory.weights_gib, memory.kv_cache_gib, memory.reserved_gib, memory.free_gib)
    assert all(part > 0 for part in parts)
    assert memory.total_gib == pytest.approx(sum(parts))
    # What an engine sees of an L40S or an L4 (infra/catalog/gpus.csv), not what is printed on it.
    assert memory.total_gib == pytest.approx({"L40S": 44.4, "L4": 22.0}[_gpu("budget")], abs=0.1)


def _gpu(name: str) -> str:
    accelerator = load_and_plan(CORPUS / f"{name}.happy.yaml").models["chat"].accelerator
    assert accelerator
    return accelerator.type


def test_the_curve_goes_through_the_estimate_and_only_rises() -> None:
    speed = load_and_plan(CORPUS / "budget.happy.yaml").models["chat"].performance
    assert speed
    loads = [point.concurrent_requests for point in speed.curve]
    assert loads == sorted(set(loads))
    assert loads[0] == 1
    assert 3 <= len(loads) <= 12
    here = next(point for point in speed.curve if point.concurrent_requests == speed.running_requests)
    assert here.time_per_output_token_ms == speed.time_per_output_token_ms
    assert here.output_tokens_per_second == speed.output_tokens_per_second
    assert here.time_to_first_token_ms_high == speed.time_to_first_token_ms_high
    firsts = [point.time_to_first_token_ms_high for point in speed.curve]
    assert firsts == sorted(firsts)
    # Beyond what runs at once, requests wait and no more tokens come.
    assert speed.curve[-1].concurrent_requests == 2 * speed.running_requests
    assert firsts[-1] > 2 * here.time_to_first_token_ms_high
