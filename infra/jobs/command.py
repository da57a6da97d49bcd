"""`python -m infra job`: starts one job of a stack's site now, tells on stderr how it is going, prints its record."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from infra.chosen_site import site_in_file
from infra.jobs.base import Job
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.in_cluster import MAKING, TRIAL
from infra.plan.types import SitePlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.registry import load_object
from infra.run_time import RunTime

STOPPED = 130


def run(options: argparse.Namespace, root: Path) -> int:
    """One job, to its end. Raises Refused."""
    path = root / f"Pulumi.{options.stack}.yaml"
    plan = build_plan(load_file(path), options.stack, site=site_in_file(path))
    known = {site: jobs(plan.sites[site]) for site in plan.deployed_sites}
    if problems := list(_problems(options, known)):
        raise Refused("the command", problems)
    site = options.site or next(site for site, there in known.items() if options.name in there)
    way = _run_time(plan.sites[site]).jobs
    assert way is not None, "only of such a site jobs are known"
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        way.run(site, plan.sites[site], options.context, known[site][options.name], told=_told, kept=_kept)
    except KeyboardInterrupt:
        _told("stopped; the job goes on, and the same command takes it up")
        return STOPPED
    return 0


def jobs(place: SitePlan) -> dict[str, Job]:
    """Those of a site that somebody may start, by what its stack file calls them."""
    serving = getattr(place.details, "serving", None)
    if serving is None or PLATFORMS[place.platform].run_time is None or _run_time(place).jobs is None:
        return {}
    trials = (_job(pod.name, pod.config["about"]["trial"], TRIAL) for pod in serving.trials)
    makings = (_job(pod.name, pod.config["making"], MAKING) for pod in serving.makings)
    return {job.called: job for job in (*trials, *makings)}


def _job(name: str, called: str, container: str) -> Job:
    return Job(name=name, called=called, container=container)


def _run_time(place: SitePlan) -> RunTime:
    found: RunTime = load_object(PLATFORMS[place.platform].run_time or "")
    return found


def _problems(options: argparse.Namespace, known: Mapping[str, Mapping[str, Job]]) -> Iterator[Problem]:
    sites = [site for site, there in known.items() if there]
    names = sorted({name for there in known.values() for name in there})
    if not names:
        yield Problem(
            where=f"Pulumi.{options.stack}.yaml",
            found="no job that a cluster of it runs",
            allowed="trials, optimisations or refreshes of a model, at a site that is a cluster",
            remedy="on this machine `make trial`, `make optimise` and `make refresh` do them themselves",
        )
    elif options.site is not None and options.site not in sites:
        yield Problem(
            where="--site",
            found=f"`{options.site}`",
            allowed=f"a site of this stack that has jobs: {listing(sites)}",
            remedy=did_you_mean(options.site, sites, "name one of these"),
        )
    elif options.name not in (names if options.site is None else known[options.site]):
        yield Problem(
            where="the job",
            found=f"`{options.name}`",
            allowed=f"one of: {listing(names)}",
            remedy=did_you_mean(options.name, names, "name one of these"),
        )


def _told(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _kept(record: str) -> None:
    print(record, flush=True)


def _interrupted(*_: Any) -> NoReturn:
    raise KeyboardInterrupt
