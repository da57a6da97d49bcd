"""What a model source is: settings a user writes, and the weights reference that the launcher gets from them."""

from __future__ import annotations

from typing import Any, Protocol

from infra.plan.types import Weights
from infra.settings import Settings


class SourceSettings(Settings):
    """Base of every source's settings; each adds its own `kind`."""

    # Any, so that each kind may narrow it to its own literal.
    kind: Any


class Source(Protocol):
    """One kind of source. Pure: it says where the weights are and never touches them."""

    @property
    def settings(self) -> type[SourceSettings]: ...

    @property
    def moves_weights(self) -> bool:
        """Whether a start gets them over a network; else they are where the engine runs."""
        ...

    @property
    def in_a_bucket(self) -> bool:
        """Whether whoever fetches them needs an identity that a bucket knows."""
        ...

    def weights(self, settings: Any) -> Weights:
        """The reference that the launcher resolves to a file or folder, digest included where one is known."""
        ...
