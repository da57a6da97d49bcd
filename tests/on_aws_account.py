"""An account of AWS that has all that `prod` needs, as answers of `tests.aws_api`; tests take some of it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.aws_api import ACCOUNT, Answer, Refusal

ZONES = {"us-east-1a": "use1-az1", "us-east-1b": "use1-az2", "us-east-1d": "use1-az6", "us-east-1e": "use1-az3"}
SERVERS = ["ns-1.awsdns-01.com", "ns-2.awsdns-02.net"]
OTHERS, OWN = [{"Key": "team", "Value": "other"}], {"slipway:stack": "prod", "slipway:site": "main"}
OWN_TAGS = [{"Key": key, "Value": value} for key, value in OWN.items()]
PLENTY = 1000.0
BALANCER = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT}:loadbalancer/app/a/1"


def zone(name: str, **changed: Any) -> dict[str, Any]:
    plain = {"ZoneName": name, "ZoneId": ZONES[name], "State": "available", "ZoneType": "availability-zone"}
    return {**plain, **changed}


def machine(instance_type: str, tags: Any = OTHERS, **more: Any) -> dict[str, Any]:
    return {"InstanceType": instance_type, "Tags": tags, "CpuOptions": {"CoreCount": 2, "ThreadsPerCore": 2}, **more}


def instances(*found: Mapping[str, Any]) -> dict[str, Any]:
    """On two pages, as AWS gives long lists."""
    pages = {
        None: {"Reservations": [{"Instances": []}], "NextToken": "2"},
        "2": {"Reservations": [{"Instances": found}]},
    }
    return {"ec2:DescribeInstances": lambda asked: pages[asked.get("NextToken")]}


def offered(zones_of: Mapping[str, list[str]]) -> dict[str, Any]:
    rows = [
        {"InstanceType": name, "Location": each, "LocationType": "availability-zone"}
        for name, zones in zones_of.items()
        for each in zones
    ]
    return {"ec2:DescribeInstanceTypeOfferings": {"InstanceTypeOfferings": rows}}


def quotas(values: Mapping[str, float]) -> dict[str, Any]:
    """Those that are not named have never been raised: AWS knows their default only."""

    def applied(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["QuotaCode"] not in values:
            raise Refusal(
                "NoSuchResourceException", "The request failed because the specified resource does not exist."
            )
        return {"Quota": {"QuotaCode": asked["QuotaCode"], "Value": values[asked["QuotaCode"]]}}

    return {"servicequotas:GetServiceQuota": applied}


def roles(*there: str) -> dict[str, Any]:
    def found(asked: Mapping[str, Any]) -> Mapping[str, Any]:
        if asked["RoleName"] not in there:
            raise Refusal("NoSuchEntity", f"The role with name {asked['RoleName']} cannot be found.", 404)
        return {"Role": {"RoleName": asked["RoleName"], "Arn": f"arn:aws:iam::{ACCOUNT}:role/{asked['RoleName']}"}}

    return {"iam:GetRole": found}


def hosted_zones(*names: str, private: bool = False) -> dict[str, Any]:
    rows = [
        {"Id": f"/hostedzone/Z{place}", "Name": f"{name}.", "Config": {"PrivateZone": private}}
        for place, name in enumerate(names, 1)
    ]
    return {"route53:ListHostedZonesByName": {"HostedZones": rows}}


def version(status: str) -> dict[str, Any]:
    one = {"clusterVersion": "1.35", "versionStatus": status}
    ends = {"endOfStandardSupportDate": 1806364800, "endOfExtendedSupportDate": 1837900800}
    return {"eks:DescribeClusterVersions": {"clusterVersions": [{**one, **ends}]}}


def addons(*versions: str, default: int = 0) -> dict[str, Any]:
    """The newest first, as EKS tells them."""
    rows = [
        {"addonVersion": version, "compatibilities": [{"clusterVersion": "1.35", "defaultVersion": place == default}]}
        for place, version in enumerate(versions)
    ]
    return {
        "eks:DescribeAddonVersions": lambda asked: {
            "addons": [{"addonName": asked["addonName"], "addonVersions": rows}] if rows else []
        }
    }


def reservation(**changed: Any) -> dict[str, Any]:
    """The one that `tests.on_aws.one_site` names, which has no end."""
    plain = {"CapacityReservationId": "cr-0123456789abcdef0", "InstanceType": "g6e.xlarge", "State": "active"}
    size = {"AvailabilityZone": "us-east-1b", "TotalInstanceCount": 4, "AvailableInstanceCount": 3}
    one = {**plain, **size, "EndDateType": "unlimited", "ReservationType": "default", **changed}
    return {"ec2:DescribeCapacityReservations": {"CapacityReservations": [one]}}


def healthy() -> dict[str, Answer]:
    three = ["us-east-1a", "us-east-1b", "us-east-1d"]
    return {
        "sts:GetCallerIdentity": {
            "Account": ACCOUNT,
            "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/me",
            "UserId": "A:me",
        },
        "ec2:DescribeRegions": {"Regions": [{"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"}]},
        "ec2:DescribeAvailabilityZones": {"AvailabilityZones": [zone(name) for name in ZONES]},
        **offered({"m6i.xlarge": three, "g6e.xlarge": three}),
        **reservation(),
        **addons("v0.8.1-eksbuild.2", "v0.8.0-eksbuild.6", default=1),
        **version("STANDARD_SUPPORT"),
        **roles("AWSServiceRoleForAmazonEKS", "AWSServiceRoleForElasticLoadBalancing", "AWSServiceRoleForElastiCache"),
        **hosted_zones("example.com"),
        "route53:GetHostedZone": {
            "HostedZone": {"Id": "/hostedzone/Z1", "Name": "example.com.", "Config": {"PrivateZone": False}},
            "DelegationSet": {"NameServers": SERVERS},
        },
        **quotas({"L-DB2E81BA": PLENTY, "L-1216C47A": PLENTY}),
        "servicequotas:GetAWSDefaultServiceQuota": {"Quota": {"Value": 5.0}},
        **instances(),
        "ec2:DescribeVpcs": {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": True}]},
        "ec2:DescribeInternetGateways": {"InternetGateways": []},
        "ec2:DescribeAddresses": {"Addresses": []},
        "ec2:DescribeNatGateways": {"NatGateways": []},
        "ec2:DescribeSubnets": {"Subnets": [{"SubnetId": "subnet-1", "AvailabilityZone": "us-east-1a"}]},
        "elasticloadbalancing:DescribeLoadBalancers": {
            "LoadBalancers": [
                {"LoadBalancerArn": BALANCER, "Type": "application"},
                {"LoadBalancerArn": f"{BALANCER}2", "Type": "network"},
            ]
        },
        "elasticloadbalancing:DescribeTags": {"TagDescriptions": [{"ResourceArn": BALANCER, "Tags": OTHERS}]},
        "eks:ListClusters": {"clusters": ["other"]},
    }
