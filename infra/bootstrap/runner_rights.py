"""What the runner itself may do: be in its network, take the repository's code, write its log. Pure."""

from __future__ import annotations

from infra.bootstrap.config import RunnerSettings
from infra.platforms.aws.policies import allow, document

# As EC2 lists: on `*` only (CodeBuild user guide, "Create a CodeBuild service role", from memory, 2026-11).
LISTS = (
    *("ec2:DescribeDhcpOptions", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSecurityGroups"),
    *("ec2:DescribeSubnets", "ec2:DescribeVpcs"),
)


def runner_policy(
    settings: RunnerSettings, account: str, region: str, *, group_arn: str, security_group_id: str
) -> str:
    """The service role of its project."""
    ec2 = f"arn:aws:ec2:{region}:{account}:"
    interfaces = f"{ec2}network-interface/*"
    subnets = [f"{ec2}subnet/{subnet}" for subnet in settings.subnet_ids]
    in_subnets = {"ArnEquals": {"ec2:Subnet": subnets}}
    # Both of a service's names are in use.
    service = settings.connection_arn.split(":")[2]
    return document(
        allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], [group_arn, f"{group_arn}:*"]),
        allow("Lists", LISTS, ["*"]),
        allow(
            "Attach",
            ["ec2:CreateNetworkInterface"],
            [interfaces, *subnets, f"{ec2}security-group/{security_group_id}"],
        ),
        allow("Detach", ["ec2:DeleteNetworkInterface"], [interfaces], in_subnets),
        allow(
            "LetIn",
            ["ec2:CreateNetworkInterfacePermission"],
            [interfaces],
            {**in_subnets, "StringEquals": {"ec2:AuthorizedService": "codebuild.amazonaws.com"}},
        ),
        allow(
            "Code",
            [f"{service}:{action}" for action in ("GetConnection", "GetConnectionToken", "UseConnection")],
            [settings.connection_arn],
        ),
    )
