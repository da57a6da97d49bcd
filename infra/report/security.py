"""What keeps others out, data in and a record of it: what is private, encrypted, authenticated, bounded and kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra.plan.types import DeploymentPlan
from infra.report.section import Depth, Row, Section, Table
from infra.report.words import count, some

_AWAY = {
    "closed": "counted together; requests are refused while the store is away",
    "local": "counted together; by each gateway while the store is away",
}


def security(plan: DeploymentPlan) -> Section:
    """One row for each thing and each way that it is; sites that are alike share a row."""
    found: dict[tuple[str, str], list[str]] = {}
    # Sites with the same models share their gateway's content: a thousand of them are looked at once.
    gateways: dict[int, list[tuple[str, str]]] = {}
    for name, site in plan.sites.items():
        content: Mapping[str, Any] = site.details.gateway_config
        known = gateways.get(id(content))
        if known is None:
            known = gateways.setdefault(id(content), [*_gateway(content)])
        for statement in (*site.security.items(), *known):
            found.setdefault(statement, []).append(name)
    rows: list[Row] = [(what, how, _where(names, plan)) for (what, how), names in found.items()]
    rows += [(what, how, "everywhere") for what, how in _engines(plan)]
    weak = len(plan.weakenings)
    said = f"{count(weak, 'named weakening')}, among the warnings" if weak else "no named weakening"
    return Section(
        name="security",
        title="Security",
        note="what is private, encrypted, authenticated and recorded",
        tables=(Table(header=("what", "how it is", "where"), rows=rows),),
        lines=(said,),
        depth=Depth.LONG,
    )


def _where(names: list[str], plan: DeploymentPlan) -> str:
    return "everywhere" if len(names) == len(plan.sites) else some(names)


def _gateway(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a gateway's file says, in the words of who reads the plan."""
    clients: Mapping[str, Mapping[str, Any]] = content["clients"]
    ways = ["keys, of which only hashes are kept"]
    ways += ["client certificates"] if any(client.get("certificates") for client in clients.values()) else []
    ways += [f"tokens of {some(issuers)}"] if (issuers := content.get("identity", {}).get("issuers")) else []
    yield "authentication", f"every request: {', '.join(ways)}"
    tls = content.get("tls")
    yield "TLS at the gateway", _tls(tls) if tls else "none: it ends in front of the gateway, if anywhere"
    if shown := _shown_to(content):
        yield "own certificate", f"shown, beside a key, to {some(shown)}"
    store = content.get("limits_store")
    yield "limits of clients", _AWAY[store["when_away"]] if store else "counted by each gateway"
    yield "where data may be", _places(content)
    modes = {mode for client in clients.values() if (mode := client.get("privacy", {}).get("mode", "off")) != "off"}
    yield "personal data", f"looked for, of some clients: {', '.join(sorted(modes))}" if modes else "not looked for"
    rules = content.get("guardrails")
    yield "guardrails", some(rules) if rules else "none"
    yield "audit", _audit(content.get("audit"))


def _tls(tls: Mapping[str, Any]) -> str:
    made = "with a certificate that nobody vouches for" if tls.get("self_signed") else "with the given certificate"
    return f"on, {made}"


def _shown_to(content: Mapping[str, Any]) -> list[str]:
    """Other places that know the gateway by a certificate of its own."""
    upstreams = [one for model in content["models"].values() for one in model["upstreams"]]
    shown = (one["url"] for one in upstreams if one.get("tls", {}).get("certificate_file"))
    return [*dict.fromkeys(url.removeprefix("https://") for url in shown)]


def _places(content: Mapping[str, Any]) -> str:
    classes: Mapping[str, list[str]] = content.get("data_classes", {})
    said = [f"{name}: {', '.join(places)}" for name, places in classes.items()]
    return f"at {content['boundary']}{'; ' if said else ''}{'; '.join(said)}"


def _audit(audit: Mapping[str, Any] | None) -> str:
    if audit is None:
        return "none"
    content = "with prompts and answers, encrypted" if audit.get("content") == "encrypted" else "without prompts"
    copies = [name.replace("_", " ") for name in ("object_store", "otlp_logs") if name in audit]
    return f"each request, signed in a chain, {content}{', copied to ' if copies else ''}{' and '.join(copies)}"


def _engines(plan: DeploymentPlan) -> Iterator[tuple[str, str]]:
    models = plan.models.values()
    if not models:
        return
    keyed = sum(bool(m.container.key_file or m.container.key_environment) for m in models)
    yield "engines", f"answer only who shows their key: {keyed} of {len(models)}"
    pinned = sum(bool(m.weights.revision or m.weights.sha256) for m in models)
    yield "weights", f"of one fixed version: {pinned} of {len(models)}"
