"""The private links of a site on AWS with the real CLI: made, told of, left as they are, and gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clouds.cloud import Cloud
from tests.cluster.pulumi_project import Project
from tools.checkout import ROOT

PROGRAM = (Path(__file__).parent / "programs" / "linked_aws.py").read_text()
SECRET = "a_canary_that_no_state_may_show"

pytestmark = pytest.mark.timeout(400)


def test_a_life(project: Project, cloud: Cloud) -> None:
    project.write(PROGRAM)
    project.configure(checkout=str(ROOT), secrets={"first": SECRET})
    printed = project.up()
    assert SECRET not in printed
    (connection,) = cloud.of_type("aws:ec2/vpnConnection:VpnConnection")
    (gateway,) = cloud.of_type("aws:ec2/vpnGateway:VpnGateway")
    assert connection["inputs"]["tunnel1PresharedKey"] == SECRET
    assert connection["inputs"]["vpnGatewayId"] == gateway["id"]
    assert SECRET not in project.state()
    routes = cloud.of_type("aws:ec2/route:Route")
    assert sorted(one["inputs"]["destinationCidrBlock"] for one in routes) == ["10.0.0.0/14", "10.8.0.0/16"]
    outputs = project.outputs()
    assert outputs["vpn"] == "[secret]", "AWS made one of its secrets"
    shown = json.loads(project.run("stack", "output", "--json", "--show-secrets"))["vpn"]
    assert [sorted(one) for one in shown[0]["tunnels"]] == [
        ["address", "routers"],
        ["address", "routers", "shared_secret"],
    ]
    assert shown[0]["tunnels"][1]["shared_secret"] not in project.state()
    assert outputs["peering"]["connection"].startswith("pcx-")
    assert "13 unchanged" in project.up()
    project.destroy()
    assert not cloud.things()
