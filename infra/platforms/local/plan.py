"""The plan of a site on this machine: the launcher's specification, complete but for secrets and absolute paths."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.containment.base import FILE
from infra.engines import ENGINES
from infra.naming import DEPLOYMENT_KEY
from infra.plan.start_types import Seen, StartingPlace
from infra.plan.types import Accelerator, ModelPlan, SitePlan
from infra.platforms.base import Abilities, EngineAddress, OtherPurchase, Range, SiteRequest
from infra.platforms.local.config import LocalSettings
from infra.platforms.local.memory import memory_problems, memory_warnings
from infra.platforms.local.state import CERTIFICATE, in_place, state_folder
from infra.price.bill import Use
from infra.problems import Problem
from infra.releases.base import FILE as RELEASED
from infra.releases.base import released

# At least, whatever is estimated: loading from disk runs at about 1 GB/s cold; the largest file that fits a workstation
# (100 GB) needs minutes.
ENGINE_START_SECONDS = 600
PROVISION = Seen(low=0, high=0, source="the machine is there", as_of="2026-11")


@dataclass(frozen=True, kw_only=True)
class LocalSitePlan:
    """`specification` is what the launcher runs; `engine_start_seconds` and `grace_seconds` bound its operations."""

    specification: Mapping[str, Any]
    engine_start_seconds: int
    grace_seconds: int

    @property
    def gateway_config(self) -> Mapping[str, Any]:
        """The content of the gateway's file."""
        return self.specification["gateway"]["config"]


class Local:
    """Implements the platform `local`."""

    settings = LocalSettings
    is_this_machine = True
    extras = ()
    component = "infra.platforms.local.component:LocalSite"
    doctor = "infra.platforms.local.doctor:DOCTOR"
    run_time = "infra.platforms.local.run_time:RUN_TIME"
    # Filled by the launcher, which chooses a free port, makes a key and looks at the processor at each start.
    engine_address = EngineAddress(
        host="127.0.0.1", port="{port}", weights_path="{weights}", key_file="{key_file}", threads="{threads}"
    )

    def abilities(self, settings: LocalSettings) -> Abilities:
        # The launcher runs one engine of each model.
        return Abilities(most_replicas=1)

    def ranges(self, request: SiteRequest) -> Iterator[Range]:
        del request
        return iter(())

    def starting_place(self, settings: LocalSettings, accelerator: Accelerator | None) -> StartingPlace:
        del settings, accelerator
        return StartingPlace(name="this machine", provision=PROVISION, pulls_images=False)

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
        if not address.is_loopback and not settings.allow_plain_http and "tls" not in request.gateway:
            yield Problem(
                where=f"{where}.listen.address",
                found=f"`{listen.address}`, which other machines can reach, without TLS",
                allowed="a loopback address, `gateway.tls`, or `allow_plain_http: true`",
                remedy="listen on 127.0.0.1 behind something that ends TLS, set `gateway.tls`, or accept plain HTTP by "
                "name",
            )
        store = request.gateway.get("audit", {}).get("object_store")
        if store is not None and "access_key_file" not in store:
            # A launcher gets nothing of the environment that a cloud's credentials could be in.
            yield Problem(
                where=f"{DEPLOYMENT_KEY}.gateway.audit.object_store.access_key",
                found="nothing",
                allowed="`access_key` and `secret_key`: on this machine nothing else has credentials",
                remedy="name both, as `{secret: NAME}` or `{file: /PATH}`",
            )
        yield from memory_problems(request, settings.memory_gibibytes)
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
        yield from memory_warnings(request, settings.memory_gibibytes)
        if not ipaddress.ip_address(settings.listen.address).is_loopback and "tls" not in request.gateway:
            yield (
                f"site `{request.site}`: the API listens on {settings.listen.address} without TLS "
                "(`allow_plain_http`); keys and prompts cross the network readable"
            )

    def other_purchases(self, settings: LocalSettings) -> Iterator[OtherPurchase]:
        del settings
        return iter(())

    def uses(self, request: SiteRequest, plan: SitePlan) -> Iterator[Use]:
        del request, plan
        return iter(())

    def plan(self, request: SiteRequest) -> SitePlan:
        listen = request.settings.listen
        name = f"{request.stack}/{request.site}"
        host = f"[{listen.address}]" if ":" in listen.address else listen.address
        return SitePlan(
            platform="local",
            endpoint=f"{'https' if 'tls' in request.gateway else 'http'}://{host}:{listen.port}",
            models=tuple(request.models),
            replicas=request.replicas,
            gateways=request.gateways,
            status_page=None if listen.admin_port is None else f"http://127.0.0.1:{listen.admin_port}/",
            security={
                "API": "reached from this machine only"
                if ipaddress.ip_address(listen.address).is_loopback
                else f"reached by whoever reaches {listen.address}, port {listen.port}",
                "operations and status page": "reached from this machine only",
                "in transit": "gateway to engine inside this machine",
            },
            certificate_file=_certificate_file(request.gateway.get("tls"), name),
            details=LocalSitePlan(
                specification={
                    "version": 1,
                    "name": name,
                    "engines": {name: _engine(model) for name, model in request.models.items()},
                    "gateway": {
                        "address": listen.address,
                        "port": listen.port,
                        "operations_address": "127.0.0.1",
                        "operations_port": listen.operations_port,
                        "admin_address": "127.0.0.1",
                        "admin_port": listen.admin_port,
                        "drain_seconds": request.drain.gateway_grace_seconds,
                        "contained_file": f"{{state}}/{FILE}",
                        **({"released_file": f"{{state}}/{RELEASED}"} if released(request.gateway) else {}),
                        "config": request.gateway,
                    },
                },
                engine_start_seconds=max(map(_start_seconds, request.models.values()), default=ENGINE_START_SECONDS),
                grace_seconds=request.drain.process_group_grace_seconds,
            ),
        )


def _certificate_file(tls: Mapping[str, Any] | None, name: str) -> str | None:
    if tls is None:
        return None
    own = f"{tls['self_signed_folder']}/{CERTIFICATE}" if tls.get("self_signed") else tls["certificate_file"]
    return in_place(own, {"{state}": state_folder(name)})


def _engine(model: ModelPlan) -> dict[str, Any]:
    container = model.container
    return {
        "command": [ENGINES[model.engine].capabilities.program],
        "arguments": list(container.arguments),
        "environment": dict(container.environment),
        "weights": {**vars(model.weights)},
        "readiness_path": container.readiness_path,
        "metrics_path": container.metrics_path,
        "running_metric": container.running_metric,
        "queued_metric": container.queued_metric,
        "drains_on_sigterm": container.drains_on_sigterm,
        "start_seconds": _start_seconds(model),
        "drain_seconds": model.drain.engine_shutdown_seconds,
    }


def _start_seconds(model: ModelPlan) -> int:
    return max(ENGINE_START_SECONDS, model.cold_start.startup_budget_seconds if model.cold_start else 0)


PLATFORM = Local()
