"""What the launcher is told: engines, weights and gateway, decoded strictly from one JSON file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from serving.launcher.refusal import Refusal

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
Seconds = Annotated[int, msgspec.Meta(ge=0)]


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Base of every part: an unknown or missing key is an error, not a surprise later."""


class Weights(Strict, frozen=True):
    """Where weights are and what they must hash to."""

    # `fetched` is at its place since `fetch` was run, `mounted` is there by somebody else's hand. Of `s3`, `location`
    # is the address of a prefix in a bucket that is asked as S3 is (Cloud Storage's, too), and `sha256` that of its
    # list of digests where there is no `file`; of `streamed` too, which the engine itself reads there.
    kind: Literal["package", "file", "huggingface", "s3", "fetched", "mounted", "streamed"]
    location: str
    file: str | None
    revision: str | None
    sha256: str | None


class DoorSpecification(Strict, frozen=True):
    """How others reach an engine that listens to its own pod alone: over TLS at `port`, its state and its metrics at
    `operations_port`."""

    address: str
    port: Port
    certificate_file: str
    key_file: str
    operations_port: Port
    liveness_path: str


class EngineSpecification(Strict, frozen=True):
    """One engine process. `{weights}`, `{port}`, `{key_file}` and `{threads}` in `arguments` are filled at start; on
    one of several nodes also `{leader_address}` and `{node_rank}`, anywhere in a word."""

    command: list[str]
    arguments: list[str]
    environment: dict[str, str]
    weights: Weights
    readiness_path: str
    metrics_path: str
    running_metric: str
    queued_metric: str
    drains_on_sigterm: bool
    start_seconds: Seconds
    drain_seconds: Seconds
    # In a container both are known to others before it starts; None: a free port, and a key made for it.
    port: Port | None = None
    key_file: str | None = None
    # A variable that the engine reads its key from; None: it reads a file, or knows none.
    key_environment: str | None = None
    # One of several nodes that run one replica. A worker has no API: its leader's tells whether it is still needed.
    node: Literal["leader", "worker"] | None = None
    # None: whoever uses it is on this machine.
    door: DoorSpecification | None = None


class GatewaySpecification(Strict, frozen=True):
    """The gateway process. `config` is its configuration file, without the addresses of the engines."""

    address: str
    port: Port
    operations_address: str
    operations_port: Port
    drain_seconds: Seconds
    config: dict[str, Any]
    # The status page; None: there is none.
    admin_port: Port | None = None
    admin_address: str = "127.0.0.1"
    # What is blocked in an incident; it outlives generations. None: nothing can be.
    contained_file: str | None = None
    # How far releases are, likewise. None: no model is released.
    released_file: str | None = None

    def __post_init__(self) -> None:
        # The gateway checks it whole; this is what the launcher itself fills.
        msgspec.convert(self.config.get("models"), dict[str, dict[str, Any]])


class Specification(Strict, frozen=True):
    """One generation: everything that runs together and ends together.

    `base_directory` is where relative weights paths start; `cache_directory` is where downloads are kept.
    """

    version: Literal[1]
    name: str
    engines: dict[str, EngineSpecification]
    gateway: GatewaySpecification | None
    base_directory: str = "."
    cache_directory: str = "cache"
    huggingface_token_file: str | None = None


def read_specification(path: Path) -> tuple[Specification, str]:
    """The file's content and the SHA-256 of exactly that. Raises Refusal."""
    try:
        content = path.read_bytes()
        return msgspec.json.decode(content, type=Specification), hashlib.sha256(content).hexdigest()
    except OSError as error:
        raise Refusal(
            where=str(path),
            found=(error.strerror or "an unreadable file").lower(),
            allowed="a readable specification",
            remedy="give the launcher the file that the deployment wrote",
        ) from None
    except msgspec.MsgspecError as error:
        raise Refusal(
            where=str(path),
            found=str(error),
            allowed="a specification of version 1",
            remedy="write it with the same version of slipway that runs it",
        ) from None
