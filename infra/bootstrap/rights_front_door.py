"""Rights for a site's front door: load balancer, certificate, names, firewall, floods, alarms.

Actions and what bounds them are from memory of AWS' service authorization reference, 2026-11: tried in no account yet.
"""

from __future__ import annotations

from collections.abc import Mapping

from infra.bootstrap.rights import Right, Rights, right
from infra.platforms.aws.client_authority import FOLDER

BALANCING = "arn:aws:elasticloadbalancing:{region}:{account}:"
BALANCER, TARGETS, LISTENER = (
    f"{BALANCING}{kind}" for kind in ("loadbalancer/app/slw-*/*", "targetgroup/slw-*/*", "listener/app/slw-*/*/*")
)
RULE, STORE = f"{BALANCING}listener-rule/app/slw-*/*/*/*", f"{BALANCING}truststore/slw-*/*"
CERTIFICATE = "arn:aws:acm:{region}:{account}:certificate/*"
ALARM = "arn:aws:cloudwatch:{region}:{account}:alarm:*"
WAF = "arn:aws:wafv2:{region}:{account}:"
FIREWALL = f"{WAF}regional/webacl/*/*"
ZONE, CHECK = "arn:aws:route53:::hostedzone/{zone}", "arn:aws:route53:::healthcheck/*"
PROTECTION = "arn:aws:shield::{account}:protection/*"
LISTS = "the service lists on `*` only"
NO_TAGS = "Route 53 knows neither names nor tags of health checks as conditions"


def _balancing(*kinds: str) -> str:
    return " ".join(f"elasticloadbalancing:Describe{kind}" for kind in ("Tags", *kinds))


def _tags(create: str, thing: str) -> tuple[Right, ...]:
    return (
        right(
            "elasticloadbalancing:AddTags",
            thing,
            when="made",
            StringEquals={"elasticloadbalancing:CreateAction": create},
        ),
        right("elasticloadbalancing:AddTags elasticloadbalancing:RemoveTags", thing, when="own"),
    )


