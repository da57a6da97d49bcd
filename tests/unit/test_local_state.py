"""What a local site keeps: paths of ours are put in place, texts of the user's are left as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.local.state import CERTIFICATE, in_place
from infra.stack_file import read_stack_file
from serving.gateway.tls.self_signed import CERTIFICATE as MADE_BY_THE_GATEWAY
from tests.unit.documents import CORPUS, deployment_of


@pytest.mark.parametrize("text", ["Answer for {state}.", "{state}", "a {secrets}/b", "{secrets}", "{other}/x", "/a/b"])
def test_only_paths_of_ours_are_put_in_place(text: str) -> None:
    folders = {"{state}": "/kept", "{secrets}": "/hidden"}
    given: Any = {"audit": {"folder": "{state}/audit"}, "keys": ["{secrets}/one"], "policy": text, "n": 1, text: None}
    assert in_place(given, folders) == {
        "audit": {"folder": "/kept/audit"},
        "keys": ["/hidden/one"],
        "policy": text,
        "n": 1,
        text: None,
    }


@pytest.mark.parametrize(
    ("tls", "certificate"),
    [
        (None, None),
        ({"self_signed": True}, f".slipway/gateway/dev/here/tls/{MADE_BY_THE_GATEWAY}"),
        ({"certificate_file": "/etc/api.crt", "key_file": "/etc/api.key"}, "/etc/api.crt"),
    ],
)
def test_the_plan_knows_what_clients_must_trust(tls: Any, certificate: str | None) -> None:
    raw: Any = deployment_of(read_stack_file(CORPUS / "minimal.happy.yaml").values)
    (site,) = build_plan(validate({**raw, "gateway": {"tls": tls}}, "the stack", {}), "dev").sites.values()
    assert site.certificate_file == certificate
    assert Path(CERTIFICATE) == Path(MADE_BY_THE_GATEWAY)
