"""Rules of each pod: who it runs as, what it may do and reach of its host, where its code comes from, how it ends."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from infra.policy.pods import Container, Pod, for_containers, for_pods, for_serving
from infra.policy.rule import Broken, Rule

LEAST_ID = 10_000
HOSTS = ("hostNetwork", "hostPID", "hostIPC")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
COMMIT = re.compile(r"[0-9a-f]{40}")
SECRET_NAME = re.compile(r"key|token|password|secret", re.IGNORECASE)
LONGEST_TOKEN_SECONDS = 3600
LEAST_PATIENCE_SECONDS = 30
ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


def _nobody_is_root(pod: Pod, container: Container) -> Broken:
    context = pod.effective(container)
    if context.get("runAsNonRoot") is not True:
        yield "`runAsNonRoot` is not true"
    yield from (f"`{one}` is below {LEAST_ID}" for one in ("runAsUser", "runAsGroup") if context.get(one, 0) < LEAST_ID)


def _no_rights(pod: Pod, container: Container) -> Broken:
    context = pod.effective(container)
    if context.get("allowPrivilegeEscalation") is not False:
        yield "`allowPrivilegeEscalation` is not false"
    if context.get("capabilities") != {"drop": ["ALL"]}:
        yield "has capabilities: it must drop ALL and add none"


def _seccomp(pod: Pod, container: Container) -> Broken:
    if pod.effective(container).get("seccompProfile") != {"type": "RuntimeDefault"}:
        yield "its system calls are not those of `RuntimeDefault`"


def _read_only(pod: Pod, container: Container) -> Broken:
    if pod.effective(container).get("readOnlyRootFilesystem") is not True:
        yield "`readOnlyRootFilesystem` is not true"


def _sized(pod: Pod) -> Broken:
    for volume in pod.volumes:
        if "emptyDir" in volume and not volume["emptyDir"].get("sizeLimit"):
            yield f"the volume `{volume['name']}` has no `sizeLimit`"


def _nothing_of_the_host(pod: Pod) -> Broken:
    yield from (f"`{one}`" for one in HOSTS if pod.spec.get(one))
    yield from (f"`hostPath` in the volume `{one['name']}`" for one in pod.volumes if "hostPath" in one)
    for container in pod.containers:
        if container.get("securityContext", {}).get("privileged"):
            yield f"{container['name']} is privileged"
        if any("hostPort" in port for port in container.get("ports", ())):
            yield f"{container['name']} has a `hostPort`"


def _no_token(pod: Pod) -> Broken:
    if pod.spec.get("automountServiceAccountToken") is not False:
        yield "`automountServiceAccountToken` is not false"
    for volume in pod.volumes:
        for source in volume.get("projected", {}).get("sources", ()):
            token: Mapping[str, Any] | None = source.get("serviceAccountToken")
            if token is not None and token.get("expirationSeconds", LONGEST_TOKEN_SECONDS) > LONGEST_TOKEN_SECONDS:
                yield f"a token in `{volume['name']}` that lasts longer than {LONGEST_TOKEN_SECONDS} s"


def _secrets_are_files(pod: Pod, container: Container) -> Broken:
    del pod
    if "envFrom" in container:
        yield "`envFrom`"
    for variable in container.get("env", ()):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield f"`{variable['name']}` is taken from a Secret"
        elif SECRET_NAME.search(variable["name"]):
            yield f"`{variable['name']}` sounds like a secret"


def _by_digest(pod: Pod, container: Container) -> Broken:
    del pod
    if not DIGEST.search(container.get("image", "")):
        yield f"the image `{container.get('image')}` is not named by digest"


def _volumes_by_digest(pod: Pod) -> Broken:
    for volume in pod.volumes:
        if "image" in volume and not DIGEST.search(volume["image"].get("reference", "")):
            yield f"the image of the volume `{volume['name']}` is not named by digest"


def _memory(pod: Pod, container: Container) -> Broken:
    del pod
    requests, limits = (container.get("resources", {}).get(one, {}) for one in ("requests", "limits"))
    if not requests.get("cpu"):
        yield "asks for no processor"
    if not requests.get("memory") or requests["memory"] != limits.get("memory"):
        yield "the memory that it asks for is not its limit"


def _probes(pod: Pod, container: Container) -> Broken:
    del pod
    missing = [one for one in ("startupProbe", "readinessProbe", "livenessProbe") if one not in container]
    yield from (f"no `{one}`" for one in missing)
    alive = container.get("livenessProbe", {})
    # `/ready` asks others; who is without them is no better for being started again.
    if alive.get("httpGet", {}).get("path") == "/ready":
        yield "its liveness asks others"
    if alive and alive.get("failureThreshold", 3) * alive.get("periodSeconds", 10) < LEAST_PATIENCE_SECONDS:
        yield f"it is started again after less than {LEAST_PATIENCE_SECONDS} s of silence"


def _spread(pod: Pod) -> Broken:
    if not pod.stays or "selector" not in pod.owner["spec"]:
        return
    spread = {one["topologyKey"]: one for one in pod.spec.get("topologySpreadConstraints", ())}
    for key in (ZONE, HOST):
        if spread.get(key, {}).get("maxSkew") != 1:
            yield f"is not spread evenly over `{key}`"
        elif spread[key].get("labelSelector") != pod.owner["spec"]["selector"]:
            yield f"what is spread over `{key}` are others"


def _ends_in_time(pod: Pod, container: Container) -> Broken:
    if container in pod.sidecars:
        return  # it is told when the containers have ended, which have a `preStop`
    pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pause < 1:
        yield "no `preStop`: it ends while it is still asked"
    if pause >= pod.spec.get("terminationGracePeriodSeconds", 30):
        yield "its `preStop` takes the whole of its grace"


def _no_foreign_code(pod: Pod, container: Container) -> Broken:
    del pod
    if "--trust-remote-code" in " ".join(map(str, (*container.get("command", ()), *container.get("args", ())))):
        yield "`--trust-remote-code` runs what comes with the weights"
    if any(one["name"] == "VLLM_SERVER_DEV_MODE" for one in container.get("env", ())):
        yield "`VLLM_SERVER_DEV_MODE` opens the engine's insides"


def _weights_of_a_commit(pod: Pod, container: Container) -> Broken:
    del pod
    words = [str(word) for word in (*container.get("command", ()), *container.get("args", ()))]
    if words[:4][-1:] in (["fetch"], ["mirror"]):
        for word in words:
            told = _fetched(word)
            if told is not None and not (COMMIT.fullmatch(str(told.get("revision"))) or told.get("sha256")):
                yield f"fetches `{told.get('location')}` at `{told.get('revision')}`, which may be another one tomorrow"
    names = {one["name"]: one.get("value") for one in container.get("env", ())}
    if "HF_HOME" in names and names.get("HF_HUB_OFFLINE") != "1":
        yield "asks a hub while it runs: `HF_HUB_OFFLINE` is not 1"


def _fetched(word: str) -> Mapping[str, Any] | None:
    """What is to be fetched, where a word of a command says so."""
    try:
        told = json.loads(word)
    except ValueError:
        return None
    return told if isinstance(told, dict) and "revision" in told else None  # pyright: ignore[reportUnknownVariableType]


POD_RULES = (
    Rule(name="nobody-is-root", control="K01", says="Nobody is root.", check=for_containers(_nobody_is_root)),
    Rule(name="nobody-gains-rights", control="K02", says="Nobody gains rights.", check=for_containers(_no_rights)),
    Rule(name="system-calls", control="K03", says="System calls are the runtime's.", check=for_containers(_seccomp)),
    Rule(name="read-only", control="K04", says="The root file system is read-only.", check=for_containers(_read_only)),
    Rule(name="sized-volumes", control="K04", says="What is written has a limit.", check=for_pods(_sized)),
    Rule(name="nothing-of-the-host", control="K05", says="Of the host, nothing.", check=for_pods(_nothing_of_the_host)),
    Rule(name="no-token", control="K07", says="No token comes by itself, none lasts.", check=for_pods(_no_token)),
    Rule(name="secrets-are-files", control="K13", says="Secrets are files.", check=for_containers(_secrets_are_files)),
    Rule(name="images-by-digest", control="K14", says="Images are by digest.", check=for_containers(_by_digest)),
    Rule(name="volumes-by-digest", control="K14", says="So are volumes of images.", check=for_pods(_volumes_by_digest)),
    Rule(name="memory", control="K15", says="Memory is what was asked for.", check=for_containers(_memory)),
    Rule(name="probes", control="K16", says="All three probes; liveness is its own.", check=for_serving(_probes)),
    Rule(name="spread", control="K18", says="Spread over zones and hosts.", check=for_pods(_spread)),
    Rule(name="ends-in-time", control="K19", says="It may end before it must.", check=for_serving(_ends_in_time)),
    Rule(
        name="fixed-weights",
        control="K22",
        says="Weights are those of a commit.",
        check=for_containers(_weights_of_a_commit),
    ),
    Rule(name="no-foreign-code", control="K21", says="No code of others runs.", check=for_containers(_no_foreign_code)),
)
