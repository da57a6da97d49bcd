"""Weights from a Hugging Face server: fetched once, resumed, checked, and never kept when they are wrong."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights
from serving.launcher.weights import fetch, read_token
from tests.serving.hub import Hub, hub
from tests.serving.running import Launcher, launchers, toy

CONTENT = bytes(range(256)) * 8192  # 2 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "a" * 40
PATH = f"/org/model/resolve/{COMMIT}/deep/model.gguf"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub(CONTENT) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


def get(cache: Path, token: str | None = None, sha256: str = DIGEST) -> Path:
    weights = Weights(kind="huggingface", location="org/model", file="deep/model.gguf", revision=COMMIT, sha256=sha256)
    return asyncio.run(fetch(weights, cache, token))


def refusal(cache: Path, token: str | None = None, sha256: str = DIGEST) -> Refusal:
    with pytest.raises(Refusal) as refused:
        get(cache, token, sha256)
    return refused.value


def kept(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in cache.rglob("*") if path.is_file() and path.name != "lock"}


def test_fetched_once_then_kept(server: Hub, tmp_path: Path) -> None:
    assert get(tmp_path).read_bytes() == CONTENT
    assert get(tmp_path).read_bytes() == CONTENT
    assert server.asked == [{"path": PATH, "range": None, "authorization": None}]
    assert kept(tmp_path) == {"model.gguf": len(CONTENT)}


def test_two_models_that_want_it_at_the_same_time_fetch_it_once(server: Hub, tmp_path: Path) -> None:
    weights = Weights(kind="huggingface", location="org/model", file="deep/model.gguf", revision=COMMIT, sha256=DIGEST)

    async def both() -> list[Path]:
        return await asyncio.gather(*(fetch(weights, tmp_path, None) for _ in range(3)))

    assert len(set(asyncio.run(both()))) == 1
    assert len(server.asked) == 1


def test_broken_connection_is_resumed_where_it_stopped(server: Hub, tmp_path: Path) -> None:
    server.breaks_after = 700_000
    refused = refusal(tmp_path)
    assert "broke off" in refused.found
    assert "run it again, it continues" in refused.remedy
    have = kept(tmp_path)["model.gguf.partial"]
    assert have > 0
    assert get(tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={have}-"]


def test_everything_was_there_but_the_last_step(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / DIGEST
    folder.mkdir()
    (folder / "model.gguf.partial").write_bytes(CONTENT)
    assert get(tmp_path).read_bytes() == CONTENT
    assert kept(tmp_path) == {"model.gguf": len(CONTENT)}


def test_a_server_that_cannot_resume_sends_it_whole(server: Hub, tmp_path: Path) -> None:
    folder = tmp_path / DIGEST
    folder.mkdir()
    (folder / "model.gguf.partial").write_bytes(b"something else entirely")
    refused = refusal(tmp_path)  # it was continued, and does not add up
    assert refused.allowed == f"SHA-256 {DIGEST}"
    assert kept(tmp_path) == {}, "a file that cannot become right was kept"
    assert get(tmp_path).read_bytes() == CONTENT


def test_another_file_than_meant_is_refused_and_not_kept(server: Hub, tmp_path: Path) -> None:
    meant = "0" * 64
    refused = refusal(tmp_path, sha256=meant)
    assert refused.where.endswith(PATH)
    assert refused.found == f"SHA-256 {DIGEST}"
    assert refused.allowed == f"SHA-256 {meant}"
    assert kept(tmp_path) == {}
    refusal(tmp_path, sha256=meant)
    assert server.ranges == [None, None]


def test_a_kept_file_that_was_damaged_since_is_fetched_again(server: Hub, tmp_path: Path) -> None:
    path = get(tmp_path)
    damaged = bytearray(CONTENT)
    damaged[1000] ^= 1
    path.write_bytes(damaged)
    assert get(tmp_path).read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("token", [None, "hf_canary"])
def test_gated(server: Hub, tmp_path: Path, status: int, token: str | None) -> None:
    server.status = status
    refused = refusal(tmp_path, token)
    assert refused.found == f"HTTP {status}" + (" with the token given" if token else "")
    assert "licence" in refused.remedy
    assert "pulumi config set --secret slipway:huggingface_token" in refused.remedy
    assert "hf_canary" not in str(refused)


def test_token_opens_a_gated_repository(server: Hub, tmp_path: Path) -> None:
    server.token = "hf_canary"
    assert get(tmp_path, "hf_canary").read_bytes() == CONTENT


def test_not_there(server: Hub, tmp_path: Path) -> None:
    server.status = 404
    refused = refusal(tmp_path)
    assert refused.where == server.url + PATH
    assert refused.found == "HTTP 404"
    assert "`revision`" in refused.remedy


def test_server_in_trouble_is_not_the_users_mistake(server: Hub, tmp_path: Path) -> None:
    server.status = 503
    refused = refusal(tmp_path)
    assert refused.found == "HTTP 503"
    assert "later" in refused.remedy


def test_nobody_there(server: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    assert "reachable server" in refusal(tmp_path).allowed


def test_token_is_not_carried_to_another_host(server: Hub, tmp_path: Path) -> None:
    with hub(CONTENT) as store:
        server.elsewhere = store.url
        assert get(tmp_path, "hf_canary").read_bytes() == CONTENT
        assert server.tokens == ["Bearer hf_canary"]
        assert store.tokens == [None]


def test_resuming_works_through_a_redirect(server: Hub, tmp_path: Path) -> None:
    with hub(CONTENT, breaks_after=500_000) as store:
        server.elsewhere = store.url
        refusal(tmp_path)
        have = kept(tmp_path)["model.gguf.partial"]
        assert get(tmp_path).read_bytes() == CONTENT
        assert store.ranges == [None, f"bytes={have}-"]


def test_disk_full(server: Hub, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)], capture_output=True, text=True
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    try:
        refused = refusal(small)
        assert "No space left on device" in refused.found
        assert "room on the disk" in refused.allowed
        assert "model.gguf" not in kept(small)
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize(
    ("content", "found"),
    [(None, "FileNotFoundError"), (b"", "no single word"), (b"two words", "no single word"), (b"\xff", "Unicode")],
)
def test_unusable_token(tmp_path: Path, content: bytes | None, found: str) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(Refusal) as refused:
        read_token(path)
    assert found in refused.value.found
    assert "huggingface_token" in refused.value.remedy


class TestThroughTheLauncher:
    """The same from a specification, with the toy engine."""

    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., Launcher]]:
        with launchers(tmp_path) as start:
            yield start

    def specification(self, folder: Path, **models: Any) -> dict[str, Any]:
        spec = toy(folder, **models)
        for engine in spec["engines"].values():
            engine["weights"] = {
                "kind": "huggingface",
                "location": "org/model",
                "file": "deep/model.gguf",
                "revision": COMMIT,
                "sha256": DIGEST,
            }
        token = folder / "token"
        token.write_text("hf_canary\n")
        return {**spec, "cache_directory": str(folder / "cache"), "huggingface_token_file": str(token)}

    def test_serves_what_it_fetched(self, server: Hub, tmp_path: Path, start: Callable[..., Launcher]) -> None:
        spec = self.specification(tmp_path / "here", one={}, two={})
        served = start(spec, HF_ENDPOINT=server.url).ready()
        assert served.answers("one")
        assert served.answers("two")
        assert server.tokens == ["Bearer hf_canary"]
        assert str(tmp_path / "here" / "cache" / DIGEST / "model.gguf") in served.engine("two").cmdline()

    def test_refusal_reaches_the_status(self, server: Hub, tmp_path: Path, start: Callable[..., Launcher]) -> None:
        server.status = 403
        problem = start(self.specification(tmp_path / "here"), HF_ENDPOINT=server.url).refused()
        assert problem["found"] == "HTTP 403 with the token given"
        assert "hf_canary" not in str(problem)
