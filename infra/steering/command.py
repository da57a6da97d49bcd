"""`python -m infra release`: shows or draws how far releases are, and takes a person's word; rules are the stack's."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from infra.chosen_site import site_in_file
from infra.load import load_file
from infra.plan.build import build_plan
from infra.plan.release_pods import questions
from infra.plan.types import DeploymentPlan
from infra.platforms import PLATFORMS
from infra.problems import Problem, Refused, did_you_mean, listing
from infra.registry import load_object
from infra.releases.base import released
from infra.releases.looks import Course, looks_of
from infra.run_time import RunTime
from infra.steering.steps import described, identity, states_of, steered

Rules = dict[str, tuple[str, Mapping[str, Any]]]


def run(options: argparse.Namespace, root: Path) -> int:
    """Site by site. Raises Refused."""
    path = root / f"Pulumi.{options.stack}.yaml"
    plan = build_plan(load_file(path), options.stack, site=site_in_file(path))
    known = {site: _rules(plan.sites[site].details.gateway_config) for site in plan.deployed_sites}
    if problems := list(_problems(options, plan, known)):
        raise Refused("the command", problems)
    sites = plan.deployed_sites if options.site is None else (options.site,)
    chosen = {
        site: {model: one for model, one in known[site].items() if options.model in (None, model)} for site in sites
    }
    if options.format != "text":
        # Nothing else needs pictures.
        from infra.steering.drawn import FORMATS

        print(FORMATS[options.format](plan.stack, [*_courses(options, plan, chosen)]))
        return 0
    return max(_at(options, root, plan, site, rules) if rules else 0 for site, rules in chosen.items())


def _courses(options: argparse.Namespace, plan: DeploymentPlan, chosen: Mapping[str, Rules]) -> Iterator[Course]:
    """Of every release, by site and model. Raises Refused."""
    for site, rules in chosen.items():
        if not rules:
            continue
        place, where = plan.sites[site], f"how far releases are at site `{site}`"
        run_time: RunTime = load_object(PLATFORMS[place.platform].run_time or "")
        states = states_of(run_time.releases.read(plan.stack, site, place, options.context), where)
        for model, (release, one) in rules.items():
            state = states.get(model)
            yield Course(
                site=site,
                model=model,
                candidate=one["candidate"],
                looks=looks_of(state) if state is not None and state["release"] == release else (),
                sends=one["sends"],
                error_percent=one["error_percent"],
                first_token_seconds=one.get("first_token_seconds"),
            )


def _at(options: argparse.Namespace, root: Path, plan: DeploymentPlan, site: str, rules: Rules) -> int:
    place = plan.sites[site]
    run_time: RunTime = load_object(PLATFORMS[place.platform].run_time or "")
    way, ended = run_time.releases, None
    where = f"how far releases are at site `{site}`"
    if options.action == "judge":
        content = place.details.gateway_config
        told = _questions(content, plan, options.asking) if options.asking else None
        ended = way.judge(root, plan.stack, site, place, _file(content), told)
        if ended is None:
            print(f"{site}: judged there all the time; nothing to do here")
    elif options.action:

        def to(text: str) -> str:
            states = states_of(text, where)
            for model, (release, one) in rules.items():
                states[model] = steered(states.get(model), options.action, release, one, time.time())
            return json.dumps(states, indent=1)

        print(f"{site}: {way.change(plan.stack, site, place, options.context, to)}")
    states = states_of(way.read(plan.stack, site, place, options.context), where)
    for model, (release, one) in rules.items():
        print(f"{site}: {model}: " + "\n".join(described(states.get(model), release, one)))
    return ended or 0


def _rules(content: Mapping[str, Any]) -> Rules:
    """By model, with the name of the release."""
    digests = {name: model.get("digest") for name, model in content["models"].items()}
    return {
        model: (identity(rules["candidate"], digests.get(rules["candidate"])), rules)
        for model, rules in released(content).items()
    }


def _file(content: Mapping[str, Any]) -> dict[str, Any]:
    """What a judge needs of the gateways' file."""
    wanted = ("digest", "release")
    models = {name: {key: model[key] for key in wanted if key in model} for name, model in content["models"].items()}
    return {"models": models}


def _questions(content: Mapping[str, Any], plan: DeploymentPlan, file: Path) -> dict[str, dict[str, Any]]:
    """What the judge of this machine asks, at the place and with the keys that the file has. Raises Refused."""
    try:
        place: dict[str, Any] = json.loads(file.read_bytes())
        return questions(content, plan.trials, plan.models, place, place.pop("key_files"))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        problem = Problem(
            where="--asking",
            found=f"`{file}`, which cannot be used: {type(error).__name__}",
            allowed="a file of JSON with `url` and, by client, `key_files`",
            remedy=f"judge with `make release STACK={plan.stack}`, which writes it",
        )
        raise Refused("the command", [problem]) from None


def _problems(options: argparse.Namespace, plan: DeploymentPlan, known: Mapping[str, Rules]) -> Iterator[Problem]:
    if options.format != "text" and options.action:
        yield Problem(
            where="--format",
            found=f"`{options.format}`, and `--{options.action}`",
            allowed="a picture of what is there, or something that is done",
            remedy="do it first, and draw it then",
        )
    models = sorted({model for rules in known.values() for model in rules})
    if options.site is not None and options.site not in plan.deployed_sites:
        yield Problem(
            where="--site",
            found=f"`{options.site}`",
            allowed=f"a site of this stack: {listing(plan.deployed_sites)}",
            remedy=did_you_mean(options.site, plan.deployed_sites, "name one of these"),
        )
    if not models:
        yield Problem(
            where=f"Pulumi.{options.stack}.yaml",
            found="no model with a `release`",
            allowed="at least one",
            remedy="add `release: {kind: canary, candidate: OTHER}` to a model, and deploy",
        )
    elif options.model is not None and options.model not in models:
        yield Problem(
            where="--model",
            found=f"`{options.model}`",
            allowed=f"a model that is being released: {listing(models)}",
            remedy=did_you_mean(options.model, models, "name one of these"),
        )
