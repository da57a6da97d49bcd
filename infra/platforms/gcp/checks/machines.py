"""Machines and cards: whether Google offers each in each zone of the plan. Whether one is free on a day, it tells
nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from infra.doctor.finding import Finding, look, missing, ok
from infra.platforms.gcp.machines import MachinePool
from infra.platforms.gcp.project import Project


def check(project: Project, pools: Sequence[MachinePool]) -> Iterator[Finding]:
    """Ways to buy of one pool are of the same machine."""
    for pool in {pool.pool: pool for pool in pools}.values():
        yield judged(pool, [zone for zone in pool.zones if not _is_offered(project, pool, zone)])


def _is_offered(project: Project, pool: MachinePool, zone: str) -> bool:
    where = f"compute/v1/projects/{project.project}/zones/{zone}"
    wanted = [f"machineTypes/{pool.machine_type}", *([f"acceleratorTypes/{pool.card}"] if pool.card else [])]
    return all(project.find("compute", f"{where}/{one}") is not None for one in wanted)


def judged(pool: MachinePool, lacking: Sequence[str]) -> Finding:
    """One pool."""
    what = f"machines {pool.pool}"
    called = f"{pool.machine_type}{f' with {pool.card}' if pool.card else ''}"
    if not lacking:
        return ok(what, f"{called} is offered in {', '.join(pool.zones)}")
    found = f"{called} is not offered in {', '.join(lacking)}"
    if len(lacking) == len(pool.zones):
        elsewhere = f"`gcloud compute machine-types list --filter=name={pool.machine_type}` shows where it is"
        return missing(what, found, f"choose another `accelerator`, region or zones; {elsewhere}")
    return look(what, f"{found}: no machine will ever be there", "name other `zones`")
