"""What a site on Google Cloud registers: contracts of components, order, machines, the handle, the front door."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.deployable import refuse_undeployable
from infra.platforms.gcp.component_names import zone_of
from infra.platforms.gcp.names import account_id
from infra.problems import Refused
from infra.render.google_answers import AUTHORITY
from tests.computed import computed
from tests.harness import Recorder, Registration
from tests.on_gcp import FILE, IMAGE_DISK, VARIANTS, inputs, of_google, only, registrations

NAMES = (
    *("Site", "Services", "Keys", "Buckets", "Registry", "Network", "Cluster", "NodeAccount", "NodePools"),
    *("Identity", "Storage", "FrontDoor", "Names", "Budget", "LimitsStore", "GatewayAccount"),
    *("InsideDoor", "RegionalNames", "Vpn", "Peering"),
)
CLUSTER, POOL = "gcp:container/cluster:Cluster", "gcp:container/nodePool:NodePool"
CLASS = "kubernetes:cloud.google.com/v1:ComputeClass"
POLICIES = "kubernetes:networking.gke.io/v1"


@pytest.fixture(params=[*VARIANTS])
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def test_every_component_of_ours_is_known_and_closed(seen: Recorder) -> None:
    components = [one for one in seen.seen if not one.custom and one.type.startswith("slipway:gcp:")]
    assert {one.type for one in components} <= {f"slipway:gcp:{name}" for name in NAMES}
    assert {one.urn for one in seen.seen if not one.custom and one.type.startswith("slipway:")} <= seen.closed


def test_everything_has_a_component_as_parent_and_its_own_provider(seen: Recorder) -> None:
    components = {one.urn for one in seen.seen if not one.custom}
    assert all(one.parent in components for one in seen.seen if one.type != "pulumi:pulumi:Stack")
    for cloud in ("gcp", "kubernetes"):
        (provider,) = seen.of_type(f"pulumi:providers:{cloud}")
        made = [one for one in seen.seen if one.type.startswith(f"{cloud}:")]
        assert {one.provider.rpartition("::")[0] for one in made} == {provider.urn}


def test_everything_says_whose_it_is(seen: Recorder) -> None:
    (provider,) = seen.of_type("pulumi:providers:gcp")
    labels = json.loads(provider.inputs["defaultLabels"])
    assert labels["slipway-stack"] == "staging"
    assert labels["slipway-site"] == "main"
    # Nodes, disks and volumes have those of the cluster.
    assert only(seen, CLUSTER)["resourceLabels"] == labels
    assert ("owner" in labels) == (seen is registrations("every_way_to_buy"))


def depends(seen: Recorder, one: Registration, other: Registration) -> bool:
    """By itself or by a component that it is in, on it or on one that it is in."""
    every = {found.urn: found for found in seen.seen}

    def around(found: Registration | None) -> list[Registration]:
        return [found, *around(every.get(found.parent))] if found else []

    wanted = {found.urn for found in around(other) if found.type != "slipway:gcp:Site" and found.parent}
    return any(urn in wanted for found in around(one) for urn in found.depends_on)


def named(seen: Recorder, kind: str, name: str) -> Registration:
    (found,) = [one for one in seen.of_type(kind) if one.name == name]
    return found


def test_services_are_on_before_they_are_used(seen: Recorder) -> None:
    service = named(seen, "gcp:projects/service:Service", "main-services-container")
    for kind in (
        CLUSTER,
        "gcp:kms/keyRing:KeyRing",
        "gcp:storage/bucket:Bucket",
        "gcp:compute/globalAddress:GlobalAddress",
    ):
        assert all(depends(seen, one, service) for one in seen.of_type(kind)), kind
    assert {one["disableOnDestroy"] for one in inputs(seen, service.type).values()} == {False}


def test_what_serves_waits_for_machines_rights_and_storage(seen: Recorder) -> None:
    gateway = named(seen, "kubernetes:apps/v1:Deployment", "main-serving-gateway")
    kinds = (POOL, CLASS, "gcp:storage/bucketIAMMember:BucketIAMMember", "kubernetes:storage.k8s.io/v1:StorageClass")
    for kind in kinds:
        assert seen.of_type(kind), kind
        assert all(depends(seen, gateway, one) for one in seen.of_type(kind)), kind
    assert depends(seen, gateway, seen.of_type("gcp:certificatemanager/certificate:Certificate")[0])


def test_what_is_inside_the_cluster_goes_with_it_and_what_is_outside_does_not(seen: Recorder) -> None:
    (cluster,) = seen.of_type(CLUSTER)
    inside = [one for one in seen.seen if one.type.startswith("kubernetes:")]
    by_urn = {one.urn: one for one in seen.seen}

    def goes_with(one: Registration | None) -> str:
        return "" if one is None else one.deleted_with or goes_with(by_urn.get(one.parent))

    outside = {"kubernetes:gateway.networking.k8s.io/v1:Gateway", "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute"}
    outside |= {f"{POLICIES}:{kind}" for kind in ("GCPBackendPolicy", "HealthCheckPolicy", "GCPGatewayPolicy")}
    for one in inside:
        assert goes_with(one) == ("" if one.type in outside else cluster.urn), one.name
    assert not [one.name for one in of_google(seen) if goes_with(one)]


def test_the_cluster_is_reached_with_a_token_that_is_asked_for() -> None:
    def config(variant: str) -> Any:
        (provider,) = registrations(variant).of_type("pulumi:providers:kubernetes")
        return json.loads(provider.inputs["kubeconfig"])

    (user,) = config("as_it_ships")["users"]
    assert user["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    assert user["user"]["exec"]["provideClusterInfo"] is True
    reached = {name: config(name)["clusters"][0]["cluster"] for name in VARIANTS}
    authority = {"certificate-authority-data": AUTHORITY}
    assert reached["as_it_ships"] == {"server": "https://10.60.223.242", **authority}, "from inside"
    assert reached["every_way_to_buy"] == {"server": "https://198.51.100.2", **authority}, "from ranges"
    cluster = computed(registrations("existing_network"), "gcp:container/cluster:Cluster")
    name = cluster["controlPlaneEndpointsConfig"]["dnsEndpointConfig"]
    # Its name shows a certificate that everybody trusts.
    assert reached["existing_network"] == {"server": f"https://{name['endpoint']}"}


def test_the_network_has_the_planned_ranges() -> None:
    subnetwork = only(registrations(), "gcp:compute/subnetwork:Subnetwork")
    assert subnetwork["ipCidrRange"] == "10.60.128.0/19"
    ranges = {one["rangeName"]: one["ipCidrRange"] for one in subnetwork["secondaryIpRanges"]}
    assert ranges == {"pods": "10.60.0.0/17", "services": "10.60.160.0/19"}
    assert registrations().of_type("gcp:compute/routerNat:RouterNat")
    assert not registrations("every_way_to_buy").of_type("gcp:compute/routerNat:RouterNat")
    assert not [
        one for one in of_google(registrations("existing_network")) if one.type.startswith("gcp:compute/network")
    ]
    policy = only(registrations("existing_network"), CLUSTER)["ipAllocationPolicy"]
    assert policy == {"clusterSecondaryRangeName": "p", "servicesSecondaryRangeName": "s"}


def test_a_class_asks_for_machines_in_the_plans_order() -> None:
    seen = registrations("every_way_to_buy")
    (found,) = inputs(seen, CLASS).values()
    order = ("reservation", "flex-start", "on-demand")
    assert found["metadata"]["name"] == "l4-1"
    assert found["spec"]["priorities"] == [{"nodepools": [f"main-pools-l4-1-{way}"]} for way in order]
    assert found["spec"]["nodePoolAutoCreation"] == {"enabled": False}
    assert found["spec"]["whenUnsatisfiable"] == "DoNotScaleUp"


def test_machines_are_bought_as_it_was_planned() -> None:
    pools = inputs(registrations("every_way_to_buy"), POOL)
    ways = {name.removeprefix("main-pools-"): pool for name, pool in pools.items()}
    assert {*ways} == {"gateway-on-demand", "l4-1-reservation", "l4-1-flex-start", "l4-1-on-demand"}
    named_one = {
        "consumeReservationType": "SPECIFIC_RESERVATION",
        "key": "compute.googleapis.com/reservation-name",
        "values": ["gpus"],
    }
    for name, pool in ways.items():
        machine, flexible = pool["nodeConfig"], "flex-start" in name
        affinity = named_one if "reservation" in name else {"consumeReservationType": "NO_RESERVATION"}
        assert machine["reservationAffinity"] == affinity, name
        assert machine.get("flexStart", False) is flexible, name
        assert machine.get("maxRunDuration") == ("86400s" if flexible else None), name
        assert ("upgradeSettings" in pool) is not flexible, name
        assert len(pool["namePrefix"]) <= 31, name
        # One way to buy has machines at rest.
        assert bool(pool["autoscaling"]["totalMinNodeCount"]) == (name in ("gateway-on-demand", "l4-1-reservation"))
    assert ways["l4-1-reservation"]["upgradeSettings"] == {"strategy": "SURGE", "maxSurge": 0, "maxUnavailable": 1}


def test_machines_with_gpus_have_their_driver_and_a_fast_network(seen: Recorder) -> None:
    for name, pool in inputs(seen, POOL).items():
        machine = pool["nodeConfig"]
        assert machine["gvnic"] == {"enabled": True}, name
        assert machine["gcfsConfig"] == {"enabled": True}, name
        if "gateway" in name:
            assert "guestAccelerators" not in machine
            continue
        (card,) = machine["guestAccelerators"]
        assert card["count"] == 1
        assert card["gpuDriverInstallationConfig"] == {"gpuDriverVersion": "LATEST"}
        assert (card["type"], machine["diskType"]) in (
            ("nvidia-l4", "pd-balanced"),
            ("nvidia-rtx-pro-6000", "hyperdisk-balanced"),
        )


def test_machines_of_models_have_the_disk_with_images() -> None:
    for variant in VARIANTS:
        for name, pool in inputs(registrations(variant), POOL).items():
            has = variant == "every_way_to_buy" and "gateway" not in name
            disks = [{"diskImage": IMAGE_DISK, "mode": "CONTAINER_IMAGE_CACHE"}] if has else None
            assert pool["nodeConfig"].get("secondaryBootDisks") == disks, name


def test_pods_run_on_the_machines_that_were_planned_for_them(seen: Recorder) -> None:
    deployments = inputs(seen, "kubernetes:apps/v1:Deployment")
    pods = {name: one["spec"]["template"]["spec"] for name, one in deployments.items()}
    engine, gateway = pods["main-serving-engine-chat-engine"], pods["main-serving-gateway"]
    (called,) = {one["metadata"]["name"] for one in inputs(seen, CLASS).values()}
    assert engine["nodeSelector"] == {"cloud.google.com/compute-class": called}
    assert engine["tolerations"] == [{"key": "cloud.google.com/compute-class", "operator": "Exists"}]
    assert gateway["nodeSelector"] == {"slipway/pool": "gateway"}
    for name, pool in inputs(seen, POOL).items():
        machine = pool["nodeConfig"]
        expected = (
            []
            if "gateway" in name
            else [{"key": "cloud.google.com/compute-class", "value": called, "effect": "NO_SCHEDULE"}]
        )
        assert machine.get("taints", []) == expected, name
        assert machine["labels"].get("cloud.google.com/compute-class") == (None if "gateway" in name else called)


def test_an_engine_and_its_weights_fit_the_machine_whose_price_was_shown() -> None:
    pod = inputs(registrations(), "kubernetes:apps/v1:Deployment")["main-serving-engine-chat-engine"]
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    # `g2-standard-8` has eight processors, of which its system needs some.
    assert int(container["resources"]["requests"]["cpu"]) <= 7
    disks = {one["nodeConfig"]["diskSizeGb"] for one in inputs(registrations(), POOL).values()}
    (disk,) = disks
    needed = container["resources"]["requests"]["ephemeral-storage"]
    assert disk >= 75 + int(needed.removesuffix("Gi"))


# Front door.


def gateway(variant: str = "as_it_ships") -> dict[str, Any]:
    return only(registrations(variant), "kubernetes:gateway.networking.k8s.io/v1:Gateway")


def test_the_load_balancer_has_our_address_certificates_and_tls() -> None:
    found = gateway()
    assert found["spec"]["gatewayClassName"] == "gke-l7-global-external-managed"
    assert found["spec"]["addresses"] == [{"type": "NamedAddress", "value": "main-door-address"}]
    assert found["metadata"]["annotations"]["networking.gke.io/certmap"] == "main-door-names-certificates"
    # GKE refuses certificates of both kinds at once.
    assert not [one for one in found["spec"]["listeners"] if "tls" in one]
    policy = only(registrations(), f"{POLICIES}:GCPGatewayPolicy")["spec"]
    assert policy["default"] == {"sslPolicy": "main-door-tls"}
    assert policy["targetRef"] == {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "front-door"}
    tls = only(registrations(), "gcp:compute/sSLPolicy:SSLPolicy")
    assert (tls["minTlsVersion"], tls["profile"]) == ("TLS_1_2", "RESTRICTED")


def test_plain_http_is_sent_away_and_both_names_lead_to_gateways() -> None:
    routes = inputs(registrations(), "kubernetes:gateway.networking.k8s.io/v1:HTTPRoute")
    hosts = ["llm.staging.example.com", "main.llm.staging.example.com"]
    assert [route["spec"]["hostnames"] for route in routes.values()] == [hosts, hosts]
    (rule,) = routes["main-door-front-door-https"]["spec"]["rules"]
    assert {*rule} == {"matches", "backendRefs"}, "how long it may take is the policy's to say"
    (away,) = routes["main-door-front-door-http"]["spec"]["rules"]
    assert away["filters"][0]["requestRedirect"] == {"scheme": "https", "statusCode": 301}


def test_no_answer_is_cut_by_the_load_balancer() -> None:
    """The drain plan's own numbers, in force before a request comes."""
    seen = registrations()
    backend = only(seen, f"{POLICIES}:GCPBackendPolicy")["spec"]["default"]
    pod = inputs(seen, "kubernetes:apps/v1:Deployment")["main-serving-gateway"]["spec"]["template"]["spec"]
    assert backend["connectionDraining"]["drainingTimeoutSec"] == 150
    assert backend["connectionDraining"]["drainingTimeoutSec"] >= pod["terminationGracePeriodSeconds"]
    assert backend["timeoutSec"] == 135
    assert backend["securityPolicy"] == "main-door-firewall"
    assert (
        "securityPolicy"
        not in only(registrations("every_way_to_buy"), f"{POLICIES}:GCPBackendPolicy")["spec"]["default"]
    )
    (door,) = seen.of_type("kubernetes:gateway.networking.k8s.io/v1:Gateway")
    for kind in ("GCPBackendPolicy", "HealthCheckPolicy", "GCPGatewayPolicy"):
        (policy,) = seen.of_type(f"{POLICIES}:{kind}")
        assert policy.urn in door.depends_on


