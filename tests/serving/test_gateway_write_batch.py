"""What connections write goes out together, in order, at the end of a round of the event loop; and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from serving.gateway.write_batch import WriteBatch


class Recorder:
    """A transport that remembers what was written to it, in an order shared with others."""

    def __init__(self, name: str, seen: list[tuple[str, bytes]]) -> None:
        self.name, self.seen, self.closing = name, seen, False

    def is_closing(self) -> bool:
        return self.closing

    def write(self, piece: bytes) -> None:
        self.seen.append((self.name, piece))

    def close(self) -> None:
        self.seen.append((self.name, b"closed"))


def test_writes_of_a_round_go_out_behind_its_work_and_in_order() -> None:
    async def run() -> list[Any]:
        seen: list[Any] = []
        batch = WriteBatch()
        one, two, gone = (cast("Any", Recorder(name, seen)) for name in ("one", "two", "gone"))
        batch.add(one, b"a")
        batch.add(gone, b"lost")
        asyncio.get_running_loop().call_soon(seen.append, "what came later")
        batch.add(two, b"b")
        batch.add(one, b"c")
        gone.closing = True
        assert seen == []
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        batch.add(two, b"d")
        batch.close(two)
        await asyncio.sleep(0)
        return seen

    assert asyncio.run(run()) == [
        ("one", b"a"),
        ("two", b"b"),
        ("one", b"c"),
        "what came later",
        ("two", b"d"),
        ("two", b"closed"),
    ]
