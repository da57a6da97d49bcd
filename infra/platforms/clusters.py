"""What clusters have in common in a plan: what cannot run in any of them, and what all that slipway makes have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from infra.addresses import Cidr
from infra.explain import dotted
from infra.naming import DEPLOYMENT_KEY
from infra.plan.cluster_facts import ClusterFacts
from infra.plan.engine_pod import rollout_problems
from infra.plan.pod_files import file_problems
from infra.plan.scaling_checks import scaling_problems
from infra.platforms.base import SiteRequest
from infra.problems import Problem
from infra.settings import Settings

# Services of a cluster beside one for each model: the gateway's, the cluster's own and those of its controllers.
SERVICES_AROUND = 64


def inside_problems(request: SiteRequest, cluster: ClusterFacts) -> Iterator[Problem]:
    """What cannot run inside a cluster, whoever made it: files that no pod has, changes that would leave nobody to
    answer, and numbers of replicas that nothing would bring about."""
    yield from file_problems(request)
    for name, model in request.models.items():
        place, replicas = dotted(DEPLOYMENT_KEY, ("models", name)), request.replicas[name]
        if replicas.min or not model.replicas.min:
            yield from rollout_problems(place, model, replicas)
        # Who waits starts the first one, and so does who comes, where that is counted.
        started = not request.gateway["models"][name].keys().isdisjoint(("hold", "demand"))
        yield from scaling_problems(name, model, replicas, cluster, started=started)


def inside_warnings(request: SiteRequest, cluster: ClusterFacts, *, charts: bool = False) -> Iterator[str]:
    """What an autoscaler does not see, and what nobody sees of a site that installs `charts` of others."""
    site = f"site `{request.site}`"
    if not cluster.keda and any(replicas.min != replicas.max for replicas in request.replicas.values()):
        yield (
            f"{site}: without KEDA (`keda: true`) replicas follow processor load, which says little about engines on "
            "GPUs"
        )
    if charts:
        yield (
            f"{site}: its `controllers` come from their makers' charts, which whoever deploys must reach; policies and "
            "scans see what these are told, not what they make"
        )


def chart_problems(where: str, found: str, allowed: str, wants: Mapping[str, str]) -> Iterator[Problem]:
    """Charts whose images no node would reach: by what is written for them, what else may be."""
    for written, instead in wants.items():
        yield Problem(
            where=where,
            found=f"`{found}`, with `{written}`",
            allowed=f"{allowed}: images of the controllers that it needs are not there",
            remedy=f"let nodes out, or write `{instead}`",
        )


class ApiEndpointSettings(Settings):
    """Who reaches the cluster's API."""

    access: Literal["private", "public"] = Field(
        default="private",
        description="`private` is reached from inside its network only, so deployments run there; `public` also from "
        "`cidrs`.",
    )
    cidrs: list[Cidr] = Field(
        default_factory=list, max_length=40, description="Ranges that reach it from outside, with `access: public`."
    )


def purchases(nodes: Settings, gives_up: Mapping[str, str]) -> Iterator[tuple[str, Settings, str]]:
    """Each way to buy that is not the first now: as it is written, the settings of nodes, and what is given up."""
    now = nodes.model_dump()["purchase"][0]
    for purchase, lost in gives_up.items():
        if purchase != now:
            yield f"nodes.purchase: [{purchase}]", nodes.model_copy(update={"purchase": [purchase]}), lost


def endpoint_problems(where: str, endpoint: ApiEndpointSettings) -> Iterator[Problem]:
    """An API that everybody reaches, and ranges that say nothing."""
    if endpoint.access == "private" and endpoint.cidrs:
        yield Problem(
            where=f"{where}.cidrs",
            found="ranges, with `access: private`",
            allowed="ranges with `access: public` only: nobody outside reaches a private one",
            remedy="remove them, or write `access: public`",
        )
    if endpoint.access == "public" and not endpoint.cidrs:
        yield Problem(
            where=f"{where}.cidrs",
            found="nothing, with `access: public`",
            allowed="the ranges that may reach the cluster's API",
            remedy="name those of your offices and runners, or write `access: private`",
        )
    for index, cidr in enumerate(endpoint.cidrs):
        # An eighth of the internet is no range of anybody's.
        if int(cidr.rpartition("/")[2]) < 8:
            yield Problem(
                where=f"{where}.cidrs[{index}]",
                found=f"`{cidr}`, which is nearly everybody",
                allowed="ranges of your own, of /8 or smaller",
                remedy="name those of your offices and runners, or write `access: private`",
            )


def zone_problems(
    where: str, zones: Sequence[str], region: str, example: str, of_region: Callable[[str], bool]
) -> Iterator[Problem]:
    """Zones of another region, and one twice. `of_region` knows how the cloud calls the zones of a region."""
    for index, zone in enumerate(zones):
        again = zone in zones[:index]
        if again or not of_region(zone):
            yield Problem(
                where=f"{where}.zones[{index}]",
                found=f"`{zone}`" + (" a second time" if again else ""),
                allowed=f"different zones of `{region}`, such as `{example}`",
                remedy="correct the zone or the region",
            )


def api_access(endpoint: ApiEndpointSettings) -> str:
    """For a reader of the plan, as what follows is."""
    return f"public, from {', '.join(endpoint.cidrs)}" if endpoint.cidrs else "private"


def firewall(requests: int | None, time: str) -> str:
    """None is no firewall."""
    return "none" if requests is None else f"on, at most {requests} requests of one address in {time}"


def deletion(*, protected: bool) -> str:
    return "protected" if protected else "not protected"
