"""What the making of one version is told: what it is made of and how, what must hold. Unknown fields are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from serving.gateway.strict import Strict
from serving.launcher.specification import EngineSpecification
from serving.trials.config import Percent, Positive, Prompts

# A folder's or a file's own name: what is made stays below the folder that it belongs in.
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,254}$")]


class Gguf(Strict, frozen=True, tag="gguf", tag_field="kind"):
    """One GGUF file of another type, by llama.cpp's `llama-quantize` at `program`, into `file`."""

    quantization: str
    file: FileName
    program: str = "llama-quantize"
    threads: Annotated[int, Meta(ge=1)] = 1


class Lora(Strict, frozen=True, tag="lora", tag_field="kind"):
    """The weights taught what `data` says, or that of each site by its name, into `file`, by `python -m tuning` with
    `program` and what is at `module`. `checkpoints` outlives the making; `settings` are the tuning's own. A version
    `of_data` is called after what was learned, which nobody knows before."""

    file: FileName
    data: str | dict[str, str]
    program: str
    module: str
    checkpoints: str
    settings: dict[str, msgspec.Raw]
    of_data: bool = False


class Made(Strict, frozen=True, tag="made", tag_field="kind"):
    """Somebody else has put it there already, and ended well: the whole folder, or one `file` in it."""

    file: FileName | None = None


class Taught(Strict, frozen=True, tag="taught", tag_field="kind"):
    """Somebody else has taught it there already, the whole folder or one `file` in it, and said what beside it; the
    version is of that data."""

    file: FileName | None = None


class Started(Strict, frozen=True, tag="started", tag_field="kind"):
    """The engine is started here, once with the original weights and once with the result. `base_directory` is where a
    relative path of weights starts; weights of a hub are kept in `cache_directory`."""

    engine: EngineSpecification
    base_directory: str
    cache_directory: str
    huggingface_token_file: str | None = None


class Endpoint(Strict, frozen=True):
    """Somebody who serves a version. `key_file` is None where no key is asked for."""

    url: str
    key_file: str | None = None


class Reached(Strict, frozen=True, tag="reached", tag_field="kind"):
    """Both are served by others: the original by what serves now, the result by an engine beside this process, which
    may take `start_seconds` to be ready. `original_weights` are looked at for their size alone."""

    original: Endpoint
    result: Endpoint
    original_weights: str
    readiness_path: str
    start_seconds: Positive


class MakingConfig(Strict, frozen=True):
    """`folder` has all versions of the model, `version` is the new one's name and folder in it. `making` says which
    (`chat/optimisation`), `card` is what is known of it before: it goes into the new version's card. Loss is in
    points of a hundred right answers; `at_least_right_percent` is of the result's; `at_least_same_percent` is of
    places in a text at which both go on alike. Once it is registered, `keep_versions` are kept, unset all; first of
    all those with a file of a digest `in_use`. Of half-made ones, those are removed into which nobody has written for
    `abandoned_seconds`."""

    model: str
    version: FileName
    folder: str
    making: str
    make: Gguf | Lora | Made | Taught
    served: Started | Reached
    evaluation: str
    trial: Prompts
    at_most_loss_percent: Percent
    at_least_same_percent: Percent | None = None
    at_least_right_percent: Percent | None = None
    answer_seconds: Positive = 120
    made_as: FileName | None = None
    card: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict[str, msgspec.Raw])
    keep_versions: Annotated[int, Meta(ge=1)] | None = None
    in_use: tuple[str, ...] = ()
    abandoned_seconds: Positive = 86_400

    @property
    def target(self) -> Path:
        """Where the version is once it is registered."""
        return Path(self.folder, self.version)

    @property
    def unfinished(self) -> Path:
        """Where it is until then."""
        return Path(self.folder, f".{self.made_as or self.version}.unfinished")

    @property
    def said(self) -> Path:
        """What somebody who taught it says of that."""
        return Path(self.folder, f".{self.made_as or self.version}.taught.json")
