"""What a site on AWS registers: contracts of components, the network's ways, order, the handle, the front door."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.catalog.engine_images import engine_images
from infra.load import validate
from infra.plan.build import build_plan
from tests.computed import CLUSTER, computed, security_group
from tests.harness import Recorder, Registration
from tests.manifests import recorded
from tests.on_aws import FILE, VARIANTS, Deployment, inputs, of_aws, only, registrations

NAMES = (
    *("Site", "Keys", "Buckets", "PrivateBucket", "Registry", "Network", "Cluster", "NodePools", "NodeGroups"),
    *(
        "Controllers",
        "Fabric",
        "Addons",
        "Alarms",
        "Identity",
        "Storage",
        "FrontDoor",
        "ClientAuthority",
        "HealthDoor",
        "Names",
        "LimitsStore",
        "Budget",
        "Grafana",
        "Prometheus",
        "Vpn",
        "Peering",
    ),
)


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def named(seen: Recorder, name: str, kind: str = "") -> Registration:
    (found,) = [one for one in seen.seen if one.name == name and kind in one.type]
    return found


def test_every_component_of_ours_is_known_and_closed(seen: Recorder) -> None:
    components = [one for one in seen.seen if not one.custom and one.type.startswith("slipway:aws:")]
    assert {one.type for one in components} <= {f"slipway:aws:{name}" for name in NAMES}
    assert {one.urn for one in seen.seen if not one.custom and one.type.startswith("slipway:")} <= seen.closed


def test_everything_has_a_component_as_parent(seen: Recorder) -> None:
    components = {one.urn for one in seen.seen if not one.custom}
    assert all(one.parent in components for one in seen.seen if one.type != "pulumi:pulumi:Stack")


def test_everything_is_its_own_providers(seen: Recorder) -> None:
    for cloud in ("aws", "kubernetes"):
        (provider,) = seen.of_type(f"pulumi:providers:{cloud}")
        made = [one for one in seen.seen if one.type.startswith(f"{cloud}:")]
        assert {one.provider.rpartition("::")[0] for one in made} == {provider.urn}


def test_everything_says_whose_it_is(seen: Recorder) -> None:
    (provider,) = seen.of_type("pulumi:providers:aws")
    tags = json.loads(provider.inputs["defaultTags"])["tags"]
    assert tags["slipway:stack"] == "prod"
    assert tags["slipway:site"] == "main"
    for template in inputs(seen, "aws:ec2/launchTemplate:LaunchTemplate").values():
        assert {one["resourceType"]: one["tags"] for one in template["tagSpecifications"]} == {
            "instance": tags,
            "volume": tags,
        }


def test_names_are_as_short_as_aws_takes_them(seen: Recorder) -> None:
    for one in of_aws(seen):
        prefix = one.inputs.get("namePrefix", "")
        most = 6 if one.type.startswith("aws:lb/") else 38
        assert len(prefix) <= most, one.name
        assert len(one.inputs.get("bucketPrefix", "")) <= 37, one.name
        assert len(one.name) <= 100, one.name


# Network.


def ways_out(variant: str) -> dict[str, str]:
    routes = inputs(registrations(variant), "aws:ec2/route:Route")
    return {
        name.removeprefix("main-network-").removesuffix("-out"): route.get("natGatewayId") or route["gatewayId"]
        for name, route in routes.items()
    }


def test_each_zone_has_its_own_way_out() -> None:
    internet = {f"public-{zone}": "main-network-internet-id" for zone in "abd"}
    assert ways_out("as_it_ships") == internet | {
        f"private-{zone}": f"main-network-public-{zone}-nat-id" for zone in "abd"
    }
    assert ways_out("one_site") == internet | {f"private-{zone}": "main-network-public-a-nat-id" for zone in "abd"}
    assert ways_out("no_way_out") == internet
    assert len(inputs(registrations("one_site"), "aws:ec2/natGateway:NatGateway")) == 1


def test_the_api_of_the_cluster_is_where_nothing_leads_out() -> None:
    subnets = only(registrations(), "aws:eks/cluster:Cluster")["vpcConfig"]["subnetIds"]
    assert subnets == [f"main-network-internal-{zone}-id" for zone in "abd"]
    assert not [name for name in ways_out("as_it_ships") if "internal" in name]


@pytest.mark.parametrize(("variant", "interfaces"), [("as_it_ships", 4), ("no_way_out", 18), ("existing_network", 0)])
def test_what_needs_no_internet_does_not_go_there(variant: str, interfaces: int) -> None:
    found = inputs(registrations(variant), "aws:ec2/vpcEndpoint:VpcEndpoint").values()
    kinds = [one["vpcEndpointType"] for one in found]
    assert kinds.count("Interface") == interfaces
    assert kinds.count("Gateway") == (1 if interfaces else 0)
    for one in found:
        if one["vpcEndpointType"] == "Interface":
            assert one["privateDnsEnabled"] is True
            assert len(one["subnetIds"]) == 3
        else:
            assert one["serviceName"] == "com.amazonaws.us-east-1.s3"
            assert one["routeTableIds"] == [f"main-network-private-{zone}-routes-id" for zone in "abd"]


def test_a_network_that_exists_is_left_as_it_is() -> None:
    seen = registrations("existing_network")
    made = {one.type for one in of_aws(seen) if one.type.startswith(("aws:ec2/", "aws:vpc/"))}
    rules = ("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "aws:vpc/securityGroupEgressRule:")
    assert all(kind.startswith(("aws:ec2/securityGroup:", *rules)) for kind in made)
    balancer = only(seen, "aws:lb/loadBalancer:LoadBalancer")
    assert balancer["internal"] is True
    assert balancer["subnets"] == [f"subnet-0123456789abcde{place}" for place in range(3)]


# Order: what must be there first, and is then taken away last.


def depends(seen: Recorder, one: Registration, other: Registration) -> bool:
    """By itself or by a component that it is in."""
    every = {found.urn: found for found in seen.seen}
    current: Registration | None = one
    while current is not None:
        if other.urn in current.depends_on:
            return True
        current = every.get(current.parent)
    return False


def test_machines_come_after_what_lets_them_in(seen: Recorder) -> None:
    cluster = named(seen, "main-cluster-control-plane", "eks/cluster")
    for one in seen.seen:
        if one.type.startswith("aws:iam/") and one.name.startswith("main-cluster-control-plane"):
            assert depends(seen, cluster, one), one.name
    for one in seen.of_type("kubernetes:karpenter.sh/v1:NodePool"):
        assert depends(seen, one, named(seen, "main-cluster-node", "accessPolicyAssociation"))
        assert depends(seen, one, named(seen, "main-cluster-node-AmazonEKSWorkerNodeMinimalPolicy"))


def test_what_is_in_the_network_is_made_after_it_and_goes_before() -> None:
    seen = registrations()
    for way in (one for one in seen.seen if one.type in ("aws:ec2/route:Route", "aws:ec2/natGateway:NatGateway")):
        assert depends(seen, named(seen, "main-cluster-control-plane", "eks/cluster"), way), way.name
        assert depends(seen, named(seen, "main-door-balancer", "loadBalancer"), way), way.name


def test_what_serves_waits_for_machines_roles_and_storage(seen: Recorder) -> None:
    gateway = named(seen, "main-serving-gateway", "apps/v1")
    kinds = {"kubernetes:karpenter.sh/v1:NodePool", "aws:eks/nodeGroup:NodeGroup", "aws:efs/mountTarget:MountTarget"}
    kinds |= {"aws:eks/podIdentityAssociation:PodIdentityAssociation", "aws:eks/addon:Addon"}
    # What is put into a bucket before its lock is there, it does not hold.
    kinds |= {"aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration"}
    waited = [one for one in seen.seen if one.type in kinds]
    assert len({one.type for one in waited}) == 4
    assert all(depends(seen, gateway, one) for one in waited)


def test_what_is_inside_the_cluster_goes_with_it(seen: Recorder) -> None:
    cluster = named(seen, "main-cluster-control-plane", "eks/cluster")
    inside = [one for one in seen.seen if one.type.startswith("kubernetes:")]
    assert {one.deleted_with for one in inside} == {cluster.urn}
    by_urn = {one.urn: one for one in seen.seen}

    def is_taken_along(one: Registration | None) -> bool:
        """The engine gives children what their parent has."""
        return one is not None and (bool(one.deleted_with) or is_taken_along(by_urn.get(one.parent)))

    assert not [one.name for one in of_aws(seen) if is_taken_along(one)], "what costs is deleted by itself"


# The cluster, as the serving stack sees it.


def test_the_cluster_is_reached_with_a_token_of_its_own_each_time(seen: Recorder) -> None:
    (provider,) = seen.of_type("pulumi:providers:kubernetes")
    config = json.loads(provider.inputs["kubeconfig"])
    (user,) = config["users"]
    assert {*user["user"]} == {"exec"}
    assert user["user"]["exec"]["args"][:4] == ["eks", "get-token", "--cluster-name", "slipway-prod-main"]
    (cluster,) = config["clusters"]
    assert cluster["cluster"] == {
        "server": computed(seen, CLUSTER)["endpoint"],
        "certificate-authority-data": computed(seen, CLUSTER)["certificateAuthority"]["data"],
    }
    assert provider.inputs["clusterIdentifier"] == "slipway-prod-main"


def policies(seen: Recorder) -> dict[str, Any]:
    found = inputs(seen, "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    return {one["metadata"]["name"]: one["spec"] for one in found.values()}


def test_what_somebody_changed_by_hand_in_the_cluster_is_taken_back(seen: Recorder) -> None:
    assert only(seen, "pulumi:providers:kubernetes")["enablePatchForce"] == "true"


def test_a_change_of_the_engine_takes_no_repository_away() -> None:
    repositories = {
        name.removeprefix("main-registry-") for name in inputs(registrations(), "aws:ecr/repository:Repository")
    }
    assert repositories == {"gateway", *engine_images()}


def test_network_policies_apply(seen: Recorder) -> None:
    """In Auto Mode by a file that EKS reads, in node groups by the plugin's own setting."""
    configs = inputs(seen, "kubernetes:core/v1:ConfigMap").values()
    told = [one["data"] for one in configs if one["metadata"]["name"] == "amazon-vpc-cni"]
    addons = {one["addonName"]: one for one in inputs(seen, "aws:eks/addon:Addon").values()}
    if seen.of_type("kubernetes:karpenter.sh/v1:NodePool"):
        assert told == [{"enable-network-policy-controller": "true"}]
        classes = inputs(seen, "kubernetes:eks.amazonaws.com/v1:NodeClass").values()
        assert all(one["spec"]["networkPolicy"] == "DefaultAllow" for one in classes)
    else:
        assert told == []
        assert json.loads(addons["vpc-cni"]["configurationValues"])["enableNetworkPolicy"] == "true"


