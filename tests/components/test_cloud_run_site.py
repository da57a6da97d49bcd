"""What a site on Cloud Run registers: contracts of components, the instance's containers, order, and the front door."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from infra.platforms.cloud_run.engine_container import LAUNCHER_FILE
from infra.problems import Refused
from serving.gateway.config import load_config
from serving.launcher.fetching import Wanted
from serving.launcher.specification import Specification
from tests.harness import Recorder, Registration
from tests.manifests import PLACEHOLDER
from tests.on_cloud_run import (
    VARIANTS,
    Deployment,
    as_it_ships,
    changed,
    details,
    inputs,
    only,
    platform,
    registrations,
)

NAMES = ("Site", "Keys", "Network", "Secrets", "Weights", "Audit", "Fetch", "Service", "FrontDoor")
SERVICE, JOB = "gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/job:Job"
VERSION = "gcp:secretmanager/secretVersion:SecretVersion"


@pytest.fixture(params=VARIANTS)
def seen(request: pytest.FixtureRequest) -> Recorder:
    return registrations(request.param)


def containers(variant: str = "as_it_ships") -> dict[str, Any]:
    return {one["name"]: one for one in only(registrations(variant), SERVICE)["template"]["containers"]}


def named(seen: Recorder, name: str, kind: str) -> Registration:
    (found,) = [one for one in seen.seen if one.name == name and kind in one.type]
    return found


# Contracts of components.


def test_every_component_of_ours_is_known_and_closed(seen: Recorder) -> None:
    components = [one for one in seen.seen if not one.custom and one.type.startswith("slipway:cloud_run:")]
    assert {one.type for one in components} <= {f"slipway:cloud_run:{name}" for name in NAMES}
    assert {one.urn for one in seen.seen if not one.custom and one.type.startswith("slipway:")} <= seen.closed


def test_everything_has_a_component_as_parent(seen: Recorder) -> None:
    components = {one.urn for one in seen.seen if not one.custom}
    assert all(one.parent in components for one in seen.seen if one.type != "pulumi:pulumi:Stack")


def test_everything_is_its_own_providers_and_says_whose_it_is(seen: Recorder) -> None:
    (provider,) = seen.of_type("pulumi:providers:gcp")
    assert {one.provider.rpartition("::")[0] for one in seen.seen if one.type.startswith("gcp:")} == {provider.urn}
    labels = json.loads(provider.inputs["defaultLabels"])
    assert (labels["slipway-stack"], labels["slipway-site"]) == ("serverless", "main")
    assert provider.inputs["project"] == "example-serverless"


def test_labels_of_the_users_are_on_everything() -> None:
    (provider,) = registrations("own_address").of_type("pulumi:providers:gcp")
    assert json.loads(provider.inputs["defaultLabels"])["team"] == "search"


def test_names_are_as_short_as_google_takes_them() -> None:
    names = [changed(as_it_ships, f"a-stack-with-a-long-name-{end}").sites["main"].details.name for end in "ab"]
    assert len({*names}) == 2
    for name in names:
        assert 6 <= len(f"{name}-fetch") <= 30


# The instance.


def test_requests_come_in_at_the_gateway_alone_and_after_the_engine() -> None:
    for variant in VARIANTS:
        found = containers(variant)
        assert {*found} == {"gateway", "engine"}
        assert found["gateway"]["ports"] == {"name": "http1", "containerPort": 8080}
        assert found["gateway"]["dependsOns"] == ["engine"]
        assert "ports" not in found["engine"]


def test_the_engine_listens_to_its_own_instance() -> None:
    for variant in VARIANTS:
        (told,) = [file for file in files(variant) if file.name == LAUNCHER_FILE.name]
        engine = json.loads(told.content or "")["engines"]["chat"]
        assert engine["door"] is None
        text = json.dumps(engine["arguments"])
        assert "0.0.0.0" not in text, "nobody beyond the instance"
        assert '"127.0.0.1"' in text or variant == "tensorrt_llm"


def files(variant: str) -> list[Any]:
    return [file for container in details(variant).service.containers for file in container.files]


def test_the_first_probe_gives_what_the_cold_start_needs_and_no_more_than_google_allows() -> None:
    start, alive = containers()["gateway"]["startupProbe"], containers()["gateway"]["livenessProbe"]
    budget = changed(as_it_ships).models["chat"].cold_start.startup_budget_seconds
    assert start["periodSeconds"] * start["failureThreshold"] == budget == 240
    assert alive["periodSeconds"] * alive["failureThreshold"] == budget
    assert start["httpGet"] == alive["httpGet"] == {"path": "/ready", "port": 8080}
    assert start["timeoutSeconds"] <= start["periodSeconds"]


def test_what_an_instance_has_is_what_the_plan_says() -> None:
    template = only(registrations(), SERVICE)["template"]
    assert template["maxInstanceRequestConcurrency"] == 8
    assert template["scaling"] == {"minInstanceCount": 0, "maxInstanceCount": 2}
    assert template["nodeSelector"] == {"accelerator": "nvidia-l4"}
    assert template["gpuZonalRedundancyDisabled"] is True
    assert template["timeout"] == "3600s"
    assert containers()["engine"]["resources"]["limits"] == {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}
    assert "nvidia.com/gpu" not in containers()["gateway"]["resources"]["limits"]
    for container in containers().values():
        assert container["resources"]["cpuIdle"] is False
        assert container["resources"]["startupCpuBoost"] is True


def test_minimum_instances_and_redundancy_are_fields() -> None:
    template = only(registrations("own_address"), SERVICE)["template"]
    assert template["scaling"]["minInstanceCount"] == 1
    assert template["gpuZonalRedundancyDisabled"] is False


def test_without_a_gpu_nothing_is_said_of_one() -> None:
    template = only(registrations("in_the_image"), SERVICE)["template"]
    assert "nodeSelector" not in template
    assert "gpuZonalRedundancyDisabled" not in template


def test_every_mount_is_of_a_volume_and_no_folder_is_mounted_twice(seen: Recorder) -> None:
    template = only(seen, SERVICE)["template"]
    volumes = [volume["name"] for volume in template["volumes"]]
    assert len(volumes) == len({*volumes})
    mounted: set[str] = set()
    for container in template["containers"]:
        paths = [mount["mountPath"] for mount in container["volumeMounts"]]
        assert len(paths) == len({*paths})
        for path in paths:
            assert not [other for other in paths if other != path and path.startswith(f"{other}/")], "one in another"
        mounted |= {mount["name"] for mount in container["volumeMounts"]}
    assert mounted == {*volumes}
    assert all(len(name) <= 63 for name in volumes)


# Files.


def contents(variant: str) -> dict[str, str]:
    """What would be written, secrets and all."""
    return {
        one.name.removeprefix("main-secrets-"): _text(one.inputs["secretData"])
        for one in registrations(variant).of_type(VERSION)
    }


def _text(value: Any) -> str:
    return value["value"] if isinstance(value, dict) else value


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_gateway_takes_its_file(variant: str, tmp_path: Path) -> None:
    text = contents(variant)["gateway"]
    assert "{engine}" not in text
    assert "{secrets}" not in text
    assert "{state}" not in text
    assert "{audit_bucket}" not in text
    # In place of what is mounted there, a folder of this test.
    for file in files(variant):
        path = tmp_path / file.path.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        limits = "limits_store" in file.path
        path.write_text("redis://127.0.0.1" if limits else "a-key-of-some-length-that-is-no-secret", encoding="utf-8")
        text = text.replace(f'"{file.path}"', json.dumps(str(path)))
    config = tmp_path / "gateway.json"
    config.write_text(text.replace("/var/lib/slipway", str(tmp_path / "state")), encoding="utf-8")
    found = load_config(config)
    assert [one.url for one in found.models["chat"].upstreams] == ["http://127.0.0.1:8000"]
    client = json.loads(text)["clients"]["web"]
    hashes = client["key_sha256"] or [key["sha256"] for key in client["keys"]]
    assert [len(known) for known in hashes] == [64]


def test_the_gateway_shows_its_own_identity_to_the_audits_bucket() -> None:
    store = json.loads(contents("as_it_ships")["gateway"])["audit"]["object_store"]
    url = "https://storage.googleapis.com/main-audit"
    assert store == {"kind": "gcs", "url": url, "region": "auto", "prefix": "audit/"}


def test_the_launcher_takes_its_specification() -> None:
    for variant in VARIANTS:
        spec = msgspec.json.decode(contents(variant)["launcher"], type=Specification)
        (engine,) = spec.engines.values()
        assert engine.start_seconds <= 240
        assert engine.drain_seconds <= 8, "10 s after SIGTERM it is killed"
        assert engine.key_file in (None, "/run/secrets/engine/key")
        weights = {"in_the_image": "package"}.get(variant, "fetched")
        assert engine.weights.kind == weights


def test_what_an_engine_reads_its_key_from_is_as_it_wants_it() -> None:
    key = contents("sglang")["engine-key"]
    assert contents("sglang")["engine-options"] == f'api-key: "{key}"\n'
    assert contents("in_the_image")["engine-options"] == f"{contents('in_the_image')['engine-key']}\n"
    assert "engine-options" not in contents("as_it_ships")
    (options,) = [file for file in files("tensorrt_llm") if file.file == "options.yaml"]
    assert contents("tensorrt_llm")[options.name] == options.content


def test_secrets_of_the_stack_are_files_by_their_names() -> None:
    found = contents("own_address")
    assert found["gateway-secret-audit-access-key"] == "canary-audit_access_key"
    assert found["gateway-secret-limits-store"] == "canary-limits_store"
    assert '"/run/secrets/gateway/limits_store/limits_store"' in found["gateway"]


def test_a_file_that_changes_is_another_version_of_what_runs() -> None:
    volumes = {one["name"]: one for one in only(registrations(), SERVICE)["template"]["volumes"]}
    (item,) = volumes["gateway"]["secret"]["items"]
    assert item == {"path": "gateway.json", "version": "1", "mode": 0o444}
    assert volumes["gateway"]["secret"]["secret"] == "slipway-serverless-main-gateway"


# Weights.


def test_weights_are_fetched_once_and_checked_before_anything_reads_them() -> None:
    seen = registrations()
    job, service = seen.of_type(JOB)[0], named(seen, "main-service", "slipway:cloud_run:Service")
    arguments = only(seen, JOB)["template"]["template"]["containers"][0]["args"]
    (wanted,) = [msgspec.json.decode(text, type=Wanted) for text in arguments[3:]]
    assert wanted.path == "/weights/chat"
    assert wanted.revision == "220b46e3b2180893580a4454f21f22d3ebb187d3"
    assert arguments[2] == "/run/secrets/model-source/huggingface-token"
    assert job.create_timeout == "21600s"
    assert job.urn in service.depends_on, "whatever is in the component waits for it"
    allowed = {one.urn for one in seen.seen if "IamMember" in one.type or "IAMMember" in one.type}
    assert len(allowed & {*service.depends_on}) == 8, "keys, files, weights and audit are allowed before it starts"
    volumes = {one["name"]: one for one in only(seen, SERVICE)["template"]["volumes"]}
    assert volumes["weights"]["gcs"]["readOnly"] is True


def test_other_weights_are_another_execution() -> None:
    def other(deployment: Deployment) -> None:
        deployment["models"]["chat"]["source"]["revision"] = "1" * 40

    before, after = details().fetch, changed(other).sites["main"].details.fetch
    assert before
    assert before.execution != after.execution
    assert len(before.name) + len(before.execution) < 63


def test_weights_in_the_image_need_no_bucket_and_no_job() -> None:
    seen = registrations("in_the_image")
    assert not seen.of_type(JOB)
    assert not [name for name in inputs(seen, "gcp:storage/bucket:Bucket") if "weights" in name]
    assert not [mount for mount in containers("in_the_image")["engine"]["volumeMounts"] if mount["name"] == "weights"]


def test_no_token_is_a_line_without_anything() -> None:
    token = named(registrations(), "main-fetch-model-source", "SecretVersion")
    assert _text(token.inputs["secretData"]) == "\n", "a secret cannot be empty"


# Front door.


def test_the_name_is_shown_to_be_ours_before_the_certificate_is_asked_for() -> None:
    seen = registrations()
    records = inputs(seen, "gcp:dns/recordSet:RecordSet")
    proof = records["main-door-names-proof-shared"]
    assert (proof["name"], proof["type"]) == ("_acme-challenge.llm.example.com.", "CNAME")
    own = records["main-door-names-shared"]
    assert (own["name"], own["type"], own["rrdatas"]) == ("llm.example.com.", "A", ["203.0.113.10"])
    assert {record["managedZone"] for record in records.values()} == {"example-com"}
    certificate = seen.of_type("gcp:certificatemanager/certificate:Certificate")[0]
    assert named(seen, "main-door-names-proof-shared", "RecordSet").urn in certificate.depends_on
    proxy = only(seen, "gcp:compute/targetHttpsProxy:TargetHttpsProxy")
    assert proxy["certificateMap"] == "//certificatemanager.googleapis.com/main-door-names-certificates-id"


def test_the_endpoint_is_the_name_or_google_s_own() -> None:
    assert registrations().outputs["endpoint"] == "https://llm.example.com"
    assert (
        registrations("own_address").outputs["endpoint"]
        == "https://slipway-serverless-main-123456789012.europe-west4.run.app"
    )
    assert not [one for one in registrations("own_address").seen if "certificatemanager" in one.type]


# What cannot be.


def refused(change: Any) -> str:
    with pytest.raises(Refused) as raised:
        changed(change)
    return str(raised.value)


def test_a_file_that_no_secret_holds_is_refused() -> None:
    def many(deployment: Deployment) -> None:
        one = {"models": ["chat"], "requests_per_minute": 1}
        deployment["clients"] = {f"client-{place}": one for place in range(400)}

    said = refused(many)
    assert "a file `gateway.json` of" in said
    assert "65,536 bytes" in said


def test_content_whose_keys_would_be_lost_is_refused() -> None:
    def content(deployment: Deployment) -> None:
        deployment["gateway"]["audit"] = {"content": "encrypted"}

    assert "has no disk that keeps the subjects' keys" in refused(content)


def test_an_image_without_a_digest_is_said_before_anything_is_made() -> None:
    def tag(deployment: Deployment) -> None:
        deployment["models"]["chat"]["engine"] = {"kind": "vllm"}
        del deployment["gateway"]["images"]

    missing = changed(tag).sites["main"].details.missing
    assert [one.where.rpartition(":")[2] for one in missing] == [
        "deployment.gateway.images.gateway",
        "deployment.models.chat.engine.image",
    ]


def test_a_range_must_hold_all_instances() -> None:
    def small(deployment: Deployment) -> None:
        platform(deployment)["egress_cidr"] = "10.90.0.0/27"

    assert "takes up to four addresses" in refused(small)


def test_no_secret_is_rendered() -> None:
    for variant in VARIANTS:
        for one in inputs(registrations(variant), VERSION).values():
            assert one["secretData"] == PLACEHOLDER
