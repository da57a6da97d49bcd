"""What a stack on an existing cluster registers: contracts of components, secrets, what a change touches, refusals."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.components.engine_certificates import AuthorityProvider
from infra.load import validate
from infra.plan.build import build_plan
from infra.plan.deployable import refuse_undeployable
from infra.plan.gateway_pods import CLIENT_KEYS_FOLDER, CONFIG_FOLDER
from infra.problems import Refused
from serving.gateway.config import load_config
from tests.harness import Recorder, Registration
from tests.manifests import objects, plain, recorded
from tests.on_a_cluster import FILE, VARIANTS, Deployment, manifests, of_kind, platform, registrations
from tests.one_model import one_model

SERVING = (
    *("ServingStack", "Isolation", "SharedLimits", "Gateway"),
    *("ModelCache", "ModelServer", "Autoscaling", "Observability", "Trials", "Makings", "Releases"),
)
OUR_TYPES = {
    "slipway:kubernetes:Site",
    "slipway:security:ClientKeys",
    *(f"slipway:serving:{name}" for name in SERVING),
}


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def in_cluster(seen: Recorder) -> list[Registration]:
    return [one for one in seen.seen if one.type.startswith("kubernetes:")]


def one(seen: Recorder, kind: str, name: str) -> Registration:
    (found,) = [r for r in in_cluster(seen) if r.inputs["kind"] == kind and r.inputs["metadata"]["name"] == name]
    return found


def deployment() -> Deployment:
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]["slipway:deployment"]


def test_every_component_of_ours_is_known_and_closed(seen: Recorder) -> None:
    components = [one for one in seen.seen if not one.custom and one.type.startswith("slipway:")]
    assert {one.type for one in components} <= OUR_TYPES
    assert {one.urn for one in components} <= seen.closed


def test_everything_has_a_component_as_parent(seen: Recorder) -> None:
    components = {one.urn for one in seen.seen if not one.custom}
    assert all(one.parent in components for one in seen.seen if one.type != "pulumi:pulumi:Stack")


def test_every_object_is_the_clusters_own_providers(seen: Recorder) -> None:
    (provider,) = seen.of_type("pulumi:providers:kubernetes")
    assert {one.provider.rpartition("::")[0] for one in in_cluster(seen)} == {provider.urn}
    inputs = provider.inputs
    assert inputs["context"] == "datacentre"
    for ability in ("ServerSideApply", "ConfigMapMutable", "SecretMutable"):
        assert inputs[f"enable{ability}"] == "true"
    assert inputs["clusterIdentifier"] == "datacentre"


def test_two_sites_in_one_stack_are_told_apart() -> None:
    """Two clusters, one of them the other's overflow."""

    def two(raw: Deployment) -> None:
        other = copy.deepcopy(platform(raw))
        raw["sites"]["annex"] = {"platform": {**other, "context": "annex"}}
        raw["topology"] = {"kind": "ha", "standby": {"site": "annex", "mode": "warm"}}
        for site in raw["sites"].values():
            site["platform"]["zones"] = ["a", "b"]

    seen = recorded(FILE, two)
    urns = [one.urn for one in seen.seen]
    assert len(urns) == len({*urns})
    assert len({one.provider for one in in_cluster(seen)}) == 2


def test_all_but_the_namespace_comes_after_it(seen: Recorder) -> None:
    """By itself, or by a component that it is in: a child is registered after its parent, and deleted before it."""
    namespace = one(seen, "Namespace", "slipway").urn
    every = {found.urn: found for found in seen.seen}

    def after(found: Registration | None) -> bool:
        return found is not None and (namespace in found.depends_on or after(every.get(found.parent)))

    late = [found for found in in_cluster(seen) if found.inputs["kind"] not in ("Namespace", "PriorityClass")]
    assert [found.name for found in late if not after(found)] == []


