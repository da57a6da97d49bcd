"""Usage from an audit: what is summed, what is said where something is missing, and what clients do not see."""

from __future__ import annotations

import csv
import json
import math
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.__main__ import main
from infra.config import StackConfig
from infra.load import load_file, validate
from infra.plan.build import build_plan
from infra.usage.advice import Load, advice
from infra.usage.command import of_audit
from infra.usage.private import Bounds, discrete_laplace, private_totals
from infra.usage.report import FORMATS, Usage
from infra.usage.rows import Reading, files_of, read
from infra.usage.totals import Total
from tests.serving.audit_files import open_store

ROOT = Path(__file__).resolve().parents[2]
PROD = ROOT / "Pulumi.prod.yaml"


def request(number: int = 1, **fields: Any) -> dict[str, Any]:
    """A row as a gateway writes it, as far as it is read."""
    return {
        "kind": "request",
        "time": "2026-11-24T08:00:00.000000Z",
        "request_id": f"r{number}",
        "client": "web",
        "key": "key:0123abcd",
        "endpoint": "chat_completions",
        "model": "chat",
        "status": 200,
        "finish": "complete",
        "prompt_tokens": 1000,
        "output_tokens": 500,
        "cost": None,
        "duration_ms": 1000.0,
        **fields,
    }


def written(folder: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]], **options: Any) -> Path:
    """An audit, by the gateway's own writer."""
    store = open_store(folder, **options)
    for number, row in enumerate(rows, 1):
        store.add(row)
        if number % 100 == 0:
            store.commit()
            store.tend()
    store.commit()
    store.close()
    return folder


def config(budget: float | None = 10.0) -> StackConfig:
    deployment = yaml.safe_load(PROD.read_text())["config"]["slipway:deployment"]
    deployment["models"]["chat"]["price"] = {
        "input_dollars_per_million_tokens": 1.0,
        "output_dollars_per_million_tokens": 4.0,
    }
    if budget:
        deployment["clients"]["web"]["dollars_per_month"] = budget
    return validate(deployment, "prod", {})


def used(folder: Path, by: str = "day", found: StackConfig | None = None) -> Usage:
    return of_audit(found or config(), "prod", "main", folder, by)


def test_sums_are_by_period_client_and_model_with_the_gateways_cost_first(tmp_path: Path) -> None:
    folder = written(
        tmp_path / "audit",
        [
            request(1, cost=0.25),
            request(2),
            request(
                3, time="2026-11-25T00:00:00.000000Z", client="other", status=429, prompt_tokens=0, output_tokens=0
            ),
            request(4, time="2026-12-01T00:00:00.000000Z", model="unlisted"),
            request(5, client=None, model=None, status=401, prompt_tokens=0, output_tokens=0),
        ],
    )
    found = used(folder)
    assert not found.reading.problems
    sums = found.totals.sums
    first = sums["2026-11-24", "web", "chat"]
    assert (first.requests, first.prompt_tokens, first.output_tokens) == (2, 2000, 1000)
    assert first.dollars == pytest.approx(0.25 + (1000 * 1 + 500 * 4) / 1e6)
    assert sums["2026-11-25", "other", "chat"].refused == 1
    assert sums["2026-12-01", "web", "unlisted"].unpriced_tokens == 1500, "no price is not 0"
    assert sums["2026-11-24", "(nobody)", "(none)"].refused == 1
    assert {key[0] for key in used(folder, "month").totals.sums} == {"2026-11", "2026-12"}
    text = FORMATS["text"](found)
    assert "no price" in text
    assert "10.00" in text, "the budget"
    assert "3%" in text, "of 10 dollars"


def test_every_format_says_the_same(tmp_path: Path) -> None:
    found = used(written(tmp_path / "audit", [request(1, cost=0.5, client="=cmd|x")]))
    rows = [*csv.DictReader(FORMATS["csv"](found).splitlines())]
    assert rows[0]["client"] == "'=cmd|x", "a spreadsheet runs nothing"
    data = json.loads(FORMATS["json"](found))
    assert data["usage"][0]["dollars"] == 0.5
    page = FORMATS["html"](found)
    assert "$0.50" in page
    assert "=cmd|x" in page
    found.totals.sums["2026-11-24", "<b>", "chat"] = Total(requests=1)
    assert "<b>" not in FORMATS["html"](found)


