"""What many alike clusters have in common is made and read once, however many they are."""

from __future__ import annotations

import pytest

from bench.plan.__main__ import PLATFORMS, deployment
from infra.load import validate
from infra.plan import flows, gateway_pods, pod_files
from infra.plan.build import build_plan


@pytest.mark.parametrize("sites", [20, 40])
def test_alike_clusters_share_their_gateways_file_and_one_reading_of_it(sites: int) -> None:
    readers = (flows._named_ports, gateway_pods._named_secrets, pod_files._named_files)
    before = [reader.cache_info() for reader in readers]
    plan = build_plan(validate(deployment(3, sites, PLATFORMS["kubernetes"]), "case", {}), "case")
    # The central one's, and one for all the others.
    assert len({id(plan.sites[site].details.serving.gateway) for site in plan.sites}) == 2
    for reader, then in zip(readers, before, strict=True):
        now = reader.cache_info()
        assert now.misses - then.misses == 2, reader
        assert now.hits - then.hits >= sites - 2, reader
