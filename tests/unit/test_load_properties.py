"""Whatever is in a stack file: it loads and plans, or it is refused in words; never anything else."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import jsonschema
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from infra.config import StackConfig
from infra.load import config_schema, load_file, validate
from infra.plan.build import build_plan
from infra.problems import Refused
from infra.report import FORMATS
from tests.unit.documents import CORPUS, VALID, as_yaml, assert_helpful, deployment_of, examples, mutated, values

VALID_TEXT = (CORPUS / "every-field.happy.yaml").read_text(encoding="utf-8")
FOLDER = tempfile.TemporaryDirectory(prefix="slipway-tests-")


def load_and_plan(content: bytes) -> None:
    """Fails on any exception but a helpful refusal."""
    path = Path(FOLDER.name) / "Pulumi.case.yaml"
    path.write_bytes(content)
    try:
        plan = build_plan(load_file(path), "case")
    except Refused as refused:
        assert_helpful(refused)
    else:
        for _, form in FORMATS.items():
            assert form(plan)


@given(st.binary(max_size=200))
@examples(150)
def test_any_bytes(content: bytes) -> None:
    load_and_plan(content)


@given(st.text(alphabet="abk:- \t\n{}[],\"'#&*!|>%@`?~<=0.1é\u2028\ud7ff", max_size=80))
@examples(250)
@example("<<: &a {b: *a}")
@example("? {a: 1}\n: 2")
@example("!!python/object:os.system {}")
@example("config: !!binary aGVsbG8=")
@example('config: "\\ud800"')
@example("%YAML 9.9\n---\nconfig: {}")
@example("\ufeffconfig: {}")
def test_any_text_made_of_what_yaml_cares_about(text: str) -> None:
    load_and_plan(text.encode("utf-8", "surrogatepass"))


@given(st.data())
@examples(150)
def test_a_valid_file_with_a_piece_of_text_cut_or_put_in(data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(VALID_TEXT)))
    end = data.draw(st.integers(start, min(start + 40, len(VALID_TEXT))))
    piece = data.draw(st.text(max_size=8) | st.sampled_from(["\n", ": ", "- ", "{", "]", "&a ", "*a", "<<: ", "---\n"]))
    load_and_plan((VALID_TEXT[:start] + piece + VALID_TEXT[end:]).encode("utf-8", "replace"))


@given(mutated())
@examples(300)
def test_a_valid_file_with_values_replaced_removed_added_or_moved(document: Any) -> None:
    load_and_plan(as_yaml(document))


@given(values)
@examples(150)
def test_any_deployment_however_it_comes(raw: Any) -> None:
    """As from `pulumi config set`: no file, no lines, perhaps no YAML ever."""
    try:
        validate(raw, "the stack", {})
    except Refused as refused:
        assert_helpful(refused)


@given(mutated())
@examples(300)
def test_the_editor_and_the_program_agree(document: Any) -> None:
    """The schema that editors read accepts exactly what pydantic accepts, but for checks across fields."""
    raw = deployment_of(document)
    if _has_what_only_json_schema_takes(raw):
        return
    problems: list[str] = []
    try:
        StackConfig.model_validate_json(json.dumps(raw))
    except ValidationError as error:
        problems = [str(item) for item in error.errors() if item["type"] != "slipway"]
    assert jsonschema.Draft202012Validator(config_schema()).is_valid(raw) == (not problems), problems


def test_the_starting_points_are_valid() -> None:
    validator = jsonschema.Draft202012Validator(config_schema())
    assert all(validator.is_valid(deployment_of(document)) for document in VALID)


def _has_what_only_json_schema_takes(value: Any) -> bool:
    """To JSON Schema 1.0 is an integer; Python's `$` matches before a last newline; JSON has no NaN or infinity."""
    if isinstance(value, dict):
        return any(map(_has_what_only_json_schema_takes, (*value, *value.values())))
    if isinstance(value, list):
        return any(map(_has_what_only_json_schema_takes, value))
    return isinstance(value, float) or (isinstance(value, str) and value.endswith("\n"))
