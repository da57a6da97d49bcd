"""`python -m infra contain`: adds to what is blocked at a stack's sites, lifts it, or shows it."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from infra.chosen_site import site_in_file
from infra.config import StackConfig
from infra.containment.arguments import KINDS, SINGULAR
from infra.containment.base import Blocked
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.layout import every_site
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.registry import load_object
from infra.run_time import RunTime

# What the routes of a model under release are called; a contract test holds this against the gateway's.
RELEASED = ("stable", "candidate")
CREDENTIAL = re.compile(r"key:[0-9a-f]{8}|token:.{1,200}|certificate")


def run(options: argparse.Namespace, root: Path) -> int:
    """Does it site by site, and says what is blocked then. Raises Refused."""
    path = root / f"Pulumi.{options.stack}.yaml"
    config = load_file(path)
    plan = build_plan(config, options.stack, site=site_in_file(path))
    named = {kind: tuple(getattr(options, kind)) for kind in KINDS}
    problems = [*_unknown_site(plan, options.site)]
    if not options.lift:
        problems += _unknown(config, named)
    sites = plan.deployed_sites if options.site is None else (options.site,)
    problems += [] if problems else _unable(plan, sites)
    if problems:
        raise Refused("the command", problems)
    for site in sites:
        print(_at(options, plan, site, named))
    return 0


def _at(options: argparse.Namespace, plan: DeploymentPlan, site: str, named: Blocked) -> str:
    place = plan.sites[site]
    run_time: RunTime = load_object(PLATFORMS[place.platform].run_time or "")
    way = run_time.contained
    if not any(named.values()) and not options.lift:
        return f"{site}: {_text(way.read(plan.stack, site, place, options.context))}"
    blocked, when = way.change(
        plan.stack, site, place, options.context, lambda before: changed(before, named, lift=options.lift)
    )
    return f"{site}: {_text(blocked)}; {when}"


def changed(before: Blocked, named: Blocked, *, lift: bool) -> dict[str, tuple[str, ...]]:
    """What is blocked then: with what is named, or without it; lifted without a name, nothing."""
    if lift and not any(named.values()):
        return dict.fromkeys(KINDS, ())
    found: dict[str, tuple[str, ...]] = {}
    for kind in KINDS:
        there, asked = before.get(kind, ()), named.get(kind, ())
        kept = [name for name in there if not (lift and name in asked)]
        found[kind] = tuple(dict.fromkeys(kept if lift else [*kept, *asked]))
    return found


def _text(blocked: Blocked) -> str:
    said = [f"{SINGULAR[kind]} {listing(names)}" for kind, names in blocked.items() if names]
    return f"blocked: {'; '.join(said)}" if said else "nothing is blocked"


def _unknown_site(plan: DeploymentPlan, site: str | None) -> Iterator[Problem]:
    if site is not None and site not in plan.deployed_sites:
        yield Problem(
            where="--site",
            found=f"`{site}`",
            allowed=f"a site of this stack: {listing(plan.deployed_sites)}",
            remedy=did_you_mean(site, plan.deployed_sites, "name one of these"),
        )


def _unknown(config: StackConfig, named: Blocked) -> Iterator[Problem]:
    """A name with a slip of the pen would block nobody, and somebody would believe it did."""
    upstreams = (upstream for model in config.every_model.values() for upstream in model.upstreams.values())
    sites = (site.boundary for site in every_site(config).values() if site.boundary)
    known: dict[str, Iterable[str]] = {
        "clients": config.clients,
        "models": config.every_model,
        "routes": [
            f"{name}/{route}"
            for name, model in config.every_model.items()
            for route in (*(model.routes.to if model.routes else ()), *(RELEASED if model.release else ()))
        ],
        "places": {config.gateway.boundary, *sites, *(upstream.boundary for upstream in upstreams)},
    }
    for name in named["keys"]:
        if not CREDENTIAL.fullmatch(name):
            yield Problem(
                where="--key",
                # Not shown: it may be the key itself.
                found="something else than the name of a credential",
                allowed="`key:` and 8 digits of its hash, `token:ISSUER`, or `certificate`, as in rows of the audit",
                remedy="look for it with `python -m serving.audit show`; or block the client with `--client`",
            )
    for kind, names in known.items():
        there = sorted(names)
        for name in named[kind]:
            if name not in there:
                yield Problem(
                    where=f"--{SINGULAR[kind]}",
                    found=f"`{name}`",
                    allowed=f"one of this stack: {listing(there)}",
                    remedy=did_you_mean(name, there, "name one of these"),
                )


def _unable(plan: DeploymentPlan, sites: Iterable[str]) -> Iterator[Problem]:
    for site in sites:
        platform = plan.sites[site].platform
        if PLATFORMS[platform].run_time is None:
            yield Problem(
                where=f"site `{site}`",
                found=f"the platform `{platform}`, whose gateways have no file that somebody else may write",
                allowed="a site on a cluster or on this machine",
                remedy="take the client or the model out of the stack file and deploy, or turn the service off there",
            )
