"""Doctor of AWS: a real botocore asks an AWS of ours on the wire; each row green, and red with what to do."""

from __future__ import annotations

import copy
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

import botocore.loaders
import pytest
import yaml

from infra.__main__ import main
from infra.bootstrap.rights_doctor import DOCTOR_RIGHTS
from infra.doctor import name_servers
from infra.doctor.delegation import delegated
from infra.doctor.finding import Finding, State
from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.aws.checks.cluster import SPOT, roles_judged
from infra.platforms.aws.doctor import DOCTOR
from tests import on_aws_account as account
from tests.aws_api import ACCOUNT, Answer, AwsApi, Refusal
from tests.manifests import ROOT
from tests.on_aws import Deployment, accepts_a_peering, asks_for_certificates, one_site, over_a_vpn, platform
from tests.unit.test_name_servers import labels, record, resolver

OK, MISSING, LOOK, UNKNOWN = State.OK, State.MISSING, State.LOOK, State.UNKNOWN
# One that the tests' own machine may have must not be used.
FAKE = {"AWS_ACCESS_KEY_ID": "AKIAFAKE", "AWS_SECRET_ACCESS_KEY": "fake", "AWS_EC2_METADATA_DISABLED": "true"}
REFUSED = Refusal("UnauthorizedOperation", "You are not authorized to perform this operation.", 403)


