"""Whatever the plan accepts, the gateway accepts: any settings of the gateway's part that the schema allows."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.gateway.privacy import PRIVACY_KINDS
from infra.load import config_schema, validate
from infra.problems import Refused
from infra.stack_file import read_stack_file
from serving.gateway.config import load_config
from tests.contracts.from_schema import few, values
from tests.contracts.gateway_files import GatewayFiles
from tests.unit.documents import CORPUS, deployment_of, examples

MODELS = ("chat", "next", "cloud")
CLIENTS = ("web", "batch")
PLACES = st.sampled_from(["local", "elsewhere", "cloud"])
FILE = st.just("/etc/slipway/file")
KINDS = st.dictionaries(
    st.sampled_from([*PRIVACY_KINDS, "person", "ticket"]), st.sampled_from(["off", "tokenise", "mask", "block"])
)
PATTERN = st.sampled_from(["T-[0-9]{4}", "(?i)nightfall", "(?=a)b", "(a)\\1"])
RULE = st.fixed_dictionaries({}, optional={"mode": st.sampled_from(["off", "mask", "block"]), "kinds": KINDS})
# What points at something else: mostly at something that is there.
KNOWN: dict[str, Any] = {
    "fallbacks": st.lists(st.sampled_from(MODELS), max_size=2, unique=True),
    "url": st.sampled_from(["https://api.example.com", "http://127.0.0.1:9", "http://[::1]:80", "https://a.b:99999"]),
    "jwks_url": st.sampled_from(["https://login.example.com/keys", "https://", "https://[::1/"]),
    "boundary": PLACES,
    "data_class": st.sampled_from(["restricted", "internal"]) | st.none(),
    "data_classes": st.dictionaries(st.sampled_from(["internal", "restricted"]), st.lists(PLACES, max_size=2)),
    "certificates": st.lists(st.sampled_from(["dns:web", "cn:batch", "web"]), max_size=2),
    "client": st.sampled_from(CLIENTS),
    "steps": st.sampled_from([[100.0], [1.0, 10.0, 100.0], [50.0, 10.0]]),
    "models": st.just(["chat", "cloud"]),
    "per_model": st.just({}),
    "dollars_per_month": st.none() | st.floats(0.01, 1e6),
    "boundaries": st.dictionaries(PLACES, RULE, max_size=2),
    "patterns": st.dictionaries(st.sampled_from(["ticket", "card", "staff"]), st.just("T-[0-9]{4}"), max_size=2),
    "names": st.dictionaries(st.sampled_from(["person", "staff"]), st.fixed_dictionaries({"file": FILE}), max_size=1),
    **{
        name: st.dictionaries(st.sampled_from(["ticket", "Card", "staff"]), PATTERN, max_size=2)
        for name in ("deny_patterns", "deny_answer_patterns")
    },
    "implementation": st.just("tests.contracts.gateway_files:OwnRules"),
    "folder": st.just("/etc/slipway/rules"),
    "algorithms": st.lists(st.sampled_from(["RS256", "PS256", "ES256"]), min_size=1),
    "SecretSettings": st.sampled_from([{"secret": "named"}, {"file": "/etc/slipway/key"}]),
    **{
        name: FILE | st.none()
        for name in ("file", "ca_file", "jwks_file", "client_ca_file", "certificate_file", "key_file")
    },
}
SCHEMA = config_schema()


def part(name: str, **more: Any) -> st.SearchStrategy[Any]:
    """Some fields: each feature alone is accepted often enough, all of them at once would hardly ever be."""
    return few(SCHEMA["$defs"][name], SCHEMA, {**KNOWN, **more})


MODEL_FIELDS = {"source": st.just(None), "engine": st.just(None), "kinds": KINDS, "task": st.just("generate")}
SAMES = {"context_tokens": st.just(4096), "max_output_tokens": st.none()}
SHARE = st.fixed_dictionaries({"model": st.sampled_from(MODELS), "weight": st.floats(0, 1e6) | st.just(0)})
SENT = {
    "routes": st.none() | st.fixed_dictionaries({"to": st.dictionaries(st.sampled_from("ab"), SHARE, min_size=1)}),
    "shadow": st.none() | st.fixed_dictionaries({"model": st.sampled_from(MODELS), "percent": st.floats(0.001, 100)}),
}
# No model is its own candidate; what load tests measured is nothing to a gateway.
ANY_MODEL = part("ModelSettings", candidate=st.just("cloud"), calibration=st.none(), **MODEL_FIELDS, **SAMES, **SENT)
ANY_REMOTE = part(
    "RemoteModelSettings", candidate=st.sampled_from(["chat", "next"]), task=st.just("generate"), **SAMES, **SENT
)
SETS = ("strict", "open")
ANY_CLIENT = part("ClientSettings", kinds=KINDS, guardrails=st.none() | st.sampled_from(SETS))
ANY_RULES = values(SCHEMA["$defs"]["GuardrailSettings"], SCHEMA, KNOWN)
ANY_GATEWAY = part(
    "GatewaySettings",
    kinds=st.lists(st.sampled_from(["person", "place", "ip"]), min_size=1, max_size=2),
    guardrails=st.dictionaries(st.sampled_from(SETS), ANY_RULES, max_size=2),
)
OUTCOMES: Counter[str] = Counter()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> GatewayFiles:
    return GatewayFiles(tmp_path_factory.mktemp("files"))


@given(
    chat=ANY_MODEL,
    following=ANY_MODEL,
    cloud=ANY_REMOTE,
    clients=st.tuples(ANY_CLIENT, ANY_CLIENT),
    gateway=ANY_GATEWAY,
)
@settings(examples(250), deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_the_plan_accepts_the_gateway_accepts(
    files: GatewayFiles, chat: Any, following: Any, cloud: Any, clients: tuple[Any, Any], gateway: Any
) -> None:
    base: Any = deployment_of(read_stack_file(CORPUS / "minimal.happy.yaml").values)
    (own,) = base["models"].values()
    raw = {
        **base,
        "models": {name: {**own, **_few(model, own)} for name, model in (("chat", chat), ("next", following))},
        "remote_models": {"cloud": cloud},
        "clients": {
            name: {**client, "models": ["chat", "cloud"]} for name, client in zip(CLIENTS, clients, strict=True)
        },
        "gateway": gateway,
    }
    try:
        config = validate(raw, "the stack", {})
        content = files.completed(config)
    except Refused:
        OUTCOMES["refused"] += 1
        return
    OUTCOMES["accepted"] += 1
    with tempfile.TemporaryDirectory() as folder:
        (file := Path(folder) / "gateway.json").write_text(json.dumps(content))
        load_config(file)


def test_the_property_was_about_something() -> None:
    """Runs after it: a property that refuses nearly everything says nothing."""
    assert OUTCOMES["accepted"] > OUTCOMES["refused"] / 4, OUTCOMES


def _few(model: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in model.items() if name not in own}