def test_an_answer_that_ended_otherwise_counts_once_and_a_repeated_id_twice(tmp_path: Path) -> None:
    folder = written(
        tmp_path / "audit",
        [
            request(1, output_tokens=500),
            request(1, output_tokens=40, finish="cut", time="2026-11-24T08:00:00.200000Z", duration_ms=1200.0),
            # Another request under the same id, which its client chose: nobody hides what he used that way.
            request(2),
            request(2, finish="cut", output_tokens=1, time="2026-11-24T09:00:00.000000Z"),
        ],
    )
    found = used(folder)
    (total,) = found.totals.sums.values()
    assert (total.requests, total.output_tokens) == (3, 40 + 500 + 1)
    assert found.reading.replaced == 1
    assert "1 answer ended otherwise" in FORMATS["text"](found)


def test_what_was_changed_removed_or_torn_is_named_with_its_line(tmp_path: Path) -> None:
    folder = written(tmp_path / "audit", [request(number) for number in range(1, 9)])
    (file,) = files_of(folder)
    good = file.read_bytes().splitlines(keepends=True)

    def problems(lines: list[bytes]) -> str:
        file.write_bytes(b"".join(lines))
        return "\n".join(problem.text() for problem in used(folder).reading.problems)

    assert not problems(good)
    changed = [*good]
    changed[3] = changed[3].replace(b'"output_tokens":500', b'"output_tokens":5')
    assert f"{file}:5" in problems(changed)
    assert "does not follow" in problems(changed)
    assert "those between are missing" in problems(good[:3] + good[4:])
    assert "something else" in problems([*good[:2], b"{}}\n", *good[2:]])
    assert "never wholly, written" in problems([*good[:-1], good[-1][:20]])
    assert "without a time" in problems([*good[:3], good[3].replace(b'"prompt_tokens":1000', b'"prompt_tokens":-1')])
    # Rows that are not the audit's: no chain, so nothing is known of what is missing, and that is said.
    export = tmp_path / "rows.jsonl"
    export.write_text(json.dumps({"chain": "0123abcd", "row": request(1)}) + "\n")
    found = used(export)
    assert found.reading.requests == 1
    assert "1 row of no chain" in FORMATS["text"](found)


def test_what_has_no_row_is_said(tmp_path: Path) -> None:
    folder = written(
        tmp_path / "audit",
        [request(1), {"kind": "omitted", "refusals": 7}, {"kind": "interruption", "since": "x", "error": "full"}],
    )
    text = FORMATS["text"](used(folder))
    assert "7 refusals have no row of their own" in text
    assert "1 time rows could not be written" in text


def test_a_year_of_rows_needs_no_more_memory_than_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.usage.rows.REMEMBERED", 100)

    def many(count: int) -> Iterator[dict[str, Any]]:
        for number in range(count):
            yield request(
                number,
                time=f"2026-11-24T08:{number % 60:02d}:00Z",
            )

    folder = written(tmp_path / "audit", many(4000), segment_bytes=1 << 16)
    files = files_of(folder)
    assert len(files) > 5

    def peak(chosen: list[Path]) -> int:
        tracemalloc.start()
        sum(1 for _ in read(chosen, Reading()))
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    assert peak(files) < 3 * peak(files[:2]) + 200_000


def test_the_command_ends_with_1_where_something_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path / "audit", [request(1), request(2)])
    assert main(["usage", "--stack", "prod", "--audit", str(folder)]) == 0
    assert "2 requests" in capsys.readouterr().out
    (file,) = files_of(folder)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[2:]) + b"nonsense\n")
    assert main(["usage", "--stack", "prod", "--audit", str(folder)]) == 1
    said = capsys.readouterr()
    assert f"{file}:3" in said.err
    assert "before these are not here" in said.out
    assert main(["usage", "--audit", str(tmp_path / "none")]) == 1
    assert "no row of an audit" in capsys.readouterr().err


# -- recommendations ---------------------------------------------------------------------------------------------------


