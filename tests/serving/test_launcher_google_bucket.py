"""Weights by way of a bucket of Cloud Storage: the same over Google's headers, with the token of the pod's identity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.gateway.audit.credentials import METADATA_HOST
from serving.launcher import bucket, bucket_weights, mirroring
from serving.launcher.bucket import GOOGLES, Bucket
from serving.launcher.refusal import Refusal
from tests.serving.bucket_server import BucketServer, bucket_server
from tests.serving.repository_hub import RepositoryHub
from tests.serving.test_audit_credentials import Agent, agent
from tests.serving.test_launcher_bucket import FILES, FIRST, LIST, NEEDED, PART, PREFIX, fetched, filled, hub

__all__ = ["agent", "hub"]
TOKEN = "ya29.a-pods-token"


@pytest.fixture
def store(hub: RepositoryHub, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> Iterator[BucketServer]:
    """Google's, as far as an address of this machine can be, and who gives this pod its token."""
    monkeypatch.setattr(mirroring, "PART_BYTES", PART)
    monkeypatch.setattr(bucket_weights, "RANGE_BYTES", PART)
    monkeypatch.setattr(bucket, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(METADATA_HOST, agent.url.split("/")[2])
    agent.body = json.dumps({"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}).encode()
    with bucket_server(TOKEN, "gcs") as served:
        monkeypatch.setattr(bucket, "GOOGLES", re.compile(re.escape(served.url)))
        yield served


def test_what_was_filled_is_fetched_with_one_token_for_each(store: BucketServer, agent: Agent, tmp_path: Path) -> None:
    filled(store)
    assert {key.removeprefix(f"{PREFIX}/") for key in store.objects} == {*NEEDED, "SHA256SUMS"}
    assert store.written()[-1] == LIST
    assert store.objects[f"{PREFIX}/{FIRST}"][1], "the digest is beside what came in parts"
    assert fetched(store, tmp_path / "chat") == NEEDED
    assert agent.flavors == ["Google"] * 2
    assert store.unsigned == 0
    assert store.uploads == {}


def test_a_second_run_finds_it_whole_and_asks_no_hub(store: BucketServer, hub: RepositoryHub) -> None:
    filled(store)
    hub.asked.clear()
    store.asked.clear()
    filled(store)
    assert hub.asked == []
    assert {method for method, _ in store.asked} == {"HEAD", "GET"}


@pytest.mark.parametrize("name", [FIRST, "config.json"])
def test_what_arrives_otherwise_than_it_was_sent_is_refused(store: BucketServer, name: str) -> None:
    store.spoils = (f"{PREFIX}/{name}",)
    with pytest.raises(Refusal, match="HTTP 400"):
        filled(store)
    assert not {f"{PREFIX}/{name}", LIST} & {*store.objects}
    assert store.uploads == {}
    store.spoils = ()
    filled(store)
    assert store.objects[f"{PREFIX}/{name}"][0] == FILES[name]


def test_changed_content_is_refused(store: BucketServer, tmp_path: Path) -> None:
    filled(store)
    store.put(f"{PREFIX}/{FIRST}", bytes(len(FILES[FIRST])))
    with pytest.raises(Refusal, match="SHA-256"):
        fetched(store, tmp_path / "chat")
    assert not (tmp_path / "chat" / FIRST).exists()


def test_without_an_identity_it_says_so(store: BucketServer, agent: Agent, tmp_path: Path) -> None:
    agent.status = 404
    with pytest.raises(Refusal, match="no credentials: status 404"):
        fetched(store, tmp_path / "chat")
    assert store.asked == []


def test_a_right_that_is_missing_is_no_weights(store: BucketServer, agent: Agent, tmp_path: Path) -> None:
    filled(store)
    agent.body = json.dumps({"access_token": "another", "expires_in": 3599}).encode()
    with pytest.raises(Refusal, match="HTTP 403"):
        fetched(store, tmp_path / "chat")


@pytest.mark.parametrize(
    ("url", "googles"),
    [
        ("https://main-models-1a2b3c4.storage.googleapis.com/models/chat/1", True),
        ("http://main-models.storage.googleapis.com/models", False),
        ("https://main-models.storage.googleapis.com.example.com/models", False),
        ("https://example.com/main-models.storage.googleapis.com/models", False),
        ("https://example.com#main-models.storage.googleapis.com/models", False),
        ("https://user@main-models.storage.googleapis.com/models", False),
        ("https://models.s3.eu-west-1.amazonaws.com/a", False),
    ],
)
def test_nobody_but_google_is_shown_the_token(url: str, googles: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    assert (GOOGLES.match(url) is not None) == googles
    if googles:
        Bucket(url, None)  # pyright: ignore[reportArgumentType]
        return
    with pytest.raises(Refusal, match="no credentials for a bucket"):
        Bucket(url, None)  # pyright: ignore[reportArgumentType]
