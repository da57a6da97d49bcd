"""KEDA itself scales what a stack renders by what a real gateway says: up under load, down when it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.client import eventually
from tests.cluster.control_plane import ControlPlane
from tests.cluster.keda import Keda, PodNetwork
from tests.cluster.onprem import Deployed, rendered
from tests.serving.gateway_process import GatewayProcess, chat, raw_request, start_gateway
from tests.serving.routed import ask, configuration, model, scaling
from tests.serving.upstream import FakeEngine
from tools.kubernetes import modules, programs

SHOWN = "scaling-canary-83b1"
MODEL, ENGINE, OPERATIONS = "chat", "engine-chat", 9090
# Fifteen seconds between two looks of the cluster's autoscaler.
SCALED_SECONDS = 90.0
# Instead of minutes.
WINDOW_SECONDS = 5
COUNTED = {"slice_seconds": 1, "mean_seconds": 1, "kept_percent": 95.0}


def shows_a_key(deployment: dict[str, Any]) -> None:
    deployment["gateway"]["scaling"] = {"key": {"secret": "scaling"}}
    deployment["models"]["chat"]["objective"]["time_to_first_token_seconds"] = 1.0


@pytest.fixture
def stack(deployed: Deployed) -> Iterator[Deployed]:
    """The stack with a key for what it scales by, and a window that a test can wait for."""
    stack = Deployed(deployed.client, rendered(shows_a_key))
    stack.whole()
    yield stack
    stack.client.delete("keda.sh/v1alpha1", "ScaledObject", ENGINE, stack.namespace)


def scaler(stack: Deployed) -> dict[str, Any]:
    """What the stack has KEDA do, with a short window."""
    (found,) = (one for one in stack.manifests if one["kind"] == "ScaledObject")
    behavior = found["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    behavior["scaleDown"]["stabilizationWindowSeconds"] = WINDOW_SECONDS
    found["spec"]["pollingInterval"] = 1
    return found


def authentication(stack: Deployed) -> list[dict[str, Any]]:
    """What KEDA shows to gateways, and the Secret that it finds it in, with the key that a recording does not have."""
    (shown,) = (one for one in stack.manifests if one["kind"] == "TriggerAuthentication")
    (entry,) = shown["spec"]["secretTargetRef"]
    (secret,) = (one for one in stack.manifests if one["kind"] == "Secret" and one["metadata"]["name"] == entry["name"])
    return [shown, secret | {"stringData": {entry["key"]: SHOWN}}]


@contextmanager
def running_keda(folder: Path, plane: ControlPlane, gateway: GatewayProcess) -> Iterator[PodNetwork]:
    programs_of_keda = programs.keda()
    if programs_of_keda is None:
        pytest.skip("KEDA is not built here: tools/kubernetes/install builds it (some 5 min, once)")
    module = modules.folders()[programs.KEDA.module]
    with (
        PodNetwork({OPERATIONS: gateway.operations}) as network,
        Keda(folder, programs_of_keda, module, plane, network),
    ):
        yield network


def with_key(folder: Path) -> dict[str, Any]:
    """What a gateway's file says of the key that KEDA shows."""
    key = folder / "scaling.key"
    key.write_text(SHOWN)
    return {"scaling": {"key_file": str(key)}}


def replicas_of(stack: Deployed) -> int:
    live = stack.client.get("apps/v1", "Deployment", ENGINE, stack.namespace)
    assert live is not None
    return live["spec"]["replicas"]