def test_gateways_are_asked_on_the_port_that_they_answer_on() -> None:
    health = only(registrations(), f"{POLICIES}:HealthCheckPolicy")["spec"]
    asked = health["default"]["config"]["httpHealthCheck"]
    assert asked == {"portSpecification": "USE_FIXED_PORT", "port": 8080, "requestPath": "/health"}
    assert health["targetRef"] == {"group": "", "kind": "Service", "name": "gateway"}
    policies = inputs(registrations(), "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    rules = policies["main-serving-isolation-gateway"]["spec"]["ingress"]
    sources = [peer["ipBlock"]["cidr"] for rule in rules for peer in rule["from"] if rule["ports"][0]["port"] == 8080]
    assert sources == ["35.191.0.0/16", "130.211.0.0/22"]


def test_names_lead_to_the_address_and_the_certificate_is_shown_to_be_ours() -> None:
    records = inputs(registrations(), "gcp:dns/recordSet:RecordSet")
    kinds = {name.removeprefix("main-door-names-"): (one["type"], one["name"]) for name, one in records.items()}
    assert kinds == {
        "shared": ("A", "llm.staging.example.com."),
        "site": ("A", "main.llm.staging.example.com."),
        "proof-shared": ("CNAME", "_acme-challenge.llm.staging.example.com."),
        "proof-site": ("CNAME", "_acme-challenge.main.llm.staging.example.com."),
    }
    assert {one["managedZone"] for one in records.values()} == {"example"}
    own = inputs(registrations("every_way_to_buy"), "gcp:dns/recordSet:RecordSet")
    assert {one["managedZone"] for one in own.values()} == {"llm"}
    (asked,) = registrations().of_type("gcp:certificatemanager/certificate:Certificate")
    shown = [one.urn for one in registrations().of_type("gcp:dns/recordSet:RecordSet") if "-proof-" in one.name]
    assert {*shown} <= {*asked.depends_on}, "Google looks for them when it is asked"
    certificate = only(registrations(), "gcp:certificatemanager/certificate:Certificate")["managed"]
    assert certificate["domains"] == ["llm.staging.example.com", "main.llm.staging.example.com"]
    assert len(certificate["dnsAuthorizations"]) == 2


def test_the_zone_is_the_nearest_one() -> None:
    zones = {"example.com.": "all", "llm.example.com.": "llm", "lm.example.com.": "other"}
    assert zone_of("llm.example.com", zones) == "llm"
    assert zone_of("chat.llm.example.com", zones) == "llm"
    assert zone_of("allm.example.com", zones) == "all"
    with pytest.raises(Exception, match="no managed zone of Cloud DNS"):
        zone_of("llm.example.org", zones)


def test_gateways_copy_their_audit_to_the_sites_bucket_without_a_key(seen: Recorder) -> None:
    files = [one["data"] for one in inputs(seen, "kubernetes:core/v1:ConfigMap").values()]
    (content,) = [json.loads(text) for data in files for text in data.values() if '"audit"' in text]
    url = "https://storage.googleapis.com/main-buckets-audit"
    assert content["audit"]["object_store"] == {"kind": "gcs", "url": url, "region": "auto", "prefix": "audit/"}


def test_a_budget_counts_the_stack_and_somebody_hears_of_it() -> None:
    budget = only(registrations("every_way_to_buy"), "gcp:billing/budget:Budget")
    assert budget["amount"] == {"specifiedAmount": {"currencyCode": "USD", "units": "25000"}}
    assert budget["budgetFilter"]["labels"] == {"slipway-stack": "staging"}
    assert budget["allUpdatesRule"]["monitoringNotificationChannels"]
    assert [(rule["spendBasis"], rule["thresholdPercent"]) for rule in budget["thresholdRules"]] == [
        *(("CURRENT_SPEND", 0.8), ("CURRENT_SPEND", 1), ("FORECASTED_SPEND", 1))
    ]
    services = [
        one["service"] for one in inputs(registrations("every_way_to_buy"), "gcp:projects/service:Service").values()
    ]
    assert "billingbudgets.googleapis.com" in services
    assert not registrations().of_type("gcp:billing/budget:Budget")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gateway": {"audit": {"content": "encrypted"}}}, "whose keys would be kept on a file system"),
        ({"topology": "standby"}, "a standby on Google Cloud"),
    ],
)
def test_what_is_not_made_there_yet_is_refused(change: dict[str, Any], said: str) -> None:
    deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    if "gateway" in change:
        deployment["gateway"] |= change["gateway"]
    else:
        deployment["topology"] = {"kind": "ha", "standby": {"site": "east", "mode": "warm"}}
        own = deployment["sites"]["main"]["platform"]
        own["zones"] = ["us-central1-a", "us-central1-b", "us-central1-c"]
        other = {**own, "region": "us-east4", "zones": ["us-east4-a", "us-east4-b", "us-east4-c"]}
        deployment["sites"]["east"] = {"platform": {**other, "network": {"cidr": "10.61.0.0/16"}}}
        deployment["models"]["chat"]["scaling"] = {"min_replicas": 3, "max_replicas": 6}
    with pytest.raises(Refused) as refused:
        refuse_undeployable(build_plan(validate(deployment, "staging", {}), "staging"))
    assert said in str([problem.found for problem in refused.value.problems])


def test_replicas_of_several_nodes_are_refused() -> None:
    deployment = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]
    details = build_plan(validate(deployment, "staging", {}), "staging").sites["main"].details
    assert details.missing == ()
    engine = replace(details.serving.engines["chat"], groups=SimpleNamespace(size=2))
    (problem,) = replace(details, serving=replace(details.serving, engines={"chat": engine})).missing
    assert problem.where == "slipway:deployment.models.chat.accelerator.nodes"
    assert "the cluster would lack LeaderWorkerSet" in problem.found


def test_the_id_of_an_account_is_as_short_as_google_takes_it() -> None:
    assert account_id("slipway-staging-main", "nodes") == "slipway-staging-main-nodes"
    long, other = (account_id(f"slipway-{'a' * 40}-{site}", "nodes") for site in ("main", "other"))
    assert len(long) == len(other) == 30
    assert long != other
