"""Configuration of the audit: what is kept, where, how often it is made durable, and where copies go."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from serving.gateway.strict import Strict

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Path = Annotated[str, Meta(min_length=1)]

SEGMENT_SECONDS_WITH_OBJECT_STORE = 60.0
SEGMENT_SECONDS = 3600.0


class SubjectKeysConfig(Strict, frozen=True):
    """Where the keys of encrypted text are: one file per subject in `folder`, wrapped by `master_key_file`."""

    folder: Path
    master_key_file: Path


class ObjectLockConfig(Strict, frozen=True):
    """Written with every object: nobody can delete or change it for `days` (`compliance`: not even the owner)."""

    mode: Literal["governance", "compliance"]
    days: Count


class ObjectStoreConfig(Strict, frozen=True):
    """A bucket that gets every closed segment. Credentials come from files, or else from the environment at the
    start (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), or, where it has no keys, from the endpoint
    that it names (AWS_CONTAINER_CREDENTIALS_FULL_URI: ECS, EKS Pod Identity); never from this file."""

    kind: Literal["s3", "gcs"]
    url: str
    region: str
    prefix: str = ""
    access_key_file: Path | None = None
    secret_key_file: Path | None = None
    object_lock: ObjectLockConfig | None = None
    # New requests are refused while a closed segment waits longer than this for its copy; null: never.
    longest_unsent_seconds: Seconds | None = None


class OtlpLogsConfig(Strict, frozen=True):
    """A collector (OTLP/HTTP, JSON) that gets a copy of each row. It may drop; the file never does."""

    url: str
    header_file: Path | None = None
    queue_rows: Count = 8192


class AuditConfig(Strict, frozen=True):
    """The audit of one gateway. Only `folder` is required."""

    folder: Path
    signing_key_file: Path | None = None
    content: Literal["off", "encrypted"] = "off"
    # Of the request and of the answer each; what is longer is cut and marked.
    content_bytes: Count = 65536
    subject_keys: SubjectKeysConfig | None = None
    sync: Literal["batched", "every_row"] = "batched"
    flush_milliseconds: Annotated[int, Meta(ge=1, le=10_000)] = 20
    queue_rows: Annotated[int, Meta(ge=16)] = 16_384
    # Room held back on the disk, for the rows of what runs when the disk is full.
    reserve_bytes: Annotated[int, Meta(ge=65_536)] = 16 * 1024 * 1024
    segment_bytes: Annotated[int, Meta(ge=4096)] = 64 * 1024 * 1024
    segment_seconds: Seconds | None = None
    head_seconds: Seconds = 10.0
    retention_days: Annotated[float, Meta(gt=0)] | None = None
    # Most that segments may take on the disk; null: all there is.
    folder_bytes: Annotated[int, Meta(ge=8192)] | None = None
    object_store: ObjectStoreConfig | None = None
    otlp_logs: OtlpLogsConfig | None = None

    def longest_segment(self) -> float:
        """Seconds after which a segment is closed: soon where closing it is what sends it away."""
        if self.segment_seconds is not None:
            return self.segment_seconds
        return SEGMENT_SECONDS if self.object_store is None else SEGMENT_SECONDS_WITH_OBJECT_STORE


def problems_of(config: AuditConfig) -> list[tuple[str, str, str, str]]:
    """What the types cannot say: (field, found, allowed, remedy) each."""
    found: list[tuple[str, str, str, str]] = []
    if config.content == "encrypted" and config.subject_keys is None:
        found.append(
            (
                "subject_keys",
                "nothing, with content: encrypted",
                "a folder and a master_key_file",
                "Name them, outside of the audit folder's backups; or set content to off.",
            )
        )
    store = config.object_store
    if store is not None:
        if not _is_url(store.url):
            found.append(
                (
                    "object_store.url",
                    "something else",
                    "http(s)://HOST[:PORT]/BUCKET or http(s)://BUCKET.HOST",
                    "Give the bucket's URL without query and credentials.",
                )
            )
        if (store.access_key_file is None) != (store.secret_key_file is None):
            found.append(
                (
                    "object_store",
                    "one of access_key_file and secret_key_file",
                    "both of them, or none and the environment",
                    "Name both or none.",
                )
            )
    if config.otlp_logs is not None and not _is_url(config.otlp_logs.url):
        found.append(
            (
                "otlp_logs.url",
                "something else",
                "the collector's http(s) URL, usually ending in /v1/logs",
                "Correct it; put credentials into header_file.",
            )
        )
    return found


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and "@" not in parts.netloc