def test_names_the_api_and_the_identity_agent_are_reached_by_address() -> None:
    out = [peer for rule in policies(registrations())["allow-gateway"]["egress"] for peer in rule["to"]]
    cidrs = [peer["ipBlock"]["cidr"] for peer in out if "ipBlock" in peer]
    assert "172.18.128.10/32" in cidrs
    assert {"172.18.128.1/32", "10.40.224.0/24", "10.40.225.0/24", "10.40.227.0/24"} <= {*cidrs}
    fetch = [peer for rule in policies(registrations())["allow-model-fetch"]["egress"] for peer in rule["to"]]
    assert {"ipBlock": {"cidr": "169.254.170.23/32"}} in fetch
    wide = [peer["ipBlock"] for peer in fetch if peer.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
    assert all("169.254.169.254/32" in block["except"] for block in wide)


def test_where_eks_chooses_services_both_of_its_choices_answer_names() -> None:
    out = [
        peer for rule in policies(registrations("existing_network"))["allow-gateway"]["egress"] for peer in rule["to"]
    ]
    cidrs = {peer["ipBlock"]["cidr"] for peer in out if "ipBlock" in peer}
    assert {"10.100.0.10/32", "172.20.0.10/32"} <= cidrs


def test_only_the_load_balancers_addresses_reach_gateways() -> None:
    def sources(variant: str) -> list[str]:
        rules = policies(registrations(variant))["allow-gateway"]["ingress"]
        return [peer["ipBlock"]["cidr"] for rule in rules for peer in rule["from"] if rule["ports"][0]["port"] == 8080]

    assert sources("as_it_ships") == ["10.40.192.0/24", "10.40.193.0/24", "10.40.195.0/24"]
    assert "0.0.0.0/0" not in sources("existing_network")


def test_pods_run_on_the_machines_that_were_planned_for_them(seen: Recorder) -> None:
    deployments = inputs(seen, "kubernetes:apps/v1:Deployment")
    pods = {name: one["spec"]["template"]["spec"] for name, one in deployments.items()}
    for one in inputs(seen, "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet").values():
        pods["main-serving-engine-chat-engine"] = one["spec"]["leaderWorkerTemplate"]["leaderTemplate"]["spec"]
    engine, gateway = pods["main-serving-engine-chat-engine"], pods["main-serving-gateway"]
    pool = engine["nodeSelector"]["slipway/pool"]
    assert pool in ("l40s-1", "h100-8")
    assert engine["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert gateway["nodeSelector"] == {"slipway/pool": "gateway"}
    pools = inputs(seen, "kubernetes:karpenter.sh/v1:NodePool")
    labels = {one["spec"]["template"]["metadata"]["labels"]["slipway/pool"] for one in pools.values()}
    labels |= {one["labels"]["slipway/pool"] for one in inputs(seen, "aws:eks/nodeGroup:NodeGroup").values()}
    engines = {pod["nodeSelector"]["slipway/pool"] for name, pod in pods.items() if "-engine-" in name}
    assert labels == {"gateway", *engines}


def test_an_engine_fits_the_machine_whose_price_was_shown() -> None:
    """`g6e.xlarge` has four processors, of which its system needs some."""
    deployment = inputs(registrations(), "kubernetes:apps/v1:Deployment")["main-serving-engine-chat-engine"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"]["cpu"] == "3"
    pool = inputs(registrations(), "kubernetes:karpenter.sh/v1:NodePool")["main-pools-l40s-1-on-demand"]
    types = pool["spec"]["template"]["spec"]["requirements"][0]["values"]
    assert types[0] == "g6e.xlarge"
    assert pool["spec"]["limits"] == {"nvidia.com/gpu": "9"}


def test_volumes_have_classes_that_are_there() -> None:
    seen = registrations("existing_network")
    classes = {one["metadata"]["name"]: one for one in inputs(seen, STORAGE_CLASS).values()}
    claims = inputs(seen, "kubernetes:core/v1:PersistentVolumeClaim").values()
    assert {one["spec"]["storageClassName"] for one in claims} <= {*classes}
    assert all(one["spec"]["accessModes"] == ["ReadWriteMany"] for one in claims)
    assert classes["slipway-shared"]["provisioner"] == "efs.csi.aws.com"
    assert classes["slipway-block"]["parameters"]["encrypted"] == "true"
    assert classes["slipway-block"]["parameters"]["kmsKeyId"].endswith("/main-keys-data")
    files = only(seen, "aws:efs/fileSystem:FileSystem")
    assert files["encrypted"] is True
    assert len(seen.of_type("aws:efs/mountTarget:MountTarget")) == 3


STORAGE_CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"


# Watched from outside.


@pytest.mark.parametrize(("variant", "ways"), [("as_it_ships", "abd"), ("one_site", "a"), ("existing_network", "")])
def test_what_is_outside_the_cluster_is_watched(variant: str, ways: str) -> None:
    seen = registrations(variant)
    found = inputs(seen, "aws:cloudwatch/metricAlarm:MetricAlarm")
    dimensions = {name.removeprefix("main-alarms-"): one["dimensions"] for name, one in found.items()}
    balancer = {"LoadBalancer": computed(seen, "aws:lb/loadBalancer:LoadBalancer")["arnSuffix"]}
    assert balancer["LoadBalancer"].startswith("app/main-door-balancer/")
    assert dimensions == {
        "failed-requests": balancer,
        "unwell-gateways": {**balancer, "TargetGroup": computed(seen, "aws:lb/targetGroup:TargetGroup")["arnSuffix"]},
        **{f"way-out-public-{zone}": {"NatGatewayId": f"main-network-public-{zone}-nat-id"} for zone in ways},
    }
    for name, one in found.items():
        assert one["treatMissingData"] == "notBreaching", name
        told = ["arn:aws:sns:us-east-1:123456789012:operations"] if variant == "one_site" else []
        assert one.get("alarmActions", []) == one.get("okActions", []) == told, name


def test_a_budget_is_watched_and_tells_the_first_topic_and_stops_nothing() -> None:
    found = only(registrations("one_site"), "aws:budgets/budget:Budget")
    assert (found["budgetType"], found["timeUnit"], found["limitAmount"], found["limitUnit"]) == (
        *("COST", "MONTHLY", "25000.00", "USD"),
    )
    (provider,) = registrations("one_site").of_type("pulumi:providers:aws")
    stack = json.loads(provider.inputs["defaultTags"])["tags"]["slipway:stack"]
    assert found["costFilters"] == [{"name": "TagKeyValue", "values": [f"user:slipway:stack${stack}"]}]
    told = {(one["notificationType"], one["threshold"]): one for one in found["notifications"]}
    assert {*told} == {("ACTUAL", 80), ("ACTUAL", 100), ("FORECASTED", 100)}
    topic = ["arn:aws:sns:us-east-1:123456789012:operations"]
    assert all(one["subscriberSnsTopicArns"] == topic for one in told.values())
    assert not [one for one in registrations("one_site").seen if "budgetAction" in one.type]
    assert not registrations().of_type("aws:budgets/budget:Budget"), "prod has no budget"


# Front door.


def test_tls_ends_at_the_load_balancer_and_plain_http_is_sent_there(seen: Recorder) -> None:
    listeners = inputs(seen, "aws:lb/listener:Listener")
    secure, plain_http = listeners["main-door-https"], listeners["main-door-http"]
    assert secure["protocol"] == "HTTPS"
    assert "TLS13-1-2" in secure["sslPolicy"]
    assert secure["certificateArn"]
    (action,) = plain_http["defaultActions"]
    assert action["type"] == "redirect"
    assert action["redirect"] == {"port": "443", "protocol": "HTTPS", "statusCode": "HTTP_301"}
    balancer = only(seen, "aws:lb/loadBalancer:LoadBalancer")
    assert balancer["dropInvalidHeaderFields"] is True
    assert balancer["accessLogs"] == {"bucket": "main-buckets-logs-id", "enabled": True, "prefix": "load-balancer"}


def test_times_of_the_front_door_are_those_of_the_drain_plan() -> None:
    for variant, generation in (("as_it_ships", 120), ("one_site", 60)):
        seen = registrations(variant)
        targets, balancer = only(seen, "aws:lb/targetGroup:TargetGroup"), only(seen, "aws:lb/loadBalancer:LoadBalancer")
        gateway = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]
        grace = gateway["template"]["spec"]["terminationGracePeriodSeconds"]
        assert targets["deregistrationDelay"] == grace == generation + 30
        assert balancer["idleTimeout"] == generation + 15
        health = targets["healthCheck"]
        # Auto Mode holds nobody back until the load balancer has a new pod: the rollout waits for as long.
        assert gateway["minReadySeconds"] >= health["interval"] * health["healthyThreshold"] + 15
        assert gateway["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_gateways_are_put_behind_it(seen: Recorder) -> None:
    (binding,) = [one for one in seen.seen if one.type.endswith(":TargetGroupBinding")]
    auto = bool(seen.of_type("kubernetes:karpenter.sh/v1:NodePool"))
    assert binding.inputs["apiVersion"] == ("eks.amazonaws.com/v1" if auto else "elbv2.k8s.aws/v1beta1")
    spec = binding.inputs["spec"]
    assert spec["serviceRef"] == {"name": "gateway", "port": 80}
    assert ":targetgroup/main-door-gateways/" in spec["targetGroupARN"]
    targets = only(seen, "aws:lb/targetGroup:TargetGroup")
    assert targets["targetType"] == spec["targetType"] == "ip"
    assert targets["port"] == 8080
    assert targets["tags"]["eks:eks-cluster-name"] == "slipway-prod-main"
    assert depends(seen, binding, named(seen, "main-door-https", "listener"))
    assert depends(seen, binding, named(seen, "main-serving-gateway-service"))


def test_the_firewall_counts_what_prompts_set_off_and_refuses_the_rest() -> None:
    seen = registrations()
    rules = {one["name"]: one for one in only(seen, "aws:wafv2/webAcl:WebAcl")["rules"]}
    counted = {
        override["name"]
        for rule in rules.values()
        for override in rule["statement"].get("managedRuleGroupStatement", {}).get("ruleActionOverrides", ())
        if override["actionToUse"] == {"count": {}}
    }
    assert counted == {
        *("SizeRestrictions_BODY", "GenericLFI_BODY", "GenericRFI_BODY", "EC2MetaDataSSRF_BODY"),
        *("CrossSiteScripting_BODY", "Log4JRCE_BODY", "JavaDeserializationRCE_BODY", "NoUserAgent_HEADER"),
    }
    managed_rules = [rule for rule in rules.values() if "managedRuleGroupStatement" in rule["statement"]]
    assert len(managed_rules) == 3
    assert all(rule["overrideAction"] == {"none": {}} for rule in managed_rules), "no group as a whole only counts"
    rate = rules["RequestsOfOneAddress"]
    assert rate["statement"]["rateBasedStatement"]["limit"] == 10_000
    assert rate["action"] == {"block": {}}
    assert "/main-door-balancer/" in only(seen, "aws:wafv2/webAclAssociation:WebAclAssociation")["resourceArn"]
    logging = only(seen, "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration")
    assert logging["redactedFields"] == [{"singleHeader": {"name": "authorization"}}]
    assert not registrations("one_site").of_type("aws:wafv2/webAcl:WebAcl")


def test_shield_guards_the_load_balancer_where_the_account_pays_for_it() -> None:
    protection = only(registrations("no_way_out"), "aws:shield/protection:Protection")
    assert "/main-door-balancer/" in protection["resourceArn"]
    assert not registrations().of_type("aws:shield/protection:Protection")


def test_shield_before_a_balancer_that_nobody_on_the_internet_reaches_is_warned_of() -> None:
    from tests.on_aws import deployment, existing_network, platform

    content = deployment()
    platform(content)["shield_advanced"] = True
    said = "nobody on the internet reaches the load balancer that `shield_advanced` guards"
    assert not [text for text in build_plan(validate(content, "prod", {}), "prod").warnings if said in text]
    existing_network(content)
    assert [text for text in build_plan(validate(content, "prod", {}), "prod").warnings if said in text]


def records(variant: str) -> dict[str, dict[str, Any]]:
    found = inputs(registrations(variant), "aws:route53/record:Record")
    return {name.removeprefix("main-door-names-"): one for name, one in found.items()}


def test_a_site_is_asked_for_a_real_answer_where_its_gateways_give_one() -> None:
    from infra.load import validate
    from infra.plan.build import build_plan
    from tests.on_aws import deployment

    def asked(**gateway: Any) -> tuple[str, Any]:
        shipped = deployment()
        shipped["gateway"] |= gateway
        site = build_plan(validate(shipped, "prod", {}), "prod").sites["main"].details
        return site.front_door.site_health_path, site.gateway_config.get("deep_health")

    every = {"every_seconds": 20, "timeout_seconds": 5}
    assert asked(deep_health=every) == ("/health/deep", {"models": ["chat"], **every})
    assert asked(deep_health=None) == ("/ready", None)


def test_a_name_leads_to_the_standby_when_the_first_site_is_not_well() -> None:
    found = records("as_it_ships")
    shared = found["shared"]
    assert shared["name"] == "llm.example.com"
    assert shared["failoverRoutingPolicies"] == [{"type": "PRIMARY"}]
    assert shared["healthCheckId"] == "main-door-names-health-id"
    assert found["site"]["name"] == "main.llm.example.com"
    check = only(registrations(), "aws:route53/healthCheck:HealthCheck")
    assert (check["fqdn"], check["resourcePath"], check["type"]) == ("main.llm.example.com", "/health/deep", "HTTPS")
    alone = records("one_site")["shared"]
    assert not {"failoverRoutingPolicies", "healthCheckId", "setIdentifier"} & {*alone}
    assert alone["zoneId"] == "Z0123456789OWN"


def test_of_two_that_serve_the_nearer_one_has_the_name_while_it_is_well() -> None:
    def both(deployment: Deployment) -> None:
        deployment["topology"]["standby"]["mode"] = "active"

    seen = recorded(FILE, both)
    shared = inputs(seen, "aws:route53/record:Record")["main-door-names-shared"]
    assert shared["latencyRoutingPolicies"] == [{"region": "us-east-1"}]
    assert "failoverRoutingPolicies" not in shared
    assert (shared["healthCheckId"], shared["setIdentifier"]) == ("main-door-names-health-id", "main.llm.example.com")
    assert named(seen, "main-door-names-proof-shared").retained


def test_the_standby_is_the_second_and_asked_for_nothing() -> None:
    import yaml

    from tests.manifests import ROOT

    deployment = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]["slipway:deployment"]
    plan = build_plan(validate(deployment, "prod", {}), "prod")
    parts = {name: site.details.front_door.failover for name, site in plan.sites.items()}
    assert parts == {"main": "primary", "west": "secondary"}


def test_a_shared_name_s_proof_is_left_for_the_other_site() -> None:
    proof = named(registrations(), "main-door-names-proof-shared")
    assert proof.retained
    assert proof.inputs["allowOverwrite"] is True
    assert not named(registrations(), "main-door-names-proof-site").retained
    assert not named(registrations("one_site"), "main-door-names-proof-shared").retained
    certificate = only(registrations(), "aws:acm/certificate:Certificate")
    assert certificate["domainName"] == "llm.example.com"
    assert certificate["subjectAlternativeNames"] == ["main.llm.example.com"]
    listener = inputs(registrations(), "aws:lb/listener:Listener")["main-door-https"]
    issued = only(registrations(), "aws:acm/certificateValidation:CertificateValidation")
    assert listener["certificateArn"] == issued["certificateArn"]


def test_clients_get_the_shared_name(seen: Recorder) -> None:
    if "endpoint" in seen.outputs:
        assert seen.outputs["endpoint"] == "https://llm.example.com"


def test_who_deploys_from_inside_the_network_reaches_the_api() -> None:
    """EKS itself lets nobody but nodes to it."""
    rules = inputs(registrations(), "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    rule = rules["main-cluster-api"]
    assert rule["securityGroupId"] == security_group(registrations())
    assert (rule["cidrIpv4"], rule["fromPort"], rule["toPort"]) == ("10.40.0.0/16", 443, 443)
    others = inputs(registrations("existing_network"), "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert len([name for name in others if name.startswith("main-cluster-api")]) == 4, "every private range"
