"""Where example stacks are deployed, and the stacks that are up there; each made when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.clouds import project as clouds
from tests.clouds.managed_cluster import EKS, GKE
from tests.cluster import custom_resources, nodes
from tests.cluster.conftest import GENERAL, GPU, started
from tests.cluster.pulumi_project import wheel_version
from tests.engine.stacks.cloud_place import CloudWithCluster, StandInCloud, machines_of_aws, machines_of_google
from tests.engine.stacks.controllers import Controllers
from tests.engine.stacks.deployed import Deployed, Deployments
from tests.engine.stacks.places import Place, RealControlPlane, ThisMachine
from tests.engine.stacks.rows import DEV, EXAMPLES, ONPREM, ExampleStack
from tools.kubernetes import modules, programs


@contextmanager
def this_machine(folder: Path) -> Iterator[Place]:
    """Nothing has to be started for it."""
    del folder
    yield ThisMachine()


@contextmanager
def real_control_plane(folder: Path) -> Iterator[Place]:
    """A control plane with nodes in three zones, and with whatever answers for others' custom resources."""
    version = wheel_version()
    if version is None:
        pytest.skip("pulumi-kubernetes is not installed here: tools/python/install local dev kubernetes installs it")
    with started(folder) as plane:
        nodes.create(plane.client(), GENERAL, GPU)
        with Controllers(plane.client()):
            yield RealControlPlane(plane, version)


def _stand_in(package: str, file: Path, where: str, stays: Callable[[dict[str, Any]], bool]) -> StandInCloud:
    version = wheel_version()
    if version is None or clouds.version(package) is None:
        pytest.skip(
            f"pulumi-{package} is not installed here: tools/python/install local dev kubernetes {package} installs it"
        )
    return StandInCloud(package, version, file, where, stays)


@contextmanager
def stand_in_aws(
    folder: Path,
    region: str = "us-east-1",
    zones: str = "abd",
    cluster: str = "slipway-prod-main",
    file: Path | None = None,
) -> Iterator[CloudWithCluster]:
    """A region with nothing in it, and the API server that its cluster will be; `file`: of a cloud that is there."""
    # The proof of a name that several sites have is everybody's, and none takes it away.
    around = _stand_in("aws", file or folder / "aws.json", region, lambda inputs: bool(inputs.get("allowOverwrite")))
    with started(folder, definitions=False) as plane:
        custom_resources.load(plane.client(), [*_of("keda.sh"), *EKS.definitions()])
        nodes.create(plane.client(), *machines_of_aws(tuple(f"{region}{zone}" for zone in zones)))
        with Controllers(plane.client()):
            yield CloudWithCluster(plane, around, EKS, cluster)


@contextmanager
def stand_in_gcp(folder: Path) -> Iterator[CloudWithCluster]:
    """A project with nothing in it, and the API server that its cluster will be: with the Gateway API and Google's."""
    around = _stand_in("gcp", folder / "gcp.json", "example-staging", lambda inputs: False)
    with started(folder, definitions=False) as plane:
        custom_resources.load(plane.client(), [*_of("gateway.networking.k8s.io", "keda.sh"), *GKE.definitions()])
        nodes.create(plane.client(), *machines_of_google(("us-central1-a", "us-central1-b")))
        with Controllers(plane.client()):
            yield CloudWithCluster(plane, around, GKE, "slipway-staging-main")


def _of(*groups: str) -> list[dict[str, Any]]:
    """Definitions that a chart of the stack would bring."""
    known = custom_resources.read(modules.folders(), programs.definitions())
    return [one for one in known if one["spec"]["group"] in groups]


@contextmanager
def cloud_run(folder: Path) -> Iterator[Place]:
    """A project with nothing in it. Who asked what of which model does not go with what served it."""
    yield _stand_in("gcp", folder / "gcp.json", "example-serverless", lambda inputs: "retentionPolicy" in inputs)


PLACES = {
    "this_machine": this_machine,
    "real_control_plane": real_control_plane,
    "stand_in_aws": stand_in_aws,
    "stand_in_gcp": stand_in_gcp,
    "cloud_run": cloud_run,
}


@pytest.fixture(scope="package")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Place]]:
    """Each place by name, started when it is first asked for."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(PLACES[name](tmp_path_factory.mktemp(name))))


@pytest.fixture(scope="package")
def deployments(places: Callable[[str], Place], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployments]:
    """Each example stack, deployed when it is first asked for."""
    made = Deployments(places, tmp_path_factory.mktemp)
    yield made
    made.close()


@pytest.fixture(params=EXAMPLES, ids=lambda example: example.name)
def deployed(request: pytest.FixtureRequest, deployments: Deployments) -> Deployed:
    """Every example stack in turn."""
    example: ExampleStack = request.param
    return deployments.of(example)


@pytest.fixture
def onprem(deployments: Deployments) -> Deployed:
    return deployments.of(ONPREM)


@pytest.fixture
def dev(deployments: Deployments) -> Deployed:
    return deployments.of(DEV)
