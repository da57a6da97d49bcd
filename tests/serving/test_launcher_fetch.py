"""`python -m serving.launcher fetch`, as a process: a repository from a server, one file, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher.fetched import look_at_fetched, look_at_mounted, note_of
from serving.launcher.refusal import Refusal
from tests.serving.hub import hub
from tests.serving.package import PACKAGE
from tests.serving.repository_hub import REPO, REVISION, RepositoryHub, repository_hub

WEIGHTS = os.urandom(5000)
FILES = {
    "config.json": b'{"model_type": "toy"}',
    "tokenizer.model": b"spm" * 10,
    "1_Pooling/config.json": b"{}",
    "model-00001-of-00002.safetensors": WEIGHTS,
    "model-00002-of-00002.safetensors": os.urandom(3000),
    # What an engine must not read, or has in another form already.
    "consolidated.safetensors": os.urandom(3000),
    "original/model.safetensors": os.urandom(3000),
    "pytorch_model.bin": os.urandom(300),
    "modeling_toy.py": b"raise SystemExit",
    "README.md": b"text",
}
NEEDED = {
    *("config.json", "tokenizer.model", "1_Pooling/config.json"),
    *("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"),
}


@pytest.fixture
def server() -> Iterator[RepositoryHub]:
    with repository_hub(dict(FILES)) as served:
        yield served


def repository(place: Path, **other: Any) -> dict[str, Any]:
    known = {"kind": "huggingface", "location": REPO, "file": None, "revision": REVISION, "sha256": None}
    return {"path": str(place), **known, **other}


def run(url: str, *wanted: dict[str, Any], token_file: Path | None = None) -> subprocess.CompletedProcess[str]:
    options = ["--token-file", str(token_file)] if token_file else []
    return subprocess.run(
        [sys.executable, "-m", "serving.launcher", "fetch", *options, *map(json.dumps, wanted)],
        env={**os.environ, "HF_ENDPOINT": url, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def there(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_repository_is_there_whole_and_nothing_else_of_it(server: RepositoryHub, tmp_path: Path) -> None:
    ended = run(server.url, repository(tmp_path / "chat"))
    assert ended.returncode == 0, ended.stderr
    assert there(tmp_path / "chat") == {name: FILES[name] for name in NEEDED}
    assert look_at_fetched(tmp_path / "chat") == tmp_path / "chat"


def test_what_is_there_is_not_fetched_again(server: RepositoryHub, tmp_path: Path) -> None:
    run(server.url, repository(tmp_path / "chat"))
    server.asked.clear()
    assert run(server.url, repository(tmp_path / "chat")).returncode == 0
    assert server.asked == []
    # Another commit is another one.
    assert run(server.url, repository(tmp_path / "chat", revision="2" * 40)).returncode == 1
    assert server.asked


def test_a_file_that_was_cut_since_is_fetched_again_alone(server: RepositoryHub, tmp_path: Path) -> None:
    run(server.url, repository(tmp_path / "chat"))
    (tmp_path / "chat/model-00001-of-00002.safetensors").write_bytes(WEIGHTS[:-1])
    with pytest.raises(Refusal, match=r"not all of `model-00001-of-00002\.safetensors`"):
        look_at_fetched(tmp_path / "chat")
    server.asked.clear()
    assert run(server.url, repository(tmp_path / "chat")).returncode == 0
    assert there(tmp_path / "chat") == {name: FILES[name] for name in NEEDED}
    assert [path.rpartition("/")[2] for path in server.asked if "resolve" in path] == [
        "model-00001-of-00002.safetensors"
    ]


def test_a_connection_that_breaks_is_continued(server: RepositoryHub, tmp_path: Path) -> None:
    server.breaks = {"model-00001-of-00002.safetensors": 1}
    assert run(server.url, repository(tmp_path / "chat")).returncode == 0
    assert server.ranges == ["bytes=2500-"]
    assert there(tmp_path / "chat")["model-00001-of-00002.safetensors"] == WEIGHTS


@pytest.mark.parametrize("name", ["model-00001-of-00002.safetensors", "config.json"])
def test_other_content_than_listed_is_refused_and_not_kept(server: RepositoryHub, tmp_path: Path, name: str) -> None:
    server.instead = {name: bytes(len(FILES[name]))}
    ended = run(server.url, repository(tmp_path / "chat"))
    assert ended.returncode == 1
    assert "SHA-256" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert name not in there(tmp_path / "chat")
    assert not note_of(tmp_path / "chat").exists()


@pytest.mark.parametrize("path", ["../../etc/x.json", "/etc/x.json", "a//b.json", "a/./b.json", "a\nb.json"])
def test_a_name_that_leads_elsewhere_is_refused(server: RepositoryHub, tmp_path: Path, path: str) -> None:
    server.listed = [{"type": "file", "path": path, "oid": "0" * 40, "size": 2}]
    ended = run(server.url, repository(tmp_path / "chat"))
    assert ended.returncode == 1
    assert "a file whose name leads elsewhere" in ended.stderr
    assert not (tmp_path / "chat").exists()


def test_a_list_that_goes_on_at_another_server_is_refused(tmp_path: Path, server: RepositoryHub) -> None:
    real = server.url
    server.url = "http://127.0.0.1:9"
    ended = run(real, repository(tmp_path / "chat"))
    assert ended.returncode == 1
    assert "a list that goes on at another server" in ended.stderr


def test_weights_that_may_hold_code_alone_are_refused(tmp_path: Path) -> None:
    with repository_hub({"config.json": b"{}", "pytorch_model.bin": b"x" * 500}) as served:
        ended = run(served.url, repository(tmp_path / "chat"))
    assert ended.returncode == 1
    assert "no safetensors" in ended.stderr


def test_a_token_opens_it_and_an_empty_file_is_none(server: RepositoryHub, tmp_path: Path) -> None:
    server.token = "hf_canary"
    (tmp_path / "empty").touch()
    ended = run(server.url, repository(tmp_path / "chat"), token_file=tmp_path / "empty")
    assert ended.returncode == 1
    assert "accept the model's licence" in ended.stderr
    (tmp_path / "token").write_text("hf_canary\n")
    ended = run(server.url, repository(tmp_path / "chat"), token_file=tmp_path / "token")
    assert ended.returncode == 0
    assert "hf_canary" not in ended.stderr


def test_one_file_and_its_adapter_come_to_their_places(tmp_path: Path) -> None:
    content = os.urandom(4000)
    digest = hashlib.sha256(content).hexdigest()
    one = repository(tmp_path / "weights/chat", file="model.gguf", sha256=digest)
    with hub(content) as served:
        ended = run(served.url, one, {**one, "path": str(tmp_path / "weights/chat-adapters/law")})
        assert ended.returncode == 0, ended.stderr
        assert (tmp_path / "weights/chat").read_bytes() == content
        assert look_at_fetched(tmp_path / "weights/chat-adapters/law")
        wrong = run(served.url, {**one, "path": str(tmp_path / "other"), "sha256": "0" * 64})
    assert wrong.returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["weights", ".other.lock"]


def test_a_file_that_is_here(tmp_path: Path) -> None:
    content = os.urandom(4000)
    (tmp_path / "here.gguf").write_bytes(content)
    known = {"kind": "file", "location": str(tmp_path / "here.gguf"), "file": None, "revision": None}
    digest = hashlib.sha256(content).hexdigest()
    ended = run("http://127.0.0.1:9", {"path": str(tmp_path / "there"), **known, "sha256": digest})
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "there").read_bytes() == content
    assert run("http://127.0.0.1:9", {"path": str(tmp_path / "no"), **known, "sha256": "0" * 64}).returncode == 1


def test_nothing_of_a_pickle_is_fetched(tmp_path: Path) -> None:
    ended = run("http://127.0.0.1:9", repository(tmp_path / "chat", file="pytorch_model.bin", sha256="0" * 64))
    assert ended.returncode == 1
    assert "which may hold code" in ended.stderr


@pytest.mark.parametrize("text", ["{", '{"path": "x"}', '{"path": "x", "more": 1}'])
def test_arguments_of_another_version(text: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "serving.launcher", "fetch", text],
        env={**os.environ, "PYTHONPATH": str(PACKAGE)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "JSON with path, kind, location" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_nobody_there(tmp_path: Path) -> None:
    ended = run("http://127.0.0.1:9", repository(tmp_path / "chat"))
    assert ended.returncode == 1
    assert "the download broke off" in ended.stderr
    with pytest.raises(Refusal, match="nothing that was fetched and checked"):
        look_at_fetched(tmp_path / "chat")


def test_a_mounted_image_holds_weights_and_nothing_that_runs(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="no weights"):
        look_at_mounted(tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert look_at_mounted(tmp_path) == tmp_path
    assert look_at_mounted(tmp_path / "model.safetensors")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/training_args.bin").touch()
    with pytest.raises(Refusal, match=r"training_args\.bin"):
        look_at_mounted(tmp_path)
