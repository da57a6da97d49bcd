"""Where the state of releases is kept: a file that a gateway of this machine reads, or an object of a cluster."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import msgspec

from serving.release.state import FILE, States, decoded, encoded

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SECONDS = 10.0


class Unkept(Exception):
    """It could not be read or written; nothing has changed. The text says why."""


class Store(Protocol):
    """Raises Unkept."""

    def change(self, to: Callable[[States], States]) -> States:
        """Makes something else of it, unless somebody else does meanwhile."""
        ...


class FileStore:
    """A file, and beside it a lock that `python -m infra release` takes too."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def change(self, to: Callable[[States], States]) -> States:
        try:
            with self._file.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                before = _states(self._file.read_bytes() if self._file.exists() else b"", f"{self._file}")
                after = to(before)
                if after != before:
                    self._write(encoded(after))
                return after
        except OSError as error:
            raise Unkept(f"{self._file}: {error.strerror or type(error).__name__}") from None

    def _write(self, content: bytes) -> None:
        """All or nothing, and readable by this user alone."""
        partial = self._file.with_suffix(".partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        partial.replace(self._file)


class ConfigMapStore:
    """One ConfigMap of the namespace that this pod is in, by the account of the pod. It must be there: who may change
    one object by name may make none."""

    def __init__(self, name: str, account: Path = ACCOUNT, api: str | None = None) -> None:
        host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
        self._api = api or f"https://{f'[{host}]' if ':' in host else host}:{port}"
        self._name, self._account = name, account

    def change(self, to: Callable[[States], States]) -> States:
        live = self._ask("GET", None)
        data: dict[str, str] = live.get("data") or {}
        before = _states(data.get(FILE, ""), f"ConfigMap {self._name}, {FILE}")
        after = to(before)
        if after != before:
            # Refused where somebody else has written it since: then the next look begins with what they wrote.
            version = {"resourceVersion": live["metadata"]["resourceVersion"]}
            self._ask("PATCH", {"metadata": version, "data": {FILE: encoded(after).decode()}})
        return after

    def _ask(self, method: str, body: Any) -> Any:
        try:
            namespace = (self._account / "namespace").read_text(encoding="ascii").strip()
            # Read each time: it is another one every hour.
            token = (self._account / "token").read_text(encoding="ascii").strip()
            secure = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
            handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=secure)]
            request = urllib.request.Request(  # noqa: S310 - the address is the cluster's own
                f"{self._api}/api/v1/namespaces/{namespace}/configmaps/{self._name}",
                data=None if body is None else json.dumps(body).encode(),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
                method=method,
            )
            with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise Unkept(f"ConfigMap {self._name}: the API server answered {error.code}") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Unkept(f"ConfigMap {self._name}: {error}") from None


def _states(text: bytes | str, where: str) -> States:
    try:
        return decoded(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Unkept(f"{where}: not what a judge writes ({error})") from None
