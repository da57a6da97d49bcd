"""Node groups of ours on AWS: how machines start, who scales them, what they talk by, what the cluster needs more."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.types import SitePlan
from infra.platforms.aws.machines import at_rest
from infra.platforms.aws.user_data import user_data
from infra.problems import Refused
from infra.render.command import CHARTS, rendered, unrenderable
from tests.computed import security_group
from tests.on_aws import FILE, VARIANTS, documents, inputs, only, plan_of, platform, registrations

GROUP, TEMPLATE = "aws:eks/nodeGroup:NodeGroup", "aws:ec2/launchTemplate:LaunchTemplate"
RELEASE = "kubernetes:helm.sh/v3:Release"


def site_of(variant: str, change: Any = None) -> SitePlan:
    return plan_of(variant, change).sites["main"]


def test_a_group_for_each_way_to_buy_in_each_zone() -> None:
    groups = inputs(registrations("managed"), GROUP)
    ways = ("gateway-on-demand", "l40s-1-spot", "l40s-1-on-demand")
    # A reservation is in one zone.
    assert {*groups} == {f"main-groups-{way}-{zone}" for way in ways for zone in "abd"} | {
        "main-groups-l40s-1-reservation-b"
    }
    at_rest = {name: group["scalingConfig"]["desiredSize"] for name, group in groups.items()}
    assert sum(size for name, size in at_rest.items() if "gateway" in name) == 2
    assert at_rest["main-groups-l40s-1-reservation-b"] == 3
    assert not sum(size for name, size in at_rest.items() if "spot" in name or "l40s-1-on-demand" in name)
    assert {group["amiType"] for name, group in groups.items() if "l40s" in name} == {"BOTTLEROCKET_x86_64_NVIDIA"}
    assert {group["version"] for group in groups.values()} == {"1.35"}
    assert groups["main-groups-l40s-1-spot-a"]["capacityType"] == "SPOT"
    assert groups["main-groups-l40s-1-spot-a"]["taints"] == [
        {"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}
    ]


def test_a_reservation_is_asked_for_by_its_own_group_alone() -> None:
    templates = inputs(registrations("managed"), TEMPLATE)
    target = templates["main-groups-l40s-1-reservation"]["capacityReservationSpecification"]
    assert target["capacityReservationTarget"]["capacityReservationId"] == "cr-0123456789abcdef0"
    assert "capacityReservationSpecification" not in templates["main-groups-l40s-1-spot"]
    assert "instanceMarketOptions" not in templates["main-groups-l40s-1-reservation"]


def test_a_capacity_block_is_one_for_ec2_too() -> None:
    seen = registrations("fabric")
    (group,) = [one for name, one in inputs(seen, GROUP).items() if "reservation" in name]
    assert group["capacityType"] == "CAPACITY_BLOCK"
    assert "instanceTypes" not in group, "the template has it"
    template = inputs(seen, TEMPLATE)["main-groups-h100-8-reservation-b"]
    assert template["instanceType"] == "p5.48xlarge"
    assert template["instanceMarketOptions"] == {"marketType": "capacity-block"}


@pytest.mark.parametrize(
    ("nodes", "zones", "together", "found"),
    [
        (5, "abc", 1, {"a": 2, "b": 2, "c": 1}),
        (2, "abc", 1, {"a": 1, "b": 1, "c": 0}),
        (4, "abc", 2, {"a": 2, "b": 2, "c": 0}),
        (8, "ab", 2, {"a": 4, "b": 4}),
        (3, "a", 1, {"a": 3}),
        (0, "ab", 2, {"a": 0, "b": 0}),
    ],
)
def test_machines_of_one_replica_are_in_one_zone(nodes: int, zones: str, together: int, found: dict[str, int]) -> None:
    assert at_rest(nodes, tuple(zones), together) == found


def test_every_disk_is_encrypted_with_the_site_s_key() -> None:
    for variant, devices in (("managed", ["/dev/xvdb", "/dev/xvda"]), ("fabric", ["/dev/xvda"])):
        for name, template in inputs(registrations(variant), TEMPLATE).items():
            disks = {disk["deviceName"]: disk["ebs"] for disk in template["blockDeviceMappings"]}
            assert [*disks] == devices, name
            assert all(disk["encrypted"] == "true" for disk in disks.values()), name
            assert all(disk["kmsKeyId"].endswith("/main-keys-data") for disk in disks.values()), name
            assert disks[devices[0]]["volumeType"] == "gp3"
    # Whoever starts machines is allowed to use it, and no other role.
    (use,) = [one for one in _key("managed") if one["Sid"] == "Machines"]
    assert use["Condition"]["StringEquals"]["aws:PrincipalArn"].endswith("/AWSServiceRoleForAutoScaling")
    assert "kms:CreateGrant" in use["Action"]
    assert not [one for one in _key("as_it_ships") if one["Sid"] == "Machines"], "Auto Mode has a role of ours for it"


def _key(variant: str) -> list[Any]:
    return documents(registrations(variant))["aws:kms/key:Key main-keys-data policy"]["Statement"]


def test_local_disks_of_machines_with_gpus_are_used_as_one_and_images_come_in_parts() -> None:
    templates = inputs(registrations("managed"), TEMPLATE)
    told = b64decode(templates["main-groups-l40s-1-spot"]["userData"]).decode()
    assert '["apiclient", "ephemeral-storage", "init"]' in told
    assert 'snapshotter = "soci"' in told
    assert '"/var/lib/soci-snapshotter"' in told, "on the fast disks too"
    import tomllib

    parts = tomllib.loads(told)["settings"]["container-runtime-plugins"]["soci-snapshotter"]
    assert parts["pull-mode"] == "parallel-pull-unpack"
    assert "userData" not in templates["main-groups-gateway-on-demand"]
    linux = b64decode(user_data("AL2023_x86_64_NVIDIA", 1) or "").decode()
    assert "strategy: RAID0" in linux
    assert "FastImagePull: true" in linux


# Between machines of one replica.


def test_a_machine_has_as_many_devices_as_its_type() -> None:
    templates = inputs(registrations("fabric"), TEMPLATE)
    own = templates["main-groups-h100-8-on-demand-a"]["networkInterfaces"]
    assert len(own) == 32
    assert [one["networkCardIndex"] for one in own] == [*range(32)]
    assert [one["interfaceType"] for one in own] == ["efa", *["efa-only"] * 31]
    assert [one["deviceIndex"] for one in own] == [0, *[1] * 31]
    for one in own:
        assert one["securityGroups"] == [security_group(registrations("fabric")), "main-groups-fabric-devices-id"]
    assert "networkInterfaces" not in templates["main-groups-gateway-on-demand"]
    assert not [one for one in inputs(registrations("managed"), TEMPLATE).values() if "networkInterfaces" in one]


def test_machines_of_a_zone_are_near_one_another_however_they_are_bought() -> None:
    seen = registrations("fabric")
    places = inputs(seen, "aws:ec2/placementGroup:PlacementGroup")
    assert {*places} == {f"main-groups-fabric-h100-8-{zone}" for zone in "abd"}
    assert {one["strategy"] for one in places.values()} == {"cluster"}
    templates = inputs(seen, TEMPLATE)
    own = {name: one["placement"]["groupName"] for name, one in templates.items() if "h100" in name}
    assert own == {
        "main-groups-h100-8-reservation-b": "main-groups-fabric-h100-8-b",
        **{f"main-groups-h100-8-on-demand-{zone}": f"main-groups-fabric-h100-8-{zone}" for zone in "abd"},
    }
    used = {name: one["launchTemplate"]["id"] for name, one in inputs(seen, GROUP).items() if "h100" in name}
    assert used == {name: f"{name}-id" for name in own}


def test_devices_reach_one_another_and_nobody_else() -> None:
    seen = registrations("fabric")
    for way in ("Ingress", "Egress"):
        rules = inputs(seen, f"aws:vpc/securityGroup{way}Rule:SecurityGroup{way}Rule")
        own = [one for one in rules.values() if one["securityGroupId"] == "main-groups-fabric-devices-id"]
        (rule,) = own
        assert rule["referencedSecurityGroupId"] == rule["securityGroupId"]
        assert rule["ipProtocol"] == "-1"


def test_pods_ask_for_the_devices_and_for_memory_of_their_buffers() -> None:
    spec = only(registrations("fabric"), "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet")["spec"]
    for part in ("leaderTemplate", "workerTemplate"):
        pod = spec["leaderWorkerTemplate"][part]["spec"]
        (container,) = pod["containers"]
        for kind in ("requests", "limits"):
            asked = container["resources"][kind]
            assert asked["nvidia.com/gpu"] == "8"
            assert asked["vpc.amazonaws.com/efa"] == "32"
            assert asked["hugepages-2Mi"] == str(5120 * 1024**2)
        assert {"name": "FI_PROVIDER", "value": "efa"} in container["env"]
        (term,) = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        assert term["topologyKey"] == "topology.kubernetes.io/zone", "a group of machines, and its place, is in one"
    alone = inputs(registrations("managed"), "kubernetes:apps/v1:Deployment")["main-serving-engine-chat-engine"]
    (container,) = alone["spec"]["template"]["spec"]["containers"]
    assert "vpc.amazonaws.com/efa" not in container["resources"]["limits"]
    assert "FI_PROVIDER" not in {one["name"] for one in container["env"]}


def test_the_autoscaler_knows_devices_of_machines_that_are_not_there() -> None:
    seen = registrations("fabric")
    tags = inputs(seen, "aws:autoscaling/tag:Tag")
    groups = [name for name in inputs(seen, GROUP) if "h100" in name]
    assert {*tags} == {f"{name}-{what}" for name in groups for what in ("efa", "hugepages-2Mi")}
    one = tags["main-groups-h100-8-on-demand-a-efa"]
    assert one["tag"] == {
        "key": "k8s.io/cluster-autoscaler/node-template/resources/vpc.amazonaws.com/efa",
        "value": "32",
        "propagateAtLaunch": False,
    }
    assert one["autoscalingGroupName"].startswith("eks-main-groups-h100-8-on-demand-a")
    assert not inputs(registrations("managed"), "aws:autoscaling/tag:Tag")


# What Auto Mode has built in.


def charts(variant: str) -> dict[str, dict[str, Any]]:
    return {
        name.removeprefix("main-controllers-"): one for name, one in inputs(registrations(variant), RELEASE).items()
    }


def test_a_cluster_gets_who_auto_mode_would_have() -> None:
    ours = {"aws-load-balancer-controller", "cluster-autoscaler", "keda"}
    assert {*charts("managed")} == ours, "Bottlerocket offers GPUs"
    assert {*charts("fabric")} == {
        *ours,
        *("nvidia-device-plugin", "aws-efa-k8s-device-plugin", "lws"),
    }
    assert {*charts("as_it_ships")} == {"keda"}
    assert not charts("no_way_out")
    for name, one in charts("fabric").items():
        assert one["version"], name
        assert one["chart"].startswith("oci://") == ("repositoryOpts" not in one), name
    addons = {one["addonName"] for one in inputs(registrations("managed"), "aws:eks/addon:Addon").values()}
    assert addons >= {"vpc-cni", "coredns", "kube-proxy", "eks-pod-identity-agent", "aws-ebs-csi-driver"}


def test_gateways_are_bound_and_pods_started_after_who_does_it() -> None:
    seen = registrations("fabric")
    stack = next(one for one in seen.seen if one.name == "main-serving")
    releases, groups = ({one.urn for one in seen.of_type(kind)} for kind in (RELEASE, GROUP))
    assert releases <= {*stack.depends_on}
    (component,) = [one for one in seen.seen if one.type == "slipway:aws:Controllers"]
    assert groups <= {*component.depends_on}, "their pods need machines"
    for one in seen.of_type(RELEASE):
        assert one.deleted_with, f"{one.name} goes with the cluster"


def test_ways_to_buy_are_tried_in_their_order() -> None:
    told = charts("managed")["cluster-autoscaler"]["values"]
    assert told["extraArgs"]["expander"].startswith("priority")
    order = {
        way: int(weight)
        for weight, patterns in told["expanderPriorities"].items()
        for pattern in patterns
        for way in ("reservation", "spot", "on-demand")
        if f"-l40s-1-{way}-" in pattern
    }
    assert order["reservation"] > order["spot"] > order["on-demand"]
    import re

    for name in inputs(registrations("managed"), GROUP):
        matching = [p for ps in told["expanderPriorities"].values() for p in ps if re.match(p, f"eks-{name}-0a1b-uuid")]
        assert len(matching) == 1, name
    # Nine of the pool and five gateways: no more than was planned, and one of each while it is replaced.
    assert told["extraArgs"]["max-nodes-total"] == 9 + 5
    assert told["image"]["tag"] == "v1.35.0", "that of the cluster's own version"


def test_controllers_have_rights_for_their_work_alone() -> None:
    found = documents(registrations("managed"))
    binds = found["aws:iam/rolePolicy:RolePolicy main-controllers-aws-load-balancer-controller policy"]["Statement"]
    changes = [one for one in binds if one["Resource"] != ["*"]]
    assert [one["Resource"] for one in changes] == [[_target_group()]]
    scales = found["aws:iam/rolePolicy:RolePolicy main-controllers-cluster-autoscaler policy"]["Statement"]
    (scale,) = [one for one in scales if one["Sid"] == "Scale"]
    assert [*scale["Condition"]["StringEquals"]] == ["aws:ResourceTag/k8s.io/cluster-autoscaler/slipway-prod-main"]
    accounts = {
        one["serviceAccount"]: one["namespace"]
        for name, one in inputs(
            registrations("managed"), "aws:eks/podIdentityAssociation:PodIdentityAssociation"
        ).items()
        if "controllers" in name
    }
    assert accounts == {"aws-load-balancer-controller": "kube-system", "cluster-autoscaler": "kube-system"}
    told = charts("managed")["aws-load-balancer-controller"]["values"]
    assert told["serviceAccount"]["name"] in accounts
    # No pod reaches the service of a machine that would say them.
    assert (told["region"], told["vpcId"]) == ("us-east-1", "main-network-vpc-id")


def _target_group() -> str:
    binding = next(one for one in registrations("managed").seen if one.type.endswith(":TargetGroupBinding"))
    return str(binding.inputs["spec"]["targetGroupARN"])


def test_charts_are_rendered_as_what_helm_is_asked_for() -> None:
    import json

    seen = registrations("fabric").seen
    assert not unrenderable(seen)
    found = json.loads(rendered(seen)[CHARTS])
    assert found["main"]["lws"]["version"] == "0.8.0"
    assert {*json.loads(rendered(registrations().seen)[CHARTS])["main"]} == {"keda"}
    assert CHARTS not in rendered(registrations("no_way_out").seen)


# What is said and what is refused.


def test_what_differs_from_auto_mode_is_said() -> None:
    said = " ".join(_warnings("managed"))
    assert "its nodes get no patch by themselves" in said
    assert "come from their makers' charts" in said
    assert "capacity block" not in said
    assert "EFA" not in said
    said = " ".join(_warnings("fabric"))
    assert "capacity block" in said
    assert "talk by EFA, past network policies" in said
    plain = [one for one in _warnings("no_way_out") if one.startswith("site `main`")]
    assert not [one for one in plain if "patch by themselves" in one or "charts" in one]
    assert [one for one in plain if "without KEDA" in one]


def _warnings(variant: str) -> tuple[str, ...]:
    deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    VARIANTS[variant](deployment)
    return tuple(build_plan(validate(deployment, "prod", {}), "prod").warnings)


def test_the_plan_names_devices_and_controllers() -> None:
    summary = site_of("fabric").summary
    assert summary["fabric h100-8"].startswith("32 EFA devices on each machine")
    assert "cluster-autoscaler 9.57.0" in summary["controllers"]
    assert site_of("as_it_ships").summary["controllers"] == "keda 2.20.2"
    assert "controllers" not in site_of("no_way_out").summary


def test_the_price_has_no_fee_of_auto_mode() -> None:
    def lines(variant: str) -> str:
        deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
        VARIANTS[variant](deployment)
        price = build_plan(validate(deployment, "prod", {}), "prod").price
        return str(price)

    assert "Auto Mode" in lines("one_site")
    assert "Auto Mode" not in lines("managed")


def test_replicas_of_several_nodes_are_refused_in_auto_mode() -> None:
    def auto(deployment: dict[str, Any]) -> None:
        platform(deployment)["nodes"] = {"kind": "auto_mode"}
        del platform(deployment)["reservation_id"]

    with pytest.raises(Refused) as refused:
        site_of("fabric", auto)
    assert "write `nodes: {kind: managed}`" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reservation_zone": None}, "nothing, with `reservation`"),
        ({"reservation_zone": "us-east-1f"}, "`us-east-1f`"),
        ({"purchase": ["spot"]}, "of a reservation that `nodes.purchase` does not use"),
    ],
)
def test_a_reservation_must_be_one_that_a_group_can_use(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused) as refused:
        site_of("managed", lambda deployment: platform(deployment)["nodes"].update(change))
    assert said in str(refused.value)


def test_controllers_need_a_way_out() -> None:
    with pytest.raises(Refused) as refused:
        site_of("managed", lambda deployment: platform(deployment).update(nat="none"))
    assert [problem.found for problem in refused.value.problems] == [
        "`none`, with `nodes: {kind: managed}`",
        "`none`, with `keda: true`",
    ]