FRONT_DOOR_RIGHTS: Mapping[str, Rights] = {
    "aws:lb/loadBalancer:LoadBalancer": Rights(
        reads=(
            right(
                _balancing("LoadBalancers", "LoadBalancerAttributes", "CapacityReservation"),
                "*",
                why=LISTS,
            ),
            right("ec2:DescribeNetworkInterfaces ec2:DescribeAccountAttributes", "*", why=LISTS),
        ),
        writes=(
            right("elasticloadbalancing:CreateLoadBalancer", BALANCER, when="made"),
            right(
                "elasticloadbalancing:DeleteLoadBalancer elasticloadbalancing:ModifyLoadBalancerAttributes "
                "elasticloadbalancing:SetSecurityGroups elasticloadbalancing:SetSubnets "
                "elasticloadbalancing:SetIpAddressType",
                BALANCER,
                when="own",
            ),
            *_tags("CreateLoadBalancer", BALANCER),
        ),
    ),
    "aws:lb/targetGroup:TargetGroup": Rights(
        reads=(right(_balancing("TargetGroups", "TargetGroupAttributes", "TargetHealth"), "*", why=LISTS),),
        writes=(
            right("elasticloadbalancing:CreateTargetGroup", TARGETS, when="made"),
            right(
                "elasticloadbalancing:DeleteTargetGroup elasticloadbalancing:ModifyTargetGroup "
                "elasticloadbalancing:ModifyTargetGroupAttributes",
                TARGETS,
                when="own",
            ),
            *_tags("CreateTargetGroup", TARGETS),
        ),
    ),
    "aws:lb/listener:Listener": Rights(
        reads=(right(_balancing("Listeners", "ListenerAttributes", "ListenerCertificates"), "*", why=LISTS),),
        writes=(
            right("elasticloadbalancing:CreateListener", BALANCER, when="own"),
            right(
                "elasticloadbalancing:DeleteListener elasticloadbalancing:ModifyListener "
                "elasticloadbalancing:ModifyListenerAttributes",
                LISTENER,
                when="own",
            ),
            *_tags("CreateListener", LISTENER),
        ),
    ),
    "aws:lb/listenerRule:ListenerRule": Rights(
        reads=(right(_balancing("Rules"), "*", why=LISTS),),
        writes=(
            right("elasticloadbalancing:CreateRule", LISTENER, when="own"),
            right("elasticloadbalancing:DeleteRule elasticloadbalancing:ModifyRule", RULE, when="own"),
            *_tags("CreateRule", RULE),
        ),
    ),
    "aws:lb/trustStore:TrustStore": Rights(
        reads=(right(_balancing("TrustStores"), "*", why=LISTS),),
        writes=(
            right("elasticloadbalancing:CreateTrustStore", STORE, when="made"),
            right("elasticloadbalancing:DeleteTrustStore elasticloadbalancing:ModifyTrustStore", STORE, when="own"),
            # The service reads the file with the rights of who asks it to (ELB user guide, "Create a trust store").
            right("s3:GetObject s3:GetObjectVersion", f"arn:aws:s3:::*/{FOLDER}*"),
            *_tags("CreateTrustStore", STORE),
        ),
    ),
    "aws:lb/trustStoreRevocation:TrustStoreRevocation": Rights(
        reads=(right("elasticloadbalancing:DescribeTrustStoreRevocations", "*", why=LISTS),),
        writes=(
            right(
                "elasticloadbalancing:AddTrustStoreRevocations elasticloadbalancing:RemoveTrustStoreRevocations",
                STORE,
                when="own",
            ),
        ),
    ),
    "aws:acm/certificate:Certificate": Rights(
        reads=(right("acm:DescribeCertificate acm:ListTagsForCertificate", CERTIFICATE),),
        writes=(
            right("acm:RequestCertificate acm:AddTagsToCertificate", CERTIFICATE, when="made"),
            right(
                "acm:DeleteCertificate acm:UpdateCertificateOptions acm:RemoveTagsFromCertificate",
                CERTIFICATE,
                when="own",
            ),
        ),
    ),
    "aws:acm/certificateValidation:CertificateValidation": Rights(
        reads=(right("acm:DescribeCertificate", CERTIFICATE),),
    ),
    "aws:route53/record:Record": Rights(
        reads=(
            right("route53:GetHostedZone route53:ListResourceRecordSets route53:ListTagsForResource", ZONE),
            right("route53:ListHostedZones", "*", why=LISTS),
            right("route53:GetChange", "arn:aws:route53:::change/*"),
        ),
        writes=(right("route53:ChangeResourceRecordSets", ZONE),),
    ),
    "aws:route53/healthCheck:HealthCheck": Rights(
        reads=(right("route53:GetHealthCheck route53:ListTagsForResource", CHECK),),
        writes=(
            right("route53:CreateHealthCheck", "*", why=NO_TAGS),
            right("route53:UpdateHealthCheck route53:DeleteHealthCheck route53:ChangeTagsForResource", CHECK),
        ),
    ),
    "aws:wafv2/webAcl:WebAcl": Rights(
        reads=(right("wafv2:GetWebACL wafv2:ListTagsForResource", FIREWALL),),
        writes=(
            right("wafv2:CreateWebACL wafv2:TagResource", FIREWALL, when="made"),
            right("wafv2:UpdateWebACL wafv2:DeleteWebACL wafv2:UntagResource", FIREWALL, when="own"),
            # Groups of rules are AWS' own: they have no tag of anybody's.
            right("wafv2:CreateWebACL wafv2:UpdateWebACL", f"{WAF}regional/managedruleset/*/*"),
        ),
    ),
    "aws:wafv2/webAclAssociation:WebAclAssociation": Rights(
        reads=(right("wafv2:GetWebACLForResource", FIREWALL, BALANCER),),
        writes=(
            right("wafv2:AssociateWebACL wafv2:DisassociateWebACL", FIREWALL, BALANCER, when="own"),
            right("elasticloadbalancing:SetWebAcl", BALANCER, when="own"),
        ),
    ),
    "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": Rights(
        reads=(right("wafv2:GetLoggingConfiguration", FIREWALL),),
        writes=(
            right("wafv2:PutLoggingConfiguration wafv2:DeleteLoggingConfiguration", FIREWALL, when="own"),
            right(
                "logs:CreateLogDelivery logs:DeleteLogDelivery logs:PutResourcePolicy "
                "logs:DescribeResourcePolicies logs:DescribeLogGroups",
                "*",
                why="deliveries of logs have no ARN (WAF developer guide, logging to CloudWatch)",
            ),
        ),
    ),
    # To see that the load balancer is there, AWS asks for the rights to look at it that are above.
    "aws:shield/protection:Protection": Rights(
        reads=(right("shield:DescribeProtection shield:ListTagsForResource", PROTECTION),),
        writes=(
            right("shield:CreateProtection shield:TagResource", PROTECTION, when="made"),
            right("shield:DeleteProtection shield:TagResource shield:UntagResource", PROTECTION, when="own"),
        ),
    ),
    "aws:cloudwatch/metricAlarm:MetricAlarm": Rights(
        reads=(right("cloudwatch:DescribeAlarms cloudwatch:ListTagsForResource", ALARM),),
        writes=(
            right("cloudwatch:PutMetricAlarm cloudwatch:TagResource", ALARM, when="made"),
            right(
                "cloudwatch:PutMetricAlarm cloudwatch:DeleteAlarms cloudwatch:UntagResource",
                ALARM,
                when="own",
            ),
        ),
    ),
}
