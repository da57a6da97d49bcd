"""The plan of a site on this machine: the launcher's specification, complete but for secrets and absolute paths."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from infra.engines import ENGINES
from infra.plan.types import ModelPlan, SitePlan
from infra.platforms.base import EngineAddress, SiteRequest
from infra.platforms.local.config import LocalSettings
from infra.problems import Problem

# Loading from disk runs at about 1 GB/s cold; the largest file that fits a workstation (100 GB) needs minutes.
ENGINE_START_SECONDS = 600


@dataclass(frozen=True, kw_only=True)
class LocalSitePlan:
    """`specification` is what the launcher runs; `engine_start_seconds` and `grace_seconds` bound its operations."""

    specification: Mapping[str, Any]
    engine_start_seconds: int
    grace_seconds: int


class Local:
    """Implements the platform `local`."""

    settings = LocalSettings
    component = "infra.platforms.local.component:LocalSite"
    # Filled by the launcher, which chooses a free port and makes a key each time a generation starts.
    engine_address = EngineAddress(host="127.0.0.1", port="{port}", weights_path="{weights}", key_file="{key_file}")

    def problems(self, request: SiteRequest) -> Iterator[Problem]:
        settings: LocalSettings = request.settings
        listen, where = settings.listen, f"{request.where}.platform"
        try:
            address = ipaddress.ip_address(listen.address)
        except ValueError:
            yield Problem(
                where=f"{where}.listen.address",
                found=f"`{listen.address}`",
                allowed="an IPv4 or IPv6 address, such as 127.0.0.1, ::1 or 0.0.0.0",
                remedy="give the address of an interface of this machine",
            )
            return
        if not address.is_loopback and not settings.allow_plain_http:
            yield Problem(
                where=f"{where}.listen.address",
                found=f"`{listen.address}`, which other machines can reach, without TLS",
                allowed="a loopback address, or `allow_plain_http: true`",
                remedy="listen on 127.0.0.1 behind something that ends TLS, or accept plain HTTP by name",
            )
        taken = {listen.port: "port"}
        for name, port in (("operations_port", listen.operations_port), ("admin_port", listen.admin_port)):
            if port in taken:
                yield Problem(
                    where=f"{where}.listen.{name}",
                    found=f"{port}, which is also `{taken[port]}`",
                    allowed="a port of its own for each",
                    remedy="choose another one for either",
                )
            elif port is not None:
                taken[port] = name

    def warnings(self, request: SiteRequest) -> Iterator[str]:
        settings: LocalSettings = request.settings
        if not ipaddress.ip_address(settings.listen.address).is_loopback:
            yield (
                f"site `{request.site}`: the API listens on {settings.listen.address} without TLS "
                "(`allow_plain_http`); keys and prompts cross the network readable"
            )

    def plan(self, request: SiteRequest) -> SitePlan:
        listen = request.settings.listen
        host = f"[{listen.address}]" if ":" in listen.address else listen.address
        return SitePlan(
            platform="local",
            endpoint=f"http://{host}:{listen.port}",
            models=tuple(request.models),
            status_page=None if listen.admin_port is None else f"http://127.0.0.1:{listen.admin_port}/",
            details=LocalSitePlan(
                specification={
                    "version": 1,
                    "name": f"{request.stack}/{request.site}",
                    "engines": {name: _engine(model) for name, model in request.models.items()},
                    "gateway": {
                        "address": listen.address,
                        "port": listen.port,
                        "operations_address": "127.0.0.1",
                        "operations_port": listen.operations_port,
                        "admin_address": "127.0.0.1",
                        "admin_port": listen.admin_port,
                        "drain_seconds": request.drain.gateway_grace_seconds,
                        "config": request.gateway,
                    },
                },
                engine_start_seconds=ENGINE_START_SECONDS,
                grace_seconds=request.drain.process_group_grace_seconds,
            ),
        )


def _engine(model: ModelPlan) -> dict[str, Any]:
    container = model.container
    return {
        "command": [ENGINES[model.engine].capabilities.program],
        "arguments": list(container.arguments),
        "environment": dict(container.environment),
        "weights": asdict(model.weights),
        "readiness_path": container.readiness_path,
        "metrics_path": container.metrics_path,
        "running_metric": container.running_metric,
        "queued_metric": container.queued_metric,
        "drains_on_sigterm": container.drains_on_sigterm,
        "start_seconds": ENGINE_START_SECONDS,
        "drain_seconds": model.drain.engine_shutdown_seconds,
    }


PLATFORM = Local()
