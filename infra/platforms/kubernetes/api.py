"""The API server of a cluster, as a kubeconfig names it: read, review, what it would say to a write, and few writes.

The official client reads the kubeconfig (certificates, exec plugins, OIDC) and carries requests. Answers stay JSON, so
that kinds which its models do not know are no special case. It is imported only here, when a cluster is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import Path
from time import time
from typing import Any, cast

from infra.problems import Problem, Refused

REQUEST_SECONDS = (5, 20)
PAGE = 500
Object = Mapping[str, Any]


class Unanswered(Exception):
    """The API server did not answer, or answered with a refusal; its text is for a user. `status` None: no answer."""

    def __init__(self, status: int | None, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, kw_only=True)
class Answer:
    """`seconds_ahead` is how far the server's clock is ahead of this machine's."""

    body: Any
    seconds_ahead: float | None


class Cluster:
    """Speaks to one API server as one user."""

    def __init__(self, client: Any) -> None:
        self._client = client

    @classmethod
    def of(cls, kubeconfig_path: str | None, context: str) -> Cluster:
        """By a context of a kubeconfig; nothing is asked yet. Raises Unanswered, or Refused without the client."""
        try:
            config = import_module("kubernetes.config")
            configuration = import_module("kubernetes.client").Configuration()
        except ImportError:
            raise Refused("this machine", [_NO_CLIENT]) from None
        # A cluster that is away is told within seconds, and asked once.
        configuration.retries = False
        path = str(Path(kubeconfig_path).expanduser()) if kubeconfig_path else None
        try:
            client = config.new_client_from_config(
                path, context, persist_config=False, client_configuration=configuration
            )
        # Whatever an exec plugin, a certificate or a broken file makes it raise: a user mends all of these.
        except Exception as error:
            raise Unanswered(None, _first_line(error)) from None
        return cls(client)

    def get(self, path: str, **query: str) -> Any:
        """The object or list at a path. Raises Unanswered."""
        return self.ask("GET", path, query=query).body

    def find(self, path: str) -> Any:
        """The object at a path, None where there is none."""
        try:
            return self.get(path)
        except Unanswered as answer:
            if answer.status == 404:
                return None
            raise

    def every(self, path: str, **query: str) -> Iterator[Object]:
        """Each object of a list, page by page."""
        token = ""
        while True:
            page = self.get(path, limit=str(PAGE), **query, **({"continue": token} if token else {}))
            yield from page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return

    def review(self, kind: str, api: str, spec: Object) -> Any:
        """What the server says about the caller; reviews are not kept."""
        plural = f"{kind.lower()}s"
        body = {"apiVersion": api, "kind": kind, "spec": spec}
        return self.ask("POST", f"/apis/{api}/{plural}", body).body["status"]

    def would_create(self, path: str, manifest: Object) -> None:
        """Raises Unanswered where the server would refuse it. It is a dry run: nothing is created."""
        self.ask("POST", path, manifest, {"dryRun": "All"})

    def lines(self, path: str, **query: str) -> list[str]:
        """A text at a path, such as a log. Raises Unanswered."""
        text, _ = self._asked("GET", path, None, query, accept="*/*")
        return text.decode(errors="replace").splitlines()

    def ask(self, method: str, path: str, body: Object | None = None, query: Mapping[str, str] | None = None) -> Answer:
        """One request."""
        text, date = self._asked(method, path, body, query or {})
        return Answer(body=json.loads(text), seconds_ahead=_seconds_ahead(date))

    def _asked(
        self,
        method: str,
        path: str,
        body: Object | None,
        query: Mapping[str, str],
        accept: str = "application/json",
    ) -> tuple[bytes, str | None]:
        client = self._client
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Accept": accept, "Content-Type": kind}
        try:
            request = client.param_serialize(
                method,
                path,
                query_params=list(query.items()),
                header_params=headers,
                body=body,
                auth_settings=["BearerToken"],
            )
            response = client.call_api(*request, _request_timeout=REQUEST_SECONDS)
            text, status, date = response.read(), response.status, response.getheader("Date")
        # Certificates, names, time limits, exec plugins: each library below has errors of its own.
        except Exception as error:
            raise Unanswered(None, _first_line(error)) from None
        if status >= 400:
            raise Unanswered(status, _message(text) or f"HTTP {status}")
        return text, date


def labels_of(found: Object) -> Mapping[str, str]:
    """An object's, none where it has none."""
    return cast("Mapping[str, str]", found["metadata"].get("labels") or {})


def annotations_of(found: Object) -> Mapping[str, str]:
    """An object's, none where it has none."""
    return cast("Mapping[str, str]", found["metadata"].get("annotations") or {})


_NO_CLIENT = Problem(
    where="the Python package `kubernetes`",
    found="not installed",
    allowed="the package, which reads kubeconfigs and asks a cluster",
    remedy="run `tools/python/install kubernetes`",
)


def _seconds_ahead(date: str | None) -> float | None:
    return None if date is None else parsedate_to_datetime(date).timestamp() - time()


def _message(text: bytes) -> str | None:
    try:
        said = json.loads(text)
    except ValueError:
        return text.decode(errors="replace").strip().partition("\n")[0][:200]
    return cast("dict[str, str]", said).get("message") if isinstance(said, dict) else None


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0][:300]
