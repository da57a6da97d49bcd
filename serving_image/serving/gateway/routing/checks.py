"""Checks of the routing part of a configuration: do the fields of different models and clients make sense together?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from serving.gateway.routing.config import (
    DnsDiscovery,
    OverflowConfig,
    RoutesConfig,
    ShadowConfig,
    UpstreamConfig,
    UpstreamTls,
)
from serving.gateway.strict import problem

RESTRICTED = "restricted"
"""The data class that never leaves the gateway's own boundary, whatever else is configured."""


class RoutedModel(Protocol):
    """A model's configuration, as far as it is checked here."""

    @property
    def upstreams(self) -> Sequence[UpstreamConfig]: ...
    @property
    def context_tokens(self) -> int: ...
    @property
    def max_output_tokens(self) -> int: ...
    @property
    def endpoints(self) -> Sequence[str]: ...
    @property
    def fallbacks(self) -> Sequence[str]: ...
    @property
    def overflow(self) -> OverflowConfig | None: ...
    @property
    def routes(self) -> RoutesConfig | None: ...
    @property
    def shadow(self) -> ShadowConfig | None: ...


class RoutedClient(Protocol):
    """A client's, likewise."""

    @property
    def data_class(self) -> str | None: ...


def check_routing(
    where: str,
    models: Mapping[str, RoutedModel],
    clients: Mapping[str, RoutedClient],
    boundary: str,
    data_classes: dict[str, list[str]],
) -> list[str]:
    """Every problem, in four parts."""
    problems: list[str] = []
    for name, model in models.items():
        place = f"{where}models.{name}"
        problems += _check_upstreams(place, model)
        for index, other in enumerate(model.fallbacks):
            problems += _check_other(f"{place}.fallbacks[{index}]", name, model, other, models)
        problems += _check_overflow(f"{place}.overflow", model)
        if model.routes is not None:
            for route, config in model.routes.to.items():
                problems += _check_other(f"{place}.routes.to.{route}.model", None, model, config.model, models)
            if not any(config.weight for config in model.routes.to.values()):
                problems.append(
                    problem(f"{place}.routes.to", "weights that are all 0", "at least one above 0", "Raise one.")
                )
        if model.shadow is not None:
            problems += _check_shadow(f"{place}.shadow.model", name, model.shadow.model, models)
    problems += _check_boundaries(where, models, clients, boundary, data_classes)
    return problems


def _check_upstreams(place: str, model: RoutedModel) -> list[str]:
    problems: list[str] = []
    for index, upstream in enumerate(model.upstreams):
        secure, discover = not upstream.url.startswith("http://"), upstream.discover
        # What discovery finds are addresses; a certificate is for a name, which only `tls` says then.
        if secure and discover is not None and (_nameless(upstream.tls) or isinstance(discover, DnsDiscovery)):
            problems.append(
                problem(
                    f"{place}.upstreams[{index}].url",
                    "https together with discover",
                    "http with discover, https with a name of its own, or https with tls and discover by kubernetes",
                    "List the https hosts one by one, or say in `tls` who vouches for them.",
                )
            )
        if upstream.tls is not None and not secure:
            problems.append(
                problem(
                    f"{place}.upstreams[{index}].tls",
                    "an authority or a certificate for a url that begins with http://",
                    "tls with an https url only",
                    "Write https, or remove it.",
                )
            )
        if upstream.tls is not None:
            problems += _check_tls(f"{place}.upstreams[{index}].tls", upstream.tls)
    return problems


def _nameless(tls: UpstreamTls | None) -> bool:
    return tls is None or tls.server_name is None


def _check_tls(place: str, tls: UpstreamTls) -> list[str]:
    if (tls.certificate_file is None) != (tls.key_file is None):
        return [problem(place, "one of certificate_file and key_file", "both of them, or none", "Give both files.")]
    if tls.ca_file is None and (tls.server_name is not None or tls.certificate_file is None):
        found = "no ca_file" if tls.server_name is None else "server_name without ca_file"
        allowed = "a ca_file, certificate_file with key_file, or both; server_name with a ca_file only"
        return [problem(place, found, allowed, "Name the file with the authorities that vouch for it.")]
    return []


