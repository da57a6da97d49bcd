"""The machines that platforms plan are machines of the catalogue, with as many GPUs as they say."""

from __future__ import annotations

import pytest

from infra.catalog.gpus import gpus
from infra.catalog.instances import instances
from infra.objective import ACCELERATORS
from infra.plan.node_pools import Shapes
from infra.platforms.aws.shapes import SHAPES as AWS
from infra.platforms.cloud_run.instances import CARDS
from infra.platforms.gcp.shapes import SHAPES as GCP


def test_every_accelerator_is_in_the_catalogue_by_the_same_name() -> None:
    assert set(ACCELERATORS) <= set(gpus())
    assert set(CARDS) <= set(ACCELERATORS)


@pytest.mark.parametrize(("cloud", "shapes"), [("aws", AWS), ("gcp", GCP)])
def test_every_shape_is_in_the_catalogue(cloud: str, shapes: Shapes) -> None:
    # The catalogue writes a card that is added to a machine as `n1-standard-8+T4`.
    known = {(row.instance_type.partition("+")[0], row.gpu, row.gpu_count) for row in instances() if row.cloud == cloud}
    assert set(shapes) <= set(ACCELERATORS)
    for accelerator, machines in shapes.items():
        assert [machine.gpus for machine in machines] == sorted({machine.gpus for machine in machines})
        for machine in machines:
            assert (machine.name, accelerator, machine.gpus) in known
