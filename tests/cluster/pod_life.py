"""The life of one pod on its node: init containers in order, containers with their probes and restarts, then preStop,
SIGTERM, grace, SIGKILL. What the API server shows of it is written whenever it changes.
"""

from __future__ import annotations

import base64
import contextlib
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cluster.client import Client, Refused
from tests.cluster.pod_container import Container, Image, Mount
from tests.cluster.pod_network import Sandbox
from tests.cluster.pod_probes import Probes, ask_http
from tests.cluster.pod_status import status_of
from tests.cluster.pod_volumes import NotThere, PodVolumes
from tests.cluster.pod_volumes import field as field_of

TICK_SECONDS = 0.1
# The kubelet looks at least once a minute.
FOLLOW_SECONDS = 2.0
BACK_OFF_SECONDS, LONGEST_BACK_OFF_SECONDS = 10.0, 300.0
AGAIN_SECONDS = 0.5

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Node:
    """What its pods share. `folder` is the node's own, `claims` are on every node, `images` by reference."""

    name: str
    number: int
    address: str
    client: Client
    folder: Path
    claims: Path
    hosts: Path
    images: Mapping[str, Image]
    image_volumes: Mapping[str, str]
    environment: Mapping[str, str]


@dataclass
class Run:
    """A container of the pod, through its restarts."""

    spec: Object
    container: Container | None = None
    probes: Probes | None = None
    restarts: int = 0
    started_at: float = 0.0
    code: int | None = None
    last_code: int | None = None
    next_at: float = 0.0
    codes: list[int] = field(default_factory=list)

    @property
    def running(self) -> bool:
        return self.container is not None and self.code is None


