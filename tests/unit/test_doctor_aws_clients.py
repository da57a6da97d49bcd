"""Doctor of AWS about certificates of clients: a real botocore asks an AWS of ours for the files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from infra.doctor.finding import State
from tests.aws_api import Refusal
from tests.on_aws import asks_for_certificates
from tests.unit.test_doctor_aws import examined, nobody

__all__ = ["nobody"]

FILE = "s3://example-authorities/client-authority/clients.pem"
REVOKED = "s3://example-authorities/client-authority/revoked.pem"


def test_where_none_are_asked_for_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    found, api = examined(monkeypatch, {})
    assert not [what for what in found if what.startswith("s3://")]
    assert "s3:HeadObject" not in api.asked


def test_files_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _ = examined(monkeypatch, {"s3:HeadObject": {"ContentLength": 1874}}, asks_for_certificates)
    for file in (FILE, REVOKED):
        assert (found[file].state, found[file].found) == (State.OK, "1874 bytes")


def test_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_: Mapping[str, Any]) -> Mapping[str, Any]:
        raise Refusal("404", "Not Found", 404)

    found, _ = examined(monkeypatch, {"s3:HeadObject": absent}, asks_for_certificates)
    assert found[FILE].state is State.MISSING
    assert "`client_authority`" in found[FILE].remedy
