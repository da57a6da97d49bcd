"""Budget: refused where the fewest replicas cost too much, with what would fit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from infra.price.bill import Bill, Use, bill
from infra.price.book import price_book
from infra.price.budget import Candidate, budget_problems, budget_warnings
from tests.unit.documents import examples

BOOK = price_book()


def made(minimum: float, maximum: float, *, item: str = "g6e.xlarge") -> Bill:
    control = Use(
        what="control plane", cloud="aws", region="us-east-1", item="kubernetes_control_plane", minimum=1, maximum=1
    )
    pool = Use(what="node pool `gpu`", cloud="aws", region="us-east-1", item=item, minimum=minimum, maximum=maximum)
    return bill(BOOK, [control, pool])


# 73 + 2 x 1,358.53 = 2,790.06 at the fewest, 73 + 8 x 1,358.53 = 10,941.24 at the most.
PLANNED = made(2, 8)


def test_over_budget_is_refused_with_what_would_fit() -> None:
    candidates = [
        Candidate(name="3 x g6.xlarge fp8", dollars_per_month=1836.0),
        Candidate(name="1 x p5e.48xlarge", dollars_per_month=None),
        Candidate(name="2 x g5.xlarge", dollars_per_month=1542.0),
        Candidate(name="4 x g6e.xlarge", dollars_per_month=5507.0),
    ]
    (problem,) = budget_problems("slipway:deployment.budget.dollars_per_month", PLANNED, 2000, candidates)
    assert problem.where == "slipway:deployment.budget.dollars_per_month"
    assert problem.found == "$2,790 a month at the fewest replicas, most of it node pool `gpu` ($2,717)"
    assert problem.allowed == "$2,000 a month"
    assert problem.remedy == (
        "what would fit: 2 x g5.xlarge ($1,542) or 3 x g6.xlarge fp8 ($1,836) or 1 instead of 2 in node pool `gpu`"
    )


def test_where_nothing_fits_it_says_so() -> None:
    (problem,) = budget_problems("b", PLANNED, 50, [Candidate(name="x", dollars_per_month=60.0)])
    assert problem.allowed == "$50.00 a month"
    assert problem.remedy == "raise the budget to $2,790, or ask for less: nothing known fits"


def test_not_even_one_machine_is_not_proposed() -> None:
    (problem,) = budget_problems("b", PLANNED, 800)
    assert problem.remedy.endswith("nothing known fits")


def test_no_budget_refuses_nothing() -> None:
    assert not list(budget_problems("b", PLANNED, None))
    assert not list(budget_warnings("b", PLANNED, None))


def test_a_budget_needs_a_price_for_everything() -> None:
    (problem,) = budget_problems("b", made(1, 1, item="p5e.48xlarge"), 1e6)
    assert problem.found == "no price for node pool `gpu`: p5e.48xlarge"
    assert not list(budget_problems("b", made(1, 1, item="p5e.48xlarge"), None))


def test_scaling_out_over_budget_is_a_warning() -> None:
    (warning,) = budget_warnings("b", PLANNED, 6865.65)
    assert warning.startswith("b: $10,941 a month when everything scales out, over $6,866")
    assert "50% of the way" in warning
    assert not list(budget_problems("b", PLANNED, 6865.65))
    assert not list(budget_warnings("b", PLANNED, 10_942))
    assert not list(budget_warnings("b", PLANNED, 2000))  # a problem already


@given(st.floats(0, 20), st.floats(0, 20), st.floats(1, 50_000))
@examples(100)
def test_refused_exactly_when_the_fewest_replicas_cost_more(least: float, more: float, budget: float) -> None:
    planned = made(least, least + more)
    over = planned.dollars_per_month_minimum > budget
    assert len(list(budget_problems("b", planned, budget))) == over
    assert len(list(budget_warnings("b", planned, budget))) == (not over and planned.dollars_per_month_maximum > budget)