def test_secrets_are_secret_and_nothing_else_has_them(seen: Recorder) -> None:
    """The harness' keys are canaries: they are in the inputs of Secrets, marked, and nowhere else."""
    for canary in ("a-made-key", "PRIVATE KEY"):
        holders = [found for found in in_cluster(seen) if canary in json.dumps(found.inputs)]
        assert holders
        for found in holders:
            assert found.inputs["kind"] == "Secret", found.name
            assert canary not in json.dumps(plain(found.inputs)), f"{found.name}: not marked"
    assert "canary" not in json.dumps(objects(seen))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gateway_accepts_what_is_mounted_into_it(variant: str, tmp_path: Path) -> None:
    """Its own loader, over the files as the pod has them."""
    found = manifests(variant)
    gateway = of_kind(found, "Deployment")["gateway"]["spec"]["template"]["spec"]
    content = of_kind(found, "ConfigMap")["gateway"]["data"]["gateway.json"]
    mounts = {mount["name"]: mount["mountPath"] for mount in gateway["containers"][0]["volumeMounts"]}
    for path in [path for name, path in mounts.items() if name != "tmp"]:
        (tmp_path / path.lstrip("/")).mkdir(parents=True, exist_ok=True)
        content = content.replace(f'"{path}', f'"{tmp_path}{path}')
    for name in ("run/secrets/engine/key", "run/secrets/shared-limits/url", "run/secrets/gateway/limits"):
        if (file := tmp_path / name).parent.is_dir():
            file.write_text("redis://127.0.0.1:6379/0" if "limits" in name else "a-key-of-more-than-sixteen-characters")
    assert of_kind(found, "Secret")["engine-key"]["stringData"].keys() == {"key", "ca.crt"}
    (authority,) = registrations(variant).of_type("pulumi-python:dynamic/slipway:Authority")
    made = AuthorityProvider().create({"site": authority.inputs["site"]}).outs or {}
    (tmp_path / "run/secrets/engine/ca.crt").write_text(made["certificate"])
    config = tmp_path / CONFIG_FOLDER.lstrip("/") / "gateway.json"
    config.write_text(content)
    keys = tmp_path / CLIENT_KEYS_FOLDER.lstrip("/")
    (keys / "web").write_text(f"{'a' * 64}\n")
    loaded = load_config(config, keys)
    assert [key.sha256 for key in loaded.clients["web"].keys] == ["a" * 64]
    (upstream,) = loaded.models["chat"].upstreams
    if variant == "one_pod":
        assert (upstream.url, upstream.discover, upstream.tls) == ("http://127.0.0.1:8000", None, None)
    else:
        assert upstream.discover is not None
        assert upstream.url == "https://engine-chat"
        assert upstream.tls is not None
        assert upstream.tls.server_name == "engine-chat"
    assert "key_sha256" not in content


def test_keys_of_the_stack_are_one_file_for_each_client(tmp_path: Path) -> None:
    def two(raw: Deployment) -> None:
        raw["clients"]["batch"] = {**raw["clients"]["web"], "keys_expire": "2030-01-01T00:00:00Z"}

    secret = one(recorded(FILE, two), "Secret", "client-keys")
    files = secret.inputs["stringData"]["value"]
    web, batch = files["web"], files["batch"]
    assert web.endswith("\n")
    assert len(web.strip()) == 64
    assert batch == f"{web.strip()} 2030-01-01T00:00:00Z\n"


MADE = {"secret": {"defaultMode": 0o440, "secretName": "client-keys"}}


@pytest.mark.parametrize(
    ("variant", "made", "volume"),
    [
        ("as_it_ships", ("Secret", "client-keys"), MADE),
        ("ingress_and_zones", None, {"secret": {"defaultMode": 0o440, "secretName": "keys-of-clients"}}),
        ("inside_only", ("ExternalSecret", "client-keys"), MADE),
        (
            "several_models",
            ("SecretProviderClass", "client-keys"),
            {
                "csi": {
                    "driver": "secrets-store.csi.k8s.io",
                    "readOnly": True,
                    "volumeAttributes": {"secretProviderClass": "client-keys"},
                }
            },
        ),
    ],
)
def test_keys_come_from_where_the_user_says(variant: str, made: tuple[str, str] | None, volume: dict[str, Any]) -> None:
    found = manifests(variant)
    kinds = ("Secret", "ExternalSecret", "SecretProviderClass")
    named = [(one["kind"], one["metadata"]["name"]) for one in found]
    keys = [(kind, name) for kind, name in named if "client-keys" in name and kind in kinds]
    assert keys == ([made] if made else [])
    volumes = of_kind(found, "Deployment")["gateway"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "client-keys", **volume} in volumes
    keys_made = registrations(variant).of_type("pulumi-python:dynamic/slipway:ClientKey")
    ours = [key.name for key in keys_made if key.name.startswith("slipway-")]
    assert ours == (["slipway-web"] if made == ("Secret", "client-keys") else []), "no key is made that opens nothing"