# Models of services are large, and the same in each test.
LOADER = botocore.loaders.create_loader()


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No credentials, and no AWS but that of a test."""
    for name in ("PROFILE", "SESSION_TOKEN", "WEB_IDENTITY_TOKEN_FILE", "CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(f"AWS_{name}", raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nowhere")
    for name, value in FAKE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.setattr(name_servers, "resolvers", list[tuple[str, int]])
    monkeypatch.setattr("botocore.session.create_loader", lambda paths=None: LOADER)


def closed_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def examined(
    monkeypatch: pytest.MonkeyPatch,
    answers: Mapping[str, Answer],
    change: Callable[[Deployment], None] = lambda deployment: None,
) -> tuple[dict[str, Finding], AwsApi]:
    """Rows by what they are about, of the site `main` of prod in an account that lacks what `answers` say."""
    text = (ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8")
    deployment: Any = copy.deepcopy(yaml.safe_load(text)["config"]["slipway:deployment"])
    change(deployment)
    plan = build_plan(validate(deployment, "prod", {}), "prod").sites["main"]
    with AwsApi({**account.healthy(), **answers}) as api:
        monkeypatch.setenv("AWS_ENDPOINT_URL", api.url)
        rows = list(DOCTOR.findings("main", plan))
    found = {row.what: row for row in rows}
    assert len(found) == len(rows)
    assert all(bool(row.remedy) == (row.state is not OK) for row in rows)
    return found, api


def wrong(found: Mapping[str, Finding]) -> dict[str, State]:
    """What is not green, but for name servers: no test asks the public."""
    return {what: row.state for what, row in found.items() if row.state is not OK and "name servers" not in what}


def test_an_account_that_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    found, api = examined(monkeypatch, {})
    assert not wrong(found)
    assert [*found] == [
        "credentials",
        "region us-east-1",
        "zones",
        "machines gateway",
        "machines l40s-1",
        "EKS 1.35",
        "add-on metrics-server",
        "roles of services",
        "zone of llm.example.com",
        "name servers of example.com",
        "quota Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
        "quota Running On-Demand G and VT instances",
        "quota VPCs per Region",
        "quota Internet gateways per Region",
        "quota EC2-VPC Elastic IPs",
        "quota NAT gateways per Availability Zone",
        "quota Application Load Balancers per Region",
        "quota Clusters",
    ]
    assert found["credentials"].found == f"account {ACCOUNT}, as arn:aws:sts::{ACCOUNT}:assumed-role/deploy/me"
    assert found["add-on metrics-server"].found == "v0.8.0-eksbuild.6 by default; newest v0.8.1-eksbuild.2"
    assert found["EKS 1.35"].found == "supported until 2027-03-30"
    assert found["quota EC2-VPC Elastic IPs"].found == "5 allowed, 0 used by others, 3 needed"
    for name in ("Clusters", "Application Load Balancers per Region"):
        assert found[f"quota {name}"].found == "5 allowed, 1 used by others, 1 needed"
    assert api.regions == {"us-east-1"}


def test_it_asks_for_what_its_rights_name_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    nat = {"NatGatewayId": "nat-1", "SubnetId": "subnet-1", "State": "available"}
    _, api = examined(monkeypatch, {"ec2:DescribeNatGateways": {"NatGateways": [nat]}})
    _, reserved = examined(monkeypatch, {}, one_site)
    changes = (over_a_vpn, accepts_a_peering, asks_for_certificates)
    others = {one for change in changes for one in examined(monkeypatch, {}, change)[1].asked}
    needed = {action for rights in DOCTOR_RIGHTS.values() for one in rights.reads for action in one.actions}
    # Of S3, a file's head is asked for with the right to read it, and of a version with that to read one.
    others = (others - {"s3:HeadObject"}) | {"s3:GetObject", "s3:GetObjectVersion"}
    assert {*api.asked, *reserved.asked, *others} - {"sts:GetCallerIdentity"} == needed
    assert "ec2:DescribeCapacityReservations" not in api.asked, "nothing is reserved"
    assert not [right for rights in DOCTOR_RIGHTS.values() for right in rights.writes]


def three(*lacking: str) -> list[str]:
    return [zone for zone in ("us-east-1a", "us-east-1b", "us-east-1d") if zone not in lacking]


def zones(*changed: Mapping[str, Any]) -> dict[str, Any]:
    """Two that are well, and what there is of the others."""
    found = [*map(account.zone, three("us-east-1b")), *changed]
    return {"ec2:DescribeAvailabilityZones": {"AvailabilityZones": found}}


def everything() -> dict[str, list[str]]:
    return {"m6i.xlarge": three(), "g6e.xlarge": three()}


def plus(key: str, thing: Mapping[str, Any], times: int) -> dict[str, Any]:
    return {key: [thing] * times}


GPUS = "quota Running On-Demand G and VT instances"


def gpus(allowed: float) -> dict[str, Any]:
    return account.quotas({"L-1216C47A": 1000.0, "L-DB2E81BA": allowed})


CASES: dict[str, tuple[dict[str, Any], str, State, str, str]] = {
    "the region is not enabled": (
        {"ec2:DescribeRegions": {"Regions": [{"RegionName": "us-east-1", "OptInStatus": "not-opted-in"}]}},
        *("region us-east-1", MISSING, "not enabled for this account", "aws account enable-region"),
    ),
    "a zone is not there": (
        zones(),
        *("zone us-east-1b", MISSING, "has none of this name", "`zones`: us-east-1a, us-east-1d"),
    ),
    "EKS is not in a zone": (
        zones(account.zone("us-east-1b", ZoneId="use1-az3")),
        *("zone us-east-1b", MISSING, "it is use1-az3 in this account", "us-east-1a, us-east-1d"),
    ),
    "a zone is impaired": (
        zones(account.zone("us-east-1b", State="impaired")),
        *("zone us-east-1b", MISSING, "impaired", "us-east-1a, us-east-1d"),
    ),
    "a zone is no zone of a region": (
        zones(account.zone("us-east-1b", ZoneType="local-zone")),
        *("zone us-east-1b", MISSING, "a local-zone, where", "us-east-1a, us-east-1d"),
    ),
    "no zone has the machine": (
        account.offered({"m6i.xlarge": three()}),
        *("machines l40s-1", MISSING, "neither g6e.xlarge nor", "have it: none"),
    ),
    "one zone has none": (
        account.offered({**everything(), "g6e.xlarge": [*three("us-east-1d"), "us-east-1c"]}),
        *("machines l40s-1", LOOK, "offered in us-east-1d", "us-east-1a, us-east-1b, us-east-1c"),
    ),
    "one zone has a dearer one": (
        account.offered({**everything(), "g6e.xlarge": three("us-east-1d"), "g6e.2xlarge": three()}),
        *("machines l40s-1", LOOK, "us-east-1d has g6e.2xlarge", "us-east-1a, us-east-1b"),
    ),
    "the version is in extended support": (
        account.version("EXTENDED_SUPPORT"),
        *("EKS 1.35", LOOK, "until 2028-03-29", "`kubernetes_version`"),
    ),
    "the version is not supported": (
        {"eks:DescribeClusterVersions": {"clusterVersions": []}},
        *("EKS 1.35", MISSING, "not supported", "`kubernetes_version`"),
    ),
    "EKS has no such add-on for the version": (
        account.addons(),
        *("add-on metrics-server", MISSING, "EKS has none for 1.35", "`kubernetes_version`"),
    ),
    "no zone of this name": (
        account.hosted_zones("example.com.other"),
        *("zone of llm.example.com", MISSING, "no public zone example.com", "create-hosted-zone"),
    ),
    "only a private zone": (
        account.hosted_zones("example.com", private=True),
        *("zone of llm.example.com", MISSING, "no public zone example.com", "`hosted_zone_id`"),
    ),
    "two zones of this name": (
        account.hosted_zones("example.com", "example.com"),
        *("zone of llm.example.com", MISSING, "2 zones example.com: Z1, Z2", "`hosted_zone_id`"),
    ),
    "a new account has no GPUs": (
        gpus(0.0),
        *(GPUS, MISSING, "0 vCPUs allowed, 0 used by others, 36 needed", "value 36`"),
    ),
    "others use the GPUs": (
        {**gpus(40.0), **account.instances(account.machine("g5.xlarge"), account.machine("g6.xlarge"))},
        *(GPUS, MISSING, "40 vCPUs allowed, 8 used by others", "value 44`"),
    ),
    "enough, but not for other machines": (
        gpus(40.0),
        *(GPUS, LOOK, "144 where other machines", "value 144`"),
    ),
    "networks are used up": (
        {"ec2:DescribeVpcs": plus("Vpcs", {"VpcId": "vpc-1"}, 5)},
        *("quota VPCs per Region", MISSING, "5 allowed, 5 used by others, 1 needed", "--service-code vpc"),
    ),
    "ways out are used up": (
        {"ec2:DescribeInternetGateways": plus("InternetGateways", {"InternetGatewayId": "igw-1"}, 5)},
        *("quota Internet gateways per Region", MISSING, "5 used by others", "L-A4707A72"),
    ),
    "addresses are used up": (
        {"ec2:DescribeAddresses": plus("Addresses", {"PublicIp": "203.0.113.1"}, 3)},
        *("quota EC2-VPC Elastic IPs", MISSING, "5 allowed, 3 used by others, 3 needed", "value 6`"),
    ),
    "one zone is full of ways out": (
        {"ec2:DescribeNatGateways": plus("NatGateways", {"SubnetId": "subnet-1", "State": "available"}, 5)},
        *("quota NAT gateways per Availability Zone", MISSING, "in each zone allowed, 5 used", "L-FE5A380F"),
    ),
    "load balancers are used up": (
        {
            "elasticloadbalancing:DescribeLoadBalancers": plus(
                "LoadBalancers", {"LoadBalancerArn": account.BALANCER, "Type": "application"}, 5
            )
        },
        *("quota Application Load Balancers per Region", MISSING, "5 used by others", "L-53DA6B97"),
    ),
    "clusters are used up": (
        {"eks:ListClusters": {"clusters": ["a", "b", "c", "d", "e"]}},
        *("quota Clusters", MISSING, "5 used by others", "L-1194D53C"),
    ),
    "zones may not be asked for": (
        {"ec2:DescribeAvailabilityZones": lambda asked: REFUSED},
        *("region and zones", UNKNOWN, "UnauthorizedOperation: You are not authorized", "more rights"),
    ),
    "a quota may not be asked for": (
        {"eks:ListClusters": lambda asked: Refusal("AccessDeniedException", "not authorized: eks:ListClusters", 403)},
        *("quota Clusters", UNKNOWN, "AccessDeniedException: not authorized: eks:ListClusters", "more rights"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_missing_is_the_one_row_that_is_not_green(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers, what, state, said, remedy = CASES[case]
    found, _ = examined(monkeypatch, answers)
    assert wrong(found) == {what: state}
    assert said in found[what].found
    assert remedy in found[what].remedy


def test_what_a_site_has_itself_it_need_not_be_given_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a stack that runs, and whose quotas are just enough."""
    own, of_cluster = account.OWN_TAGS, [{"Key": "aws:eks:cluster-name", "Value": "slipway-prod-main"}]
    arn = account.BALANCER
    just_enough = {"L-1216C47A": 1000.0, "L-DB2E81BA": 144.0, "L-0263D0A3": 3.0, "L-F678F1CE": 1.0, "L-1194D53C": 1.0}
    found, _ = examined(
        monkeypatch,
        {
            **account.quotas(just_enough),
            **account.instances(*[account.machine("g6e.xlarge", of_cluster)] * 3),
            "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "Tags": own}]},
            "ec2:DescribeAddresses": plus("Addresses", {"PublicIp": "203.0.113.1", "Tags": own}, 3),
            "elasticloadbalancing:DescribeTags": {"TagDescriptions": [{"ResourceArn": arn, "Tags": own}]},
            "eks:ListClusters": {"clusters": ["slipway-prod-main"]},
        },
    )
    assert not wrong(found)
    assert "0 used by others" in found["quota Application Load Balancers per Region"].found


