"""The engines of a model as registered: each control by its number, probes, drain, rollout, files and keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.components.cluster_handle import ClusterHandle
from infra.components.model_server import ModelServer
from infra.plan.serving import ServingPlan
from infra.plan.types import DeploymentPlan
from tests.components.engines import DIGEST, GGUF, IMAGE, KEY, authority, objects, ours, planned, recorded
from tests.harness import SECRET, SECRET_MARK, Recorder

ENGINES: dict[str, dict[str, Any]] = {
    "vllm": {},
    "sglang": {"engine": {"kind": "sglang", "image": DIGEST}},
    "tensorrt_llm": {"engine": {"kind": "tensorrt_llm", "image": DIGEST}},
    "llama_cpp": GGUF,
    "vllm-four-gpus": {"accelerator": {"type": "L40S", "count": 4}},
    "shared-weights": {"platform": {"storage": {"weights": "fast"}}},
    "local-weights": {"platform": {"storage": {"weights": "nvme", "weights_mode": "node_local"}}},
    "image-weights": {"platform": {"weight_images": {"chat": f"registry.example/qwen@sha256:{'c' * 64}"}}},
    "one-replica": {"scaling": {"min_replicas": 1}, "rollout": "spare"},
    "in-place": {"rollout": "in_place"},
    "claims": {"platform": {"gpu": {"sharing": {"L40S": {"kind": "claim", "selector": "device.x"}}}}},
}


def make(serving: ServingPlan, cluster: ClusterHandle) -> None:
    ModelServer("chat", serving.engines["chat"], cluster, key=KEY, authority=authority(), image=IMAGE)


def registered(**case: Any) -> tuple[DeploymentPlan, Recorder]:
    plan = planned(**case)
    return plan, recorded(plan, make)


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest) -> tuple[DeploymentPlan, Recorder]:
    return registered(**ENGINES[request.param])


@pytest.fixture(scope="module")
def vllm() -> tuple[DeploymentPlan, dict[str, Any]]:
    plan, recorder = registered()
    return plan, objects(recorder)


def deployment(found: dict[str, Any]) -> Any:
    return found["Deployment/engine-chat"]


def pod(found: dict[str, Any]) -> Any:
    return deployment(found)["spec"]["template"]["spec"]


def containers(found: dict[str, Any]) -> list[Any]:
    return [*pod(found).get("initContainers", []), *pod(found)["containers"]]


def engine_container(found: dict[str, Any]) -> Any:
    (container,) = pod(found)["containers"]
    return container


def test_registered_as_a_component_of_ours(made: tuple[DeploymentPlan, Recorder]) -> None:
    _, recorder = made
    (component,) = recorder.of_type("slipway:serving:ModelServer")
    assert component.urn in recorder.closed
    children = [seen for seen in ours(recorder) if seen is not component]
    assert children
    assert {child.parent for child in children} == {component.urn}
    assert all("pulumi:providers:kubernetes::cluster::" in child.provider for child in children)


def test_k01_k02_k03_nobody_is_root_or_may_become_more(made: tuple[DeploymentPlan, Recorder]) -> None:
    found = objects(made[1])
    whole = pod(found)["securityContext"]
    assert whole["runAsNonRoot"] is True
    assert whole["runAsUser"] >= 10_000
    assert whole["fsGroup"] >= 10_000
    assert whole["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(found):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["privileged"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}


def test_k04_nothing_is_written_but_to_volumes_with_a_size(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    found = objects(recorder)
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in containers(found))
    for volume in pod(found)["volumes"]:
        if "emptyDir" in volume:
            assert volume["emptyDir"]["sizeLimit"].endswith("i"), volume
    mounts = {mount["mountPath"]: mount for mount in engine_container(found)["volumeMounts"]}
    for path in (*plan.models["chat"].container.writable_paths, "/run/slipway"):
        assert not mounts[path].get("readOnly"), path
    assert len(mounts) == len(engine_container(found)["volumeMounts"])
    names = {volume["name"] for volume in pod(found)["volumes"]}
    used = {mount["name"] for container in containers(found) for mount in container["volumeMounts"]}
    assert names == used


def test_k05_nothing_of_the_host(made: tuple[DeploymentPlan, Recorder]) -> None:
    found = objects(made[1])
    assert not {"hostNetwork", "hostPID", "hostIPC"} & {*pod(found)}
    assert not [volume for volume in pod(found)["volumes"] if "hostPath" in volume]
    assert not [port for container in containers(found) for port in container.get("ports", []) if "hostPort" in port]


def test_k06_in_a_namespace_of_its_own(made: tuple[DeploymentPlan, Recorder]) -> None:
    assert {manifest["metadata"]["namespace"] for manifest in objects(made[1]).values()} == {"slipway"}


def test_k07_k08_an_account_of_its_own_without_a_token(made: tuple[DeploymentPlan, Recorder]) -> None:
    found = objects(made[1])
    assert pod(found)["automountServiceAccountToken"] is False
    assert pod(found)["serviceAccountName"] == "engine-chat"
    assert pod(found)["enableServiceLinks"] is False
    assert pod(found)["priorityClassName"] == "slipway-engine"


def test_k13_keys_are_files_and_secret(made: tuple[DeploymentPlan, Recorder]) -> None:
    _, recorder = made
    found = objects(recorder)
    for container in containers(found):
        assert all("valueFrom" not in variable for variable in container.get("env", []))
        assert "envFrom" not in container
    everything = {name: manifest for name, manifest in found.items() if not name.startswith("Secret/")}
    assert KEY not in json.dumps(everything)
    for seen in recorder.seen:
        if seen.type == "kubernetes:core/v1:Secret":
            data: Any = seen.inputs["stringData"]
            assert data.get(SECRET_MARK) == SECRET or all(v[SECRET_MARK] == SECRET for v in data.values())


@pytest.mark.parametrize(
    ("case", "files"),
    [
        ("vllm", {"key": KEY}),
        ("sglang", {"key": KEY, "key.yaml": f'api-key: "{KEY}"\n'}),
        ("llama_cpp", {"key": f"{KEY}\n"}),
        ("tensorrt_llm", None),
    ],
)
def test_each_engine_gets_its_key_as_it_reads_it(case: str, files: dict[str, str] | None) -> None:
    found = objects(registered(**ENGINES[case])[1])
    secret = found.get("Secret/engine-chat-key")
    assert (secret and secret["stringData"]) == files
    mounts = {mount["mountPath"]: mount for mount in engine_container(found)["volumeMounts"]}
    assert ("/run/secrets/engine" in mounts) is (files is not None)
    if files:
        assert mounts["/run/secrets/engine"]["readOnly"] is True


def test_k14_images_by_digest(vllm: tuple[DeploymentPlan, dict[str, Any]]) -> None:
    assert [container["image"] for container in containers(vllm[1])] == [IMAGE, DIGEST]
    assert pod(vllm[1])["imagePullSecrets"] == [{"name": "registry"}]


def test_k15_memory_asked_for_is_the_most_there_is(made: tuple[DeploymentPlan, Recorder]) -> None:
    for container in containers(objects(made[1])):
        asked, most = container["resources"]["requests"], container["resources"]["limits"]
        assert asked["memory"] == most["memory"]
        assert asked["ephemeral-storage"] == most["ephemeral-storage"]
        assert asked["cpu"]
        assert most["cpu"]


def test_gpus_are_asked_for_and_their_nodes_are_chosen(vllm: tuple[DeploymentPlan, dict[str, Any]]) -> None:
    resources = engine_container(vllm[1])["resources"]
    assert resources["requests"]["nvidia.com/gpu"] == resources["limits"]["nvidia.com/gpu"] == "1"
    assert pod(vllm[1])["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]


def test_nodes_are_chosen_by_the_name_of_their_gpu() -> None:
    found = objects(registered(platform={"gpu": {"products": {"L40S": "NVIDIA-L40S"}}})[1])
    assert pod(found)["nodeSelector"] == {"nvidia.com/gpu.product": "NVIDIA-L40S"}


def test_processors_ask_for_no_gpu_and_tolerate_nothing() -> None:
    found = objects(registered(**GGUF)[1])
    assert {*engine_container(found)["resources"]["limits"]} == {"cpu", "memory", "ephemeral-storage"}
    assert "tolerations" not in pod(found)
    assert "nodeSelector" not in pod(found)


def test_k16_probes_with_the_start_that_the_plan_expects(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    container = engine_container(objects(recorder))
    spec = plan.models["chat"].container
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[name]["httpGet"]["port"] == "operations"
    assert container["livenessProbe"]["httpGet"]["path"] == "/live"
    assert container["startupProbe"]["httpGet"]["path"] == container["readinessProbe"]["httpGet"]["path"] == "/ready"
    told = specification(objects(recorder))
    assert told["door"]["liveness_path"] == spec.liveness_path
    assert told["readiness_path"] == spec.readiness_path
    start = container["startupProbe"]
    cold = plan.models["chat"].cold_start
    assert cold
    assert start["failureThreshold"] * start["periodSeconds"] >= cold.startup_budget_seconds


def test_k17_a_disruption_budget_where_one_can_go(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    budget = objects(recorder).get("PodDisruptionBudget/engine-chat")
    assert (budget is not None) is (plan.models["chat"].replicas.min > 1)
    if budget:
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_k18_spread_over_zones(made: tuple[DeploymentPlan, Recorder]) -> None:
    found = objects(made[1])
    zone, host = pod(found)["topologySpreadConstraints"]
    assert zone["topologyKey"] == "topology.kubernetes.io/zone"
    assert zone["maxSkew"] == 1
    assert zone["whenUnsatisfiable"] == "DoNotSchedule"
    # A zone whose nodes are all gone must not keep its pods from the others.
    assert zone["nodeTaintsPolicy"] == "Honor"
    assert host["topologyKey"] == "kubernetes.io/hostname"
    selected = zone["labelSelector"]["matchLabels"]
    assert selected.items() <= deployment(found)["spec"]["template"]["metadata"]["labels"].items()
    assert selected == deployment(found)["spec"]["selector"]["matchLabels"]


def test_one_zone_is_a_wish() -> None:
    found = objects(registered(platform={"zones": []})[1])
    assert pod(found)["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "ScheduleAnyway"


def test_k19_ends_before_it_is_killed(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    found = objects(recorder)
    waits = engine_container(found)["lifecycle"]["preStop"]["sleep"]["seconds"]
    drains = specification(found)["drain_seconds"]
    assert waits >= 15
    assert drains == plan.models["chat"].drain.longest_generation_seconds
    assert waits + drains < pod(found)["terminationGracePeriodSeconds"]


def test_k21_k22_offline_and_nothing_of_the_models_code(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    found = objects(recorder)
    container = engine_container(found)
    words = [*container["command"], *specification(found)["arguments"]]
    assert not [word for word in words if "trust" in word.replace("_", "-")]
    environment = {variable["name"]: variable.get("value") for variable in container.get("env", [])}
    assert "VLLM_SERVER_DEV_MODE" not in environment
    assert environment.get("HF_HUB_OFFLINE") == "1" or "--offline" in words
    assert len(plan.models["chat"].weights.revision or "") == 40


def test_k23_no_port_but_the_engines(made: tuple[DeploymentPlan, Recorder]) -> None:
    found = objects(made[1])
    service = found["Service/engine-chat"]["spec"]
    assert service["ports"] == [{"name": "https", "port": 8443, "targetPort": "https"}]
    assert service["clusterIP"] == "None"
    assert engine_container(found)["ports"] == [
        {"name": "https", "containerPort": 8443},
        {"name": "operations", "containerPort": 9092},
    ]


def test_the_engine_itself_listens_to_its_pod_alone(made: tuple[DeploymentPlan, Recorder]) -> None:
    told = specification(objects(made[1]))
    words: list[str] = told["arguments"]
    assert words[words.index("--host") + 1] == "127.0.0.1"
    assert words[words.index("--port") + 1] == str(told["port"]) != str(told["door"]["port"])
    assert not [word for word in words if "0.0.0.0" in word]


def test_it_shows_a_certificate_of_its_own_for_its_name(made: tuple[DeploymentPlan, Recorder]) -> None:
    found, recorder = objects(made[1]), made[1]
    (issued,) = recorder.of_type("pulumi-python:dynamic/slipway:ServerCertificate")
    assert issued.inputs["names"] == ["engine-chat", "engine-chat.slipway.svc"]
    assert issued.is_secret("authority_key")
    secret = found["Secret/engine-chat-certificate"]
    assert secret["type"] == "kubernetes.io/tls"
    assert {*secret["stringData"]} == {"tls.crt", "tls.key"}
    mounts = {mount["mountPath"]: mount for mount in engine_container(found)["volumeMounts"]}
    folder = mounts["/run/secrets/certificate"]
    # A file of its own would never change in a pod that runs.
    assert folder["readOnly"] is True
    assert "subPath" not in folder
    door = specification(found)["door"]
    assert {door["certificate_file"], door["key_file"]} == {
        f"/run/secrets/certificate/{entry}" for entry in secret["stringData"]
    }


def specification(found: dict[str, Any]) -> Any:
    (files,) = (manifest for name, manifest in found.items() if name.startswith("ConfigMap/"))
    return json.loads(files["data"]["launcher.json"])["engines"]["chat"]


def test_the_launcher_is_the_first_process_and_reads_its_file(made: tuple[DeploymentPlan, Recorder]) -> None:
    plan, recorder = made
    found = objects(recorder)
    container = engine_container(found)
    assert container["command"] == [
        *("/opt/slipway/bin/python", "-m", "serving.launcher", "--container", "/run/slipway"),
        "/etc/slipway/launcher.json",
    ]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert mounts["/etc/slipway"]["readOnly"] is True
    told, spec = specification(found), plan.models["chat"].container
    assert told["command"] == list(spec.command)
    assert "{" not in "".join(told["arguments"])
    assert told["port"] == 8000
    assert told["key_environment"] == spec.key_environment


def test_every_rendered_file_is_where_the_engine_reads_it() -> None:
    plan, recorder = registered(**ENGINES["tensorrt_llm"])
    found = objects(recorder)
    (volume,) = (volume for volume in pod(found)["volumes"] if "configMap" in volume)
    content = found[f"ConfigMap/{volume['configMap']['name']}"]
    there = {f"/etc/slipway/{item['path']}": content["data"][item["key"]] for item in volume["configMap"]["items"]}
    assert there.items() >= plan.models["chat"].container.files.items()
    assert content["immutable"] is True


def test_other_files_are_another_config_map() -> None:
    def name(**case: Any) -> str:
        return next(name for name in objects(registered(**case)[1]) if name.startswith("ConfigMap/"))

    assert name() != name(context_tokens=4096)
    assert name() == name(scaling={"min_replicas": 3, "max_replicas": 3})


@pytest.mark.parametrize(("rollout", "surge", "unavailable"), [("spare", 1, 0), ("in_place", 0, 1)])
def test_how_a_change_replaces_replicas(rollout: str, surge: int, unavailable: int) -> None:
    strategy = deployment(objects(registered(rollout=rollout)[1]))["spec"]["strategy"]
    assert strategy == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable},
    }


def test_what_is_scaled_has_no_number_of_its_own() -> None:
    assert "replicas" not in deployment(objects(registered()[1]))["spec"]
    fixed = registered(scaling={"min_replicas": 3, "max_replicas": 3})[1]
    assert deployment(objects(fixed))["spec"]["replicas"] == 3


def test_a_start_is_waited_for_as_long_as_it_may_take(vllm: tuple[DeploymentPlan, dict[str, Any]]) -> None:
    cold = vllm[0].models["chat"].cold_start
    assert cold
    waited = deployment(vllm[1])["spec"]["progressDeadlineSeconds"]
    assert waited >= cold.total_seconds


def test_shared_memory_of_several_gpus() -> None:
    found = objects(registered(accelerator={"type": "L40S", "count": 4})[1])
    (volume,) = (volume for volume in pod(found)["volumes"] if volume["name"] == "shared-memory")
    assert volume["emptyDir"] == {"medium": "Memory", "sizeLimit": "20Gi"}
    memory = int(engine_container(found)["resources"]["limits"]["memory"].removesuffix("Gi"))
    assert memory > 20  # it counts as the container's
    assert engine_container(found)["resources"]["limits"]["nvidia.com/gpu"] == "4"


def test_a_claim_of_devices_instead_of_a_count() -> None:
    found = objects(registered(**ENGINES["claims"])[1])
    assert pod(found)["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "engine-chat-gpus"}]
    resources = engine_container(found)["resources"]
    assert resources["claims"] == [{"name": "gpu"}]
    assert not [name for name in resources["limits"] if "nvidia" in name]
    (request,) = found["ResourceClaimTemplate/engine-chat-gpus"]["spec"]["spec"]["devices"]["requests"]
    assert request["exactly"] == {
        "deviceClassName": "gpu.nvidia.com",
        "count": 1,
        "allocationMode": "ExactCount",
        "selectors": [{"cel": {"expression": "device.x"}}],
    }


@pytest.mark.parametrize(
    ("sharing", "resource"),
    [
        ({"kind": "mig", "profile": "4g.24gb"}, "nvidia.com/mig-4g.24gb"),
        ({"kind": "time_slices", "replicas": 2}, "nvidia.com/gpu"),
        ({"kind": "time_slices", "replicas": 2, "renamed": True}, "nvidia.com/gpu.shared"),
    ],
)
def test_shared_gpus(sharing: dict[str, Any], resource: str) -> None:
    engine = {"kind": "vllm", "image": DIGEST, "gpu_memory_percent": 46}
    model: dict[str, Any] = {"engine": engine, "quantization": "fp8", "concurrent_requests": 2}
    found = objects(registered(platform={"gpu": {"sharing": {"L40S": sharing}}}, **model)[1])
    limits = engine_container(found)["resources"]["limits"]
    assert [name for name in limits if "nvidia" in name] == [resource]
