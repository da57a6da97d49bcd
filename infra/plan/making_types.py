"""The words of a making in a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Where a coordinator's pod listens, whatever the port that sites dial, and where invitations are in a pod.
COORDINATOR_PORT = 9443
INVITATIONS_FOLDER = "/run/secrets/invitations"


@dataclass(frozen=True, kw_only=True)
class Listens:
    """A job whose tool is dialled by `sites`, as `host` at `port`: from the cluster, and from ranges in `sources`,
    where what leads them to it is."""

    sites: tuple[str, ...]
    host: str
    port: int
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Dials:
    """A job whose tool dials a coordinator at `port`, as `site`, with what the user's `secret` has."""

    secret: str
    site: str
    port: int


@dataclass(frozen=True, kw_only=True)
class MakingWork:
    """What is run. `tool` and `parameters` are what the card says of it; `told` is the part `make` of what
    `serving.making` reads, where the tool is one of this machine's. In a cluster `command` runs in `image`, with
    `files` (by name) in a folder of their own; without an image it is nothing that a cluster runs. Sizes are what
    it needs beside what the model's engine gets; `holds` says to a reader what must hold beside the evaluation. A
    job begins by itself where it has a `schedule`, again so many `retries`, and reads the volume `data_claim`
    where it has one. It `listens` where it averages what sites learn, and `dials` where it is such a site."""

    tool: str
    parameters: Mapping[str, str | int | float | bool]
    told: Mapping[str, Any]
    quantization: str | None = None
    trained_on: str | None = None
    image: str | None = None
    command: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    deadline_seconds: int = 3600
    holds: tuple[str, ...] = ()
    at_least_same_percent: float | None = None
    at_least_right_percent: float | None = None
    schedule: str | None = None
    retries: int = 0
    data_claim: str | None = None
    listens: Listens | None = None
    dials: Dials | None = None


@dataclass(frozen=True, kw_only=True)
class MakingPlan:
    """One version that is to be made. `sort` is the field it is declared in, `kind` how it is made. `evaluation` is the
    name of what original and result are both given, `trial` its part of what `serving.making` reads, `client` whose key
    asks what serves now. `card` is what is known of the version before it is made; `holds` says to a reader what must
    hold. Of its model `keep_versions` are kept, first of all those with a digest that is `in_use`."""

    model: str
    sort: str
    kind: str
    version: str
    evaluation: str
    trial: Mapping[str, Any]
    client: str
    at_most_loss_percent: float
    work: MakingWork
    card: Mapping[str, Any]
    holds: tuple[str, ...]
    keep_versions: int
    in_use: tuple[str, ...]
