"""Sites whose data stays with them: a coordinator averages what each has learned, and sites elsewhere dial it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from infra.making.teaching import TeachingSettings
from infra.problems import Problem, listing
from infra.settings import Name, Settings

# What the coordinator says for every site.
TOLD = ("epochs", "batch_lines", "line_tokens", "rank", "learning_rate", "seed")
AVERAGED = "averaged by Flower's FedAvg"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# Of a cluster as well as of a machine of yours: a name or an address, and the port.
HostAndPort = Annotated[
    str,
    StringConstraints(pattern=rf"^{_LABEL}(\.{_LABEL})*:[1-9][0-9]{{0,4}}$", max_length=260),
    Field(json_schema_extra={"x-remedy": "write host and port, such as `coordinator.example.com:9443`"}),
]
Ip = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){3}$"),
    Field(json_schema_extra={"x-remedy": "write an address of this machine, such as `10.0.0.5`"}),
]


class RoundsSettings(Settings):
    """Base of what a coordinator is told."""

    rounds: int = Field(
        ge=1,
        le=1000,
        description="How often the adapters of all sites are averaged, by Flower, weighted by their lines; each round "
        "learns every line `epochs` times.",
    )


class ElsewhereSettings(Settings):
    """Sites with machines of their own, which dial this one; nobody dials them."""

    sites: list[Name] = Field(
        min_length=1,
        description="Their names. Each gets an invitation, `.slipway/invitations/MODEL/SITE.json`: a key of its own "
        "and whom to believe. Bring it to the same path of the site's checkout, as you bring a key.",
    )
    address: HostAndPort = Field(
        description="What they dial, over TLS, as `HOST:PORT`: a name or an address of this machine. It listens at "
        "that port while `make refresh` runs."
    )
    bind: Ip = Field(
        default="0.0.0.0",  # noqa: S104 - who has no invitation is sent away
        description="At which address of this machine it listens; unset, at all.",
    )


class JoinsSettings(Settings):
    """Rounds that somebody else coordinates, in which this stack is a site. It opens the connection; adapters and what
    the card says leave it, and no line does."""

    coordinator: HostAndPort = Field(description="Where the coordinator is, as `HOST:PORT`: its `address`.")
    site: Name = Field(description="What this site is called there.")


def federated_problems(where: str, settings: Any, data_field: str, sites: Iterable[str] | None) -> Iterator[Problem]:
    """What does not fit together. `data_field` is what names data of one place; `sites` are those of `federated`."""
    data, names = getattr(settings, data_field), list(sites or ())
    if settings.joins and settings.federated:
        yield Problem(
            where=f"{where}.joins",
            found="`joins`, beside `federated`",
            allowed="one of them: `federated` coordinates, `joins` takes part in what another stack coordinates",
            remedy="remove the other",
        )
    if (data is None) == (settings.federated is None):
        yield Problem(
            where=where,
            found=f"neither `{data_field}` nor `federated`" if data is None else f"both `{data_field}` and `federated`",
            allowed=f"one of them: `{data_field}` of one place, or `federated` with that of each site",
            remedy="add the one" if data is None else "remove the other",
        )
    if settings.federated and len({*names}) < 2:
        yield Problem(
            where=f"{where}.federated",
            found="one site" if names else "no site",
            allowed="two sites or more: the average of one is its own",
            remedy=f"add another, or learn `{data_field}` of one place",
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        yield Problem(
            where=f"{where}.federated",
            found=f"{listing(twice)} more than once",
            allowed="names of sites, each once: one has its data here or elsewhere",
            remedy="remove or rename one",
        )
    said = [name for name in TOLD if name in settings.model_fields_set]
    if settings.joins and said:
        yield Problem(
            where=f"{where}.{said[0]}",
            found=f"{', '.join(f'`{name}`' for name in said)}, beside `joins`",
            allowed="what the coordinator says, which is the same for every site",
            remedy="remove it here, and write it there",
        )


def learned_elsewhere(settings: TeachingSettings, joins: JoinsSettings) -> dict[str, str | int | float | bool]:
    """What the card of a site's version says of how it was learned, beside what was told and found: privacy alone is
    the site's to say."""
    privacy = settings.differential_privacy
    private = {f"privacy_{name}": value for name, value in privacy.model_dump().items()} if privacy else {}
    return {"coordinator": joins.coordinator, "site": joins.site, **private}


def host_and_port(address: str) -> tuple[str, int]:
    """Both parts of an address."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def is_number(host: str) -> bool:
    """Whether it is an address and no name."""
    return re.fullmatch(r"[0-9.]+", host) is not None


def averaged(rounds: int, sites: Iterable[str]) -> Mapping[str, str | int]:
    """What a coordinator's card says of them."""
    return {"rounds": rounds, "sites": ", ".join(sorted(sites))}
