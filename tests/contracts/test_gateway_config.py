"""What the plan renders for the gateway is what the gateway reads: whatever the plan accepts, the gateway accepts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.config import ClientSettings, ModelSettings
from infra.gateway import audit, bounds, cache, guardrails, identity, privacy, quota, routing, telemetry, tls
from infra.gateway.config import GatewaySettings
from infra.gateway.privacy import PRIVACY_KINDS, RESERVED_KIND
from infra.load import load_file
from infra.settings import Settings
from serving.gateway.audit import config as audit_config
from serving.gateway.cache import config as cache_config
from serving.gateway.config import ClientConfig, LimitsConfig, ModelConfig, _Document, load_config
from serving.gateway.guardrails import config as guardrails_config
from serving.gateway.identity import config as identity_config
from serving.gateway.limits import config as limits_config
from serving.gateway.privacy import config as privacy_config
from serving.gateway.privacy.load import BUILT_IN_KINDS
from serving.gateway.privacy.placeholders import LITERAL
from serving.gateway.routing import config as routing_config
from serving.gateway.telemetry import config as telemetry_config
from serving.gateway.tls import config as tls_config
from serving.gateway.waiting import config as waiting_config
from tests.contracts.gateway_files import GatewayFiles

ROOT = Path(__file__).resolve().parents[2]
FILES = [*sorted((ROOT / "tests" / "config").glob("*.happy.yaml")), *sorted(ROOT.glob("Pulumi.*.yaml"))]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GatewayFiles:
    return GatewayFiles(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_gateway_accepts_what_the_plan_renders(path: Path, files: GatewayFiles, tmp_path: Path) -> None:
    known = set[str]()
    for content in files.of_every_site(load_file(path)).values():
        (tmp_path / "gateway.json").write_text(json.dumps(content))
        known |= set(load_config(tmp_path / "gateway.json").clients)
    assert known == set(load_file(path).clients)


def test_the_plan_knows_the_kinds_that_the_gateway_finds() -> None:
    assert sorted(PRIVACY_KINDS) == sorted(BUILT_IN_KINDS)
    assert RESERVED_KIND == LITERAL


PAIRS: list[tuple[type[Settings], type[Any]]] = [
    (audit.AuditSettings, audit_config.AuditConfig),
    (audit.ObjectStoreSettings, audit_config.ObjectStoreConfig),
    (audit.OtlpLogsSettings, audit_config.OtlpLogsConfig),
    (bounds.RequestLimitsSettings, LimitsConfig),
    (cache.MemoryCacheSettings, cache_config.MemoryCacheConfig),
    (cache.RedisCacheSettings, cache_config.RedisCacheConfig),
    (guardrails.GuardrailSettings, guardrails_config.GuardrailsConfig),
    (guardrails.ModerationHookSettings, guardrails_config.ModerationHookConfig),
    (guardrails.PythonHookSettings, guardrails_config.PythonHookConfig),
    (identity.IssuerSettings, identity_config.IssuerConfig),
    (privacy.ClientPrivacySettings, privacy_config.ClientPrivacyConfig),
    (privacy.NamesSettings, privacy_config.NamesConfig),
    (privacy.PrivacySettings, privacy_config.PrivacyConfig),
    (privacy.RecogniserSettings, privacy_config.RecogniserConfig),
    (quota.RedisStoreSettings, limits_config.RedisStoreConfig),
    (routing.EjectSettings, routing_config.EjectConfig),
    (routing.HoldSettings, waiting_config.HoldConfig),
    (routing.QueueSettings, waiting_config.QueueConfig),
    (routing.RetrySettings, routing_config.RetryConfig),
    (routing.RoutesSettings, routing_config.RoutesConfig),
    (routing.RoutingSettings, routing_config.RoutingConfig),
    (routing.ShadowSettings, routing_config.ShadowConfig),
    (routing.UpstreamSettings, routing_config.UpstreamConfig),
    (telemetry.MetricsSettings, telemetry_config.TelemetryConfig),
    (telemetry.TracesSettings, telemetry_config.TracesConfig),
    (tls.TlsSettings, tls_config.TlsConfig),
    (ClientSettings, ClientConfig),
    (ModelSettings, ModelConfig),
    (GatewaySettings, _Document),
]
# Said otherwise on purpose: percent for ratio, no default where a wrong one leaks.
OTHERWISE = {
    *(("UpstreamSettings", name) for name in ("kind", "boundary")),
    # Unset, the plan says nothing, and without limits nothing waits.
    *(("ModelSettings", name) for name in ("queue", "upstreams")),
    *(("GatewaySettings", name) for name in ("audit", "privacy", "limits_store")),
    ("ClientSettings", "privacy"),
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda cls: cls.__name__)
def test_a_default_is_the_same_in_the_plan_and_in_the_gateway(ours: type[Settings], theirs: type[Any]) -> None:
    known = {field.name: field for field in msgspec.structs.fields(theirs)}
    shared = [name for name in ours.model_fields if name in known and (ours.__name__, name) not in OTHERWISE]
    assert shared
    for name in shared:
        field = ours.model_fields[name]
        if field.is_required():
            continue
        default: Any = field.get_default(call_default_factory=True)
        theirs_default = known[name].default
        if theirs_default is msgspec.NODEFAULT and known[name].default_factory is not msgspec.NODEFAULT:
            theirs_default = known[name].default_factory()
        if theirs_default is msgspec.NODEFAULT:
            continue  # the plan always says it
        if isinstance(default, Settings):
            default, theirs_default = type(default), type(default)
        assert default == (list(theirs_default) if isinstance(theirs_default, tuple) else theirs_default), name


# What only platforms render, or no user should tune: each with its reason.
NOT_FOR_USERS = {
    "_Document": {
        "version": "the plan",
        "models": "of the deployment",
        "clients": "of the deployment",
        "identity": "gateway.issuers",
        "telemetry": "gateway.metrics and gateway.traces",
        "overflow_dollars_per_day": "topology.overflow.dollars_per_day",
    },
    "ModelConfig": {"endpoints": "task", "digest": "source", "overflow": "topology.overflow", "demand": "objective"},
    "QueueConfig": {"lets_pass_seconds": "objective.time_to_first_token_seconds"},
    "ClientConfig": {"key_sha256": "slipway:client_keys", "keys": "slipway:client_keys with keys_expire"},
    "AuditConfig": {
        "folder": "the plan: below the gateway's state",
        "queue_rows": "sized for the longest pause of a disk",
        "head_seconds": "how much of a chain could be cut off unseen",
        "signing_key_file": "signing_key",
        "subject_keys": "master_key; the plan: below the gateway's state",
    },
    "ObjectStoreConfig": {"access_key_file": "access_key", "secret_key_file": "secret_key"},
    "OtlpLogsConfig": {"header_file": "header"},
    "RedisStoreConfig": {"url_file": "url", "verify_host": "platforms", "token_from": "platforms"},
    "RedisCacheConfig": {"url_file": "url", "key_file": "key"},
    "ModerationHookConfig": {"key_file": "key"},
    "PrivacyConfig": {"key_file": "key"},
    "EjectConfig": {"of_last": "the window that `failures` is counted in"},
    "RetryConfig": {"at_least": "lets a quiet model retry at all"},
    "ShadowConfig": {"concurrent": "concurrent_requests"},
    "UpstreamConfig": {"key_file": "key", "discover": "platforms: DNS and Kubernetes", "tls": "platforms"},
    "TelemetryConfig": {"traces": "gateway.traces"},
    "TracesConfig": {"ratio": "percent", "authorization_file": "authorization", "queue": "queue_requests"},
    "TlsConfig": {"self_signed_folder": "the plan: below the gateway's state"},
}


@pytest.mark.parametrize(("ours", "theirs"), PAIRS, ids=lambda cls: cls.__name__)
def test_all_that_the_gateway_reads_can_be_said(ours: type[Settings], theirs: type[Any]) -> None:
    assert set(theirs.__struct_fields__) - set(ours.model_fields) == set(NOT_FOR_USERS.get(theirs.__name__, ()))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (cache.MemoryCacheSettings, cache_config.MemoryCacheConfig),
        (cache.RedisCacheSettings, cache_config.RedisCacheConfig),
    ],
)
def test_sizes_and_ages_mean_the_same_on_both_sides(ours: type[Settings], theirs: type[Any]) -> None:
    """Bounds of the plan's cache are the gateway's."""
    (schema,) = msgspec.json.schema(theirs)["$defs"].values()
    planned = ours.model_json_schema()["properties"]
    bounded = [name for name, field in planned.items() if "minimum" in field]
    assert {"largest_bytes", "largest_answer_bytes", "age_seconds"} <= {*bounded}
    for name in bounded:
        known = schema["properties"][name]
        assert (planned[name]["minimum"], planned[name]["maximum"]) == (known["minimum"], known["maximum"]), name


def test_every_field_a_user_sets_arrives(files: GatewayFiles) -> None:
    config = files.completed(load_file(ROOT / "tests" / "config" / "gateway-full.happy.yaml"))
    web, chat = config["clients"]["web"], config["models"]["chat"]
    assert (web["tokens_per_minute"], web["dollars_per_month"], web["priority"]) == (400_000, 500, 10)
    assert (web["key_sha256"], len(web["keys"]), web["data_class"]) == ([], 1, "internal")
    assert web["keys"][0]["expires"] == "2031-06-30T00:00:00Z"
    assert web["per_model"]["chat"]["dollars_per_month"] == 100.5
    assert web["privacy"]["kinds"] == {"ip": "off", "iban": "block"}
    assert web["privacy"]["boundaries"]["eu-cloud"]["kinds"]["person"] == "mask"
    assert (web["guardrails"], web["system_policy"]) == ("strict", "Answer in the language of the question.")
    assert [upstream.get("concurrent_requests") for upstream in chat["upstreams"]] == [4, 32]
    assert chat["upstreams"][1]["boundary"] == "datacentre"
    assert chat["fallbacks"] == ["spare", "cloud"]
    assert chat["shadow"] == {"model": "next", "percent": 1, "concurrent": 2}
    assert chat["routing"]["eject"]["when_none_left"] == "refuse"
    assert chat["queue"] == {"size": 200, "seconds": 20}
    assert chat["hold"]["keep_alive_seconds"] == 5
    assert config["models"]["cloud"]["upstreams"][0]["model"] == "gpt-large"
    assert config["boundary"] == "on-prem"
    assert config["data_classes"]["internal"] == ["on-prem", "datacentre"]
    assert config["limits"]["keep_alive_seconds"] == 620
    assert config["limits_store"]["kind"] == "redis"
    assert config["tls"]["client_certificates"] == "required"
    assert config["identity"]["issuers"]["company"]["subject_claim"] == "oid"
    assert config["telemetry"]["traces"]["ratio"] == 0.05
    assert config["telemetry"]["clients"] == 20
    assert config["audit"]["object_store"]["object_lock"] == {"mode": "governance", "days": 365}
    assert config["audit"]["content"] == "encrypted"
    assert config["audit"]["subject_keys"]["folder"].endswith("/audit-subjects")
    assert "key_file" in config["scaling"]
    assert config["deep_health"]["every_seconds"] == 30
    strict = config["guardrails"]["strict"]
    assert (strict["tool_hosts"], strict["media_hosts"][0]) == ([], "data:")
    assert list(strict["before"]) == ["names", "llama_guard"]
    assert (strict["before"]["names"]["on_failure"], strict["before"]["llama_guard"]["style"]) == ("pass", "chat")
    assert (strict["after"]["names"]["kind"], strict["keep_alive_seconds"]) == ("python", 5)
    assert "key_file" in strict["before"]["llama_guard"]
    assert web["cache"] is True
    files_of_cache = {name: config["cache"].pop(name) for name in ("url_file", "key_file", "ca_file")}
    assert all(files_of_cache.values())
    assert config["cache"] == {
        "kind": "redis",
        "largest_bytes": 1_073_741_824,
        "largest_answer_bytes": 65_536,
        "age_seconds": 600,
        "namespace": "team-a",
        "timeout_seconds": 0.05,
    }
