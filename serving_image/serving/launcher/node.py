"""One of several nodes that run one replica: which one it is, and where its leader is, as LeaderWorkerSet says it."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from dataclasses import dataclass

from serving.launcher.refusal import Refusal

POLL_SECONDS = 0.5
# Set by LeaderWorkerSet in every container of a group.
LEADER_ADDRESS, RANK = "LWS_LEADER_ADDRESS", "LWS_WORKER_INDEX"


@dataclass(frozen=True)
class Node:
    """Its number, 0 for the leader, and the leader's name."""

    rank: int
    leader_address: str

    @classmethod
    def here(cls) -> Node:
        """As the environment says it. Raises Refusal."""
        address, rank = os.environ.get(LEADER_ADDRESS, ""), os.environ.get(RANK, "")
        if not address or not rank.isascii() or not rank.isdecimal():
            raise Refusal(
                where=f"the variables {LEADER_ADDRESS} and {RANK}",
                found=f"`{address}` and `{rank}`",
                allowed="the name of the leader of this group, and a number",
                remedy="run it as a pod of a LeaderWorkerSet, which sets both",
            )
        return cls(int(rank), address)

    def filled(self, word: str) -> str:
        """A word of a command with both in it."""
        return word.replace("{leader_address}", self.leader_address).replace("{node_rank}", str(self.rank))

    async def wait_for_leader(self, seconds: float) -> None:
        """Returns when the leader's name is known: a pod's is, a moment after it has an address. Raises Refusal."""
        deadline = time.monotonic() + seconds
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.getaddrinfo(self.leader_address, None, type=socket.SOCK_STREAM)
            except OSError as error:
                if time.monotonic() < deadline:
                    await asyncio.sleep(POLL_SECONDS)
                    continue
                raise Refusal(
                    where=f"the leader `{self.leader_address}`",
                    found=f"no address after {seconds:g} s ({error})",
                    allowed="a name that the cluster's DNS knows",
                    remedy="look at the Service of the LeaderWorkerSet, and whether this pod may ask for names",
                ) from None
            return
