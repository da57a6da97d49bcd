"""Certificates that gateways show to other places: refused where they could not be shown, or nobody would look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from infra.config import StackConfig
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.link_types import SiteLink
from infra.platforms.base import Abilities
from infra.problems import Problem


def upstream_problems(config: StackConfig) -> Iterator[Problem]:
    """Places that are asked without TLS."""
    for name, model in config.every_model.items():
        part = "models" if name in config.models else "remote_models"
        for upstream, settings in model.upstreams.items():
            where = dotted(DEPLOYMENT_KEY, (part, name, "upstreams", upstream))
            yield from _plain(where, settings.url, settings.tls_files)


def way_problems(
    config: StackConfig, abilities: Mapping[str, Abilities], links: tuple[SiteLink, ...]
) -> Iterator[Problem]:
    """Ways between sites, likewise; and those whose other end asks nobody for a certificate."""
    # A way is written once, under its reason; a thousand small sites take it to the same end.
    for reason, target in dict.fromkeys((link.reason, link.target) for link in links):
        where, there = f"{DEPLOYMENT_KEY}.topology.{reason}", abilities[target]
        way = config.topology.way_to(target, there.endpoint)
        if way is None:
            continue
        yield from _plain(where, way.url, way.tls)
        at_its_door = way.url == there.endpoint
        if "certificate_file" not in way.tls:
            if at_its_door and there.asks_certificate:
                yield Problem(
                    where=f"{where}.certificate",
                    found=f"nothing, and `{target}`, where {there.tls_ends_at} lets nobody in without one",
                    allowed="a certificate of an authority that it knows",
                    remedy="add `certificate: {certificate: {secret: NAME}, key: {secret: NAME}}`",
                )
            continue
        if there.tls_ends_at is not None and not there.asks_certificate and at_its_door:
            yield Problem(
                where=f"{where}.certificate",
                found=f"a certificate, and `{target}`, where {there.tls_ends_at} ends TLS and asks nobody for one",
                allowed="a certificate where that site's gateway ends TLS itself (platform `local`, with "
                "`gateway.tls.client_ca_file`), or where `url` leads to something of yours that asks for it",
                remedy="remove it: the key still says who asks; or name the `url` of such a thing in front of that "
                "site",
            )
        tls = config.gateway.tls
        if there.tls_ends_at is None and tls is not None and tls.client_ca_file is None:
            yield Problem(
                where=f"{where}.certificate",
                found=f"a certificate, and `{target}`, whose gateway ends TLS and asks nobody for one",
                allowed="a certificate together with `gateway.tls.client_ca_file`",
                remedy="set it to the authorities that issue such certificates, and `gateway.tls.client_certificates` "
                "to `required` where nobody may come without one",
            )


def _plain(where: str, url: str, files: Mapping[str, str]) -> Iterator[Problem]:
    if url.startswith("https://"):
        return
    for field, file in (("certificate", "certificate_file"), ("authority", "ca_file")):
        if file in files:
            yield Problem(
                where=f"{where}.{field}",
                found="something that only TLS uses, and a `url` that begins with http://",
                allowed="it with an https url only",
                remedy="write https, or remove it",
            )
