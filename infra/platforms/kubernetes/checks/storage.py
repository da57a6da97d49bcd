"""Storage: whether the classes of the plan's volumes are there, and can hold what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from infra.catalog.cluster_parts import storage_provisioners
from infra.doctor.finding import Finding, look, missing, ok, unknown
from infra.platforms.kubernetes.api import Cluster, Object, annotations_of
from infra.platforms.kubernetes.needs import ClusterNeeds, VolumeNeed

DEFAULT = "storageclass.kubernetes.io/is-default-class"
SHORT = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX"}


def check(cluster: Cluster, needs: ClusterNeeds) -> Iterator[Finding]:
    """Asks for classes, and for volumes that are there already."""
    classes = {one["metadata"]["name"]: one for one in cluster.every("/apis/storage.k8s.io/v1/storageclasses")}
    claims = f"/api/v1/namespaces/{needs.namespace}/persistentvolumeclaims"
    for volume in needs.volumes:
        there = cluster.find(f"{claims}/{volume.claim}") if volume.claim else None
        yield from judged(volume, classes, there, needs.zones)


def judged(
    need: VolumeNeed, classes: Mapping[str, Object], there: Object | None, zones: Sequence[str]
) -> Iterator[Finding]:
    """One volume. One that is bound has shown what its class can do."""
    what, modes = f"volume for {need.what}", ", ".join(SHORT[mode] for mode in need.access_modes)
    if there is not None and there["status"].get("phase") == "Bound":
        yield ok(what, f"{need.claim}, bound, {', '.join(there['status']['accessModes'])}")
        return
    name = need.storage_class or next((name for name, one in classes.items() if _is_default(one)), None)
    if name is None:
        yield missing(what, "no StorageClass is the default, and none is named", f"name one: `{need.field}`")
        return
    if name not in classes:
        there_are = ", ".join(sorted(classes)) or "none"
        yield missing(what, f"no StorageClass `{name}`; there are: {there_are}", f"add it, or correct `{need.field}`")
        return
    found = classes[name]
    provisioner = found["provisioner"]
    known = storage_provisioners().get(provisioner)
    told = f"{name} ({provisioner}), {modes}"
    lacking = [SHORT[mode] for mode in need.access_modes if known and mode not in known.access_modes]
    if known is None:
        yield unknown(
            what,
            f"{told}: what this provisioner can do is not known here",
            f"make sure that it can do {modes}: a claim that it cannot waits for ever",
        )
    elif lacking:
        yield missing(
            what,
            f"{name} ({provisioner}) has no {', '.join(lacking)}",
            f"name a class that has, such as of NFS, CephFS, EFS or Filestore: `{need.field}`",
        )
    elif known.one_zone and len(zones) > 1 and found.get("volumeBindingMode") != "WaitForFirstConsumer":
        yield look(
            what,
            f"{told}, binds at once: the volume may be in a zone where its pod cannot be",
            "use a class with `volumeBindingMode: WaitForFirstConsumer`",
        )
    elif not found.get("allowVolumeExpansion"):
        yield look(
            what, f"{told}, cannot grow", "set `allowVolumeExpansion: true` where the storage can, before it is full"
        )
    else:
        yield ok(what, f"{told}, can grow")


def _is_default(found: Object) -> bool:
    return annotations_of(found).get(DEFAULT) == "true"