def _check_other(
    place: str, own: str | None, model: RoutedModel, other: str, models: Mapping[str, RoutedModel]
) -> list[str]:
    """A model that serves instead must be able to take whatever this one takes: found out now, not at 3 a.m."""
    if other not in models or other == own:
        allowed = ", ".join(sorted(set(models) - {own})) or "none"
        return [
            problem(place, "something else (not shown)", f"another configured model: {allowed}", "Name one of those.")
        ]
    there = models[other]
    short = [
        text
        for text, lacks in (
            ("fewer context_tokens", there.context_tokens < model.context_tokens),
            ("fewer max_output_tokens", there.max_output_tokens < model.max_output_tokens),
            ("fewer endpoints", not set(model.endpoints) <= set(there.endpoints)),
        )
        if lacks
    ]
    if not short:
        return []
    return [
        problem(
            place,
            f"{other}, which has {' and '.join(short)}",
            "a model that can take every request that this one takes",
            "Choose another one, or lower this model's limits.",
        )
    ]


def _check_overflow(place: str, model: RoutedModel) -> list[str]:
    overflow = model.overflow
    if overflow is None:
        return []
    problems: list[str] = []
    if overflow.model not in model.fallbacks:
        allowed = f"one of this model's fallbacks: {', '.join(model.fallbacks) or 'none'}"
        problems.append(problem(f"{place}.model", "something else (not shown)", allowed, "Name it in both places."))
    if overflow.return_percent >= overflow.busy_percent:
        problems.append(
            problem(
                f"{place}.return_percent",
                str(overflow.return_percent),
                f"less than busy_percent ({overflow.busy_percent})",
                "Lower it: requests would go back and forth.",
            )
        )
    return problems


def _check_shadow(place: str, own: str, other: str, models: Mapping[str, RoutedModel]) -> list[str]:
    if other in models and other != own:
        return []
    allowed = ", ".join(sorted(set(models) - {own})) or "none"
    return [problem(place, "something else (not shown)", f"another configured model: {allowed}", "Name one of those.")]


def _check_boundaries(
    where: str,
    models: Mapping[str, RoutedModel],
    clients: Mapping[str, RoutedClient],
    boundary: str,
    data_classes: dict[str, list[str]],
) -> list[str]:
    problems: list[str] = []
    known = {boundary} | {upstream.boundary or boundary for model in models.values() for upstream in model.upstreams}
    for name, boundaries in data_classes.items():
        place = f"{where}data_classes.{name}"
        if name == RESTRICTED and boundaries != [boundary]:
            problems.append(
                problem(
                    place,
                    "something else (not shown)" if boundaries else "nothing",
                    f"{boundary} only, the gateway's own boundary: restricted data never leaves it",
                    "Use another name for a class that may leave.",
                )
            )
        unknown = sorted(set(boundaries) - known)
        if unknown:
            problems.append(
                problem(
                    place,
                    f"{len(unknown)} others (not shown), where no upstream is",
                    f"the boundaries of upstreams: {', '.join(sorted(known))}",
                    "Correct the name, or the upstream's boundary.",
                )
            )
    classes = {RESTRICTED, *data_classes}
    problems += [
        problem(
            f"{where}clients.{name}.data_class",
            "something else (not shown)",
            f"a class of data_classes: {', '.join(sorted(classes))}",
            "Define it in data_classes, or use one of those.",
        )
        for name, client in clients.items()
        if client.data_class is not None and client.data_class not in classes
    ]
    return problems


def allowed_boundaries(
    data_class: str | None, boundary: str, data_classes: dict[str, list[str]]
) -> frozenset[str] | None:
    """Where a client's requests may go; None: anywhere."""
    if data_class is None:
        return None
    return frozenset(data_classes.get(data_class, [boundary]))
