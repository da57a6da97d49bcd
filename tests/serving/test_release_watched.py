"""What a real judge shows of real gateways: metrics while it looks, and a history that a killed judge does not lose."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from infra.releases.looks import Course, looks_of
from infra.report.pictures.release import release_picture
from serving.release.state import encoded
from tests.serving.gateway_process import free_port
from tests.serving.test_release import setting


class Shown:
    """What a judge shows now; nothing while nobody listens."""

    def __init__(self, port: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            assert answer.headers["content-type"].startswith("text/plain")
            text = answer.read().decode()
        except OSError:
            return
        finally:
            connection.close()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self.samples[sample.name, frozenset(sample.labels.items())] = sample.value

    def __call__(self, name: str, **labels: str) -> float | None:
        """Of the model that is released."""
        return self.samples.get((f"slipway_release_{name}", frozenset({"model": "chat", **labels}.items())))

    @property
    def looked_at(self) -> float:
        return self.samples["slipway_release_last_look_timestamp_seconds", frozenset()]


def test_a_judge_shows_how_far_it_is_and_why_it_rolled_back(tmp_path: Path) -> None:
    with setting(tmp_path, hold_seconds=3600) as found:
        found.operations = free_port()

        def shown() -> Shown:
            return Shown(found.operations)

        with found.judge(until_decided=False) as first:
            found.wait("a step", lambda: shown()("step") == 0)
            found.wait("samples", lambda: (shown()("samples", version="candidate", of="answers") or 0) >= 5)
            seen = shown()
            assert (seen("percent", candidate="next"), seen("phase", phase="running")) == (40, 1)
            assert (seen("log_likelihood_ratio", criterion="error_rate") or 0) < 0
            found.wait("another look", lambda: shown().looked_at > seen.looked_at)
            first.kill()
            first.wait(10)
        assert not shown().samples
        left = found.state()
        assert left is not None
        assert left.history[0].said == "begins with 0 %"
        found.candidate.acts_as = "e503"
        with found.judge(until_decided=False):
            found.wait("the verdict", lambda: shown()("rolled_back", reason="error_rate") == 1)
            seen = shown()
            assert (seen("percent", candidate="next"), seen("phase", phase="rolled_back")) == (0, 1)
            assert seen("verdict", criterion="error_rate", verdict="bad") == 1
            assert seen("rolled_back", reason="by_hand") == 0
        state = found.state()
        assert state is not None
        known = [look for look in state.history if look in left.history]
        assert [look.said for look in known if look.said] == [look.said for look in left.history if look.said]
        assert any(not look.said for look in known), "the second judge went on with it"
        end = state.history[-1]
        assert end.said == state.says
        assert (end.phase, end.reasons) == ("rolled_back", ("error_rate",))
        assert end.candidate is not None
        assert end.candidate.failed > 0
        assert end.stable is not None
        # The gateways counted how long first tokens took, of the old version too.
        assert end.stable.p95_seconds is not None
        assert 0 < end.stable.p95_seconds < 10
        picture = release_picture(course(json.loads(encoded({"chat": state}))["chat"]))
        assert picture.title == "here, chat: next is rolled back"
        assert "Time to first token, 95th percentile" in picture.body
    assert not found.unanswered


def course(state: dict[str, Any]) -> Course:
    return Course(
        site="here",
        model="chat",
        candidate="next",
        looks=looks_of(state),
        sends="share",
        error_percent=20,
        first_token_seconds=8,
    )
