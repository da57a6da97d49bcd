"""What is kept of every request, how safely, for how long, and who gets copies."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from infra.gateway.address import Url
from infra.gateway.secret import SecretSettings
from infra.settings import Settings


class ObjectLockSettings(Settings):
    """Nobody can delete or change an object for so long."""

    mode: Literal["governance", "compliance"] = Field(
        description="`governance` can be lifted by who has the right to; `compliance` by nobody, not even the owner."
    )
    days: int = Field(ge=1, le=36_500, description="For how many days.")


class ObjectStoreSettings(Settings):
    """A bucket that gets every finished piece of the audit."""

    kind: Literal["s3", "gcs"] = Field(description="Which protocol it speaks.")
    url: Url = Field(description="The bucket: `https://HOST/BUCKET` or `https://BUCKET.HOST`.")
    region: str = Field(min_length=1, max_length=128, description="Its region, such as `eu-central-1`; `auto` for GCS.")
    prefix: str = Field(
        default="",
        max_length=512,
        description="Begins the names of all objects. `{site}` stands for the site's name.",
    )
    access_key: SecretSettings | None = Field(
        default=None, description="The access key's identifier; unset, from the environment where the platform has one."
    )
    secret_key: SecretSettings | None = Field(default=None, description="The secret access key; with `access_key`.")
    object_lock: ObjectLockSettings | None = Field(default=None, description="Protects objects; unset, they are not.")
    longest_unsent_seconds: float | None = Field(
        default=None,
        ge=1,
        le=2_592_000,
        description="Requests are refused while a copy waits longer than this, in seconds; unset, never.",
    )


class OtlpLogsSettings(Settings):
    """A collector (OTLP/HTTP) that gets a copy of each row. It may lose some; the file loses none."""

    url: Url = Field(description="The collector, such as http://127.0.0.1:4318/v1/logs.")
    header: SecretSettings | None = Field(
        default=None, description="A header for it, as one line `Name: value`; unset, none."
    )
    queue_rows: int = Field(default=8192, ge=1, le=10_000_000, description="Rows that may wait for it.")


class AuditSettings(Settings):
    """One row per request, chained and signed. No prompt is in it, unless `content` says so."""

    sync: Literal["batched", "every_row"] = Field(
        default="batched",
        description="`every_row` completes an answer only when its row is on disk; `batched` may lose the last "
        "milliseconds with the power.",
    )
    flush_milliseconds: int = Field(
        default=20, ge=1, le=10_000, description="How often `batched` rows go to the disk, in milliseconds."
    )
    retention_days: float | None = Field(
        default=None, ge=0.01, le=36_500, description="Days after which whole segments are removed; unset, never."
    )
    content: Literal["off", "encrypted"] = Field(
        default="off",
        description="`encrypted` keeps prompts and answers too, with a key per subject that can be destroyed.",
    )
    content_bytes: int = Field(
        default=65_536, ge=1, le=2**30, description="Of the prompt and of the answer each; what is longer is cut."
    )
    master_key: SecretSettings | None = Field(
        default=None,
        description="Wraps the subjects' keys: 64 hexadecimal digits; unset, one is made and kept with the state.",
    )
    signing_key: SecretSettings | None = Field(
        default=None,
        description="Signs the chain: an Ed25519 key in PEM; unset, one is made and kept with the audit.",
    )
    segment_bytes: int = Field(
        default=64 * 1024 * 1024, ge=4096, le=2**40, description="Size at which a segment (one file) is closed."
    )
    segment_seconds: float | None = Field(
        default=None,
        ge=1,
        le=86_400,
        description="Age at which a segment is closed, in seconds; unset, an hour, or a minute with an object store.",
    )
    folder_bytes: int | None = Field(
        default=None,
        ge=1_048_576,
        le=2**50,
        description="Most that the audit may take of the disk, in bytes. What the object store has goes first, oldest "
        "first; with nothing more to remove requests are refused. Unset, all there is.",
    )
    reserve_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=65_536,
        le=2**40,
        description="Room held back on the disk for the rows of what runs when the disk is full.",
    )
    object_store: ObjectStoreSettings | None = Field(default=None, description="A bucket for copies; unset, none.")
    otlp_logs: OtlpLogsSettings | None = Field(default=None, description="A collector for copies; unset, none.")
