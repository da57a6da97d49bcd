"""What contradicts the profile, refused in the plan with what would do: before anything is made, and all at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from infra.catalog.covered_services import covered_services
from infra.config import ClientSettings, StackConfig
from infra.explain import dotted
from infra.gateway.address import crosses_readable
from infra.gateway.guardrails import ModerationHookSettings
from infra.naming import DEPLOYMENT_KEY
from infra.plan.types import SitePlan
from infra.platforms.base import Abilities
from infra.problems import Problem, listing
from infra.topologies.base import Site

WHERE = f"{DEPLOYMENT_KEY}.governance"
# 45 CFR 164.316(b)(2)(i): six years, of documentation; what is recorded of access is kept as long.
SIX_YEARS_DAYS = 2190
MOST_NAMED = 8


def governed(config: StackConfig) -> StackConfig:
    """The deployment with what its profile turns on where nobody said otherwise: under `hipaa` an answer is complete
    when its row is on disk, so that no access goes unrecorded."""
    audit = config.gateway.audit
    if config.governance.profile != "hipaa" or audit is None or "sync" in audit.model_fields_set:
        return config
    strict = audit.model_copy(update={"sync": "every_row"})
    return config.model_copy(update={"gateway": config.gateway.model_copy(update={"audit": strict})})


def governance_problems(
    config: StackConfig, sites: Mapping[str, Site], abilities: Mapping[str, Abilities]
) -> Iterator[Problem]:
    """What can be told from the configuration alone."""
    profile = config.governance.profile
    if profile == "none":
        return
    yield from _regions(config, sites, abilities)
    yield from _processors(config, abilities)
    yield from _audit(config, sites, abilities)
    for name, client in config.clients.items():
        yield from _client(profile, dotted(DEPLOYMENT_KEY, ("clients", name)), client)
    if profile == "hipaa":
        yield from _services(config, abilities)


def planned_problems(config: StackConfig, sites: Mapping[str, Site], planned: Mapping[str, SitePlan]) -> list[Problem]:
    """What only the plan of a site shows: that nobody on the way reads along."""
    if config.governance.profile == "none":
        return []
    return [
        Problem(
            where=f"{sites[name].where}.platform",
            found=f"`{site.endpoint}`, which other machines reach without TLS (`governance.profile: "
            f"{config.governance.profile}`)",
            allowed="TLS, or an address of this machine alone",
            remedy="set `gateway.tls`, or listen on 127.0.0.1",
        )
        for name, site in planned.items()
        if crosses_readable(site.endpoint)
    ]


def processors(config: StackConfig, abilities: Mapping[str, Abilities]) -> dict[str, str]:
    """Who else gets data of requests: clouds, and hosts but for this machine; each with what it is asked for."""
    found: dict[str, str] = {}
    for name, ability in abilities.items():
        if ability.cloud:
            found.setdefault(ability.cloud, f"the cloud of site `{name}`")
    for what, url in _addresses(config):
        host = urlsplit(url).hostname or ""
        if crosses_readable(url.replace("https://", "http://", 1)):
            found.setdefault(host, what)
    return found


def _addresses(config: StackConfig) -> Iterator[tuple[str, str]]:
    gateway = config.gateway
    for name, model in config.every_model.items():
        for upstream, settings in model.upstreams.items():
            yield f"upstream `{upstream}` of model `{name}`", settings.url
    for rules, guardrail in gateway.guardrails.items():
        for hook, settings in (*guardrail.before.items(), *guardrail.after.items()):
            if isinstance(settings, ModerationHookSettings):
                yield f"`{hook}` of `gateway.guardrails.{rules}`", settings.url
    if gateway.privacy.recogniser:
        yield "`gateway.privacy.recogniser`", gateway.privacy.recogniser.url
    if gateway.audit and gateway.audit.object_store:
        yield "`gateway.audit.object_store`", gateway.audit.object_store.url
    if gateway.audit and gateway.audit.otlp_logs:
        yield "`gateway.audit.otlp_logs`", gateway.audit.otlp_logs.url
    if gateway.traces:
        yield "`gateway.traces`", gateway.traces.url


def _regions(config: StackConfig, sites: Mapping[str, Site], abilities: Mapping[str, Abilities]) -> Iterator[Problem]:
    allowed = config.governance.regions
    for name, ability in abilities.items():
        if ability.region is not None and ability.region not in allowed:
            yield Problem(
                where=f"{sites[name].where}.platform.region",
                found=f"`{ability.region}`",
                allowed=f"one of `governance.regions`: {listing(allowed)}",
                remedy=f"write `{ability.region}` into `governance.regions` if data may be there, or move the site",
            )


def _processors(config: StackConfig, abilities: Mapping[str, Abilities]) -> Iterator[Problem]:
    known = config.governance.agreements
    for who, what in processors(config, abilities).items():
        if who not in known:
            yield Problem(
                where=f"{WHERE}.agreements",
                found=f"nothing for `{who}` ({what})",
                allowed="an agreement with everybody who processes data",
                remedy=f"write `{who}: WHICH AGREEMENT, OF WHEN`, or ask nobody there",
            )
    for what, url in _addresses(config):
        if crosses_readable(url):
            yield Problem(
                where=WHERE,
                found=f"{what} is asked over plain HTTP ({url})",
                allowed="TLS for whatever leaves the machine",
                remedy="write `https://`",
            )


def _audit(config: StackConfig, sites: Mapping[str, Site], abilities: Mapping[str, Abilities]) -> Iterator[Problem]:
    profile, audit, where = config.governance.profile, config.gateway.audit, f"{DEPLOYMENT_KEY}.gateway.audit"
    if audit is None:
        yield Problem(
            where=where,
            found=f"null, with `governance.profile: {profile}`",
            allowed="an audit: who asked what of which model must be known",
            remedy="remove the line",
        )
        return
    if profile == "gdpr" and audit.retention_days is None:
        yield Problem(
            where=f"{where}.retention_days",
            found="nothing: rows, which name persons, would be kept for ever",
            allowed="a number of days (Art. 5(1)(e))",
            remedy="write for how long you need them, such as `retention_days: 90`",
        )
    if profile != "hipaa":
        return
    if audit.sync != "every_row":
        yield Problem(
            where=f"{where}.sync",
            found=f"`{audit.sync}`, which may lose the last rows with the power",
            allowed="`every_row`",
            remedy="remove the line: the profile sets it",
        )
    days = {f"{where}.retention_days": audit.retention_days}
    if audit.object_store is None:
        days |= {f"{sites[name].where}.platform.audit_bucket.days": one.audit_days for name, one in abilities.items()}
    elif audit.object_store.object_lock is not None:
        days[f"{where}.object_store.object_lock.days"] = audit.object_store.object_lock.days
    for place, kept in days.items():
        if kept is not None and kept < SIX_YEARS_DAYS:
            yield Problem(
                where=place,
                found=f"{kept:g} days",
                allowed=f"{SIX_YEARS_DAYS} days (six years) or more",
                remedy=f"write {SIX_YEARS_DAYS}",
            )


def _client(profile: str, where: str, client: ClientSettings) -> Iterator[Problem]:
    if client.data_class is None:
        yield Problem(
            where=f"{where}.data_class",
            found="nothing: its requests may go anywhere",
            allowed="a class of `gateway.data_classes`, or `restricted`",
            remedy="write `data_class: restricted`, which never leaves this deployment's own boundary",
        )
    if profile == "gdpr" and "privacy" not in client.model_fields_set:
        yield Problem(
            where=f"{where}.privacy",
            found="nothing decided about personal data in its requests",
            allowed="a decision (Art. 5(1)(c)): `tokenise`, `mask`, `block`, or `off` where the purpose needs them",
            remedy="write `privacy: {mode: tokenise}`",
        )


def _services(config: StackConfig, abilities: Mapping[str, Abilities]) -> Iterator[Problem]:
    known = covered_services()
    used = {service for ability in abilities.values() for service in ability.services}
    if unknown := sorted(used - set(known) - set(config.governance.agreements)):
        more = f" and {len(unknown) - MOST_NAMED} more" if len(unknown) > MOST_NAMED else ""
        yield Problem(
            where=f"{WHERE}.agreements",
            found=f"{listing(unknown[:MOST_NAMED])}{more}, of which nobody said that an agreement covers them",
            allowed="services on the cloud's list of those that a business associate agreement covers",
            remedy=f"look each up there, then write `{unknown[0]}: WHERE AND WHEN IT WAS FOUND`; or turn it off",
        )
