"""A project of Google Cloud that has all that `staging` and `serverless` need, as answers of `tests.google_api`; tests
take some of it away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.google_api import Answer

REGION, ZONES = "us-central1", ("us-central1-a", "us-central1-b")
COMPUTE, RUN = "compute.googleapis.com", "run.googleapis.com"
SERVERS = ["ns-cloud-a1.googledomains.com.", "ns-cloud-a2.googledomains.com."]
L4, N2 = "NVIDIA-L4-GPUS-per-project-region", "N2-CPUS-per-project-region"
SPOT_L4 = "PREEMPTIBLE-NVIDIA-L4-GPUS-per-project-region"
CLOUD_RUN_L4 = "NvidiaL4GpuAllocNoZonalRedundancyPerProjectRegion"
OWN = {"slipway-stack": "staging", "slipway-site": "main"}


def compute(project: str, path: str) -> str:
    return f"compute/compute/v1/projects/{project}/{path}"


def quota(project: str, code: str, *rows: Mapping[str, Any], service: str = COMPUTE) -> dict[str, Answer]:
    where = f"cloudquotas/v1/projects/{project}/locations/global/services/{service}/quotaInfos/{code}"
    return {where: {"quotaId": code, "dimensionsInfos": [*rows]}}


def value(count: int, *places: str, **dimensions: str) -> dict[str, Any]:
    row: dict[str, Any] = {"details": {"value": str(count)}, "applicableLocations": [*(places or ("global",))]}
    return {**row, "dimensions": dimensions} if dimensions else row


def services(project: str, *off: str) -> dict[str, Answer]:
    def found(query: Mapping[str, list[str]]) -> Mapping[str, Any]:
        names = query["names"]
        assert len(names) <= 30
        return {
            "services": [
                {"name": name, "state": "DISABLED" if name.rpartition("/")[2].split(".")[0] in off else "ENABLED"}
                for name in names
            ]
        }

    return {f"serviceusage/v1/projects/{project}/services:batchGet": found}


def machine(kind: str, zone: str = "us-central1-c", **more: Any) -> dict[str, Any]:
    where = f"https://www.googleapis.com/compute/v1/projects/p/zones/{zone}"
    return {"zone": where, "machineType": f"{where}/machineTypes/{kind}", "status": "RUNNING", **more}


def with_card(card: str, count: int) -> dict[str, Any]:
    kind = f"https://www.googleapis.com/compute/v1/projects/p/zones/z/acceleratorTypes/{card}"
    return {"guestAccelerators": [{"acceleratorType": kind, "acceleratorCount": count}]}


def machines(project: str, *found: Mapping[str, Any]) -> dict[str, Answer]:
    """On two pages, as Google gives long lists; most zones have a warning in place of machines."""
    pages: dict[str, Any] = {
        "": {"items": {"zones/us-east1-b": {"warning": {"code": "NO_RESULTS_ON_PAGE"}}}, "nextPageToken": "2"},
        "2": {"items": {"zones/us-central1-c": {"instances": [*found]}}},
    }
    return {compute(project, "aggregated/instances"): lambda query: pages[query.get("pageToken", [""])[0]]}


def zone(project: str, name: str, dns_name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "dnsName": dns_name, "visibility": "public", "nameServers": SERVERS, **more}


def zones(project: str, *found: Mapping[str, Any]) -> dict[str, Answer]:
    where = f"dns/dns/v1/projects/{project}/managedZones"
    return {where: {"managedZones": [*found]}, **{f"{where}/{one['name']}": one for one in found}}


def healthy(project: str, region: str = REGION) -> dict[str, Answer]:
    there = {"name": region, "zones": [f"https://compute/v1/zones/{region}-{letter}" for letter in "abc"]}
    offered = {
        compute(project, f"zones/{region}-{letter}/{what}"): {"name": what}
        for letter in "abc"
        for what in ("machineTypes/n2-standard-4", "machineTypes/g2-standard-8", "acceleratorTypes/nvidia-l4")
    }
    return {
        f"cloudresourcemanager/v1/projects/{project}": {"projectNumber": "123456789012", "lifecycleState": "ACTIVE"},
        compute(project, f"regions/{region}"): there,
        **services(project),
        **offered,
        **zones(
            project, zone(project, "example-com", "example.com."), zone(project, "staging", "staging.example.com.")
        ),
        **machines(project),
        compute(project, "global/networks"): {"items": [{"name": "default"}]},
        compute(project, "global/addresses"): {"items": [{"name": "other", "labels": {"team": "other"}}]},
        **quota(project, L4, value(100, region)),
        **quota(project, N2, value(1000, region, region=region), value(8, "europe-west1")),
        **quota(project, "GPUS-ALL-REGIONS-per-project", value(100)),
        **quota(project, "CPUS-ALL-REGIONS-per-project", value(-1)),
        **quota(project, "NETWORKS-per-project", value(5)),
        **quota(project, "STATIC-ADDRESSES-per-project", value(8)),
        **quota(project, CLOUD_RUN_L4, value(3, region), service=RUN),
        **quota(project, "CpuAllocPerProjectRegion", value(20_000, region), service=RUN),
        **quota(project, "MemAllocPerProjectRegion", value(40 * 2**30, region), service=RUN),
    }
