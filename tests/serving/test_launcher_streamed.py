"""Weights that an engine reads out of a bucket itself: what the launcher looks at before, over real HTTP, and what the
engine is told then."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from pathlib import Path

import pytest

from serving.launcher.refusal import Refusal
from serving.launcher.specification import Weights
from serving.launcher.streamed import address, look_at_streamed
from tests.serving.bucket_server import BucketServer
from tests.serving.repository_hub import RepositoryHub
from tests.serving.running import Launcher, toy, toy_path
from tests.serving.test_audit_credentials import SECRET
from tests.serving.test_launcher_bucket import FIRST, LIST, PREFIX, SECOND, by_hand, filled, hub, store

__all__ = ["hub", "store"]


@pytest.fixture
def mirrored(store: BucketServer) -> BucketServer:
    """As the job leaves it, for who may list it."""
    filled(store)
    store.listable = (f"{PREFIX}/",)
    return store


def looked(store: BucketServer, sha256: str | None = None) -> str:
    weights = Weights(kind="streamed", location=f"{store.url}/{PREFIX}", file=None, revision=None, sha256=sha256)
    return asyncio.run(look_at_streamed(weights))


def refused(store: BucketServer, sha256: str | None = None) -> str:
    with pytest.raises(Refusal) as caught:
        looked(store, sha256)
    return str(caught.value)


def test_what_the_job_left_is_good_and_nothing_of_it_is_moved(mirrored: BucketServer, hub: RepositoryHub) -> None:
    mirrored.asked.clear()
    hub.asked.clear()
    assert looked(mirrored) == f"s3://bucket/{PREFIX}"
    read = [key for method, key in mirrored.asked if method == "GET"]
    assert read == [LIST], "of the rest it asks only what the bucket says of it"
    assert len([key for method, key in mirrored.asked if method == "LIST"]) == 3, "page by page"
    assert hub.asked == []


def test_an_object_that_somebody_has_put_over_is_refused(mirrored: BucketServer) -> None:
    mirrored.put(f"{PREFIX}/{SECOND}", b"other")
    said = refused(mirrored)
    assert SECOND in said
    assert "says nothing of itself" in said
    mirrored.objects[f"{PREFIX}/{SECOND}"] = (b"other", hashlib.sha256(b"other").hexdigest())
    assert hashlib.sha256(b"other").hexdigest() in refused(mirrored)


def test_an_object_that_is_gone_is_refused(mirrored: BucketServer) -> None:
    del mirrored.objects[f"{PREFIX}/{FIRST}"]
    assert "no object" in refused(mirrored)


@pytest.mark.parametrize("name", ["model-00003-of-00003.safetensors", "more/config.json"])
def test_an_object_that_the_list_does_not_name_is_refused(mirrored: BucketServer, name: str) -> None:
    # An engine reads whatever has the right ending.
    mirrored.put(f"{PREFIX}/{name}", b"x")
    said = refused(mirrored)
    assert f"{name}" in said
    assert "does not name" in said


def test_other_revisions_beside_it_are_nobodys_business(mirrored: BucketServer) -> None:
    mirrored.put("models/chat/other/model.safetensors", b"x")
    assert looked(mirrored)


def test_a_list_that_is_another_is_refused(mirrored: BucketServer) -> None:
    right = hashlib.sha256(mirrored.objects[LIST][0]).hexdigest()
    assert looked(mirrored, right)
    assert right in refused(mirrored, "0" * 64).replace("0" * 64, "")


def test_a_bucket_that_somebody_has_filled_must_say_digests_too(store: BucketServer) -> None:
    files = {"config.json": b"{}", "model.safetensors": b"weights"}
    digest = by_hand(store, files)
    store.listable = (f"{PREFIX}/",)
    said = refused(store, digest)
    assert f"--metadata sha256={hashlib.sha256(b'{}').hexdigest()}" in said
    for name, content in files.items():
        store.objects[f"{PREFIX}/{name}"] = (content, hashlib.sha256(content).hexdigest())
    assert looked(store, digest)


def test_the_same_weights_in_another_form_would_be_read_too(store: BucketServer) -> None:
    digest = by_hand(store, {"model.safetensors": b"a", "consolidated.safetensors": b"b"})
    store.listable = (f"{PREFIX}/",)
    assert "weights beside those of the model" in refused(store, digest)


def test_a_role_that_may_not_list_is_told_so(store: BucketServer) -> None:
    filled(store)
    said = refused(store)
    assert "HTTP 403" in said
    assert "role" in said


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://models-1.s3.us-east-1.amazonaws.com/models/chat/0f", "s3://models-1/models/chat/0f"),
        ("http://127.0.0.1:9/bucket/models/chat", "s3://bucket/models/chat"),
    ],
)
def test_its_address_as_readers_of_buckets_call_it(location: str, told: str) -> None:
    assert address(location) == told


def started(mirrored: BucketServer, folder: Path) -> Launcher:
    specification = toy(folder / "files")
    for engine in specification["engines"].values():
        engine["weights"] = {"kind": "streamed", "location": f"{mirrored.url}/{PREFIX}"} | dict.fromkeys(
            ("file", "revision", "sha256")
        )
    credentials = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": SECRET}
    return Launcher(folder / "run", specification, None, PATH=toy_path(folder / "bin"), **credentials)


def test_the_engine_is_told_the_address_and_started_after_the_look(mirrored: BucketServer, tmp_path: Path) -> None:
    launcher = started(mirrored, tmp_path)
    try:
        launcher.ready()
        assert f"s3://bucket/{PREFIX}" in launcher.engine().cmdline()
    finally:
        launcher.send(signal.SIGTERM)
        launcher.ended()


def test_what_is_refused_starts_no_engine(mirrored: BucketServer, tmp_path: Path) -> None:
    mirrored.put(f"{PREFIX}/{FIRST}", b"other")
    launcher = started(mirrored, tmp_path)
    try:
        assert "says nothing of itself" in json.dumps(launcher.refused())
    finally:
        launcher.send(signal.SIGTERM)
        launcher.ended()
