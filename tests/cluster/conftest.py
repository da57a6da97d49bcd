"""Fixtures for tests on a real control plane. They are skipped where its programs have not been built."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster import custom_resources, manifests, nodes, onprem
from tests.cluster.client import Client, eventually
from tests.cluster.control_plane import ControlPlane
from tests.cluster.nodes import Pool
from tests.cluster.pulumi_project import Project, wheel_version
from tools.kubernetes import modules, programs
from tools.pulumi import command_line as pulumi

ZONES = ("testland-1a", "testland-1b", "testland-1c")
GENERAL = Pool("general", ZONES)
GPU = Pool("gpu", ZONES, per_zone=2, gpus=1, labels={"nvidia.com/gpu.product": "NVIDIA-L4"})


@pytest.fixture(scope="package")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """One control plane for the tests here, gone before others run: with others' custom resources, without nodes."""
    with started(tmp_path_factory.mktemp("control-plane")) as plane:
        yield plane


@contextmanager
def started(folder: Path, definitions: bool = True) -> Iterator[ControlPlane]:
    """A control plane in a folder, with others' custom resources unless it is to know none."""
    built = programs.installed()
    if built is None:
        pytest.skip("the Kubernetes control plane is not built here: `make test-cluster` builds it (some 6 min, once)")
    found = modules.folders()
    plane = ControlPlane(folder, built, found[programs.KWOK.module])
    client = plane.start()
    try:
        if definitions:
            custom_resources.load(client, custom_resources.read(found, programs.definitions()))
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def cluster(control_plane: ControlPlane) -> Iterator[Client]:
    """The control plane with nodes: three zones, in each one general node and two with a GPU."""
    client = control_plane.client()
    nodes.create(client, GENERAL, GPU)
    yield client
    nodes.remove(client, GENERAL, GPU)


@pytest.fixture(scope="package")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of its own for what breaks: it notices a lost node soon, and a pod takes a moment to start."""
    folder = programs.installed()
    if folder is None:
        pytest.skip("the Kubernetes control plane is not built here: `make test-cluster` builds it (some 6 min, once)")
    found = modules.folders()
    plane = ControlPlane(
        tmp_path_factory.mktemp("faulty"),
        folder,
        found[programs.KWOK.module],
        lease_seconds=8,
        grace_seconds=20,
        start_seconds=2,
    )
    client = plane.start()
    try:
        custom_resources.load(client, custom_resources.read(found, programs.definitions()))
        nodes.create(client, *onprem.in_zones(onprem.GENERAL, onprem.GPU))
        yield plane
    finally:
        plane.stop()


@pytest.fixture(scope="package")
def deployed(faulty: ControlPlane) -> onprem.Deployed:
    """The stack `onprem` there."""
    stack = onprem.Deployed(faulty.client(), onprem.rendered())
    stack.deploy()
    return stack


@pytest.fixture
def namespace(cluster: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace of the test's own under Pod Security `restricted`; its pods are gone afterwards, and it soon."""
    told = re.sub("[^a-z0-9]+", "-", request.node.name.removeprefix("test_").lower())[:50].strip("-")
    name = f"{told}-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:6]}"
    cluster.apply(manifests.namespace(name))
    yield name
    discard(cluster, name)


def discard(cluster: Client, name: str) -> None:
    """Delete a namespace without waiting for it: the namespace controller takes five seconds for each.

    Its pods are waited for, since the nodes have to be free for the next test.
    """
    for kind in (cluster.kind("apps/v1", "Deployment"), cluster.kind("batch/v1", "Job"), cluster.kind("v1", "Pod")):
        cluster.request("DELETE", kind.path(name), {"propagationPolicy": "Background"})
    cluster.delete("v1", "Namespace", name)
    eventually(lambda: not cluster.pods(name), f"no pods in {name}")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder for a test that starts a control plane of its own."""
    folder = tmp_path / "control-plane"
    folder.mkdir()
    return folder


@pytest.fixture
def project(cluster: Client, control_plane: ControlPlane, tmp_path: Path) -> Project:
    """A Pulumi project with nothing in it yet, whose provider is our plugin on this cluster."""
    command_line, version = pulumi.find(), wheel_version()
    if command_line is None:
        pytest.skip("no Pulumi CLI here: tools/pulumi/install installs it")
    if version is None:
        pytest.skip("pulumi-kubernetes is not installed here: tools/python/install local dev kubernetes installs it")
    return Project(tmp_path / "project", command_line.folder, version, control_plane.kubeconfig)
