"""A thin client of a Kubernetes API server: server-side apply, get, list, delete, wait. Standard library and YAML only.

Kinds are found by the server's own discovery, so custom resources work as soon as their definition is established.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import yaml

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
REQUEST_SECONDS = 60.0
POLL_SECONDS = 0.1
BUSY, BUSY_SECONDS = 429, 20.0

Object = dict[str, Any]
T = TypeVar("T")


class Refused(Exception):
    """The API server's answer to a request that it did not carry out."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status, self.reason, self.message = status, reason, message


class NoSuchKind(Exception):
    """The API server serves no such kind: its custom resource definition is missing."""

    def __init__(self, api_version: str, kind: str) -> None:
        super().__init__(f"the cluster has no {kind} of {api_version}: its custom resource definition is missing")
        self.api_version, self.kind = api_version, kind


@dataclass(frozen=True)
class Kind:
    """How a kind is addressed."""

    api_version: str
    name: str
    plural: str
    namespaced: bool

    @property
    def prefix(self) -> str:
        return f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"

    def path(self, namespace: str | None, name: str = "") -> str:
        inside = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        return f"{self.prefix}{inside}/{self.plural}" + (f"/{name}" if name else "")


class Client:
    """Speaks to one API server as one user; `warnings` keeps what the server warned of (deprecated, Pod Security)."""

    def __init__(self, server: str, token: str, authority: str, *, field_manager: str = "tests") -> None:
        self.server, self._token, self.field_manager = server.rstrip("/"), token, field_manager
        self._tls = ssl.create_default_context(cadata=authority)
        self._kinds: dict[tuple[str, str], Kind] = {}
        self.warnings: list[str] = []

    @classmethod
    def of_kubeconfig(cls, text: str, context: str | None = None, **options: Any) -> Client:
        """The client of a kubeconfig with the authority's certificate inside, and a token or a command for one."""
        config = yaml.safe_load(text)
        chosen = _named(config["contexts"], context or config["current-context"])["context"]
        cluster = _named(config["clusters"], chosen["cluster"])["cluster"]
        user = _named(config["users"], chosen["user"])["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cls(cluster["server"], _token(user), authority, **options)

    # -- objects ---------------------------------------------------------------------------------------------------

    def apply(self, manifest: Mapping[str, Any], *, dry_run: bool = False, force: bool = True) -> Object:
        """Server-side apply; what another manager owns is taken from it. Returns the object as the server has it."""
        kind, metadata = self.kind_of(manifest), manifest["metadata"]
        namespace = metadata.get("namespace", "default")
        query = {"fieldManager": self.field_manager, "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("PATCH", kind.path(namespace, metadata["name"]), manifest, APPLY, query)

    def patch(self, api_version: str, name_of_kind: str, name: str, changes: Object, namespace: str = "") -> Object:
        """A merge patch by another manager than `apply`'s: what somebody does by hand."""
        kind = self.kind(api_version, name_of_kind)
        query = {"fieldManager": f"not-{self.field_manager}"}
        return self.request("PATCH", kind.path(namespace, name), changes, MERGE, query)

    def patch_status(
        self, api_version: str, name_of_kind: str, name: str, status: Object, namespace: str = ""
    ) -> Object:
        """A merge patch of the status, as a controller writes it."""
        path = self.kind(api_version, name_of_kind).path(namespace, name) + "/status"
        return self.request("PATCH", path, {"status": status}, MERGE)

    def get(self, api_version: str, name_of_kind: str, name: str, namespace: str = "") -> Object | None:
        """The object, or None where there is none."""
        try:
            return self.request("GET", self.kind(api_version, name_of_kind).path(namespace, name))
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def list(self, api_version: str, name_of_kind: str, namespace: str = "", labels: str = "") -> Sequence[Object]:
        """Every object of a kind, of one namespace or of all; `labels` is a selector."""
        path = self.kind(api_version, name_of_kind).path(namespace)
        return self.request("GET", path, query={"labelSelector": labels} if labels else None)["items"]

    def delete(self, api_version: str, name_of_kind: str, name: str, namespace: str = "") -> bool:
        """Deletes with everything that it owns; False where there was none. Does not wait."""
        path = self.kind(api_version, name_of_kind).path(namespace, name)
        try:
            self.request("DELETE", path, {"propagationPolicy": "Background"})
        except Refused as refused:
            if refused.status == 404:
                return False
            raise
        return True

    def evict(self, pod: str, namespace: str) -> bool:
        """Asks a pod to go, as a node drain does; False where a disruption budget does not allow it now."""
        path = self.kind("v1", "Pod").path(namespace, pod) + "/eviction"
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
        try:
            self._request_once("POST", path, eviction, "application/json", None)
        except Refused as refused:
            if refused.status != BUSY:
                raise
            return False
        return True

    def pods(self, namespace: str = "", labels: str = "") -> Sequence[Object]:
        return self.list("v1", "Pod", namespace, labels)

    def watch(self, path: str, seconds: int, **query: str) -> Iterator[Object]:
        """Every change of a list, as it happens, for so many seconds: since its `resourceVersion`, or what is there
        first. `fieldSelector` chooses."""
        query |= {"watch": "true", "timeoutSeconds": str(seconds)}
        address = f"{self.server}{path}?{urllib.parse.urlencode(query)}"
        request = urllib.request.Request(address, headers={"Authorization": f"Bearer {self._token}"})
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS + seconds, context=self._tls) as answer:
            for line in answer:
                yield json.loads(line)

    # -- waiting ---------------------------------------------------------------------------------------------------

    def wait_for(
        self, api_version: str, name_of_kind: str, name: str, namespace: str, until: Callable[[Object], bool], what: str
    ) -> Object:
        """The object once `until` holds for it."""

        def found() -> Object | None:
            live = self.get(api_version, name_of_kind, name, namespace)
            return live if live is not None and until(live) else None

        return eventually(found, f"{name_of_kind} {namespace}/{name}: {what}")

    def wait_gone(
        self, api_version: str, name_of_kind: str, name: str, namespace: str = "", within: float = 60
    ) -> None:
        eventually(
            lambda: self.get(api_version, name_of_kind, name, namespace) is None,
            f"{name_of_kind} {namespace}/{name} gone",
        )

    # -- requests --------------------------------------------------------------------------------------------------

    def kind_of(self, manifest: Mapping[str, Any]) -> Kind:
        return self.kind(manifest["apiVersion"], manifest["kind"])

    def kind(self, api_version: str, name: str) -> Kind:
        """How the server addresses a kind. An unknown one is asked for every time: its definition may come."""
        if (api_version, name) not in self._kinds:
            prefix = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
            try:
                served = self.request("GET", prefix)["resources"]
            except Refused as refused:
                if refused.status != 404:
                    raise
                served = []
            for entry in served:
                if "/" not in entry["name"]:  # not a subresource
                    found = Kind(api_version, entry["kind"], entry["name"], entry["namespaced"])
                    self._kinds[api_version, entry["kind"]] = found
        try:
            return self._kinds[api_version, name]
        except KeyError:
            raise NoSuchKind(api_version, name) from None

    def kinds(self) -> list[Kind]:
        """Every kind that can be listed, each in the version that its group prefers."""
        versions = ["v1"] + [
            group["preferredVersion"]["groupVersion"] for group in self.request("GET", "/apis")["groups"]
        ]
        found: list[Kind] = []
        for version in versions:
            prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
            for entry in self.request("GET", prefix)["resources"]:
                if "/" not in entry["name"] and "list" in entry["verbs"]:
                    found.append(Kind(version, entry["kind"], entry["name"], entry["namespaced"]))
        return found

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
    ) -> Any:
        """One request; JSON in, JSON (or text) out. Asks again where the server says that it is busy or starting."""
        deadline = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                return self._request_once(method, path, body, content_type, query)
            except Refused as refused:
                if refused.status != BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(POLL_SECONDS)

    def _request_once(
        self, method: str, path: str, body: Any, content_type: str, query: Mapping[str, str] | None
    ) -> Any:
        address = self.server + path + ("?" + urllib.parse.urlencode(query) if query else "")
        request = urllib.request.Request(
            address,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
            | ({"Content-Type": content_type} if body is not None else {}),
        )
        try:
            with urllib.request.urlopen(request, timeout=REQUEST_SECONDS, context=self._tls) as answer:
                self.warnings.extend(answer.headers.get_all("Warning") or [])
                text = answer.read().decode()
                return json.loads(text) if answer.headers.get_content_type() == "application/json" else text
        except urllib.error.HTTPError as error:
            raise _refused(error.code, error.read().decode(errors="replace")) from None


def eventually(probe: Callable[[], T], what: str | Callable[[], str], within: float = 60.0) -> T:
    """The probe's first true answer; fails with `what`, as it then is, when there is none in time."""
    deadline = time.monotonic() + within
    while True:
        if answer := probe():
            return answer
        late = time.monotonic() >= deadline
        assert not late, f"not within {within:.0f} s: {what() if callable(what) else what}"
        time.sleep(POLL_SECONDS)


def _token(user: Mapping[str, Any]) -> str:
    if "exec" not in user:
        return user["token"]
    asked = [user["exec"]["command"], *user["exec"]["args"]]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=REQUEST_SECONDS)
    if done.returncode:
        raise Refused(401, "Unauthorized", f"{' '.join(asked)}: {done.stderr}")
    return json.loads(done.stdout)["status"]["token"]


def _named(entries: list[Object], name: str) -> Object:
    return next(entry for entry in entries if entry["name"] == name)


def _refused(status: int, body: str) -> Refused:
    try:
        answer = json.loads(body)
        return Refused(status, answer.get("reason", ""), answer.get("message", body))
    except (ValueError, AttributeError):
        return Refused(status, "", body.strip())
