"""Refresh `lora_job`: a job of the cluster teaches the model what a volume says, whenever that has changed.

Where data may not leave its site, one job averages adapters (`federated`), and jobs of other stacks learn (`joins`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from infra.addresses import Cidr, KubernetesName
from infra.gateway.images import ImageByDigest
from infra.making.base import MakingRequest
from infra.making.federated import (
    AVERAGED,
    HostAndPort,
    JoinsSettings,
    RoundsSettings,
    averaged,
    federated_problems,
    host_and_port,
    is_number,
    learned_elsewhere,
)
from infra.making.one_pod import one_pod_problems
from infra.making.teaching import TeachingSettings, holds, parameters, tuning
from infra.objective import Cron
from infra.plan.making_types import COORDINATOR_PORT, INVITATIONS_FOLDER, Dials, Listens, MakingWork
from infra.problems import Problem
from infra.settings import Name

ClaimName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"),
    Field(json_schema_extra={"x-remedy": "write the claim's name as Kubernetes has it, such as `answers`"}),
]
SETTINGS = "tuning.json"
PROGRAM = ("/opt/tuning/bin/python", "-m", "tuning")
PLACES = ("{files}/" + SETTINGS, "--base", "{weights}", "--result", "{result}", "--of-data")
# A machine that is taken away is no failure; this is for a tool that fails by chance.
RETRIES = 3


class FederatedJobSettings(RoundsSettings):
    """A job that averages what jobs of other stacks learn, and reads no data itself. Each of these dials it."""

    sites: list[Name] = Field(
        min_length=1,
        description="Their names, two or more. The secret `making-MODEL-refresh-invitations` has the invitation of "
        "each as `SITE.json`: bring it to the site's namespace, as you bring a key.",
    )
    address: HostAndPort = Field(
        description="What they dial, over TLS, as `HOST:PORT`: a name that leads to the service "
        "`making-MODEL-refresh`, which in the same cluster is `making-MODEL-refresh.NAMESPACE.svc:9443`."
    )
    sources: list[Cidr] = Field(
        default_factory=list[str],
        description="Ranges of addresses from which what leads sites elsewhere to the service connects, such as a load "
        "balancer or a private link of yours; none, sites are in other namespaces of this cluster.",
    )


class JoinsJobSettings(JoinsSettings):
    """As a site of another stack's rounds, with the invitation that its coordinator made."""

    invitation_secret: KubernetesName = Field(
        description="The secret with the invitation, as `SITE.json`, in the namespace of the deployment: made by you "
        "out of what the coordinator's stack has."
    )


class LoraJobSettings(TeachingSettings):
    """Conversations that the model is taught in the cluster. The image is yours, built from `tuning_image`."""

    kind: Literal["lora_job"] = Field(
        description="Conversations of a volume that the model is taught, by a job of the cluster, with low-rank "
        "adapters."
    )
    image: ImageByDigest = Field(description="The image that `tuning_image/Dockerfile` makes, by its digest.")
    data_claim: ClaimName | None = Field(
        default=None,
        description="The volume claim with the data, in the namespace of the deployment: every `.jsonl` in it, with "
        'lines of `{"messages": [{"role": …, "content": …}, …]}`. The last message is the answer that is learned. '
        "Unset with `federated`.",
    )
    federated: FederatedJobSettings | None = Field(
        default=None, description="What jobs of other stacks learn instead, averaged by this one; unset, `data_claim`."
    )
    joins: JoinsJobSettings | None = Field(
        default=None,
        description="Rounds that another stack coordinates, in which `data_claim` is this site's; unset, it learns "
        "alone.",
    )
    schedule: Cron | None = Field(
        default=None,
        description="When it looks for data that has changed, in UTC, as cron has it; unset, when somebody starts it.",
    )
    at_most_seconds: int = Field(
        default=86_400, ge=60, le=604_800, description="How long teaching and measuring may take, in seconds."
    )


class LoraJob:
    """Implements the refresh `lora_job`."""

    settings = LoraJobSettings

    def problems(self, where: str, settings: LoraJobSettings, request: MakingRequest) -> Iterator[Problem]:
        if "repository" not in request.capabilities.weights:
            yield Problem(
                where=f"{where}.kind",
                found=f"`lora_job`, of a model that `{request.engine}` serves",
                allowed="models whose engine loads a folder as Hugging Face has it, such as `vllm`",
                remedy="choose `lora` on a machine of yours, or remove it",
            )
        yield from one_pod_problems(where, request)
        yield from federated_problems(
            where, settings, "data_claim", settings.federated.sites if settings.federated else None
        )
        if settings.federated and is_number(host_and_port(settings.federated.address)[0]):
            yield Problem(
                where=f"{where}.federated.address",
                found=f"`{settings.federated.address}`, which is no name",
                allowed="a name: it is what the certificate of the cluster's job is for",
                remedy="write the name of the service or of its load balancer",
            )

    def work(self, settings: LoraJobSettings, request: MakingRequest) -> MakingWork:
        federated, joins = settings.federated, settings.joins
        places: dict[str, Any] = {"checkpoints": "/models/.checkpoints"}
        places |= {} if federated else {"data": "/data"}
        listens, dials = _listens(federated), _dials(joins)
        if listens and federated:
            places["rounds"] = federated.rounds
            places["elsewhere"] = {
                "sites": list(listens.sites),
                "address": f"{listens.host}:{COORDINATOR_PORT}",
                "bind": "0.0.0.0",  # noqa: S104 - in a pod, to which network policies let sites alone
                "invitations": INVITATIONS_FOLDER,
            }
        if joins:
            file = f"{INVITATIONS_FOLDER}/{joins.site}.json"
            places["joins"] = {"coordinator": joins.coordinator, "site": joins.site, "invitation": file}
        return MakingWork(
            tool=f"LoRA by peft ({settings.image})" + (f", {AVERAGED}" if federated or joins else ""),
            parameters=learned_elsewhere(settings, joins)
            if joins
            else {**parameters(settings), **(averaged(federated.rounds, federated.sites) if federated else {})},
            told={"kind": "taught"},
            trained_on=f"sites {', '.join(federated.sites)}" if federated else f"volume claim {settings.data_claim}",
            image=settings.image,
            command=(*PROGRAM, *PLACES),
            files={SETTINGS: json.dumps({**tuning(settings), **places}, indent=2)},
            deadline_seconds=settings.at_most_seconds,
            holds=(*holds(settings), *_stays(federated, joins)),
            at_least_right_percent=settings.at_least_right_percent,
            schedule=settings.schedule,
            retries=RETRIES,
            data_claim=settings.data_claim,
            listens=listens,
            dials=dials,
        )


def _listens(federated: FederatedJobSettings | None) -> Listens | None:
    if federated is None:
        return None
    host, port = host_and_port(federated.address)
    return Listens(sites=tuple(federated.sites), host=host, port=port, sources=tuple(federated.sources))


def _dials(joins: JoinsJobSettings | None) -> Dials | None:
    if joins is None:
        return None
    return Dials(secret=joins.invitation_secret, site=joins.site, port=host_and_port(joins.coordinator)[1])


def _stays(federated: FederatedJobSettings | None, joins: JoinsJobSettings | None) -> tuple[str, ...]:
    if federated:
        return (f"data of {len(federated.sites)} sites stays with them",)
    return (f"data stays here; adapters go to {joins.coordinator}",) if joins else ()


LORA_JOB = LoraJob()
