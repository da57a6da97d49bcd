"""Weights by way of a bucket: `mirror` fills it from a hub, `fetch` reads it, over real HTTP that breaks and lies."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from serving.launcher import bucket, bucket_weights, mirroring
from serving.launcher.bucket import Bucket
from serving.launcher.fetched import look_at_fetched, note_of
from serving.launcher.fetching import Wanted, bring
from serving.launcher.mirroring import Mirrored, mirror
from serving.launcher.refusal import Refusal
from tests.serving.bucket_server import BucketServer, bucket_server
from tests.serving.package import PACKAGE
from tests.serving.repository_hub import REPO, REVISION, RepositoryHub, repository_hub
from tests.serving.test_audit_credentials import SECRET, Agent

PART = 1000
FIRST, SECOND = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
FILES = {
    "config.json": b'{"model_type": "toy"}',
    "tokenizer.model": b"spm" * 10,
    FIRST: os.urandom(4500),
    SECOND: os.urandom(3000),
    "README.md": b"text",
    "pytorch_model.bin": os.urandom(300),
}
NEEDED = {name: content for name, content in FILES.items() if name not in ("README.md", "pytorch_model.bin")}
PREFIX = f"models/chat/{REVISION}"
LIST = f"{PREFIX}/SHA256SUMS"


@pytest.fixture
def hub() -> Iterator[RepositoryHub]:
    with repository_hub(dict(FILES)) as served:
        yield served


@pytest.fixture
def store(hub: RepositoryHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """Parts and ranges as small as the files of a test, and no wait before something is tried again."""
    monkeypatch.setattr(mirroring, "PART_BYTES", PART)
    monkeypatch.setattr(bucket_weights, "RANGE_BYTES", PART)
    monkeypatch.setattr(bucket, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for name in ("AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    with bucket_server(SECRET) as served:
        yield served
        assert served.unsigned == 0


def source(store: BucketServer, **other: Any) -> dict[str, Any]:
    known = {"kind": "huggingface", "location": REPO, "file": None, "revision": REVISION, "sha256": None}
    return {"to": f"{store.url}/{PREFIX}", **known, **other}


def filled(store: BucketServer, **other: Any) -> None:
    asyncio.run(mirror(Mirrored(**source(store, **other)), None))


def fetched(store: BucketServer, place: Path, **other: Any) -> dict[str, bytes]:
    known = {"kind": "s3", "location": f"{store.url}/{PREFIX}", "file": None, "revision": None, "sha256": None}
    asyncio.run(bring(Wanted(path=str(place), **{**known, **other}), None))
    look_at_fetched(place)
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def by_hand(store: BucketServer, files: dict[str, bytes], text: str | None = None) -> str:
    """A prefix that somebody has filled with `sha256sum`; the digest of its list."""
    for name, content in files.items():
        store.put(f"{PREFIX}/{name}", content)
    lines = "".join(f"{hashlib.sha256(content).hexdigest()}  ./{name}\n" for name, content in files.items())
    store.put(LIST, (lines if text is None else text).encode())
    return hashlib.sha256(store.objects[LIST][0]).hexdigest()


# Filling.


def test_a_repository_is_there_whole_with_its_list_last(store: BucketServer) -> None:
    filled(store)
    kept = {key.removeprefix(f"{PREFIX}/"): content for key, (content, _) in store.objects.items()}
    digests = "".join(f"{hashlib.sha256(NEEDED[name]).hexdigest()}  {name}\n" for name in sorted(NEEDED))
    assert kept == {**NEEDED, "SHA256SUMS": digests.encode()}
    assert store.written()[-1] == LIST
    assert store.uploads == {}
    assert [what for what in store.asked if what[0] == "PART" and FIRST in what[1]] == [
        ("PART", f"{PREFIX}/{FIRST} {number}") for number in range(1, 6)
    ]


def test_a_second_run_finds_it_whole_and_asks_no_hub(store: BucketServer, hub: RepositoryHub) -> None:
    filled(store)
    hub.asked.clear()
    store.asked.clear()
    filled(store)
    assert hub.asked == []
    assert {method for method, _ in store.asked} == {"HEAD", "GET"}


def test_what_was_taken_out_is_copied_again_alone(store: BucketServer, hub: RepositoryHub) -> None:
    filled(store)
    del store.objects[f"{PREFIX}/{FIRST}"]
    store.asked.clear()
    filled(store)
    assert store.objects[f"{PREFIX}/{FIRST}"][0] == FILES[FIRST]
    assert store.written() == [f"{PREFIX}/{FIRST}", LIST]


def test_an_upload_that_is_cut_off_leaves_nothing_whole_and_is_continued(store: BucketServer) -> None:
    store.refuses_part = {2: 403}
    with pytest.raises(Refusal, match="HTTP 403"):
        filled(store)
    assert LIST not in store.objects
    assert store.uploads == {}, "a part that nobody sees is paid for"
    whole = set(store.objects)
    with pytest.raises(Refusal):
        asyncio.run(_nothing_is_fetched(store))
    store.asked.clear()
    filled(store)
    assert not whole & {*store.written()}
    assert {key.removeprefix(f"{PREFIX}/") for key in store.objects} == {*NEEDED, "SHA256SUMS"}


async def _nothing_is_fetched(store: BucketServer) -> None:
    async with bucket.opened(f"{store.url}/{PREFIX}") as half:
        await bucket_weights.read_digests(half, None)


def test_a_part_is_sent_again_when_the_store_is_busy(store: BucketServer) -> None:
    store.refuses_part = {1: 503, 3: 500}
    filled(store)
    assert store.objects[f"{PREFIX}/{FIRST}"][0] == FILES[FIRST]
    assert LIST in store.objects


def test_parts_that_were_not_put_together_are_no_object(store: BucketServer) -> None:
    store.fails_to_complete = True
    with pytest.raises(Refusal, match="parts that were not put together"):
        filled(store)
    assert not {f"{PREFIX}/{FIRST}", LIST} & {*store.objects}
    assert store.uploads == {}


@pytest.mark.parametrize("name", [FIRST, "config.json", "tokenizer.model"])
def test_other_content_than_listed_never_gets_there(store: BucketServer, hub: RepositoryHub, name: str) -> None:
    hub.instead = {name: bytes(len(FILES[name]))}
    with pytest.raises(Refusal, match="SHA-256"):
        filled(store)
    assert not {f"{PREFIX}/{name}", LIST} & {*store.objects}
    assert not [key for key, *_ in store.uploads.values() if key.endswith(name)]


def test_a_hub_that_breaks_off_costs_one_part(store: BucketServer, hub: RepositoryHub) -> None:
    hub.breaks = {FIRST: 2}
    filled(store)
    assert store.objects[f"{PREFIX}/{FIRST}"][0] == FILES[FIRST]
    first = [wanted for wanted in hub.ranges if wanted == "bytes=0-999"]
    assert len(first) > 2


def test_a_right_that_is_missing_shows_before_much_is_moved(store: BucketServer, hub: RepositoryHub) -> None:
    store.read_only = (f"{PREFIX}/config.json",)
    with pytest.raises(Refusal, match="HTTP 403"):
        filled(store)
    assert not [path for path in hub.asked if path.endswith(".safetensors")]


def test_one_file_is_kept_with_its_digest(store: BucketServer, tmp_path: Path) -> None:
    digest = hashlib.sha256(FILES[FIRST]).hexdigest()
    filled(store, file=FIRST, sha256=digest)
    assert {*store.objects} == {f"{PREFIX}/{FIRST}", LIST}
    place = tmp_path / "chat"
    fetched(store, tmp_path / "chat", file=FIRST, sha256=digest)
    assert place.read_bytes() == FILES[FIRST]
    with pytest.raises(Refusal, match="SHA-256"):
        filled(store, to=f"{store.url}/models/other", file=FIRST, sha256="0" * 64)
    with pytest.raises(Refusal, match="SHA-256"):
        fetched(store, tmp_path / "other", file=FIRST, sha256="0" * 64)


@pytest.mark.parametrize("other", [{"kind": "file"}, {"file": "model.bin", "sha256": "0" * 64}])
def test_what_no_hub_has_or_may_hold_code_is_not_copied(store: BucketServer, other: dict[str, Any]) -> None:
    with pytest.raises(Refusal, match="safetensors or GGUF of a Hugging Face repository"):
        filled(store, **other)
    assert store.objects == {}


# Reading.


def test_what_was_filled_is_fetched(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    assert fetched(store, tmp_path / "chat") == NEEDED
    store.asked.clear()
    assert fetched(store, tmp_path / "chat") == NEEDED
    assert store.asked == []


def test_half_a_prefix_is_not_taken_for_a_whole_one(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    del store.objects[LIST]
    with pytest.raises(Refusal, match="HTTP 403"):
        fetched(store, tmp_path / "chat")
    assert not note_of(tmp_path / "chat").exists()


def test_a_range_that_breaks_is_continued(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    store.breaks = {f"{PREFIX}/{FIRST}": 1}
    assert fetched(store, tmp_path / "chat") == NEEDED
    continued = [wanted for wanted in store.ranges if not wanted.startswith(("bytes=0-", "bytes=1000-"))]
    assert [wanted for wanted in continued if "500-" in wanted]


def test_files_that_are_whole_are_kept(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    place = tmp_path / "chat"
    fetched(store, place)
    (place / FIRST).write_bytes(FILES[FIRST][:-1])
    store.ranges.clear()
    assert fetched(store, place) == NEEDED
    # Of the one that was cut alone.
    assert sorted(store.ranges) == sorted(
        f"bytes={begin}-{min(begin + PART, 4500) - 1}" for begin in range(0, 4500, PART)
    )


def test_a_file_that_never_ends_is_not_taken_for_whole(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    store.breaks = {f"{PREFIX}/{FIRST}": 1000}
    with pytest.raises(Refusal, match="the download broke off"):
        fetched(store, tmp_path / "chat")
    assert not (tmp_path / "chat" / FIRST).exists()
    assert not note_of(tmp_path / "chat").exists()


def test_content_that_was_changed_in_the_bucket_is_refused(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    store.put(f"{PREFIX}/{FIRST}", bytes(len(FILES[FIRST])))
    with pytest.raises(Refusal, match="SHA-256"):
        fetched(store, tmp_path / "chat")
    assert not (tmp_path / "chat" / FIRST).exists()
    assert not note_of(tmp_path / "chat").exists()


def test_a_prefix_that_somebody_filled_by_hand(store: BucketServer, tmp_path: Path) -> None:
    digest = by_hand(store, FILES)
    assert fetched(store, tmp_path / "chat", sha256=digest) == NEEDED
    with pytest.raises(Refusal, match="SHA-256"):
        fetched(store, tmp_path / "other", sha256="0" * 64)
    by_hand(store, {**FILES, "config.json": b"{}"})
    with pytest.raises(Refusal, match="SHA-256"):
        fetched(store, tmp_path / "changed", sha256=digest)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{'a' * 64}  ../x.safetensors\n", "a file whose name leads elsewhere"),
        (f"{'a' * 64}  /etc/x.json\n", "a file whose name leads elsewhere"),
        ("hello\n", "a line that is no digest and name"),
        (f"{'a' * 64}  README.md\n", "no safetensors"),
        (f"{'a' * 64}  model.safetensors\n", "nothing there"),
    ],
)
def test_a_list_that_says_something_else(store: BucketServer, tmp_path: Path, text: str, said: str) -> None:
    digest = by_hand(store, {}, text)
    with pytest.raises(Refusal, match=said):
        fetched(store, tmp_path / "chat", sha256=digest)
    assert not note_of(tmp_path / "chat").exists()


def test_a_list_without_end_is_not_read(store: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    by_hand(store, FILES)
    monkeypatch.setattr(bucket_weights, "MOST_BYTES_OF_DIGESTS", 100)
    with pytest.raises(Refusal, match="more than 100 bytes"):
        fetched(store, tmp_path / "chat")


# Who asks.


def test_the_region_is_that_of_the_host(store: BucketServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def region(url: str) -> str:
        return Bucket(url, None)._region  # pyright: ignore[reportArgumentType]

    assert region("https://models.s3.eu-west-1.amazonaws.com/a") == "eu-west-1"
    assert region("https://models.s3.dualstack.eu-west-1.amazonaws.com/a") == "eu-west-1"
    assert region(store.url) == "us-east-1"
    monkeypatch.setenv("AWS_REGION", "local")
    assert region(store.url) == "local"


def test_without_credentials_it_says_so(store: BucketServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(Refusal, match="a role of the pod"):
        fetched(store, tmp_path / "chat")


def test_as_processes_with_the_role_of_a_pod(store: BucketServer, hub: RepositoryHub, tmp_path: Path) -> None:
    """As a job and an init container run it: credentials of the agent, with the token that shows whose pod it is."""
    (tmp_path / "token").write_text("a-pods-token")

    def run(what: str, wanted: dict[str, Any], url: str) -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        given = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
        }
        return subprocess.run(
            [sys.executable, "-m", "serving.launcher", what, json.dumps(wanted)],
            env={**own, **given, "HF_ENDPOINT": hub.url, "PYTHONPATH": str(PACKAGE)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    place = tmp_path / "weights/chat"
    known = {"path": str(place), "kind": "s3", "location": f"{store.url}/{PREFIX}"}
    wanted = {**known, "file": None, "revision": None, "sha256": None}
    with Agent() as agent:
        assert run("fetch", wanted, agent.url).returncode == 1
        for _ in range(2):
            ended = run("mirror", source(store), agent.url)
            assert ended.returncode == 0, ended.stderr
            assert "is whole" in ended.stderr
        ended = run("fetch", wanted, agent.url)
        assert ended.returncode == 0, ended.stderr
        refused = run("mirror", {"to": "x"}, agent.url)
    assert {*agent.tokens} == {"a-pods-token"}
    assert {path.name: path.read_bytes() for path in place.iterdir()} == NEEDED
    assert refused.returncode == 1
    assert "JSON with to, kind, location" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert SECRET not in ended.stderr
