"""What every test shares: the `--rewrite` option, how long property tests may search, and a `make` as a person's."""

from __future__ import annotations

import os
import shlex

import pytest
from hypothesis import HealthCheck, settings

# How many times as many random examples property tests try. Unset, they try nearly the same ones every time (Hypothesis
# also takes constants from the modules that are loaded): nobody wants a build that is red by luck.
# `SLIPWAY_SEARCH=50 pytest tests/unit` is for a quiet evening.
SEARCH_FACTOR = int(os.environ.get("SLIPWAY_SEARCH", "0"))

# A `make` that a test starts is a person's, also where the tests were started by `make`: not one that announces its
# folder as a part of another does, nor one that takes the other's variables (`ARGS`) for its own. `make` hands those
# down by name too, so they go with what names them.
_, _, given_to_make = os.environ.get("MAKEFLAGS", "").partition("-- ")
variables_of_make = [word.partition("=")[0] for word in shlex.split(given_to_make)]
for inherited in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", *variables_of_make):
    os.environ.pop(inherited, None)

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
