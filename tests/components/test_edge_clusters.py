"""Small clusters (k3s) as sites of an edge: a stack each, on one disk, with a central site to fall back to."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml

from infra.chosen_site import SITE_KEY
from infra.naming import DEPLOYMENT_KEY
from infra.platforms.kubernetes.needs import cluster_needs
from infra.policy.rule import broken
from infra.policy.rules import RULES
from tests.config.corpus import load_and_plan
from tests.harness import Recorder
from tests.manifests import ROOT, objects, recorded
from tests.on_a_cluster import of_kind, resources

FILE = ROOT / "tests" / "config" / "topology-edge-clusters.happy.yaml"
SITES = ["store-hamburg", "store-munich"]


@cache
def deployed(site: str) -> Recorder:
    """One site's own stack, as its box deploys it; every image by its digest."""
    values: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))["config"]
    deployment = values[DEPLOYMENT_KEY]
    deployment["gateway"]["images"] = {"gateway": f"registry.example.com/slipway/gateway@sha256:{'1' * 64}"}
    for model in deployment["models"].values():
        model["engine"]["image"] = f"registry.example.com/slipway/llama@sha256:{'2' * 64}"
    with TemporaryDirectory() as folder:
        path = Path(folder, "Pulumi.edge.yaml")
        path.write_text(yaml.safe_dump({"config": {**values, SITE_KEY: site}}), encoding="utf-8")
        return recorded(path)


def found(site: str) -> list[dict[str, Any]]:
    return objects(deployed(site))


def config(site: str) -> dict[str, Any]:
    return json.loads(of_kind(found(site), "ConfigMap")["gateway"]["data"]["gateway.json"])


@pytest.mark.parametrize("site", SITES)
def test_a_box_deploys_its_own_site_to_its_own_cluster(site: str) -> None:
    (provider,) = deployed(site).of_type("pulumi:providers:kubernetes")
    assert (provider.inputs["context"], provider.inputs["kubeconfig"]) == ("default", "/etc/rancher/k3s/k3s.yaml")
    engines = {"store-hamburg": {"small"}, "store-munich": {"small", "medium"}}[site]
    assert set(of_kind(found(site), "Deployment")) == {"gateway", *(f"engine-{name}" for name in engines)}
    assert of_kind(found(site), "Deployment")["gateway"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("site", SITES)
def test_what_it_cannot_serve_goes_to_the_centre_and_waits_for_it(site: str) -> None:
    models = config(site)["models"]
    assert set(models) == {"small", "small@central", "medium", *(["medium@central"] if site == "store-munich" else [])}
    (central,) = models["medium" if site == "store-hamburg" else "medium@central"]["upstreams"]
    assert (central["url"], central["boundary"]) == ("https://llm.example.com", "on-prem")
    assert central["key_file"] == "/run/secrets/gateway/central"
    assert models["small"]["fallbacks"] == ["small@central"]


@pytest.mark.parametrize("site", SITES)
def test_its_audit_is_on_its_disk_until_the_object_store_has_it(site: str) -> None:
    """A pod that ends while the uplink is away leaves what is unsent to its successor, in the same folder."""
    claim = of_kind(found(site), "PersistentVolumeClaim")["gateway-audit"]["spec"]
    assert (claim["accessModes"], claim["storageClassName"]) == (["ReadWriteOnce"], "local-path")
    pod = of_kind(found(site), "Deployment")["gateway"]["spec"]["template"]["spec"]
    (mount,) = [mount for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "state"]
    assert mount["subPathExpr"] == "gateway"
    audit = config(site)["audit"]
    assert audit["folder"] == f"{mount['mountPath']}/audit"
    assert audit["object_store"]["prefix"] == f"edge/{site}/"
    assert audit["folder_bytes"] == 10 * 2**30


def test_doctor_looks_for_a_volume_that_one_node_can_give() -> None:
    plan = load_and_plan(FILE).sites["store-munich"].details
    (audit,) = [volume for volume in cluster_needs(plan).volumes if volume.what == "the audit"]
    assert (audit.storage_class, audit.access_modes) == ("local-path", ("ReadWriteOnce",))


def test_a_consumer_card_is_asked_for_by_its_name_and_the_rest_runs_on_processors() -> None:
    pods = {name: one["spec"]["template"]["spec"] for name, one in of_kind(found("store-munich"), "Deployment").items()}
    limits = {name: pod["containers"][0]["resources"]["limits"] for name, pod in pods.items()}
    assert limits["engine-medium"]["nvidia.com/gpu"] == "1"
    assert "nvidia.com/gpu" not in limits["engine-small"]
    chosen = json.dumps(pods["engine-medium"].get("affinity") or pods["engine-medium"].get("nodeSelector"))
    assert "NVIDIA-GeForce-RTX-4090" in chosen


@pytest.mark.parametrize("site", SITES)
def test_a_small_cluster_is_held_to_every_rule_of_a_large_one(site: str) -> None:
    """But for a second gateway: there is one machine."""
    found_broken = [line for rule in RULES for line in broken(rule, resources(found(site)))]
    assert found_broken == ["gateway is one gateway; there must be two"]
