"""What a stack file says about the gateway, through plan and launcher: other models, other places, keys, and TLS."""

from __future__ import annotations

import hashlib
import http.client
import json
import shutil
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.local import generations
from infra.platforms.local.generations import Group
from tests.serving.certificates import Authority, ask_over_tls, trusting
from tests.serving.running import KEY, ROOT, TOY, free_port, request, toy_path
from tests.serving.running import chat as chat_request
from tests.serving.upstream import FakeEngine

CLOUD_KEY = "cloud-canary-81d2"


def stack(folder: Path, **changes: Any) -> dict[str, Any]:
    """A deployment of two models of the toy engine on free ports, with what a test adds to it."""
    (folder / TOY["name"]).write_bytes(TOY["content"])
    digest = hashlib.sha256(TOY["content"]).hexdigest()
    model = {
        "source": {"kind": "file", "path": str(folder / TOY["name"]), "sha256": digest},
        "engine": {"kind": "llama_cpp", "threads": 1},
        "longest_generation_seconds": 30,
    }
    models = {name: {**model, **changes.pop(name, {})} for name in ("chat", "spare")}
    listen = {"port": free_port(), "operations_port": free_port()}
    return {
        "sites": {"here": {"platform": {"kind": "local", "listen": listen}}},
        "models": models,
        "clients": {"dev": {"models": [*models, *changes.get("remote_models", ())]}},
        **changes,
    }


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Deploys as the local platform does; ends it again."""
    monkeypatch.setenv("PATH", toy_path(tmp_path / "bin"))
    directory = tmp_path / "run"

    def group(raw: dict[str, Any], **secrets: str) -> Group:
        (site,) = build_plan(validate(raw, "test", {}), "test").sites.values()
        specification = json.loads(json.dumps(site.details.specification))
        specification["name"] = tmp_path.name
        specification["gateway"]["config"]["clients"]["dev"]["key_sha256"] = [hashlib.sha256(KEY.encode()).hexdigest()]
        for engine in specification["engines"].values():
            engine["start_seconds"] = 20
        python = Path(sys.executable)
        common = {"root": ROOT, "python": python, "huggingface_token": "", "start_seconds": 20, "grace_seconds": 20}
        return Group(directory=directory, specification=specification, gateway_secrets=secrets, **common)

    yield group
    generations.stop(directory, 0)
    with suppress(OSError):
        shutil.rmtree(ROOT / ".slipway" / "gateway" / tmp_path.name)


def port_of(raw: dict[str, Any]) -> int:
    return raw["sites"]["here"]["platform"]["listen"]["port"]


def test_another_model_serves_when_one_cannot(start: Any, tmp_path: Path) -> None:
    crash = tmp_path / "crash"
    raw = stack(tmp_path, chat={"fallbacks": ["spare"]})
    group = start(raw)
    group.specification["engines"]["chat"]["environment"] = {"TOY_CRASH_FILE": str(crash)}
    generation = generations.start(group)
    assert request(port_of(raw), "/v1/chat/completions", chat_request(1))[0] == 200
    crash.write_text("gone for good")
    for child in psutil.Process(generation.pid).children():
        with suppress(psutil.Error):
            if "chat" in child.cmdline() and "serving.launcher.lifeline" not in child.cmdline():
                child.send_signal(signal.SIGKILL)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        status, text = request(port_of(raw), "/v1/chat/completions", chat_request(1))
        assert status == 200, text


def test_a_cloud_gets_its_key_and_its_own_name_of_the_model(start: Any, tmp_path: Path) -> None:
    with FakeEngine() as cloud:
        cloud.acts_as = "ok"
        upstream = {"kind": "openai", "url": cloud.url, "boundary": "eu-cloud", "key": {"secret": "cloud"}}
        remote = {"elsewhere": {"upstreams": {"vendor": {**upstream, "model": "large-1"}}}}
        raw = stack(tmp_path, remote_models=remote)
        generation = generations.start(start(raw, cloud=CLOUD_KEY))
        status, text = request(port_of(raw), "/v1/chat/completions", chat_request(1, model="elsewhere"))
        assert status == 200, text
        assert cloud.calls[-1].headers["authorization"] == f"Bearer {CLOUD_KEY}"
        assert cloud.calls[-1].body["model"] == "large-1"
        (file,) = generation.folder.glob("secrets-*/cloud")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert [path for path in generation.folder.rglob("*") if path.is_file() and _holds(path)] == [file]

        generations.reload(start(raw, cloud="the-next-key"))
        request(port_of(raw), "/v1/chat/completions", chat_request(1, model="elsewhere"))
        assert cloud.calls[-1].headers["authorization"] == "Bearer the-next-key"
        assert not file.exists()


def _holds(path: Path) -> bool:
    return CLOUD_KEY.encode() in path.read_bytes()


def test_tls_at_the_api_itself(start: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.server()
    tls = {"certificate_file": str(certificate), "key_file": str(key)}
    raw = stack(tmp_path, gateway={"tls": tls})
    raw["sites"]["here"]["platform"]["listen"]["address"] = "0.0.0.0"
    (site,) = build_plan(validate(raw, "test", {}), "test").sites.values()
    assert site.endpoint == f"https://0.0.0.0:{port_of(raw)}"
    generations.start(start(raw))
    answer = ask_over_tls(port_of(raw), trusting(authority.file), chat_request(1), KEY)
    assert answer.status == 200
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        request(port_of(raw), "/v1/models")
