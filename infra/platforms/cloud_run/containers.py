"""What an instance on Cloud Run is made of: containers, files that are secrets, folders in memory, and a bucket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Where the bucket with weights is, for whoever fills it and whoever reads it.
WEIGHTS_FOLDER = "/weights"
WEIGHTS_VOLUME = "weights"


@dataclass(frozen=True, kw_only=True)
class SecretFile:
    """A file that is a version of a secret. A volume of Cloud Run has one secret, so that each has a folder of its own.
    `content` is None where only a deployment knows it, by its `name`."""

    name: str
    folder: str
    file: str
    content: str | None = None

    @property
    def path(self) -> str:
        return f"{self.folder}/{self.file}"


@dataclass(frozen=True, kw_only=True)
class HttpProbe:
    """Asked every `period_seconds`; after `failures` in a row, the instance is ended."""

    path: str
    port: int
    period_seconds: int
    timeout_seconds: int
    failures: int


@dataclass(frozen=True, kw_only=True)
class ContainerPlan:
    """One container. `image` None: none is named yet, or the stack builds it. `port` is where requests come in: one
    container has it. `memory_folders` are writable, and their sizes in MiB count as its memory. It starts when those
    that it comes `after` have been started."""

    name: str
    image: str | None
    command: tuple[str, ...]
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    processors: int
    memory_gibibytes: int
    card: str | None
    port: int | None
    files: tuple[SecretFile, ...]
    memory_folders: Mapping[str, int]
    reads_weights: bool
    startup: HttpProbe | None
    liveness: HttpProbe | None
    after: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FetchPlan:
    """What fills the bucket with weights, once for each revision: the launcher, which checks every file. `token` is its
    secret."""

    name: str
    execution: str
    arguments: tuple[str, ...]
    token: SecretFile
    processors: int
    memory_gibibytes: int
    longest_seconds: int