class PodLife(threading.Thread):
    """One thread; `pod` is the newest that the API server has told."""

    def __init__(self, node: Node, number: int, pod: Object) -> None:
        super().__init__(daemon=True, name=pod["metadata"]["name"])
        self._node, self._number, self.pod = node, number, pod
        metadata = pod["metadata"]
        self._folder = node.folder / "pods" / metadata["uid"]
        self._logs = node.folder / "logs" / f"{metadata['namespace']}_{metadata['name']}"
        self._folder.mkdir(parents=True)
        self._logs.mkdir(parents=True)
        volumes = {name: str(path) for name, path in node.image_volumes.items()}
        self._volumes = PodVolumes(node.client, pod, self._folder, node.claims, volumes)
        self._sandbox: Sandbox | None = None
        self._shown: Any = None
        self._initialised = False
        self._inits = [Run(spec) for spec in pod["spec"].get("initContainers") or []]
        self._runs = [Run(spec) for spec in pod["spec"]["containers"]]

    def run(self) -> None:
        try:
            self._live()
            self._end()
        finally:
            for run in (*self._inits, *self._runs):
                self._stop_at_once(run)
            if self._sandbox:
                self._sandbox.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    # -- life ------------------------------------------------------------------------------------------------------

    @property
    def _leaving(self) -> bool:
        return "deletionTimestamp" in self.pod["metadata"]

    def _live(self) -> None:
        self._sandbox = Sandbox(self._node.number, self._number)
        self._show()
        while not self._leaving:
            try:
                self._volumes.make()
                break
            except (NotThere, Refused, OSError):
                time.sleep(AGAIN_SECONDS)
        for run in self._inits:
            while run.code != 0 and not self._leaving:
                self._tend(run, "OnFailure" if self._policy == "Always" else self._policy)
                self._show()
                if run.code not in (None, 0) and self._policy == "Never":
                    return
                time.sleep(TICK_SECONDS)
        self._initialised = True
        followed = time.monotonic()
        while not self._leaving:
            for run in self._runs:
                self._tend(run, self._policy)
            self._show()
            if self._policy != "Always" and all(self._finished(run) for run in self._runs):
                while not self._leaving:  # it stays until somebody deletes it
                    time.sleep(AGAIN_SECONDS)
                return
            if time.monotonic() - followed > FOLLOW_SECONDS:
                with contextlib.suppress(NotThere, Refused, OSError):
                    self._volumes.follow()
                followed = time.monotonic()
            time.sleep(TICK_SECONDS)

    @property
    def _policy(self) -> str:
        return self.pod["spec"].get("restartPolicy", "Always")

    def _finished(self, run: Run) -> bool:
        return run.code is not None and (run.code == 0 or self._policy == "Never")

    def _tend(self, run: Run, policy: str) -> None:
        """Starts it when it is its time, and sees how it does."""
        if run.container is None:
            if time.monotonic() >= run.next_at:
                self._start(run)
            return
        if run.code is None:
            run.code = run.container.code
            if run.code is None and run.probes is not None and not run.probes.alive:
                self._kill_gently(run, self.pod["spec"].get("terminationGracePeriodSeconds", 30))
            if run.code is None:
                return
            if run.probes:
                run.probes.close()
                run.probes.ready = run.probes.started = False
        if policy == "Always" or (policy == "OnFailure" and run.code != 0):
            wait = min(LONGEST_BACK_OFF_SECONDS, BACK_OFF_SECONDS * 2 ** (run.restarts - 1)) if run.restarts else 0.0
            run.last_code, run.container, run.probes, run.code = run.code, None, None, None
            run.restarts += 1
            run.next_at = time.monotonic() + wait

    def _start(self, run: Run) -> None:
        assert self._sandbox
        spec = run.spec
        try:
            environment = {**self._node.environment, **dict(map(self._variable, spec.get("env") or []))}
            mounts = [self._mount(mount, environment) for mount in spec.get("volumeMounts") or []]
        except (NotThere, Refused, OSError):
            run.next_at = time.monotonic() + AGAIN_SECONDS
            return
        run.container = Container(
            spec,
            self.pod["spec"].get("securityContext", {}),
            self._node.images[spec["image"]],
            {"HOSTNAME": self.name, **environment},
            [*mounts, Mount(self._node.hosts, "/etc/hosts", read_only=True)],
            self._sandbox.path,
            self._logs / f"{spec['name']}.log",
        )
        run.started_at = time.time()
        run.probes = Probes(spec, run.container, self._sandbox.address)

    def _variable(self, wanted: Object) -> tuple[str, str]:
        source = wanted.get("valueFrom", {})
        if "fieldRef" in source:
            assert self._sandbox
            known = {**self.pod, "status": {"podIP": self._sandbox.address, "hostIP": self._node.address}}
            return wanted["name"], field_of(known, source["fieldRef"]["fieldPath"])
        for kind, key in (("Secret", "secretKeyRef"), ("ConfigMap", "configMapKeyRef")):
            if named := source.get(key):
                live = self._node.client.get("v1", kind, named["name"], self.pod["metadata"]["namespace"])
                if live is None or named["key"] not in live.get("data", {}):
                    raise NotThere(f"{kind} {named['name']} has no {named['key']}")
                text = live["data"][named["key"]]
                return wanted["name"], base64.b64decode(text).decode() if kind == "Secret" else text
        return wanted["name"], wanted.get("value", "")

    def _mount(self, mount: Object, environment: Mapping[str, str]) -> Mount:
        path = mount.get("subPath", mount.get("subPathExpr", ""))
        for name, value in environment.items():
            path = path.replace(f"$({name})", value)
        source = self._volumes.sub_path(mount["name"], path) if path else self._volumes.paths[mount["name"]]
        return Mount(source, mount["mountPath"], mount.get("readOnly", False))

    # -- end -------------------------------------------------------------------------------------------------------

    def _end(self) -> None:
        grace = self.pod["metadata"].get("deletionGracePeriodSeconds", 30)
        ending = [threading.Thread(target=self._kill_gently, args=(run, grace)) for run in self._runs if run.running]
        for thread in ending:
            thread.start()
        for run in self._inits:
            self._stop_at_once(run)
        while any(thread.is_alive() for thread in ending):
            self._show()
            time.sleep(TICK_SECONDS)
        self._show(final=True)
        metadata = self.pod["metadata"]
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        path = self._node.client.kind("v1", "Pod").path(metadata["namespace"], metadata["name"])
        while True:
            try:
                self._node.client.request("DELETE", path, body)
                return
            except Refused as refused:
                if refused.status in (404, 409):
                    return
            except OSError:
                pass
            time.sleep(AGAIN_SECONDS)

    def _kill_gently(self, run: Run, grace: float) -> None:
        """preStop, SIGTERM, and SIGKILL once `grace` is over; two seconds at least after preStop."""
        container = run.container
        assert container
        deadline = time.monotonic() + grace
        if hook := run.spec.get("lifecycle", {}).get("preStop"):
            self._hook(run, hook, deadline)
            deadline = max(deadline, time.monotonic() + 2)
        container.stop()
        while container.code is None and time.monotonic() < deadline:
            time.sleep(TICK_SECONDS)
        if container.code is None:
            container.kill()
        run.code = container.code
        if run.probes:
            run.probes.close()
            run.probes.ready = False

    def _hook(self, run: Run, hook: Object, deadline: float) -> None:
        container, left = run.container, deadline - time.monotonic()
        assert container
        assert self._sandbox
        if sleep := hook.get("sleep"):
            end = min(deadline, time.monotonic() + sleep["seconds"])
            while container.code is None and time.monotonic() < end:
                time.sleep(TICK_SECONDS)
        elif action := hook.get("exec"):
            container.run(action["command"], left)
        elif action := hook.get("httpGet"):
            ask_http(run.spec, action, self._sandbox.address, left)

    def _stop_at_once(self, run: Run) -> None:
        if run.probes:
            run.probes.close()
        if run.container and run.container.code is None:
            run.container.kill()

    # -- what is shown ---------------------------------------------------------------------------------------------

    def _show(self, *, final: bool = False) -> None:
        assert self._sandbox
        status = status_of(
            self.pod, self._inits, self._runs, self._sandbox.address, self._node.address, self._initialised, final
        )
        if status == self._shown:
            return
        metadata = self.pod["metadata"]
        with contextlib.suppress(Refused, OSError):
            self._node.client.patch_status("v1", "Pod", metadata["name"], status, metadata["namespace"])
            self._shown = status