def changed(change: Any) -> set[str]:
    """The objects that a change of the deployment touches."""
    before, after = (
        {f"{one['kind']} {one['metadata']['name']}": one for one in found}
        for found in (manifests("as_it_ships"), objects(recorded(FILE, change)))
    )
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_a_changed_limit_is_reloaded_not_rolled() -> None:
    def fewer(raw: Deployment) -> None:
        raw["clients"]["web"]["requests_per_minute"] = 300

    assert changed(fewer) == {"ConfigMap gateway"}


def test_another_client_touches_its_key_and_the_file_alone() -> None:
    def another(raw: Deployment) -> None:
        raw["clients"]["batch"] = {"models": ["chat"], "requests_per_minute": 60}

    assert changed(another) == {"ConfigMap gateway", "Secret client-keys"}


def test_a_longer_generation_moves_every_time_that_follows_from_it() -> None:
    def longer(raw: Deployment) -> None:
        one_model(raw)
        raw["models"]["chat"]["longest_generation_seconds"] = 600

    found = objects(recorded(FILE, longer))
    graces = {
        name: whole["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        for name, whole in of_kind(found, "Deployment").items()
    }
    assert graces == {"gateway": 630, "engine-chat": 630}


def test_what_an_autoscaler_owns_is_not_written(seen: Recorder) -> None:
    found = objects(seen)
    kinds = ("HorizontalPodAutoscaler", "ScaledObject")
    scaled = {one["spec"]["scaleTargetRef"]["name"] for one in found if one["kind"] in kinds}
    for name, workload in of_kind(found, "Deployment").items():
        assert ("replicas" in workload["spec"]) == (name not in scaled), name


def test_a_custom_resource_is_waited_for(seen: Recorder) -> None:
    waits = {"Gateway": "Programmed", "Certificate": "Ready", "ExternalSecret": "Ready"}
    for found in objects(seen):
        if found["kind"] in waits:
            assert found["metadata"]["annotations"]["pulumi.com/waitFor"] == f"condition={waits[found['kind']]}"


def test_gateways_are_waited_for_as_long_as_engines_may_start() -> None:
    seen = registrations("as_it_ships")
    gateway, engine = one(seen, "Deployment", "gateway"), one(seen, "Deployment", "engine-chat")
    # The plan's cold start, and what its start may take.
    assert int(gateway.create_timeout.removesuffix("s")) > 877 + 521
    assert int(engine.create_timeout.removesuffix("s")) > 877
    assert gateway.inputs["spec"]["progressDeadlineSeconds"] > 877


def test_the_audit_outlives_what_wrote_it() -> None:
    seen = registrations("as_it_ships")
    claim = one(seen, "PersistentVolumeClaim", "gateway-audit")
    assert claim.retained
    assert claim.inputs["spec"]["accessModes"] == ["ReadWriteMany"]
    assert claim.inputs["spec"]["storageClassName"] == "replicated"
    spec = one(seen, "Deployment", "gateway").inputs["spec"]["template"]["spec"]
    (mount,) = [mount for mount in spec["containers"][0]["volumeMounts"] if mount["name"] == "state"]
    assert mount["subPathExpr"] == "$(POD_NAME)", "each gateway has a chain of its own"


def test_with_a_bucket_the_audit_waits_in_the_pod() -> None:
    found = manifests("inside_only")
    assert "gateway-audit" not in of_kind(found, "PersistentVolumeClaim")
    volumes = of_kind(found, "Deployment")["gateway"]["spec"]["template"]["spec"]["volumes"]
    assert {"name": "state", "emptyDir": {"sizeLimit": "4Gi"}} in volumes


def test_gateways_count_together_by_default_and_elsewhere_where_it_is_said() -> None:
    ships = json.loads(of_kind(manifests("as_it_ships"), "ConfigMap")["gateway"]["data"]["gateway.json"])
    assert ships["limits_store"]["url_file"] == "/run/secrets/shared-limits/url"
    assert ships["limits_store"]["gateways"] == 12, "as many as there may be: each has that part while it is away"
    assert of_kind(manifests("as_it_ships"), "StatefulSet")
    other = json.loads(of_kind(manifests("inside_only"), "ConfigMap")["gateway"]["data"]["gateway.json"])
    assert other["limits_store"]["url_file"] == "/run/secrets/gateway/limits"
    assert not of_kind(manifests("inside_only"), "StatefulSet")
    password = one(registrations("as_it_ships"), "Secret", "shared-limits").inputs["stringData"]["value"]
    assert password["url"] == "redis://:a-made-key-that-is-long-enough@shared-limits:6379/0"
    assert "\nrequirepass a-made-key-that-is-long-enough\n" in password["valkey.conf"]


def test_front_doors_pass_long_answers_on_as_they_come() -> None:
    ships = of_kind(manifests("as_it_ships"), "HTTPRoute")["front-door-https"]["spec"]["rules"]
    assert [rule["timeouts"] for rule in ships] == [{"request": "0s", "backendRequest": "0s"}]
    ingress = of_kind(manifests("ingress_and_zones"), "Ingress")["front-door"]["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/proxy"
    assert ingress[f"{prefix}-buffering"] == ingress[f"{prefix}-request-buffering"] == "off"
    assert int(ingress[f"{prefix}-read-timeout"]) > 120
    assert int(ingress[f"{prefix}-body-size"]) > 4_194_304
    assert ingress["external-dns.alpha.kubernetes.io/hostname"] == "llm.example.com"
    assert "external-dns" not in json.dumps(manifests("as_it_ships")), "only where it is asked for"


@pytest.mark.parametrize(
    ("variant", "endpoint"),
    [
        ("as_it_ships", "https://llm.example.com"),
        ("ingress_and_zones", "https://llm.example.com"),
        ("inside_only", "http://gateway.slipway.svc"),
    ],
)
def test_the_endpoint_is_that_of_the_plan(variant: str, endpoint: str) -> None:
    assert registrations(variant).outputs["endpoint"] == endpoint


def test_gateways_scale_by_what_they_have_where_somebody_tells() -> None:
    def metrics(variant: str) -> list[str]:
        spec = of_kind(manifests(variant), "HorizontalPodAutoscaler")["gateway"]["spec"]
        return [metric["type"] for metric in spec["metrics"]]

    assert metrics("as_it_ships") == ["Resource"]
    assert metrics("ingress_and_zones") == ["Resource", "Pods"]


REFUSED = """3 problems in the stack `onprem`

1. slipway:deployment.gateway.images.gateway
   found    nothing, and no release to take it from
   allowed  an image by its digest, from a registry that the cluster reaches
   do       name it: `REGISTRY/NAME@sha256:DIGEST`; or let the stack build it: `images.build: true` and a `registry`

2. slipway:deployment.gateway.images.valkey
   found    nothing
   allowed  an image by its digest, from a registry that the cluster reaches
   do       name it: `REGISTRY/NAME@sha256:DIGEST`

3. slipway:deployment.models.chat.engine.image
   found    nothing, so that it would be `vllm/vllm-openai:v0.33.0`, whatever that is today
   allowed  an image by its digest, from a registry that the cluster reaches
   do       name it: `REGISTRY/NAME@sha256:DIGEST`"""


def test_what_is_not_pinned_is_planned_and_not_deployed() -> None:
    raw = deployment()
    del raw["gateway"]["images"]
    del raw["models"]["chat"]["engine"]["image"]
    plan = build_plan(validate(raw, "onprem", {}), "onprem")
    with pytest.raises(Refused) as refused:
        refuse_undeployable(plan)
    assert str(refused.value) == REFUSED
    refuse_undeployable(build_plan(validate(deployment(), "onprem", {}), "onprem"))


def test_a_file_of_this_machine_is_refused_where_gateways_are_pods() -> None:
    raw = copy.deepcopy(deployment())
    raw["gateway"]["limits_store"] = {"kind": "redis", "url": {"file": "/etc/redis-url"}, "gateways": 2}
    with pytest.raises(Refused) as refused:
        build_plan(validate(raw, "onprem", {}), "onprem")
    assert "found    the file `/etc/redis-url` (limits_store.url_file), and site `datacentre`" in str(refused.value)
    assert "do       write `{secret: NAME}`, or take this out" in str(refused.value)
    assert platform(raw)
