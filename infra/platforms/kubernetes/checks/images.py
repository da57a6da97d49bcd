"""Images: the registries that nodes must reach. Whether they may pull is known to the nodes alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from infra.doctor.finding import Finding, missing, ok
from infra.platforms.kubernetes.needs import ClusterNeeds

# Where no registry is written, as container runtimes have it.
DEFAULT_REGISTRY = "docker.io"
# Names that belong to nobody (RFC 2606, RFC 6761): an example that was not filled in.
NOBODYS = ("example.com", "example.net", "example.org", "example", "invalid", "test")


def check(needs: ClusterNeeds) -> Iterator[Finding]:
    """A row for each registry."""
    by_registry: defaultdict[str, list[str]] = defaultdict(list)
    for user, image in needs.images.items():
        by_registry[registry(image)].append(user)
    for name, users in sorted(by_registry.items()):
        host = name.partition(":")[0]
        if any(host == nobodys or host.endswith(f".{nobodys}") for nobodys in NOBODYS):
            yield missing(
                f"images of {name}",
                f"for {', '.join(users)}: a name for examples, where no registry can be",
                "name your registry, and push the images there",
            )
        else:
            yield ok(f"images of {name}", f"for {', '.join(users)}; nodes must be able to pull them")


def registry(image: str) -> str:
    """`registry.corp:5000` of `registry.corp:5000/team/name@sha256:…`."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DEFAULT_REGISTRY
