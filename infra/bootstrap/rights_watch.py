"""Rights for what watches a site from outside of its cluster: Amazon's managed Prometheus, and its managed Grafana.

Actions are those that CloudFormation's resources of it name; what bounds them is from memory of AWS' service
authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Rights, right
from infra.bootstrap.rights_cluster import CLUSTER, ENTRY, ROLE
from infra.bootstrap.rights_data import GIVE_KEY, USE_KEY

APS = "arn:aws:aps:{region}:{account}:"
WORKSPACE, COLLECTOR, RULES = f"{APS}workspace/*", f"{APS}scraper/*", f"{APS}rulegroupsnamespace/*/*"
COLLECTOR_ROLE = "scraper.aps.amazonaws.com"
WATCH_RIGHTS: Mapping[str, Rights] = {
    "aws:amp/workspace:Workspace": Rights(
        reads=(right("aps:DescribeWorkspace aps:DescribeLoggingConfiguration aps:ListTagsForResource", WORKSPACE),),
        writes=(
            right("aps:CreateWorkspace aps:TagResource", WORKSPACE, when="made"),
            right(
                "aps:UpdateWorkspaceAlias aps:DeleteWorkspace aps:TagResource aps:UntagResource", WORKSPACE, when="own"
            ),
            *(GIVE_KEY, USE_KEY),
        ),
    ),
    "aws:amp/alertManagerDefinition:AlertManagerDefinition": Rights(
        reads=(right("aps:DescribeAlertManagerDefinition", WORKSPACE),),
        writes=(
            right(
                "aps:CreateAlertManagerDefinition aps:PutAlertManagerDefinition aps:DeleteAlertManagerDefinition",
                WORKSPACE,
                when="own",
            ),
        ),
    ),
    "aws:amp/ruleGroupNamespace:RuleGroupNamespace": Rights(
        reads=(right("aps:DescribeRuleGroupsNamespace aps:ListTagsForResource", RULES),),
        writes=(
            right("aps:CreateRuleGroupsNamespace aps:TagResource", RULES, when="made"),
            right(
                "aps:PutRuleGroupsNamespace aps:DeleteRuleGroupsNamespace aps:TagResource aps:UntagResource",
                RULES,
                when="own",
            ),
        ),
    ),
    "aws:amp/scraper:Scraper": Rights(
        reads=(right("aps:DescribeScraper aps:ListTagsForResource", COLLECTOR),),
        writes=(
            # AWS asks for the right on what it is to read and to write, too, whose tags are not of the request.
            right("aps:CreateScraper", COLLECTOR, WORKSPACE, CLUSTER),
            right("aps:TagResource", COLLECTOR, when="made"),
            right("aps:UpdateScraper aps:DeleteScraper aps:TagResource aps:UntagResource", COLLECTOR, when="own"),
            # It lets the collector's role into the cluster by the rights of whoever makes it.
            right("eks:CreateAccessEntry", CLUSTER),
            right("eks:AssociateAccessPolicy eks:DeleteAccessEntry", ENTRY),
            right("ec2:DescribeSubnets ec2:DescribeSecurityGroups", "*", why="EC2 lists on `*` only"),
            right(
                "iam:CreateServiceLinkedRole",
                "arn:aws:iam::{account}:role/aws-service-role/*",
                StringEquals={"iam:AWSServiceName": (COLLECTOR_ROLE,)},
            ),
        ),
    ),
}
GRAFANA = "arn:aws:grafana:{region}:{account}:/workspaces/*"
OF_IDENTITY_CENTER = "IAM Identity Center knows what applications do with it on `*` only"
# Of those who may have them alone: what Grafana does with IAM Identity Center, it does by the rights of who asks it to
# (service authorization reference and user guide of Amazon Managed Grafana, read 2026-11).
GRAFANA_RIGHTS: Mapping[str, Rights] = {
    "aws:grafana/workspace:Workspace": Rights(
        reads=(
            right(
                "grafana:DescribeWorkspace grafana:DescribeWorkspaceAuthentication "
                "grafana:DescribeWorkspaceConfiguration grafana:ListTagsForResource",
                GRAFANA,
            ),
        ),
        writes=(
            right("grafana:CreateWorkspace grafana:TagResource", GRAFANA, when="made"),
            right(
                "grafana:DeleteWorkspace grafana:TagResource grafana:UntagResource grafana:UpdateWorkspace "
                "grafana:UpdateWorkspaceAuthentication grafana:UpdateWorkspaceConfiguration",
                GRAFANA,
                when="own",
            ),
            right("iam:PassRole", ROLE, StringEquals={"iam:PassedToService": ("grafana.amazonaws.com",)}),
            right(
                "iam:CreateServiceLinkedRole",
                "arn:aws:iam::{account}:role/aws-service-role/*",
                StringEquals={"iam:AWSServiceName": ("grafana.amazonaws.com",)},
            ),
            right(
                "organizations:DescribeOrganization sso:CreateManagedApplicationInstance "
                "sso:DeleteManagedApplicationInstance sso:DescribeRegisteredRegions sso:GetSharedSsoConfiguration",
                "*",
                why=OF_IDENTITY_CENTER,
            ),
        ),
    ),
    "aws:grafana/roleAssociation:RoleAssociation": Rights(
        reads=(right("grafana:ListPermissions", GRAFANA),),
        writes=(
            right("grafana:UpdatePermissions", GRAFANA, when="own"),
            right(
                "sso:AssociateProfile sso:DisassociateProfile sso:GetManagedApplicationInstance sso:GetProfile "
                "sso:ListDirectoryAssociations sso:ListProfileAssociations sso:ListProfiles "
                "sso-directory:DescribeGroup sso-directory:DescribeUser",
                "*",
                why=OF_IDENTITY_CENTER,
            ),
        ),
    ),
}