def test_less_load_than_was_planned_for_says_what_to_write_and_it_is_true() -> None:
    stack = load_file(PROD)
    load = Load(peak_per_second=0.3, mean_per_second=0.1, input_tokens=800, output_tokens=200)
    (one,) = [one for one in advice(stack, "prod", "main", {"chat": load}) if "min_replicas" in one.write]
    assert one.write == "`scaling.min_replicas: 2`"
    chat = stack.models["chat"]
    objective = chat.objective.model_copy(update={"requests_per_second": 0.45}) if chat.objective else None
    scaling = chat.scaling.model_copy(update={"min_replicas": 2})
    fewer = chat.model_copy(update={"scaling": scaling, "objective": objective})
    then = build_plan(stack.model_copy(update={"models": {"chat": fewer}}), "prod", site="main").price
    now = build_plan(stack, "prod", site="main").price
    assert then
    assert now
    assert one.saves_dollars_per_month == pytest.approx(now.dollars_per_month.min - then.dollars_per_month.min)


def test_more_load_an_idle_model_and_enough_load() -> None:
    stack = load_file(PROD)

    def said(load: Load | None) -> list[str]:
        return [one.found for one in advice(stack, "prod", "main", {"chat": load} if load else {})]

    assert (
        "125% of the objective" in said(Load(peak_per_second=5, mean_per_second=1, input_tokens=9, output_tokens=9))[0]
    )
    assert "nobody asked" in said(None)[0]
    assert not said(Load(peak_per_second=3.9, mean_per_second=1, input_tokens=1000, output_tokens=250))


def test_an_hour_of_audit_is_no_reason_to_change_anything(tmp_path: Path) -> None:
    found = used(written(tmp_path / "audit", [request(1)]))
    assert not found.advice
    assert "less than a day was measured" in FORMATS["text"](found)
    whole = [request(1), request(2, time="2026-11-26T08:00:00.000000Z")]
    assert used(written(tmp_path / "longer", whole)).advice


# -- differentially private totals -------------------------------------------------------------------------------------


def test_the_noise_is_a_discrete_laplace() -> None:
    below = random.Random(7).randrange
    scale = Fraction(5, 2)
    drawn = Counter(discrete_laplace(scale, below) for _ in range(20_000))
    base = math.exp(-1 / float(scale))
    for value in range(-5, 6):
        expected = (1 - base) / (1 + base) * base ** abs(value)
        assert drawn[value] / 20_000 == pytest.approx(expected, abs=0.012), value


def test_one_client_more_changes_a_total_by_no_more_than_was_said() -> None:
    bounds = Bounds(epsilon=Fraction(1), most_requests=10, most_tokens=100)
    alone = {("2026-11-01", "a", "chat"): Total(requests=3, output_tokens=30)}
    beside = {
        **alone,
        ("2026-11-01", "b", "chat"): Total(requests=900, output_tokens=9_000),
        ("2026-11-01", "b", "other"): Total(requests=900, output_tokens=9_000),
        ("2026-11-03", "(nobody)", "(none)"): Total(requests=5),
    }

    def exact(sums: Any) -> list[tuple[str, int, int]]:
        # Without noise: the first draw is 0, kept and not negative.
        return [(one.period, one.requests, one.tokens) for one in private_totals(sums, bounds, _no_noise())]

    assert exact(alone) == [("2026-11-01", 3, 30)]
    assert exact(beside) == [("2026-11-01", 13, 130)], "a client's models count together, and strangers do not"
    gap = {**alone, ("2026-11-03", "a", "chat"): Total(requests=1)}
    assert [period for period, _, _ in exact(gap)] == ["2026-11-01", "2026-11-02", "2026-11-03"]


def _no_noise() -> Any:
    def below(most: int) -> int:
        # In turn: uniform 0; exp(-0) happens at once; exp(-1) does not, by a first trial that succeeds and a second
        # that does not; not negative.
        return 0 if most != 2 else next(answers)

    answers = _turns()
    return below


def _turns() -> Iterator[int]:
    while True:
        yield 1  # exp(-1): the trial of one half fails, after that of one, so that it does not happen
        yield 0  # the sign


def test_private_totals_say_nothing_of_one_client(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(written(tmp_path / "audit", [request(1), request(2, client="secretive")]))
    command = ["usage", "--stack", "prod", "--audit", folder, "--private", "1"]
    assert main(command) == 1
    assert "--most-requests" in capsys.readouterr().err
    for form in FORMATS:
        assert main([*command, "--most-requests", "100", "--most-tokens", "100000", "--format", form]) == 0
        said = capsys.readouterr().out
        assert "secretive" not in said
        assert "web" not in said
    assert main(["usage", "--audit", folder, "--private", "0", "--most-requests", "1", "--most-tokens", "1"]) == 1
    assert "the smaller, the more noise" in capsys.readouterr().err
