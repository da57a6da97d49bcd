"""What the plan renders for the gateway is what the gateway reads: every happy file's configuration is accepted."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.gateway.cache import MemoryCacheSettings, RedisCacheSettings
from infra.gateway.config import PRIVACY_KINDS
from infra.load import load_file
from infra.plan.build import build_plan
from serving.gateway.cache.config import MemoryCacheConfig, RedisCacheConfig
from serving.gateway.config import load_config
from serving.gateway.privacy.load import BUILT_IN_KINDS

ROOT = Path(__file__).resolve().parents[2]
OWN_CLASS = """
class Names:
    async def before(self, request):
        return None

    async def after(self, request, answer):
        return None
"""
FILES = [*sorted((ROOT / "tests" / "config").glob("*.happy.yaml")), ROOT / "Pulumi.dev.yaml"]


def rendered(path: Path, state: Path) -> dict[str, Any]:
    """The gateway's file as launcher and deployment complete it: addresses, hashes of keys, the state's folder; and
    with the files of its hooks, which are on the machine that serves."""
    (site,) = build_plan(load_file(path), "dev").sites.values()
    text = json.dumps(site.details.specification["gateway"]["config"])
    # What a user wrote there by hand.
    for name, content in (("cache.url", "redis://cache.test:6379/0"), ("cache.key", "k" * 64), ("redis-ca.pem", "x")):
        (state / name).write_text(content)
    config = json.loads(text.replace("{state}", str(state)).replace("/etc/slipway", str(state)))
    for model in config["models"].values():
        model["upstreams"] = [{"url": "http://127.0.0.1:9", "key_file": None}]
    for name, client in config["clients"].items():
        client["key_sha256"] = [hashlib.sha256(name.encode()).hexdigest()]
    (state / "company_rules.py").write_text(OWN_CLASS)
    (state / "some.key").write_text("some-key")
    for rules in config.get("guardrails", {}).values():
        for hook in (*rules["before"].values(), *rules["after"].values()):
            hook |= {"folder": str(state)} if hook["kind"] == "python" else {"key_file": str(state / "some.key")}
    return config


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_gateway_accepts_what_the_plan_renders(path: Path, tmp_path: Path) -> None:
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(rendered(path, tmp_path)))
    assert set(load_config(file).clients) == set(load_file(path).clients)


def test_the_plan_knows_the_kinds_that_the_gateway_finds() -> None:
    assert sorted(PRIVACY_KINDS) == sorted(BUILT_IN_KINDS)


def test_sizes_and_ages_mean_the_same_on_both_sides() -> None:
    """Bounds and defaults of the plan's cache are the gateway's."""
    for settings, config in ((MemoryCacheSettings, MemoryCacheConfig), (RedisCacheSettings, RedisCacheConfig)):
        defaults = {field.name: field.default for field in msgspec.structs.fields(config)}
        (schema,) = msgspec.json.schema(config)["$defs"].values()
        for name in ("largest_bytes", "largest_answer_bytes", "age_seconds"):
            planned = settings.model_json_schema()["properties"][name]
            assert planned["default"] == defaults[name], name
            assert planned["minimum"] == schema["properties"][name]["minimum"], name
            assert planned["maximum"] == schema["properties"][name]["maximum"], name


def test_every_field_a_user_sets_arrives(tmp_path: Path) -> None:
    config = rendered(ROOT / "tests" / "config" / "gateway-full.happy.yaml", tmp_path)
    web = config["clients"]["web"]
    assert (web["tokens_per_minute"], web["dollars_per_month"], web["priority"]) == (400_000, 500, 10)
    assert web["per_model"]["chat"]["dollars_per_month"] == 100.5
    assert web["privacy"] == {
        "mode": "tokenise",
        "kinds": {"ip": "off", "iban": "block"},
        "scan_output": "mask",
        "media": "allow",
    }
    assert (web["guardrails"], web["system_policy"]) == ("strict", "Answer in the language of the question.")
    strict = config["guardrails"]["strict"]
    assert (strict["tool_hosts"], strict["media_hosts"][0], list(strict["before"])) == (
        [],
        "data:",
        ["names", "llama_guard"],
    )
    assert (strict["before"]["names"]["on_failure"], strict["before"]["llama_guard"]["style"]) == ("pass", "chat")
    assert web["cache"] is True
    assert config["cache"] == {
        "kind": "redis",
        "url_file": f"{tmp_path}/cache.url",
        "key_file": f"{tmp_path}/cache.key",
        "ca_file": f"{tmp_path}/redis-ca.pem",
        "largest_bytes": 1_073_741_824,
        "largest_answer_bytes": 65_536,
        "age_seconds": 600,
        "namespace": "team-a",
    }
    assert config["models"]["chat"]["price"]["output_dollars_per_million_tokens"] == 0.4
    assert config["privacy"]["patterns"] == {"ticket": "TICKET-[0-9]{4,8}"}
    assert config["identity"]["issuers"]["company"]["algorithms"] == ["RS256", "ES256"]
    assert config["telemetry"]["traces"]["ratio"] == 0.05
    assert config["audit"] == {"folder": f"{tmp_path}/audit", "sync": "every_row", "retention_days": 90}
