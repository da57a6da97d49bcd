"""How full the replicas of one model are, for as long as the process lives: what overflow decides by."""

from __future__ import annotations

from serving.gateway.routing.prefix import PrefixKey

# As many conversations are remembered, each so long after its last request: by then engines have other prompts in
# their caches.
MOST_CONVERSATIONS = 16_384
REMEMBERED_SECONDS = 600.0


class Saturation:
    """Of one pool. `reason` is why new requests go elsewhere, "" while they stay."""

    __slots__ = ("_here", "kv_cache", "reason")

    def __init__(self) -> None:
        self.reason = ""
        # Share of all replicas' KV caches that is in use; 0 where no engine says it.
        self.kv_cache = 0.0
        # Conversations by when they were last served here, oldest first.
        self._here: dict[PrefixKey, float] = {}

    def remember(self, conversation: PrefixKey, now: float) -> None:
        """It is served here: its beginning is in a cache of this site."""
        here = self._here
        here.pop(conversation, None)
        here[conversation] = now
        if len(here) > MOST_CONVERSATIONS:
            del here[next(iter(here))]

    def forget(self, conversation: PrefixKey) -> None:
        """It is served elsewhere."""
        self._here.pop(conversation, None)

    def is_here(self, conversation: PrefixKey, now: float) -> bool:
        """Whether this site served it lately."""
        served_at = self._here.get(conversation)
        return served_at is not None and now - served_at <= REMEMBERED_SECONDS
