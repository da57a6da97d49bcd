"""What a user says of the law that a deployment is under: the profile, where data may be, and who else gets some."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from infra.settings import Settings

Profile = Literal["none", "gdpr", "hipaa"]
Region = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
# A cloud, a service of one as resources name it (`aws:amp`), or a host.
Processor = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:_-]{0,251}[A-Za-z0-9])?$")]
Agreement = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f]+$")]


class GovernanceSettings(Settings):
    """Controls that are required, and what only you know: what was agreed, and with whom."""

    profile: Profile = Field(
        default="none",
        description="Which controls must hold: those of the `gdpr`, those of `hipaa`, or `none` beyond the defaults. "
        "What contradicts one is refused. It is no legal advice.",
    )
    regions: list[Region] = Field(
        default_factory=list,
        max_length=64,
        description="Regions of clouds in which data may be, such as `eu-central-1`; a profile wants each site's.",
    )
    agreements: dict[Processor, Agreement] = Field(
        default_factory=dict,
        max_length=256,
        description="Who else processes data, and under which agreement: a cloud (`aws`, `gcp`), a service of one "
        "that its list of covered services does not have (`aws:amp`), or a host, such as `api.example.com`.",
    )
