"""Releases with real gateways and a real judge: a good version gets everything, a bad one nothing, unnoticed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.platforms.local.releases import LocalReleases
from serving.gateway.config import ConfigProblem, load_config
from serving.release.state import ReleaseState, decoded, encoded
from tests.serving.gateway_process import GatewayProcess, chat, start_gateway, wait_until
from tests.serving.package import PACKAGE, ROOT
from tests.serving.routed import configuration, in_background, model, reload, settle
from tests.serving.upstream import LONG_FRAMES, FakeEngine

# Half of what the machines of CI need at worst.
SECONDS = 120
# With these limits some 30 answers and 120 first tokens decide.
RULES: dict[str, Any] = {
    "candidate": "next",
    "sends": "share",
    "steps": [40, 100],
    "hold_seconds": 0.5,
    "error_percent": 20,
    "first_token_seconds": 8,
}


class Setting:
    """Two versions behind gateways that follow one state, and clients that never stop asking."""

    def __init__(self, folder: Path, stable: FakeEngine, candidate: FakeEngine) -> None:
        self.folder, self.stable, self.candidate = folder, stable, candidate
        self.state_file = folder / "released.json"
        self.gateways: list[GatewayProcess] = []
        self.questions: Path | None = None
        # Where the judge shows metrics, if it does.
        self.operations = 0
        self.unanswered: list[str] = []
        self.asking = threading.Event()

    def state(self) -> ReleaseState | None:
        return decoded(self.state_file.read_bytes() if self.state_file.exists() else b"").get("chat")

    def phase(self) -> str:
        state = self.state()
        return state.phase if state else ""

    @contextmanager
    def judge(self, *, until_decided: bool = True) -> Iterator[subprocess.Popen[bytes]]:
        """One that looks all the time."""
        command = [sys.executable, "-m", "serving.release", "--rules", str(self.folder / "0" / "gateway.json")]
        for gateway in self.gateways:
            command += ["--gateways", f"http://127.0.0.1:{gateway.operations}"]
        command += ["--state", str(self.state_file), "--every-seconds", "0.2"]
        command += ["--until-decided"] if until_decided else []
        command += ["--operations", f"127.0.0.1:{self.operations}"] if self.operations else []
        command += ["--questions", str(self.questions)] if self.questions else []
        process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(PACKAGE)})
        try:
            yield process
        finally:
            process.kill()
            process.wait(10)

    def ask(self, gateway: GatewayProcess) -> None:
        while self.asking.is_set():
            answer = gateway.request(body=chat("chat", stream=True))
            if answer.status != 200 or not answer.body.endswith(b"data: [DONE]\n\n"):
                self.unanswered.append(f"{answer.status} {answer.body[-200:]!r}")

    def wait(self, what: str, condition: Any) -> None:
        wait_until(what, condition, SECONDS)


@contextmanager
def setting(folder: Path, gateways: int = 1, **rules: Any) -> Iterator[Setting]:
    with ExitStack() as stack:
        stable, candidate = stack.enter_context(FakeEngine()), stack.enter_context(FakeEngine())
        found = Setting(folder, stable, candidate)
        # A replica that is never ejected: otherwise a failing one gets few requests, and the verdict takes longer. And
        # each failed call may be repeated: with many of them a budget would leave some to clients.
        kept = {"eject": {"failures": 60, "of_last": 60}, "retries": {"percent": 100}}
        models = {
            "chat": model([stable], release={**RULES, **rules}, routing=kept),
            "next": model([candidate], routing=kept),
        }
        for number in range(gateways):
            own = folder / str(number)
            own.mkdir()
            config = configuration(models, first_byte_seconds=20, stream_idle_seconds=20)
            gateway = stack.enter_context(start_gateway(own, config, "--released", str(found.state_file)))
            found.gateways.append(gateway)
            settle(gateway, 1, "next")
        found.asking.set()
        asking = [threading.Thread(target=found.ask, args=(gateway,)) for gateway in found.gateways for _ in range(3)]
        for thread in asking:
            thread.start()
        try:
            yield found
        finally:
            found.asking.clear()
            for thread in asking:
                thread.join(30)


def test_a_good_version_gets_everything_also_when_the_judge_is_killed(tmp_path: Path) -> None:
    with setting(tmp_path, gateways=2) as found:
        with found.judge() as first:
            found.wait("the first step", lambda: (state := found.state()) is not None and state.step == 0)
            found.wait("first counts", lambda: (state := found.state()) and state.totals.candidate.answers)
            first.kill()
            first.wait(10)
        left = found.state()
        assert left is not None
        before = len(found.candidate.calls)
        found.wait("requests without a judge", lambda: len(found.candidate.calls) > before + 20)
        assert found.state() == left, "who is dead changes nothing"
        with found.judge() as second:
            assert second.wait(SECONDS) == 0
        state = found.state()
        assert state is not None
        assert (state.phase, state.percent) == ("done", 100)
        said = [entry.said.partition(":")[0] for entry in state.log]
        assert said == ["begins with 0 %", "40 %", "100 %", "done"], "it went on where the first one was"
        for gateway in found.gateways:
            assert gateway.metric('slipway_gateway_release_percent{model="chat",release="next"}') == 100
        before = len(found.stable.calls)
        found.gateways[0].request(body=chat("chat"))
        assert len(found.stable.calls) == before, "nobody asks the old one any more"
        # A gateway that starts now knows it too, and a deployment of the same file undoes nothing.
        config = json.loads((tmp_path / "0" / "gateway.json").read_text())
        assert reload(found.gateways[0], tmp_path / "0", config).startswith("reloaded ")
        assert found.gateways[0].metric('slipway_gateway_release_percent{model="chat",release="next"}') == 100
    assert not found.unanswered


def test_one_that_fails_is_rolled_back_and_no_client_notices(tmp_path: Path) -> None:
    with setting(tmp_path) as found:
        found.candidate.acts_as = "e503"
        with found.judge() as judge:
            assert judge.wait(SECONDS) == 1
        state = found.state()
        assert state is not None
        assert (state.phase, state.percent) == ("rolled_back", 0)
        assert "answers failed" in state.says
        [gateway] = found.gateways
        found.wait("the share is 0", lambda: _percent(gateway).endswith(" 0.0"))
        before = len(found.candidate.calls)
        assert all(gateway.request(body=chat("chat")).status == 200 for _ in range(20))
        assert len(found.candidate.calls) == before
        # A judge that is started later finds it decided.
        with found.judge() as judge:
            assert judge.wait(SECONDS) == 1
        assert found.state() == state
    assert not found.unanswered


def test_one_whose_first_token_is_late_is_rolled_back(tmp_path: Path) -> None:
    with setting(tmp_path, first_token_seconds=1.0) as found:
        found.candidate.pause = 2.0
        with found.judge() as judge:
            assert judge.wait(SECONDS) == 1
        state = found.state()
        assert state is not None
        assert "first tokens came after 1 s" in state.says
    assert not found.unanswered


@pytest.mark.parametrize("good", [True, False])
def test_copies_are_judged_and_nobody_gets_their_answers(tmp_path: Path, good: bool) -> None:
    with setting(tmp_path, sends="copies", steps=[50]) as found:
        found.candidate.acts_as = None if good else "e503"
        with found.judge() as judge:
            assert judge.wait(SECONDS) == (0 if good else 1)
        state = found.state()
        assert state is not None
        assert (state.phase, state.percent) == ("done" if good else "rolled_back", 0)
        [gateway] = found.gateways
        found.wait("no copies", lambda: _percent(gateway).endswith(" 0.0"))
        assert gateway.metric('slipway_gateway_shadow_requests_total{model="next",result="done"}') > 0 or not good
    assert not found.unanswered


def test_on_this_machine_the_command_judges(tmp_path: Path) -> None:
    with setting(tmp_path) as found:
        [gateway] = found.gateways
        releases = LocalReleases(tmp_path)
        folder = tmp_path / ".slipway" / "gateway" / "dev" / "here"
        folder.parent.mkdir(parents=True)
        # What the gateway of this test follows is where the command writes.
        folder.symlink_to(tmp_path)
        ports = {"operations_address": "127.0.0.1", "operations_port": gateway.operations}
        plan: Any = SimpleNamespace(details=SimpleNamespace(specification={"gateway": ports}))
        rules = json.loads((tmp_path / "0" / "gateway.json").read_text())
        assert releases.judge(ROOT, "dev", "here", plan, rules, None) == 0
        assert '"done"' in releases.read("dev", "here", plan, None)
        state = found.state()
        assert state is not None
        assert state.percent == 100
    assert not found.unanswered


def _percent(gateway: GatewayProcess) -> str:
    text = gateway.request("GET", "/metrics", port=gateway.operations).body.decode()
    return next(line for line in text.splitlines() if line.startswith("slipway_gateway_release_percent{"))


def test_streams_in_flight_end_where_they_began(tmp_path: Path) -> None:
    with setting(tmp_path) as found:
        found.asking.clear()
        [gateway] = found.gateways

        def sends(percent: float) -> None:
            state = ReleaseState(release="next", step=1, percent=percent)
            found.state_file.with_suffix(".new").write_bytes(encoded({"chat": state}))
            found.state_file.with_suffix(".new").replace(found.state_file)
            found.wait("the gateway knows", lambda: f" {percent:.1f}" in _percent(gateway))

        sends(100)
        found.candidate.acts_as = "long"
        before = len(found.candidate.calls)
        running = [in_background(lambda: gateway.request(body=chat("chat", stream=True))) for _ in range(6)]
        found.wait("they run", lambda: len(found.candidate.calls) == before + 6)
        sends(0)
        assert gateway.request(body=chat("chat")).headers["x-slipway-route"] == "stable"
        for thread, answers in running:
            thread.join(60)
            assert answers[0].body.count(b'"delta": {"content"') == LONG_FRAMES
            assert answers[0].body.endswith(b"data: [DONE]\n\n")
        # What is of another release gives this one nothing; what cannot be read changes nothing.
        sends(100)
        found.state_file.write_bytes(encoded({"chat": ReleaseState(release="other", percent=100)}))
        found.wait("the gateway knows", lambda: " 0.0" in _percent(gateway))
        sends(100)
        found.state_file.write_text("{broken")
        found.wait("it is refused", lambda: "reload_refused" in str(gateway.log()))
        assert " 100.0" in _percent(gateway)


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"release": {**RULES, "candidate": "gone"}}, "release.candidate"),
        ({"release": {**RULES, "candidate": "chat"}}, "release.candidate"),
        ({"release": {**RULES, "candidate": "small"}}, "fewer context_tokens"),
        ({"release": RULES, "routes": {"to": {"x": {"model": "next", "weight": 1}}}}, "routes or shadow beside it"),
        ({"release": {**RULES, "steps": [0]}}, "models.chat"),
    ],
)
def test_rules_that_cannot_be_followed_are_refused(tmp_path: Path, fields: dict[str, Any], found: str) -> None:
    here = "http://127.0.0.1:9"
    models = {"chat": model([here], **fields), "next": model([here]), "small": {**model([here]), "context_tokens": 32}}
    file = tmp_path / "gateway.json"
    file.write_text(json.dumps(configuration(models)))
    with pytest.raises(ConfigProblem) as refused:
        load_config(file)
    assert found in str(refused.value)
