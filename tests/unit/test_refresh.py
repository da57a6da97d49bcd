"""What a model is taught, as the plan has it, and when there is something to teach."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.making_types import Dials, Listens
from infra.report import FORMATS
from serving.making.config import Endpoint, Lora, Made, MakingConfig, Reached
from serving.making.judging import verdicts
from serving.making.measured import Measured
from serving.trials.config import Prompts
from tests.manifests import ROOT
from tools.making import here, refresh
from tools.problem import Problem

PLAN = build_plan(load_file(ROOT / "tests" / "config" / "refresh.happy.yaml"), "case")


def test_what_it_is_taught_and_how_is_told_and_kept() -> None:
    plan = PLAN.makings["usual/refresh"]
    settings = {
        "epochs": 3,
        "batch": 8,
        "max_tokens": 256,
        "rank": 16,
        "alpha": 32,
        "learning_rate": 0.0005,
        "seed": 7,
    }
    assert plan.work.told == {
        "kind": "lora",
        "file": "SmolLM2-135M-Instruct.Q8_0.gguf",
        "data": "data/answers",
        "settings": {**settings, "checkpoint_steps": 25, "privacy": None},
    }
    assert plan.card["made_by"]["parameters"] == settings
    assert plan.card["trained_on"] == "data/answers"
    assert plan.card["parent"]["version"] == "0123456789abcdef" * 4
    assert plan.work.at_least_right_percent == 90
    assert plan.holds == ("5 % fewer right answers at most", "90 % right answers at least")


def test_what_privacy_costs_is_kept_too() -> None:
    plan = PLAN.makings["private/refresh"]
    assert plan.work.told["settings"]["privacy"] == {"epsilon": 3, "delta": 1e-5, "max_gradient_norm": 0.5}
    kept = plan.card["made_by"]["parameters"]
    assert (kept["privacy_epsilon"], kept["privacy_delta"], kept["privacy_max_gradient_norm"]) == (3, 1e-5, 0.5)
    assert plan.holds[-1] == "epsilon 3 of each line at most"


@pytest.mark.parametrize("form", ["text", "markdown", "html"])
def test_a_reader_is_told_who_teaches_it(form: str) -> None:
    assert "make refresh" in FORMATS[form](PLAN)


@pytest.mark.parametrize(("least", "kept"), [(100, False), (75, True)])
def test_the_result_must_know_enough(least: float, kept: bool) -> None:
    found: dict[str, Any] = {"cases": 4, "wrong": [], "errors": {}, "continuations": [], "bytes": None}
    there = Endpoint(url="http://127.0.0.1")
    config = MakingConfig(
        model="chat",
        version="answers",
        folder="models",
        making="chat/refresh",
        make=Made(),
        served=Reached(original=there, result=there, original_weights="", readiness_path="/", start_seconds=1),
        evaluation="facts",
        trial=Prompts(cases={}, at_least_percent=0),
        at_most_loss_percent=0,
        at_least_right_percent=least,
    )
    lost, right = verdicts(config, Measured(right_percent=25.0, **found), Measured(right_percent=75.0, **found))
    assert lost.kept is True
    assert (right.measured, right.kept) == (75.0, kept)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One with data, in which nothing is taught: what would be is in `taught.json`."""
    monkeypatch.setattr(refresh, "ROOT", tmp_path)
    monkeypatch.setattr(here, "MODELS", tmp_path / "models")
    monkeypatch.setattr(here, "planned", lambda _stack: asked())
    monkeypatch.setattr(refresh, "_make", lambda one: one["work"]["told"])

    def made(stack: str, name: str, one: dict[str, Any], plan: dict[str, Any], make: dict[str, Any]) -> bool:
        (tmp_path / "models" / one["model"] / one["version"]).mkdir(parents=True)
        (tmp_path / "taught.json").write_text(json.dumps([stack, name, one, make]))
        return True

    monkeypatch.setattr(here, "made", made)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.jsonl").write_text("{}\n")
    return tmp_path


def asked() -> dict[str, Any]:
    card = {"trained_on": "data", "parent": {"trained_on": "web pages"}}
    one: dict[str, Any] = {"sort": "refresh", "model": "chat", "version": "answers", "card": card}
    one["work"] = {"image": None, "told": {"data": "data"}}
    return {"deployed_sites": [], "makings": {"chat/refresh": one}}


