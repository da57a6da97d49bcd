"""Day one on AWS as its example ships, and with all that it may have."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

from infra.bootstrap.config import BOOTSTRAP_KEY
from infra.bootstrap.program import deploy as program
from tests.contracts.source import ROOT
from tests.harness import Recorder, deploy
from tests.on_aws import LIMITS_STORE

FILE = ROOT / "bootstrap" / "Pulumi.example.yaml"
WEIGHTS_KEY = "arn:aws:kms:us-west-2:123456789012:key/0a1b2c3d-of-mine"
RUNNER = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "connection_arn": "arn:aws:codeconnections:us-east-1:123456789012:connection/01234567-89ab-cdef-0123-456789abcdef",
}


def example() -> dict[str, Any]:
    """What the example's file says, each time anew."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"][BOOTSTRAP_KEY]


def as_it_ships(settings: dict[str, Any]) -> None:
    del settings


def all_of_it(settings: dict[str, Any]) -> None:
    """With a runner, nothing protected, weights in somebody else's bucket, and Grafana for one of two."""
    settings |= {"runner": RUNNER, "deletion_protection": False}
    settings["stacks"]["standby"] |= {"protected": False, "weights_buckets": ["models-of-mine"]}
    settings["stacks"]["standby"] |= {"weights_keys": [WEIGHTS_KEY], "grafana": True}
    settings["stacks"]["prod"]["secrets"] = [LIMITS_STORE]


VARIANTS: dict[str, Callable[[dict[str, Any]], None]] = {f.__name__: f for f in (as_it_ships, all_of_it)}


@cache
def registrations(variant: str = "as_it_ships") -> Recorder:
    settings = example()
    VARIANTS[variant](settings)
    return deploy(program, stack="main", config={BOOTSTRAP_KEY: json.dumps(settings)})