def test_machines_count_by_how_they_are_bought(monkeypatch: pytest.MonkeyPatch) -> None:
    bought = ({}, {"InstanceLifecycle": "spot"}, {"InstanceLifecycle": "capacity-block"})
    running = [account.machine("g6e.xlarge", **how) for how in bought]
    plenty = {"L-1216C47A": 1000.0, "L-DB2E81BA": 1000.0, "L-3819A6DF": 1000.0}
    zone = {"route53:GetHostedZone": lambda asked: Refusal("NoSuchHostedZone", "No hosted zone found", 404)}
    found, _ = examined(monkeypatch, {**account.instances(*running), **account.quotas(plenty), **zone}, one_site)
    for name in ("Running On-Demand G and VT instances", "All G and VT Spot Instance Requests"):
        assert "4 used by others" in found[f"quota {name}"].found
    assert found["zone of llm.example.com"].found == "this account has no zone Z0123456789OWN"
    assert found["role of spot machines"].state is LOOK
    assert "account" not in found


def test_the_first_spot_machine_needs_a_role_that_its_service_cannot_make(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = roles_judged(["eks.amazonaws.com", SPOT], {"eks.amazonaws.com"})
    assert (first.state, second.state) == (LOOK, OK)
    assert f"--aws-service-name {SPOT}" in first.remedy
    found, _ = examined(monkeypatch, account.roles("AWSServiceRoleForAmazonEKS"))
    told = found["roles of services"]
    assert told.state is OK
    assert "made with the first deployment: elasticloadbalancing" in told.found


def test_a_zone_that_the_name_is_not_in(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(deployment: Deployment) -> None:
        platform(deployment)["hosted_zone_id"] = "Z0123456789OWN"
        platform(deployment)["domain"] = "llm.example.net"
        platform(deployment, "west")["domain"] = "llm.example.net"

    found, _ = examined(monkeypatch, {}, other)
    assert wrong(found) == {"zone of llm.example.net": MISSING}
    assert "is the zone example.com, which this name is not in" in found["zone of llm.example.net"].found


def test_the_account_is_that_of_what_the_stack_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(deployment: Deployment) -> None:
        own = platform(deployment)
        own["permissions_boundary"] = "arn:aws:iam::999999999999:policy/slipway-bootstrap/prod"

    found, _ = examined(monkeypatch, {}, named)
    assert wrong(found) == {"account": MISSING}
    assert "is a policy of 999999999999" in found["account"].found

    def told(deployment: Deployment) -> None:
        platform(deployment)["alarm_topics"] = ["arn:aws:sns:us-east-1:999999999999:operations"]

    found, _ = examined(monkeypatch, {}, told)
    assert wrong(found) == {"account": LOOK}


@pytest.mark.parametrize(
    ("environment", "said", "remedy"),
    [
        ({}, "Could not connect to the endpoint", "see that this machine reaches AWS"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "Unable to locate credentials", "aws sso login"),
        ({"AWS_PROFILE": "nobody"}, "profile (nobody) could not be found", "export AWS_PROFILE"),
    ],
)
def test_without_network_or_credentials_one_row_says_so(
    environment: Mapping[str, str | None],
    said: str,
    remedy: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name)
    assert main(["doctor", "--stack", "prod", "--format", "json"]) == 1
    first, second = json.loads(capsys.readouterr().out)["findings"]
    assert (first["state"], first["what"], second["what"]) == ("missing", "credentials", "the rest")
    assert said in first["found"]
    assert remedy in first["do"]


def test_credentials_that_aws_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid = Refusal("InvalidClientTokenId", "The security token included in the request is invalid.", 403)
    found, api = examined(monkeypatch, {"sts:GetCallerIdentity": lambda asked: invalid})
    assert [*found] == ["credentials", "the rest"]
    assert "InvalidClientTokenId: The security token" in found["credentials"].found
    assert "has the region enabled" in found["credentials"].remedy
    assert {*api.asked} == {"sts:GetCallerIdentity"}


def test_an_aws_that_is_silent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.platforms.aws.account.ANSWER_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        plan = build_plan(validate(_prod(), "prod", {}), "prod").sites["main"]
        first, _ = DOCTOR.findings("main", plan)
    assert "Read timeout" in first.found


def _prod() -> Any:
    return yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text(encoding="utf-8"))["config"]["slipway:deployment"]


def test_nothing_is_asked_before_a_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = build_plan(validate(_prod(), "prod", {}), "prod").sites["main"]
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert not list(DOCTOR.before("main", plan))


def test_without_botocore_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "botocore.session", None)
    assert main(["doctor", "--stack", "prod"]) == 1
    said = capsys.readouterr().err
    assert "found    not installed" in said
    assert "do       run `tools/python/install aws`" in said


