"""No logic is written twice: what two platforms both need is beside them, not in both of them."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

import pytest

from infra.platforms import PLATFORMS
from tests.contracts import source
from tests.contracts.written_alike import alike, arguments, body, functions, runs, statements

# A function of two statements may only put a platform's own parts together; so may three statements after each other.
SHORT_FUNCTION, SHORT_RUN = 2, 3
FILES = {kind: source.files(f"infra/platforms/{kind}") for kind in PLATFORMS.builtin}


def logic(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Whatever is long enough to be logic, without names, and where it is."""
    for function in functions(tree):
        given = arguments(function)
        if statements(body(function)) > SHORT_FUNCTION:
            yield alike(body(function), given), function.name
        for run in runs(function, SHORT_RUN + 1):
            yield alike(run, given), f"{function.name}, line {run[0].lineno}"


def test_every_platform_has_files_to_compare() -> None:
    assert {"aws", "gcp", "cloud_run"} <= {kind for kind, files in FILES.items() if len(files) > 5}


def test_no_two_platforms_have_the_same_logic() -> None:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for kind, files in FILES.items():
        for path in files:
            for done, where in logic(source.tree(path)):
                found[done][kind] = f"{path}: {where}"
    twice = [sorted(places.values()) for places in found.values() if len(places) > 1]
    assert twice == [], "put it into infra/plan, infra/components or infra/platforms/base.py, for both"


AUDIT = '''
def text(details: AwsDetails) -> dict[str, str]:
    """Words."""
    audit, bucket = details.audit, details.bucket
    if audit is None or bucket is None:
        return {}
    return {"audit": f"{bucket.text}; {audit.lost}"}
'''
OTHER_NAMES = """
def told(plan):
    kept, place = plan.audit, plan.bucket
    if kept is None or place is None:
        return {}
    return {"audit": f"{place.text}; {kept.lost}"}
"""


def done(code: str) -> set[str]:
    return {one for one, _ in logic(ast.parse(code))}


def test_names_and_words_about_it_do_not_make_it_another() -> None:
    assert done(AUDIT) == done(OTHER_NAMES) != set()


@pytest.mark.parametrize(
    ("one", "other"),
    [("bucket.text", "bucket.name"), ("is None or", "is None and"), ('"audit":', '"kept":'), ("details.audit", "seen")],
)
def test_what_does_something_else_is_another(one: str, other: str) -> None:
    assert not done(AUDIT) & done(AUDIT.replace(one, other))


def test_a_run_inside_of_other_functions_is_found() -> None:
    run = ("a = one()", "b = two(a)", "c = three(b)", "d = four(c)")
    first = "\n ".join(("def f(x):", *run, "return d"))
    second = "\n  ".join(("def g(y):\n if y:", *run, "return d + y"))
    assert len(done(first) & done(second)) == 1
