"""Asks an image registry, without an account, which digest a tag has now (OCI distribution specification)."""

import http.client
import json
import re
import urllib.error
import urllib.parse
import urllib.request

SECONDS = 30
_LOCAL = re.compile(r"^(localhost|127\.0\.0\.1)(:\d+)?$")
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
# Of all its platforms first, so that one digest holds for all of them.
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class Unresolved(Exception):
    """The registry did not say; the message is what it said instead."""


def digest_of(repository: str, tag: str) -> str:
    """The digest behind a tag. Raises Unresolved."""
    host, name = _located(repository)
    scheme = "http" if _LOCAL.match(host) else "https"
    url = f"{scheme}://{host}/v2/{name}/manifests/{tag}"
    try:
        try:
            answer = _ask(url, "")
        except urllib.error.HTTPError as refusal:
            if refusal.code != http.HTTPStatus.UNAUTHORIZED:
                raise
            answer = _ask(url, _token(refusal.headers.get("WWW-Authenticate", "")))
        digest = str(answer.headers.get("Docker-Content-Digest", ""))
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise Unresolved(f"{url}: {error}") from None
    if not _DIGEST.match(digest):
        raise Unresolved(f"{url}: it names no digest ({digest or 'no Docker-Content-Digest'})")
    return digest


def _located(repository: str) -> tuple[str, str]:
    """Registry and name, as container runtimes read them: without a host it is Docker's own."""
    first, slash, rest = repository.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return first, rest
    return "registry-1.docker.io", repository if slash else f"library/{repository}"


def _ask(url: str, token: str) -> http.client.HTTPResponse:
    headers = {"Accept": _ACCEPT} | ({"Authorization": f"Bearer {token}"} if token else {})
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers, method="HEAD"), timeout=SECONDS)


def _token(challenge: str) -> str:
    """What the registry gives to anybody, from where it says."""
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    if not challenge.lower().startswith("bearer ") or "realm" not in fields:
        raise ValueError(f"it wants an account ({challenge or 'no WWW-Authenticate'})")
    query = urllib.parse.urlencode({key: fields[key] for key in ("service", "scope") if key in fields})
    with urllib.request.urlopen(f"{fields['realm']}?{query}", timeout=SECONDS) as answer:
        given = json.load(answer)
    return str(given.get("token") or given.get("access_token") or "")
