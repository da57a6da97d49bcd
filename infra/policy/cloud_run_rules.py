"""Rules of services and jobs on Cloud Run, of which no scanner knows anything."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.policy.rule import Broken, Resource, Rule

SERVICE, JOB = "gcp:cloudrunv2/service:Service", "gcp:cloudrunv2/job:Job"
CALLS = "gcp:cloudrunv2/serviceIam"
EVERYBODY = ("allUsers", "allAuthenticatedUsers")


def _template(one: Resource) -> Mapping[str, Any] | None:
    """What instances are made from: of a job, one deeper."""
    template = one.props.get("template", {})
    return {SERVICE: template, JOB: template.get("template", {})}.get(one.type)


def _containers(one: Resource) -> Iterator[Mapping[str, Any]]:
    yield from (_template(one) or {}).get("containers", ())


def _callers(one: Resource) -> Broken:
    if one.type.startswith(CALLS):
        members = [one.props.get("member"), *one.props.get("members", ())]
        yield from (f"`{member}` may call it" for member in members if member in EVERYBODY)


def _images(one: Resource) -> Broken:
    for container in _containers(one):
        if "@sha256:" not in str(container.get("image")):
            yield f"the image `{container.get('image')}` can change"


def _secrets(one: Resource) -> Broken:
    for container in _containers(one):
        for variable in container.get("envs", ()):
            if variable.get("valueSource"):
                yield f"the variable `{variable.get('name')}` is a secret, not a file"
    for volume in (_template(one) or {}).get("volumes", ()):
        for item in volume.get("secret", {}).get("items", ()):
            if not str(item.get("version", "latest")).isdecimal():
                yield f"the file `{item.get('path')}` is of no version that is named"


def _encrypted(one: Resource) -> Broken:
    template = _template(one)
    if template is not None and not template.get("encryptionKey"):
        yield "it is encrypted with no key of one's own"


def _leaves(one: Resource) -> Broken:
    template = _template(one)
    if template is not None and template.get("vpcAccess", {}).get("egress") != "ALL_TRAFFIC":
        yield "not all that leaves goes through a network of one's own"


CLOUD_RUN_RULES = (
    Rule(name="run-callers", control="R01", says="All the world has no right to call.", check=_callers),
    Rule(name="run-images", control="R02", says="Every container runs an image by its digest.", check=_images),
    Rule(name="run-secrets", control="R03", says="Secrets are files, each of one version.", check=_secrets),
    Rule(name="run-encrypted", control="R04", says="What is kept has a key of one's own.", check=_encrypted),
    Rule(name="run-leaves", control="R05", says="All that leaves goes by one's own network.", check=_leaves),
)
