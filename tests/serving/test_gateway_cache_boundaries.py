"""Gateway: what separates answers in the cache: data classes, subjects, models, personal data, configurations."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.serving.cached import CHAT, Asked, ask, cached, question, result
from tests.serving.echoing import KEYS, LEAKED, private_configuration
from tests.serving.gateway_process import KEY, GatewayProcess, chat, configuration, start_gateway
from tests.serving.limited import key_of
from tests.serving.routed import reload
from tests.serving.tokens import SigningKey, claims, issuer, key_set
from tests.serving.upstream import FakeEngine

CORP = "https://login.example.com/"


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def other() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


def twice(gateway: GatewayProcess, client: str, **fields: Any) -> list[str | None]:
    return [result(ask(gateway, client, question("again", **fields))) for _ in range(2)]


def test_a_reload_keeps_what_it_does_not_concern(engine: FakeEngine, tmp_path: Path) -> None:
    document = cached(engine.url, tmp_path, {"a": {}}, kind="memory")
    with start_gateway(tmp_path, document) as gateway:
        assert twice(gateway, "a") == ["miss", "hit"]
        changed = copy.deepcopy(document)
        changed["clients"]["a"] |= {"requests_per_minute": 6000, "priority": 3, "tokens_per_minute": 100_000}
        changed["clients"]["a"]["key_sha256"] *= 2
        changed["models"]["ok"]["longest_generation_seconds"] = 10
        assert reload(gateway, tmp_path, changed).startswith("reloaded")
        assert twice(gateway, "a") == ["hit", "hit"]


def _data_class(document: dict[str, Any]) -> None:
    """Another class, though of the same places."""
    document["clients"]["a"]["data_class"] = "public"


def _class_definition(document: dict[str, Any]) -> None:
    document["data_classes"]["internal"] = ["local", "cloud"]


def _scanning(document: dict[str, Any]) -> None:
    document["clients"]["a"]["privacy"]["scan_output"] = "block"


def _privacy(document: dict[str, Any]) -> None:
    document["privacy"] = {"patterns": {"ticket": "TICKET-[0-9]+"}}


def _guardrails(document: dict[str, Any]) -> None:
    """Another rule in the set that the client has already."""
    document["guardrails"]["strict"]["deny_answer_patterns"] = {"secret": "SECRET"}


def _digest(document: dict[str, Any]) -> None:
    document["models"]["ok"]["digest"] = "sha256:another"


def _model_name_there(document: dict[str, Any]) -> None:
    document["models"]["ok"]["upstreams"][0]["model"] = "ok-2"


def _age(document: dict[str, Any]) -> None:
    document["cache"]["age_seconds"] = 1000


def _opt_out(document: dict[str, Any]) -> None:
    document["clients"]["a"]["cache"] = False


@pytest.mark.parametrize(
    "change",
    [_data_class, _class_definition, _scanning, _privacy, _guardrails, _digest, _model_name_there, _age, _opt_out],
)
def test_a_change_that_matters_finds_nothing_that_was_kept(engine: FakeEngine, tmp_path: Path, change: Any) -> None:
    document = cached(engine.url, tmp_path, {"a": {}}, kind="memory", age_seconds=999)
    document["models"]["ok"]["digest"] = "sha256:one"
    here = document["models"]["ok"]["upstreams"]
    here.append({**here[0], "boundary": "cloud", "weight": 0.001})
    document["data_classes"] = {"internal": ["local"], "public": ["local"]}
    document["guardrails"] = {"strict": {"deny_answer_patterns": {"word": "NIGHTFALL"}}}
    document["clients"]["a"] |= {"data_class": "internal", "privacy": {"scan_output": "mask"}, "guardrails": "strict"}
    with start_gateway(tmp_path, document) as gateway:
        assert twice(gateway, "a") == ["miss", "hit"]
        changed = copy.deepcopy(document)
        change(changed)
        assert reload(gateway, tmp_path, changed).startswith("reloaded")
        assert twice(gateway, "a")[0] == (None if change is _opt_out else "miss")
        kept = gateway.metric("slipway_gateway_cache_entries")
        assert kept == {_opt_out: 0, _age: 1}.get(change, 2)


def test_without_a_digest_another_engine_is_another_model(
    engine: FakeEngine, other: FakeEngine, tmp_path: Path
) -> None:
    document = cached(engine.url, tmp_path, {"a": {}})
    moved = copy.deepcopy(document)
    moved["models"]["ok"]["upstreams"][0]["url"] = other.url
    with start_gateway(tmp_path, document) as gateway:
        assert twice(gateway, "a") == ["miss", "hit"]
        reload(gateway, tmp_path, moved)
        assert twice(gateway, "a") == ["miss", "hit"]
        # With one, an engine that only moved is the same.
        document["models"]["ok"]["digest"] = moved["models"]["ok"]["digest"] = "sha256:one"
        reload(gateway, tmp_path, document)
        assert twice(gateway, "a") == ["miss", "hit"]
        reload(gateway, tmp_path, moved)
        assert twice(gateway, "a") == ["hit", "hit"]


def test_data_classes_do_not_share_and_the_label_is_that_of_the_answer(
    engine: FakeEngine, other: FakeEngine, tmp_path: Path
) -> None:
    """Each answer says where it came from, also when it is given again."""
    document = cached(engine.url, tmp_path, {"free": {"models": ["ok"]}, "secret": {"models": ["ok"]}})
    document["models"]["ok"]["upstreams"] = [
        {"url": engine.url, "key_file": None, "weight": 0.001},
        {"url": other.url, "key_file": None, "boundary": "cloud", "weight": 1000},
    ]
    document["clients"]["secret"]["data_class"] = "restricted"
    with start_gateway(tmp_path, document) as gateway:
        asked = Asked(engine)
        for client, boundary in (("free", "cloud"), ("secret", "local")):
            first, second = (ask(gateway, client, question("where")) for _ in range(2))
            assert (result(first), result(second)) == ("miss", "hit")
            assert first.headers["x-slipway-boundary"] == second.headers["x-slipway-boundary"] == boundary
        assert asked.calls == 1


def test_what_another_model_answered_is_not_kept(engine: FakeEngine, other: FakeEngine, tmp_path: Path) -> None:
    """Once the model is back, nothing of its substitute is left; and a model that is divided is not cached at all."""
    other.acts_as = "e503"
    document = cached(engine.url, tmp_path, {"a": {"models": ["ok", "split"]}})
    there = {"url": engine.url, "key_file": None}
    spare = {**document["models"]["ok"], "upstreams": [there]}
    document["models"]["ok"] |= {"fallbacks": ["spare"], "upstreams": [{**there, "url": other.url}]}
    document["models"]["spare"] = spare
    routes = {"to": {"all": {"model": "spare", "weight": 1}}}
    document["models"]["split"] = {**spare, "routes": routes}
    try:
        with start_gateway(tmp_path, document) as gateway:
            for _ in range(2):
                answer = ask(gateway, "a", question("instead"))
                assert (answer.status, result(answer)) == (200, "miss")
                assert answer.headers["x-slipway-model"] == "spare"
            answer = ask(gateway, "a", question("split", "split"), "use")
            assert (answer.status, result(answer)) == (200, None)
    finally:
        other.acts_as = None


def test_people_behind_one_client_do_not_share(engine: FakeEngine, tmp_path: Path) -> None:
    signing = SigningKey("k1", "ES256")
    (tmp_path / "jwks").write_bytes(key_set(signing))
    document = configuration(engine.url, tmp_path)
    document["clients"]["dev"]["cache"] = True
    source = {"jwks_file": str(tmp_path / "jwks"), "algorithms": ["ES256"]}
    document["identity"] = {"issuers": {"corp": issuer(CORP, source)}}
    with start_gateway(tmp_path, document) as gateway:

        def as_subject(subject: str) -> str | None:
            return result(gateway.request(body=chat("ok", temperature=0), key=signing.sign(claims(CORP, sub=subject))))

        found = [as_subject(subject) for subject in ("ann", "bob", "ann", "bob", "ann\0")]
        assert found == ["miss", "miss", "hit", "hit", "miss"]
        # Her next token, and not somebody else's key.
        assert as_subject("ann") == "hit"
        assert result(gateway.request(body=chat("ok", temperature=0), key=KEY)) == "miss"


PERSONAL = "Write to jane.doe@example.com."


@pytest.fixture(scope="module")
def private(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("private")
    document = private_configuration(engine.url, folder)
    for client in document["clients"].values():
        client["cache"] = True
    with start_gateway(folder, document) as gateway:
        yield gateway


def _private(gateway: GatewayProcess, mode: str, text: str, model: str = "echo", **fields: Any) -> str | None:
    answer = gateway.request("POST", CHAT, question(text, model, **fields), KEYS[mode], {"X-Slipway-Cache": "use"})
    assert answer.status == 200, answer.body
    return result(answer)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", ["tokenise", "mask"])
def test_nothing_in_which_personal_data_was_found_is_kept(
    private: GatewayProcess, engine: FakeEngine, mode: str, stream: bool
) -> None:
    asked = Asked(engine)
    before = private.metric("slipway_gateway_cache_entries")
    assert [_private(private, mode, PERSONAL, stream=stream) for _ in range(2)] == [None, None]
    assert private.metric("slipway_gateway_cache_entries") == before
    # Text of the client's own in the shape of a placeholder is replaced and restored as well.
    own = [None, None] if mode == "tokenise" else ["miss", "hit"]
    assert [_private(private, mode, "Say <EMAIL_K7QWMZXD>.", stream=stream) for _ in range(2)] == own
    assert asked.calls == (4 if mode == "tokenise" else 3)
    assert [_private(private, mode, "Write to nobody.", stream=stream) for _ in range(2)] == ["miss", "hit"]


@pytest.mark.parametrize("stream", [False, True])
def test_nothing_is_kept_in_which_the_model_wrote_personal_data(
    private: GatewayProcess, engine: FakeEngine, stream: bool
) -> None:
    asked = Asked(engine)
    assert [_private(private, "scan", "me", "leak", stream=stream) for _ in range(2)] == ["miss", "miss"]
    assert [_private(private, "scan", "Write to nobody.", stream=stream) for _ in range(2)] == ["miss", "hit"]
    assert asked.calls == 3
    assert LEAKED not in private.log_file.read_text()


def test_another_list_of_names_is_another_key(engine: FakeEngine, tmp_path: Path) -> None:
    """The configuration is the same to the byte, but what counts as personal data is not."""
    names = tmp_path / "names.txt"
    names.write_text("Somebody Else\n")
    document = private_configuration(engine.url, tmp_path, names={"person": {"file": str(names)}})
    document["clients"]["scanblock"]["cache"] = True
    body = question("Ada Lovelace wrote it.", "echo")
    with start_gateway(tmp_path, document) as gateway:

        def again() -> tuple[str | None, int]:
            answer = gateway.request("POST", CHAT, body, KEYS["scanblock"])
            return result(answer), answer.status

        assert [again(), again()] == [("miss", 200), ("hit", 200)]
        names.write_text("Somebody Else\nAda Lovelace\nNobody Else\n")
        assert reload(gateway, tmp_path, document).startswith("reloaded")
        assert again() == (None, 502)


def test_what_is_too_old_is_gone_without_anybody_asking(engine: FakeEngine, tmp_path: Path) -> None:
    document = cached(engine.url, tmp_path, {"a": {}}, kind="memory", age_seconds=0.5)
    with start_gateway(tmp_path, document) as gateway:
        assert twice(gateway, "a") == ["miss", "hit"]
        assert gateway.metric("slipway_gateway_cache_entries") == 1
        time.sleep(0.8)
        assert gateway.metric("slipway_gateway_cache_entries") == 0
        assert gateway.metric("slipway_gateway_cache_bytes") == 0
        assert twice(gateway, "a") == ["miss", "hit"]


def test_memory_is_bounded(engine: FakeEngine, tmp_path: Path) -> None:
    document = cached(engine.url, tmp_path, {"a": {}}, largest_bytes=65_536, largest_answer_bytes=600, kind="memory")
    with start_gateway(tmp_path, document) as gateway:
        assert twice(gateway, "a") == ["miss", "hit"]
        assert twice(gateway, "a", stream=True) == ["miss", "miss"]  # larger than what is kept of one
        for turn in range(200):
            ask(gateway, "a", question(f"number {turn}"))
            if turn % 20 == 0:  # what is asked for stays
                assert result(ask(gateway, "a", question("again"))) == "hit"
        assert gateway.metric("slipway_gateway_cache_bytes") <= 65_536
        assert gateway.metric("slipway_gateway_cache_evictions_total") > 100
        assert result(ask(gateway, "a", question("number 0"))) == "miss"
        assert result(ask(gateway, "a", question("number 199"))) == "hit"


def test_encrypted_audit_has_the_text_of_a_hit_too(engine: FakeEngine, tmp_path: Path) -> None:
    """And a row on disk before the answer ends, where that is asked for."""
    from tests.serving.audit_files import rows

    document = cached(engine.url, tmp_path, {"a": {}})
    keys = {"folder": str(tmp_path / "keys"), "master_key_file": str(tmp_path / "master.key")}
    folder = tmp_path / "audit"
    document["audit"] = {"folder": str(folder), "content": "encrypted", "subject_keys": keys, "sync": "every_row"}
    with start_gateway(tmp_path, document) as gateway:
        for stream in (False, True):
            assert twice(gateway, "a", stream=stream) == ["miss", "hit"]
            hit = rows(folder)[-1]
            assert hit["decisions"] == ["cache:hit"]
            assert hit["content"]["text"]
        assert key_of("a") not in json.dumps(rows(folder))
