"""The stand-in of AWS with the real CLI: previews, names, replacing, drift, refusals, order of removal, secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clouds.cloud import Cloud
from tests.cluster.pulumi_project import Project

PROGRAM = (Path(__file__).parent / "programs" / "small_aws.py").read_text()
SECRET = "a-canary-that-no-state-may-show"

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def stack(project: Project, cloud: Cloud) -> Project:
    project.write(PROGRAM)
    project.configure(cidr="10.0.0.0/16", secret=SECRET)
    return project


def test_a_life(stack: Project, cloud: Cloud) -> None:
    printed = stack.preview()
    assert "+ 9 to create" in printed
    assert not cloud.things(), "a preview makes nothing"

    assert "+ 9 created" in stack.up()
    (bucket,) = cloud.of_type("aws:s3/bucket:Bucket")
    outputs = stack.outputs()
    assert outputs["bucket"] == bucket["id"]
    assert bucket["id"].startswith("models-"), "the provider makes the name"
    assert f"arn:aws:s3:::{bucket['id']}" in outputs["policy"]
    assert all(subnet.startswith("subnet-") for subnet in outputs["subnets"])
    assert SECRET not in stack.state()

    assert "9 unchanged" in stack.up()

    stack.configure(cidr="10.0.0.0/16", secret=SECRET, size="large")
    assert "~ 1 updated" in stack.up()
    assert cloud.of_type("aws:s3/bucket:Bucket")[0]["inputs"]["tags"] == {"size": "large"}

    stack.configure(cidr="10.0.0.0/17", secret=SECRET, size="large")
    printed = stack.up()
    assert "+-3 replaced" in printed, "a network's range is for ever, and subnets are in it"
    assert {subnet["inputs"]["vpcId"] for subnet in cloud.of_type("aws:ec2/subnet:Subnet")} == {
        cloud.of_type("aws:ec2/vpc:Vpc")[0]["id"]
    }

    stack.destroy()
    assert not cloud.things()


def test_drift_is_found_and_mended(stack: Project, cloud: Cloud) -> None:
    stack.up()
    with cloud.change() as held:
        for thing in held["things"].values():
            if thing["type"] == "aws:s3/bucket:Bucket":
                thing["inputs"]["tags"] = {"size": "by hand"}
                thing["inputs"]["forceDestroy"] = True
        gone = next(address for address, thing in held["things"].items() if thing["name"] == "private-b")
        del held["things"][gone]
    printed = stack.refresh()
    assert "~ 1 updated" in printed
    assert "- 1 deleted" in printed
    printed = stack.up()
    assert "~ 1 updated" in printed
    assert "+ 1 created" in printed
    assert "9 unchanged" in stack.up()
    (bucket,) = cloud.of_type("aws:s3/bucket:Bucket")
    assert bucket["inputs"]["tags"] == {"size": "small"}


def test_a_refusal_leaves_what_was_made_and_the_next_run_makes_the_rest(stack: Project, cloud: Cloud) -> None:
    cloud.refuse(5)
    printed = stack.up(check=False)
    assert "refused, as creation 5 was to be" in printed
    made = len(cloud.things())
    assert 0 < made < 7
    cloud.refuse()
    printed = stack.up()
    assert f"+ {7 - made} created" in printed


def test_what_is_still_used_does_not_go(stack: Project, cloud: Cloud) -> None:
    stack.up()
    with cloud.change() as held:
        vpc = next(thing for thing in held["things"].values() if thing["type"] == "aws:ec2/vpc:Vpc")
        held["things"]["aws:ec2/networkInterface:NetworkInterface eni-1"] = {
            "type": "aws:ec2/networkInterface:NetworkInterface",
            "name": "left by a load balancer",
            "id": "eni-1",
            "inputs": {"vpcId": vpc["id"]},
            "outputs": {},
        }
    printed = stack.run("destroy", "--yes", "--skip-preview", check=False)
    assert "DependencyViolation" in printed
    with cloud.change() as held:
        del held["things"]["aws:ec2/networkInterface:NetworkInterface eni-1"]
    stack.destroy()
    assert not cloud.things()