@pytest.mark.timeout(400)
def test_replicas_follow_what_gateways_count(stack: Deployed, faulty: ControlPlane, tmp_path: Path) -> None:
    client, namespace = stack.client, stack.namespace
    scaled = scaler(stack)
    least, (arriving, trigger) = scaled["spec"]["minReplicaCount"], scaled["spec"]["triggers"]
    assert [one["metadata"]["valueLocation"] for one in (arriving, trigger)] == [
        "arriving_per_second",
        "mean_in_flight",
    ]
    # First by who is there: what came stands for an hour.
    scaled["spec"]["triggers"] = [trigger]
    assert trigger["metadata"]["aggregateFromKubeServiceEndpoints"] == "true"

    def replicas() -> int:
        return replicas_of(stack)

    folder = tmp_path / "keda"
    folder.mkdir()
    with ExitStack() as used:
        engine = used.enter_context(FakeEngine())
        engine.acts_as = "nohdr"  # it takes a request and never answers
        config = configuration(
            {MODEL: model([engine], longest_generation_seconds=3600, demand=COUNTED)},
            top=with_key(tmp_path),
            first_byte_seconds=3600,
        )
        gateway = used.enter_context(start_gateway(tmp_path, config))
        network = used.enter_context(running_keda(folder, faulty, gateway))
        for one in authentication(stack):
            client.apply(one)
        client.apply(scaled)
        pods = {pod["status"]["podIP"] for pod in stack.pods("gateway")}
        assert len(pods) == stack.replicas["gateway"]

        def every_pod_answers() -> bool:
            return pods <= {address.partition(":")[0] for address, _, status in list(network.asked) if status == 200}

        eventually(every_pod_answers, "KEDA asks every gateway, and is known to it", SCALED_SECONDS)
        assert {path for _, path, _ in network.asked} == {f"/scaling/{MODEL}"}
        # As many as one replica more shall have: a tenth too many is tolerated, so that one too many changes nothing.
        requests = (least + 1) * int(trigger["metadata"]["targetValue"])
        begin = time.monotonic()
        load = [gateway.connect() for _ in range(requests)]
        for connection in load:
            connection.sendall(raw_request(chat(MODEL)))
        eventually(lambda: scaling(gateway, MODEL, SHOWN)["total"] == requests, "the load is on")
        eventually(lambda: replicas() == least + 1, f"{least + 1} replicas for {requests} requests", SCALED_SECONDS)
        stack.client.wait_for(
            "apps/v1",
            "Deployment",
            ENGINE,
            namespace,
            lambda live: live["status"].get("availableReplicas") == least + 1,
            "the new one runs",
        )
        up = time.monotonic() - begin
        for connection in load:
            connection.close()
        begin = time.monotonic()
        eventually(lambda: replicas() == least, f"{least} replicas again", SCALED_SECONDS)
        down = time.monotonic() - begin
        # However many of them came in one second: as many as are needed for the next ones, if each takes its share.
        most = scaled["spec"]["maxReplicaCount"]
        share = scaling(gateway, MODEL, SHOWN)["arriving_per_second"] / most
        assert share > 0
        arriving["metadata"]["targetValue"] = f"{share:.3f}"
        client.apply({**scaled, "spec": {**scaled["spec"], "triggers": [trigger, arriving]}})
        eventually(lambda: replicas() == most, f"{most} replicas for the next burst", SCALED_SECONDS)
    print(
        f"\nKEDA {programs.KEDA.version}: {len(pods)} gateways asked, {requests} requests, {least} to {least + 1} "
        f"replicas after {up:.0f} s, and back {down:.0f} s after the load was gone"
    )


@pytest.mark.timeout(400)
def test_who_is_refused_wakes_a_cold_standby(stack: Deployed, faulty: ControlPlane, tmp_path: Path) -> None:
    """Nobody waits there for the first replica: whoever comes is told to try again, and is what starts it."""
    scaled = scaler(stack)
    scaled["spec"] |= {"minReplicaCount": 0, "cooldownPeriod": 1}
    folder = tmp_path / "keda"
    folder.mkdir()
    nobody = model(["http://127.0.0.1:9"], demand={**COUNTED, "wakes": True})
    with (
        start_gateway(tmp_path, configuration({MODEL: nobody}, top=with_key(tmp_path))) as gateway,
        running_keda(folder, faulty, gateway),
    ):
        for one in (*authentication(stack), scaled):
            stack.client.apply(one)
        eventually(lambda: replicas_of(stack) == 0, "nobody comes: no replica", SCALED_SECONDS)
        assert ask(gateway, MODEL).status == 503
        eventually(lambda: replicas_of(stack) > 0, "somebody came: a replica", SCALED_SECONDS)
