"""What an engine's pod gets: memory and processors by engine, times from the cold start, parts of GPUs."""

from __future__ import annotations

from typing import Any

import pytest

from infra.problems import Refused
from tests.components.engines import GGUF, planned, serving


def pod(**case: Any) -> Any:
    return serving(**case).engines["chat"].pod


def test_memory_grows_with_gpus_and_holds_their_shared_memory() -> None:
    one, four = pod(), pod(accelerator={"type": "L40S", "count": 4})
    assert (one.memory_gib, four.memory_gib) == (8 + 8 + 1, 8 + 32 + 20)
    assert (one.processors, four.processors) == (4, 16)
    assert one.most_processors == 16


def test_on_processors_weights_and_the_kv_cache_are_in_memory() -> None:
    small, large = pod(**GGUF, context_tokens=4096, concurrent_requests=4), pod(**GGUF, concurrent_requests=16)
    # 36 layers with 8 heads of 128, keys and values in 16 bits: 144 KiB a token.
    assert large.memory_gib - small.memory_gib == round((8192 * 16 - 4096 * 4) * 144 / 2**20)


def test_what_a_user_says_counts() -> None:
    own = pod(machine={"processors": 3, "memory_gibibytes": 100})
    assert (own.processors, own.most_processors, own.memory_gib) == (3, 12, 100)


def test_threads_are_the_processors_that_it_gets() -> None:
    arguments = pod(**GGUF, machine={"processors": 6}).specification["engines"]["chat"]["arguments"]
    assert arguments[arguments.index("--threads") + 1] == "6"


def test_unknown_weights_get_as_much_as_their_gpus_could_hold() -> None:
    unknown = {"kind": "huggingface", "repo": "example/unknown", "revision": "1" * 40}
    volume = serving(source=unknown).engines["chat"].weights_volume
    assert volume.size_gib >= 48
    assert pod(source=unknown).ready_seconds == 7200


def test_times_follow_from_the_start() -> None:
    plan = planned()
    cold = plan.models["chat"].cold_start
    assert cold
    own = plan.sites["here"].details.serving.engines["chat"].pod
    assert own.ready_seconds >= 2 * cold.total_seconds
    assert own.specification["engines"]["chat"]["start_seconds"] >= cold.startup_budget_seconds
    assert own.fetch_seconds >= 1800


def test_a_change_in_place_needs_one_more_than_the_objective() -> None:
    rate = {"requests_per_second": 3.0}
    words = "and one more while `rollout: in_place` changes one"
    assert any(words in text for text in planned(objective=rate, rollout="in_place").warnings)
    assert not any(words in text for text in planned(objective=rate).warnings)


@pytest.mark.parametrize("sharing", [{"kind": "mig", "profile": "1g.12gb"}, {"kind": "time_slices", "replicas": 2}])
def test_a_part_that_is_too_small_is_refused(sharing: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"gpu\.sharing\.L40S"):
        planned(platform={"gpu": {"sharing": {"L40S": sharing}}})


def test_what_shares_a_gpu_is_told() -> None:
    sharing = {"L40S": {"kind": "mig", "profile": "4g.24gb"}}
    warnings = planned(platform={"gpu": {"sharing": sharing}}).warnings
    assert any("those of a whole GPU" in text for text in warnings)
