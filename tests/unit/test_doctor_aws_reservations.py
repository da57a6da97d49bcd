"""Doctor of AWS about reservations and capacity blocks: a real botocore asks an AWS of ours about the one that is
named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.doctor.finding import State
from tests import on_aws_account as account
from tests.aws_api import Refusal
from tests.on_aws import Deployment, fabric, managed, one_site, platform
from tests.unit.test_doctor_aws import examined, nobody

__all__ = ["nobody"]

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
NAME = "reservation cr-0123456789abcdef0"
BLOCK = {"ReservationType": "capacity-block", "InstanceType": "p5.48xlarge", "EndDateType": "limited"}


def within(**time: float) -> float:
    """As EC2 tells times: tests have no other clock than the doctor's."""
    return (datetime.now(UTC) + timedelta(**time)).timestamp()


CASES: dict[str, tuple[dict[str, Any], State, str, str]] = {
    "all is well": ({}, OK, "g6e.xlarge in us-east-1b, 3 of 4 free", ""),
    "it ends some day": ({"EndDate": within(days=30)}, OK, "3 of 4 free, until 20", ""),
    "it ends soon": ({"EndDate": within(hours=20)}, LOOK, "it ends in 19 h, and its machines with it", "extend it"),
    "it has ended": ({"EndDate": within(hours=-1)}, MISSING, "it ended on ", "another `reservation_id`"),
    "it is over": ({"State": "expired"}, MISSING, "expired: it gives no machine", "take `reservation` out"),
    "it was given back": ({"State": "cancelled"}, MISSING, "cancelled", "another `reservation_id`"),
    "it was not paid": ({"State": "payment-failed"}, MISSING, "payment-failed", "another `reservation_id`"),
    "it is yet to begin": (
        {"State": "scheduled", "StartDate": datetime(2027, 1, 4, 11, 30, tzinfo=UTC).timestamp()},
        *(LOOK, "scheduled: it begins on 2027-01-04", "deploy then"),
    ),
    "another type": ({"InstanceType": "g6e.2xlarge"}, MISSING, "of g6e.2xlarge, where g6e.xlarge is", "another"),
    "another zone": (
        {"AvailabilityZone": "us-east-1f"},
        *(MISSING, "in us-east-1f, where us-east-1a, us-east-1b, us-east-1d is planned", "another"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_said_of_the_one_that_is_named(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed, state, said, remedy = CASES[case]
    found, _ = examined(monkeypatch, account.reservation(**changed), one_site)
    assert found[NAME].state is state
    assert said in found[NAME].found
    assert remedy in found[NAME].remedy


def refused_with(refusal: Refusal) -> dict[str, Any]:
    return {"ec2:DescribeCapacityReservations": lambda asked: refusal}


@pytest.mark.parametrize("kind", ["NotFound", "Malformed"])
def test_one_that_nobody_knows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal(f"InvalidCapacityReservationId.{kind}", "The reservation ID is not known.")
    found, _ = examined(monkeypatch, refused_with(refusal), one_site)
    assert found[NAME].state is MISSING
    assert "this account has none of that id" in found[NAME].found


def test_one_that_nobody_may_ask_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refusal = Refusal("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)
    found, _ = examined(monkeypatch, refused_with(refusal), one_site)
    assert NAME not in found
    assert found["reservation"].state is UNKNOWN


def test_without_one_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, api = examined(monkeypatch, {})
    assert not [what for what in found if "reservation" in what]
    assert "ec2:DescribeCapacityReservations" not in api.asked


def test_what_is_bought_by_nothing_else_must_be_large_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    def alone(deployment: Deployment) -> None:
        one_site(deployment)
        platform(deployment)["nodes"]["purchase"] = ["reservation"]

    found, _ = examined(monkeypatch, account.reservation(), alone)
    assert found[NAME].state is LOOK
    assert "planned at most: the rest is never there" in found[NAME].found
    assert "add `on_demand` behind `reservation`" in found[NAME].remedy
    found, _ = examined(monkeypatch, account.reservation(TotalInstanceCount=90), alone)
    assert found[NAME].state is OK


def test_machines_of_a_block_are_those_of_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of ours must know: EC2 starts machines of a block in a way of its own."""
    end = {"EndDate": within(days=10)}
    found, _ = examined(monkeypatch, account.reservation(**BLOCK, **end), fabric)
    assert found[NAME].state is OK
    found, _ = examined(monkeypatch, account.reservation(**{**BLOCK, "ReservationType": "default"}), fabric)
    assert (found[NAME].state, "no capacity block, where" in found[NAME].found) == (MISSING, True)
    found, _ = examined(monkeypatch, account.reservation(ReservationType="capacity-block"), managed)
    assert (found[NAME].state, "a capacity block, where" in found[NAME].found) == (MISSING, True)
    # A group of ours is in the one zone that is named.
    found, _ = examined(monkeypatch, account.reservation(AvailabilityZone="us-east-1a"), managed)
    assert "in us-east-1a, where us-east-1b is planned" in found[NAME].found
