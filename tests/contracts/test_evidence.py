"""The evidence report: no row is empty, every test it names is one, and what is broken is said."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from infra.catalog.covered_services import covered_services
from infra.governance import command
from infra.governance.control import Control, Proof
from infra.governance.evidence import Evidence, evidence
from infra.governance.facts import FACTS, Stack
from infra.governance.further_controls import EVERY
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.layout import abilities_of, every_site
from infra.policy.rule import Resource, resource
from infra.policy.rules import RULES
from infra.render.stack import registrations
from tests.manifests import ROOT

CORPUS = ROOT / "tests" / "config"
PROD = ROOT / "Pulumi.prod.yaml"
FILES = (
    PROD,
    ROOT / "Pulumi.onprem.yaml",
    ROOT / "Pulumi.staging.yaml",
    ROOT / "Pulumi.dev.yaml",
    CORPUS / "governance.happy.yaml",
    CORPUS / "governance-gdpr.happy.yaml",
)
every_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)


@cache
def found(path: Path) -> Evidence:
    return command.of_file(path, "stack")


@cache
def seen(path: Path) -> tuple[Resource, ...]:
    return tuple(resource(one) for one in registrations(path, "stack"))


@every_file
def test_no_control_is_without_something_that_shows_it(path: Path) -> None:
    registered = {f"{one.type} {one.name}" for one in seen(path)}
    for row in found(path).rows:
        assert row.holds, (row.control, row.broken)
        for shown in row.shown:
            assert shown.resources
            assert set(shown.resources) <= registered
            assert shown.rules or shown.tests


def test_a_profile_has_what_its_law_asks_for_and_no_more() -> None:
    names = {path: {row.control for row in found(path).rows} for path in FILES}
    hipaa, gdpr = names[FILES[4]], names[FILES[5]]
    assert hipaa - gdpr == {"covered services"}
    assert not {"region", "sub-processors", "covered services"} & names[PROD], "nobody was asked for these"
    assert {row.law for row in found(FILES[4]).rows} <= {control.laws.get("hipaa") for control in EVERY}


def test_every_test_that_is_named_is_collected() -> None:
    named = sorted({test for control in EVERY for proof in control.proofs for test in proof.tests})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", *named],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    collected = {line.partition("[")[0] for line in done.stdout.splitlines()}
    assert set(named) <= collected


def test_every_rule_and_fact_that_is_named_is_there() -> None:
    rules = {rule.name for rule in RULES}
    for control in EVERY:
        assert control.fact is None or control.fact in FACTS
        assert control.laws
        for proof in control.proofs:
            assert set(proof.rules) <= rules, control.name
    assert len({control.name for control in EVERY}) == len(EVERY)


def test_every_proof_is_found_at_some_stack() -> None:
    """One whose resources have been renamed or are gone would silently show nothing any more."""
    stacks = [seen(path) for path in (*FILES, ROOT / "Pulumi.serverless.yaml")]
    for control in EVERY:
        for proof in control.proofs:
            assert any(any(proof.found(stack)) for stack in stacks), (control.name, proof.resources)


def test_what_breaks_a_rule_or_is_not_there_is_said() -> None:
    config = load_file(PROD)
    stack = Stack(config=config, abilities=abilities_of(every_site(config)), plan=build_plan(config, "prod"))
    group = next(one for one in seen(PROD) if one.type == "aws:cloudwatch/logGroup:LogGroup")
    worse = Resource(**{**vars(group), "props": {**group.props, "kmsKeyId": None}})
    held = {row.control: row for row in evidence(stack, [worse]).rows}
    assert "rule `encrypted`" in " ".join(held["encryption at rest"].broken)
    assert not held["encryption at rest"].holds
    assert not held["isolation"].shown
    assert not held["isolation"].holds


@pytest.mark.parametrize("form", command.FORMATS)
def test_every_format_has_every_control(form: str) -> None:
    text = command.FORMATS[form](found(PROD))
    assert all(control.name.lower() in text.lower() for control in EVERY if not control.declared)
    if form == "json":
        assert all(row["holds"] for row in json.loads(text)["controls"])


def test_a_stack_that_lacks_something_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    lacking = Control(name="x", says="x", laws={"gdpr": "x"}, proofs=(Proof(resources=("nothing *",)),))
    config = load_file(PROD)
    stack = Stack(config=config, abilities=abilities_of(every_site(config)), plan=build_plan(config, "prod"))
    (row,) = evidence(stack, seen(PROD), [lacking]).rows
    assert not row.holds
    assert command.run(PROD, "prod", "text") == 0
    assert "12 of 12 controls shown" in capsys.readouterr().out


@every_file
def test_every_type_is_of_a_service_that_its_platform_names(path: Path) -> None:
    config = load_file(path)
    named = {service for ability in abilities_of(every_site(config)).values() for service in ability.services}
    used = {one.type.partition("/")[0] for one in seen(path) if one.type.startswith(("aws:", "gcp:"))}
    assert used <= named
    assert {name for name in named if name.startswith("aws:")} - set(covered_services()) <= {"aws:amp"}


@every_file
def test_a_cloud_is_asked_in_the_sites_own_region(path: Path) -> None:
    config = load_file(path)
    regions = {ability.region for ability in abilities_of(every_site(config)).values()} - {None}
    asked = {
        one.props.get("region") for one in seen(path) if one.type in ("pulumi:providers:aws", "pulumi:providers:gcp")
    }
    assert asked <= regions
    assert bool(asked) == bool(regions)
