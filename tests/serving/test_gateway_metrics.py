"""Gateway: metrics with the field's names, and labels that stay few."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from serving.gateway.telemetry.distribution import Distribution
from serving.gateway.telemetry.label_bound import OTHER, LabelBound
from tests.serving.gateway_process import (
    KEY,
    NARROW_KEY,
    GatewayProcess,
    chat,
    configuration,
    sha,
    start_gateway,
    wait_until,
)
from tests.serving.upstream import FakeEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("gateway")
    with start_gateway(folder, configuration(engine.url, folder)) as running:
        yield running


Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(gateway: GatewayProcess) -> Samples:
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found.get((name, tuple(sorted(labels.items()))), 0.0)


GENERATION = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "ok"}


def test_a_stream_is_seen_under_the_fields_names(gateway: GatewayProcess) -> None:
    before = samples(gateway)
    stream = chat("ok", stream=True, stream_options={"include_usage": True})
    assert gateway.request(body=stream).status == 200
    after = samples(gateway)

    def grown(name: str, **labels: str) -> float:
        return value(after, name, **labels) - value(before, name, **labels)

    first = grown("gen_ai_server_time_to_first_token_seconds_sum", **GENERATION)
    assert grown("gen_ai_server_time_to_first_token_seconds_count", **GENERATION) == 1
    assert 0 < first < 1
    assert grown("gen_ai_server_time_per_output_token_seconds_count", **GENERATION) == 1
    assert 0.003 < grown("gen_ai_server_time_per_output_token_seconds_sum", **GENERATION) < 0.5
    assert grown("gen_ai_server_request_duration_seconds_count", **GENERATION, error_type="") == 1
    tokens = "gen_ai_client_token_usage_sum"
    assert grown(tokens, **GENERATION, gen_ai_token_type="input") == 7
    assert grown(tokens, **GENERATION, gen_ai_token_type="output") == 6
    assert grown("gen_ai_client_token_usage_bucket", **GENERATION, gen_ai_token_type="output", le="4.0") == 0
    assert grown("gen_ai_client_token_usage_bucket", **GENERATION, gen_ai_token_type="output", le="16.0") == 1
    own = {"client": "dev", "model": "ok", "endpoint": "chat_completions"}
    assert grown("slipway_gateway_client_time_to_first_token_seconds_count", **own) == 1
    assert grown("slipway_gateway_client_time_to_first_token_seconds_sum", **own) == pytest.approx(first)


def test_what_is_no_stream_has_no_first_token(gateway: GatewayProcess) -> None:
    labels = {**GENERATION, "gen_ai_operation_name": "text_completion"}
    assert gateway.request(path="/v1/completions", body={"model": "ok", "prompt": "a"}).status == 200
    found = samples(gateway)
    assert value(found, "gen_ai_server_time_to_first_token_seconds_count", **labels) == 0
    assert value(found, "gen_ai_server_request_duration_seconds_count", **labels, error_type="") == 1
    assert gateway.request(path="/v1/embeddings", body={"model": "embed", "input": "a"}).status == 200
    labels = {**GENERATION, "gen_ai_operation_name": "embeddings", "gen_ai_request_model": "embed"}
    assert value(samples(gateway), "gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="input") == 7


def test_failures_and_refusals_are_told_apart(gateway: GatewayProcess) -> None:
    assert gateway.request(body=chat("cut", stream=True)).status == 200
    assert gateway.request(body=chat("nope"), key=NARROW_KEY).status == 404
    assert gateway.request(body=chat("ok", n=99), key=NARROW_KEY).status == 400
    found = samples(gateway)
    cut = {**GENERATION, "gen_ai_request_model": "cut"}
    duration = "gen_ai_server_request_duration_seconds_count"
    assert value(found, duration, **cut, error_type="engine_connection_lost") == 1
    assert value(found, duration, **cut, error_type="") == 0
    assert value(found, "gen_ai_server_time_per_output_token_seconds_count", **cut) == 0
    refusals = "slipway_gateway_client_refusals_total"
    narrow = {"client": "narrow", "endpoint": "chat_completions"}
    assert value(found, refusals, **narrow, model="unknown", reason="model_not_found") == 1
    assert value(found, refusals, **narrow, model="ok", reason="invalid_value") == 1


def test_what_a_client_makes_up_becomes_no_label(gateway: GatewayProcess) -> None:
    counts: list[int] = []
    for turn in range(2):
        for number in range(20):
            gateway.request(body=chat(f"made-up-{turn}-{number}"))
            gateway.request(body=chat("ok"), key=f"made-up-{turn}-{number}")
            gateway.request("GET", f"/v1/models/made-up-{turn}-{number}")
            gateway.request("GET", f"/made-up-{turn}-{number}")
        found = samples(gateway)
        counts.append(len(found))
    assert counts[0] == counts[1]
    assert not any("made-up" in str(key) for key in found)


def test_clients_beyond_the_bound_are_counted_together(engine: FakeEngine, tmp_path: Path) -> None:
    config = configuration(engine.url, tmp_path)
    config["telemetry"] = {"clients": 4}
    for number in range(6):
        client = {"key_sha256": [sha(f"sk-{number}")], "models": ["ok"], "requests_per_minute": None}
        config["clients"][f"c{number}"] = client
    with start_gateway(tmp_path, config) as gateway:
        for number in reversed(range(6)):
            assert gateway.request(body=chat("ok"), key=f"sk-{number}").status == 200
        assert gateway.request(body=chat("ok"), key=KEY).status == 200

        def counted() -> dict[str, float]:
            return {
                dict(labels)["client"]: count
                for (name, labels), count in samples(gateway).items()
                if name == "slipway_gateway_requests_total" and dict(labels)["endpoint"] == "chat_completions"
            }

        assert counted() == {"c0": 1, "dev": 1, "other": 5}  # the first four of the file, whoever asks first
        config["telemetry"] = {"clients": 5}
        (tmp_path / "gateway.json").write_text(json.dumps(config))
        gateway.hang_up()
        gateway.notified()
        assert gateway.request(body=chat("ok"), key="sk-1").status == 200
        wait_until("a label of its own", lambda: counted() == {"c0": 1, "dev": 1, "other": 5, "c1": 1})
        labels = {dict(key[1]).get("client") for key in samples(gateway)} - {None}
        assert labels <= {"dev", "narrow", "limited", "c0", "c1", "other", "unknown"}


@pytest.mark.parametrize("name", ["unknown", "other"])
def test_labels_of_our_own_are_no_clients_names(tmp_path: Path, name: str) -> None:
    from serving.gateway.config import ConfigProblem, load_config

    config = configuration("http://127.0.0.1:1", tmp_path)
    config["clients"][name] = config["clients"].pop("narrow")
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(config))
    with pytest.raises(ConfigProblem, match=name):
        load_config(file)


def test_a_scrape_is_valid_and_its_histograms_are_too(gateway: GatewayProcess) -> None:
    gateway.request(body=chat("ok", stream=True))
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    for family in families.values():
        assert family.documentation, family.name
        if family.type != "histogram":
            continue
        by_labels: dict[str, list[float]] = {}
        counts: dict[str, float] = {}
        for sample in family.samples:
            labels = str(sorted((name, text) for name, text in sample.labels.items() if name != "le"))
            if sample.name.endswith("_bucket"):
                by_labels.setdefault(labels, []).append(sample.value)
            elif sample.name.endswith("_count"):
                counts[labels] = sample.value
        for labels, buckets in by_labels.items():
            assert buckets == sorted(buckets)
            assert buckets[-1] == counts[labels]


@given(st.lists(st.floats(-1, 200)), st.lists(st.floats(0, 100), min_size=1, max_size=8, unique=True))
def test_a_distribution_counts_what_is_at_most_each_bound(values: list[float], bounds: list[float]) -> None:
    bounds.sort()
    distribution = Distribution(tuple(bounds))
    for observed in values:
        distribution.observe(observed)
    counts = [count for _, count in distribution.buckets()]
    assert counts == [sum(observed <= bound for observed in values) for bound in [*bounds, float("inf")]]
    assert distribution.total == pytest.approx(sum(values))


@given(st.lists(st.text(min_size=1)), st.integers(0, 5))
def test_a_label_bound_holds_and_keeps_its_word(names: list[str], limit: int) -> None:
    bound = LabelBound(limit)
    first = [bound.label(name) for name in names]
    assert [bound.label(name) for name in names] == [
        name if name in first[: index + 1] or name in first else OTHER for index, name in enumerate(names)
    ]
    assert len(set(first) - {OTHER}) <= limit
