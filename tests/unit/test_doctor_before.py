"""What is asked before a deployment makes anything: all that is missing at once, and nobody where nobody can be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from infra.doctor.before import refuse_halfway
from infra.doctor.finding import Finding, look, missing, ok
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.types import SitePlan
from infra.problems import Refused
from infra.render.stack import registrations
from tests.manifests import ROOT

ONPREM = ROOT / "Pulumi.onprem.yaml"


class Rows:
    """A doctor that finds what a test says."""

    def __init__(self, *rows: Finding) -> None:
        self.rows = rows

    def before(self, site: str, plan: SitePlan) -> Iterator[Finding]:
        assert (site, plan.platform) == ("datacentre", "kubernetes")
        return iter(self.rows)


def asked(monkeypatch: pytest.MonkeyPatch, *rows: Finding) -> None:
    monkeypatch.setattr("infra.doctor.before.load_object", lambda reference: Rows(*rows))
    refuse_halfway(build_plan(load_file(ONPREM), "onprem"))


def test_everything_that_is_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = (missing("KEDA", "no ScaledObject", "install KEDA"), missing("Gateway API", "no Gateway", "install it"))
    with pytest.raises(Refused) as refused:
        asked(monkeypatch, ok("cert-manager", "there"), *rows, look("domain", "no address", "wait"))
    assert [problem.found for problem in refused.value.problems] == [
        "KEDA: no ScaledObject",
        "Gateway API: no Gateway",
    ]
    assert "make doctor STACK=onprem" in refused.value.problems[0].remedy


def test_what_is_only_to_be_looked_at_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    asked(monkeypatch, look("domain", "no address", "wait"))


def test_a_cluster_that_is_away_is_left_to_the_deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    refuse_halfway(build_plan(load_file(ONPREM), "onprem"))


def test_rendering_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(plan: Any) -> None:
        raise AssertionError("asked")

    monkeypatch.setattr("infra.program.refuse_halfway", refuse)
    assert registrations(ONPREM, "onprem")