def test_planning_needs_no_botocore() -> None:
    program = "import sys, infra.platforms.aws.plan, infra.platforms.aws.quotas; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("public", "state", "said"),
    [
        ({"ns-1", "ns-9"}, OK, "the public asks ns-1"),
        ({"ns-9"}, MISSING, "the public asks others: ns-9"),
        (set[str](), MISSING, "resolver knows none"),
        (None, UNKNOWN, "resolver does not answer"),
    ],
)
def test_whom_the_public_asks(public: set[str] | None, state: State, said: str) -> None:
    row = delegated("example.com", {"ns-1", "ns-2"}, public)
    assert (row.state, row.what) == (state, "name servers of example.com")
    assert said in row.found
    assert state is OK or "ns-1, ns-2" in row.remedy


def test_the_zone_and_the_public_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    with resolver(monkeypatch, [record(b"\xc0\x0c", 2, labels("ns.elsewhere.net"))]):
        found, _ = examined(monkeypatch, {})
    row = found["name servers of example.com"]
    assert (row.state, row.found.partition(";")[0]) == (MISSING, "the public asks others: ns.elsewhere.net")


def test_add_ons_are_of_versions_that_eks_has_for_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    def named(deployment: Deployment) -> None:
        platform(deployment)["addon_versions"] = {"metrics-server": "v0.8.0-eksbuild.6"}

    found, _ = examined(monkeypatch, {}, named)
    assert not wrong(found)
    assert found["add-on metrics-server"].found == "v0.8.0-eksbuild.6, as named; by default v0.8.0-eksbuild.6"
    found, _ = examined(monkeypatch, account.addons("v0.9.0-eksbuild.1", "v0.8.9-eksbuild.1"), named)
    assert wrong(found) == {"add-on metrics-server": MISSING}
    assert "EKS has no v0.8.0-eksbuild.6 for 1.35" in found["add-on metrics-server"].found
    assert "v0.9.0-eksbuild.1, v0.8.9-eksbuild.1" in found["add-on metrics-server"].remedy
