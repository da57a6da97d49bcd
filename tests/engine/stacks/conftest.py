"""Where example stacks are deployed, and the stacks that are up there; each made when a test first asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import pytest

from tests.clouds import eks
from tests.clouds import project as clouds
from tests.cluster import custom_resources, nodes
from tests.cluster.conftest import GENERAL, GPU, started
from tests.cluster.pulumi_project import wheel_version
from tests.engine.stacks.aws_place import CLUSTER, StandInAws, machines
from tests.engine.stacks.controllers import Controllers
from tests.engine.stacks.deployed import Deployed, Deployments
from tests.engine.stacks.places import Place, RealControlPlane, ThisMachine
from tests.engine.stacks.rows import DEV, EXAMPLES, ONPREM, ExampleStack


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


@contextmanager
def stand_in_aws(
    folder: Path, region: str = "us-east-1", zones: str = "abd", cluster: str = CLUSTER, file: Path | None = None
) -> Iterator[StandInAws]:
    """A region with nothing in it, and the API server that its cluster will be; `file` where the cloud is there already."""
    version = wheel_version()
    if version is None or clouds.version("aws") is None:
        pytest.skip("pulumi-aws is not installed here: tools/python/install local dev kubernetes aws installs it")
    with started(folder, definitions=False) as plane:
        custom_resources.load(plane.client(), eks.definitions())
        nodes.create(plane.client(), *machines(tuple(f"{region}{zone}" for zone in zones)))
        with Controllers(plane.client()):
            yield StandInAws(plane, version, file or folder / "aws.json", region, cluster)


PLACES = {"this_machine": this_machine, "real_control_plane": real_control_plane, "stand_in_aws": stand_in_aws}


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
