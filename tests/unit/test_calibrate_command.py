"""`make calibrate` and what stands beside a record: which record is taken, what is printed, what is refused."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra import __main__ as command
from infra.calibration.config import CalibrationSettings
from infra.calibration.record import calibration
from infra.load import validate
from infra.plan.build import build_plan
from infra.report import FORMATS
from infra.stack_file import read_stack_file
from tests.manifests import ROOT
from tests.unit.test_calibration import deployment, measured, own, record
from tools import records
from tools.problem import Problem
from tools.trials import calibrate, trial

DEV: dict[str, Any] = read_stack_file(ROOT / "Pulumi.dev.yaml").values["config"]["slipway:deployment"]


def run(*arguments: str) -> int:
    return command.main(["calibrate", *arguments])


def test_what_it_prints_goes_into_the_stack_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (file := tmp_path / "record.json").write_text(json.dumps(record(33, 100, 500, at_once=24)))
    assert run("--stack", "onprem", "--record", str(file)) == 1
    assert "3 to 6 replicas of `chat` in the plan" in capsys.readouterr().err
    assert run("--stack", "onprem", "--record", str(file), "--replicas", "3") == 0
    said = capsys.readouterr().out
    assert "8 at once on each replica (of 3)" in said
    written = yaml.safe_load(said)["models"]["chat"]["calibration"]
    assert written == calibration(measured(record(33, 100, 500, at_once=24), replicas=3)).model_dump(exclude_none=True)
    validate(deployment(CalibrationSettings.model_validate_json(json.dumps(written))), "case", {})
    (factors,) = [line.split() for line in said.splitlines() if line.startswith("# factors")]
    assert float(factors[2]) == pytest.approx(33 / own().time_per_output_token_ms, abs=0.01)
    assert run("--stack", "onprem", "--record", str(file), "--replicas", "3", "--format", "json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["estimate"]["time_per_output_token_ms"] == pytest.approx(own().time_per_output_token_ms, abs=0.01)
    assert (answer["calibration"], answer["problems"]) == (written, [])


def test_where_nothing_is_estimated_what_was_measured_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = record(25, 100, 500, at_once=2)
    found["about"] |= {"engine": "llama_cpp", "engine_version": "0c1e570", "ran_on": "processors"}
    found["about"]["version"] = DEV["models"]["chat"]["source"]["sha256"][:12]
    (file := tmp_path / "record.json").write_text(json.dumps(found))
    assert run("--stack", "dev", "--record", str(file)) == 0
    said = capsys.readouterr().out
    assert "estimated  nothing" in said
    raw = copy.deepcopy(DEV)
    raw["models"]["chat"] |= yaml.safe_load(said)["models"]["chat"]
    plan = build_plan(validate(raw, "case", {}), "case")
    assert plan.models["chat"].performance is None
    assert "has no estimate of its own" in FORMATS["text"](plan)
    assert run("--stack", "dev", "--record", str(file), "--format", "json") == 0
    assert json.loads(capsys.readouterr().out)["estimate"] is None


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "No such file"), ("{", "no JSON"), ("[]", "no object"), ('{"model": "x"}', "a record of `x`")],
)
def test_what_is_no_record_is_refused(
    content: str | None, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "record.json"
    if content is not None:
        file.write_text(content)
    assert run("--stack", "dev", "--record", str(file)) == 1
    assert says in capsys.readouterr().err


def test_the_newest_record_of_a_load_test_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    with pytest.raises(Problem, match="none of a load test"):
        calibrate.newest("dev", None)
    for name, day in (("chat/load", "27"), ("chat/load", "26"), ("chat/facts", "28")):
        (tmp_path / "dev" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "dev" / name / f"2026-11-{day}T050000Z.json").touch()
    assert calibrate.newest("dev", None) == tmp_path / "dev" / "chat" / "load" / "2026-11-27T050000Z.json"
    with pytest.raises(Problem, match="none of chat/facts"):
        calibrate.newest("dev", "chat/facts")
    (tmp_path / "dev" / "other" / "load").mkdir(parents=True)
    (tmp_path / "dev" / "other" / "load" / "2026-11-27T050000Z.json").touch()
    with pytest.raises(Problem, match="several load tests"):
        calibrate.newest("dev", None)


def test_a_record_has_the_estimate_of_its_own_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not that of the plan's usual requests; and what cannot be estimated costs nobody his record."""
    (file := tmp_path / "record.json").write_text(json.dumps(record(33, 100, 500, at_once=3, requests=2)))
    found = trial.beside("onprem", file, "--replicas", "3")
    assert found is not None
    assert found["time_per_output_token_ms"] == pytest.approx(own(at_once=1).time_per_output_token_ms, abs=0.01)
    assert found["time_to_first_token_ms_high"] >= found["time_to_first_token_ms_low"] > 0
    assert trial.beside("onprem", tmp_path / "nothing.json") is None
    assert trial.beside("onprem", file) is None
    said = capsys.readouterr().err
    assert "no estimate of this very load: No such file" in said
    assert "no estimate of this very load: 3 to 6 replicas of `chat` in the plan" in said
