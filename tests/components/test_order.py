"""What a pod mounts is there before the pod: Pulumi waits for pods, and one that waits for a file waits in vain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.render.kubernetes import is_object
from tests import on_a_cluster, on_aws, on_gcp
from tests.harness import Recorder, Registration
from tests.manifests import plain

STACKS = {
    **{f"onprem {name}": (on_a_cluster, name) for name in on_a_cluster.VARIANTS},
    **{f"prod {name}": (on_aws, name) for name in on_aws.VARIANTS},
    **{f"staging {name}": (on_gcp, name) for name in on_gcp.VARIANTS},
}
# Where in an object another one of the namespace is named, and of which kind it is.
REFERENCES = {
    "secretName": "Secret",
    "claimName": "PersistentVolumeClaim",
    "secretProviderClass": "SecretProviderClass",
    "serviceAccountName": "ServiceAccount",
    "resourceClaimTemplateName": "ResourceClaimTemplate",
}
NAMED_INSIDE = {"configMap": "ConfigMap", "secret": "Secret", "secretKeyRef": "Secret", "configMapKeyRef": "ConfigMap"}
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob", "LeaderWorkerSet")


def named_in(value: Any) -> Iterator[tuple[str, str]]:
    """Kind and name of every object that a pod of this template cannot start without."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key in REFERENCES and isinstance(inner, str):
                yield REFERENCES[key], inner
            elif key in NAMED_INSIDE and isinstance(inner, Mapping) and isinstance(inner.get("name"), str):
                if inner.get("optional"):
                    continue
                yield NAMED_INSIDE[key], inner["name"]
            yield from named_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from named_in(inner)


def before(seen: Recorder, one: Registration) -> set[str]:
    """What is made before it: what it depends on, by itself or by a component that it is in, and what these do."""
    every = {found.urn: found for found in seen.seen}
    reached: set[str] = set()
    waiting = [one.urn]
    while waiting:
        found = every.get(waiting.pop())
        if found is None or found.urn in reached:
            continue
        reached.add(found.urn)
        waiting += [*found.depends_on, found.parent]
    return reached


@pytest.mark.parametrize("stack", STACKS)
def test_what_a_pod_mounts_is_made_before_it(stack: str) -> None:
    variants, name = STACKS[stack]
    seen = variants.registrations(name)
    objects = [one for one in seen.seen if is_object(one)]
    made = {
        (one.inputs["kind"], one.inputs["metadata"]["namespace"], one.inputs["metadata"]["name"]): one
        for one in objects
        if "namespace" in one.inputs["metadata"]
    }
    found = 0
    for workload in [one for one in objects if one.inputs["kind"] in WORKLOADS]:
        known = before(seen, workload)
        for kind, called in {*named_in(plain(workload.inputs["spec"]))}:
            wanted = made.get((kind, workload.inputs["metadata"]["namespace"], called))
            if wanted is not None:
                found += 1
                assert wanted.urn in known, f"{workload.name} is waited for without {kind} {called}"
    assert found >= 4