def test_changed_data_makes_a_version_and_the_same_data_none(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refresh.main(["--stack", "dev"]) == 0
    first = hashlib.sha256(b"{}\n").hexdigest()
    _, name, one, make = json.loads((checkout / "taught.json").read_text())
    assert (name, one["version"], make) == ("chat/refresh", f"answers-{first[:8]}", {"data": "data"})
    assert one["card"]["trained_on"] == f"data (SHA-256 {first}), after web pages"
    (checkout / "taught.json").unlink()
    assert refresh.main(["--stack", "dev"]) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert not (checkout / "taught.json").exists()
    (checkout / "data" / "b.jsonl").write_text("{}\n")
    assert refresh.main(["--stack", "dev"]) == 0
    second = hashlib.sha256(b"{}\n{}\n").hexdigest()
    assert json.loads((checkout / "taught.json").read_text())[2]["version"] == f"answers-{second[:8]}"


def test_data_that_is_not_there_is_said(checkout: Path) -> None:
    (checkout / "data" / "a.jsonl").unlink()
    (checkout / "data").rmdir()
    with pytest.raises(Problem, match="no such file"):
        refresh.main([])
    with pytest.raises(Problem, match="none of a model that other names"):
        refresh.main(["--only", "other"])


def test_what_a_cluster_does_is_not_done_here(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = asked()
    plan["makings"]["chat/refresh"] |= {"kind": "lora_job", "work": {"image": "x@sha256:1", "told": {}}}
    monkeypatch.setattr(here, "planned", lambda _stack: plan)
    with pytest.raises(Problem, match="a job of a cluster"):
        refresh.main([])


def test_sites_are_told_by_their_names_and_the_version_is_of_the_data_of_all(checkout: Path) -> None:
    plan = PLAN.makings["shared/refresh"]
    sites = {"office": "data/office.jsonl", "ships": "data/ships.jsonl"}
    assert plan.work.told["data"] == sites
    assert plan.work.told["settings"]["rounds"] == 3
    kept = plan.card["made_by"]["parameters"]
    assert (kept["rounds"], kept["sites"]) == (3, "office, ships")
    assert "Flower" in plan.card["made_by"]["tool"]
    assert plan.holds[-1] == "data of 2 sites stays with them"
    for place in sites.values():
        (checkout / place).write_text(f"{place}\n")
    first = refresh._digests("shared/refresh", sites)
    (checkout / "data" / "ships.jsonl").write_text("{}\n")
    assert refresh._digests("shared/refresh", sites) != first


SITES = build_plan(load_file(ROOT / "tests" / "config" / "refresh-sites.happy.yaml"), "case")


def test_sites_elsewhere_are_waited_for_and_the_version_is_called_after_what_all_learn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SITES.makings["coordinates/refresh"]
    kept = plan.card["made_by"]["parameters"]
    assert (kept["rounds"], kept["sites"], kept["privacy_epsilon"]) == (3, "office, ships", 8)
    assert plan.holds[-2:] == ("epsilon 8 of each line at most", "data of 2 sites stays with them")
    monkeypatch.setattr(refresh, "INVITATIONS", tmp_path / "invitations")
    monkeypatch.setattr(refresh, "CHECKPOINTS", tmp_path / "checkpoints")
    monkeypatch.setattr(refresh.tuning, "install", lambda: Path("python"))
    one = {"model": "coordinates", "work": {"told": plan.work.told}}
    made = msgspec.json.decode(json.dumps(refresh._make(one)), type=Lora)
    assert made.of_data is True
    assert json.loads(bytes(made.settings["elsewhere"])) == {
        "sites": ["ships"],
        "address": "10.0.0.5:9443",
        "bind": "10.0.0.5",
        "invitations": str(tmp_path / "invitations" / "coordinates"),
    }
    assert SITES.makings["private/refresh"].work.told["of_data"] is True
    assert "of_data" not in PLAN.makings["shared/refresh"].work.told


def test_a_site_has_an_invitation_and_says_of_how_it_learns_its_privacy_alone(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SITES.makings["takes_part/refresh"]
    assert plan.card["made_by"]["parameters"] == {
        "coordinator": "10.0.0.5:9443",
        "site": "ships",
        "privacy_epsilon": 4,
        "privacy_delta": 0.01,
        "privacy_max_gradient_norm": 1.0,
    }
    assert plan.holds[-1] == "data stays here; adapters go to 10.0.0.5:9443"
    asked_for = asked()
    asked_for["makings"]["chat/refresh"]["work"]["told"] = dict(plan.work.told)
    monkeypatch.setattr(here, "planned", lambda _stack: asked_for)
    monkeypatch.setattr(refresh, "INVITATIONS", checkout / ".slipway" / "invitations")
    monkeypatch.setattr(refresh, "LOCAL", checkout / ".slipway")
    with pytest.raises(Problem, match=r"no \.slipway/invitations/chat/ships\.json"):
        refresh.main([])
    invitation = checkout / ".slipway" / "invitations" / "chat" / "ships.json"
    invitation.parent.mkdir(parents=True)
    invitation.touch()
    assert refresh.main([]) == 0
    assert json.loads((checkout / "taught.json").read_text())[2]["version"] == "answers"


JOBS = build_plan(load_file(ROOT / "tests" / "config" / "refresh-sites-job.happy.yaml"), "case")


def test_a_job_of_a_cluster_averages_or_is_a_site() -> None:
    coordinates, takes_part = (JOBS.makings[f"{name}/refresh"].work for name in ("coordinates", "takes-part"))
    assert coordinates.listens == Listens(
        sites=("office", "ships"), host="coordinator.example.com", port=443, sources=("203.0.113.0/24",)
    )
    assert (coordinates.dials, coordinates.data_claim, coordinates.trained_on) == (None, None, "sites office, ships")
    assert takes_part.dials == Dials(secret="ships", site="ships", port=443)
    assert (takes_part.listens, takes_part.data_claim) == (None, "ships")
    assert takes_part.parameters["site"] == "ships"
