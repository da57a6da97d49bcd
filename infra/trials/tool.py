"""What trials by well-kept tools have in common: whose image runs them in a cluster, and what they may reach."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from infra.gateway.images import ImageByDigest
from infra.settings import Settings

# Where a tool may write: what it leaves for us is in `{folder}`.
HOME = "/tmp"  # noqa: S108 - in the container, where a folder of its own is mounted


class ToolSettings(Settings):
    """A tool that asks instead of ours."""

    image: ImageByDigest | None = Field(
        default=None,
        description="An image that has the tool, and runs it as any user, by its digest. Where sites are clusters it "
        "must be named; on this machine the tool is installed beside the checkout.",
    )
    downloads: bool = Field(
        default=False,
        description="Whether the tool may fetch data sets and tokenizers from the internet; else it only reaches the "
        "gateways, and has the rest in its image or here.",
    )


def hub_environment(settings: ToolSettings) -> Mapping[str, str]:
    """What Hugging Face's libraries in it are told: where they keep things, and whether they may ask anybody."""
    quiet = {"HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
    offline = {} if settings.downloads else {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    return {**quiet, **offline}
