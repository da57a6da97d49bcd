"""What every test shares: the `--rewrite` option and how long property tests may search."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# How many times as many random examples property tests try. Unset, they try nearly the same ones every time (Hypothesis
# also takes constants from the modules that are loaded): nobody wants a build that is red by luck.
# `SLIPWAY_SEARCH=50 pytest tests/unit` is for a quiet evening.
SEARCH_FACTOR = int(os.environ.get("SLIPWAY_SEARCH", "0"))

settings.register_profile("ci", derandomize=True, deadline=None, database=None, print_blob=True)
settings.register_profile("search", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("search" if SEARCH_FACTOR else "ci")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="write expected messages (tests/config) and golden files (tests/golden) as they are now; read the diff",
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """Whether this run writes what is expected instead of comparing with it."""
    return bool(request.config.getoption("--rewrite"))
