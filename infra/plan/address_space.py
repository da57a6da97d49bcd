"""Address space: blocks out of a range, largest first, and the nearest free range when one is taken.

Plain arithmetic on IPv4 networks; it knows nothing of clouds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network

# RFC 1918, and the shared space of RFC 6598 that clusters use for pods.
PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")))


def prefix_length(addresses: int) -> int:
    """The smallest block with at least so many addresses."""
    return 32 - max(0, addresses - 1).bit_length()


def divided(range_: IPv4Network, lengths: Mapping[str, int]) -> dict[str, IPv4Network] | None:
    """A block of each wanted prefix length, none overlapping; None when they do not fit.

    Largest first, one after the other: each starts where a multiple of its size ends, so nothing is lost between them,
    and they fit whenever their sizes add up to no more than the range.
    """
    found: dict[str, IPv4Network] = {}
    start, end = int(range_.network_address), int(range_.broadcast_address) + 1
    for name, length in sorted(lengths.items(), key=lambda wanted: wanted[1]):
        size = 1 << (32 - length)
        if start + size > end or length < range_.prefixlen:
            return None
        found[name] = IPv4Network((start, length))
        start += size
    return {name: found[name] for name in lengths}


def needed_prefix_length(lengths: Iterable[int]) -> int:
    """The smallest range into which blocks of these prefix lengths can be divided."""
    return prefix_length(sum(1 << (32 - length) for length in lengths))


def nearest_free(
    wanted: IPv4Address, length: int, taken: Sequence[IPv4Network], within: Sequence[IPv4Network] = PRIVATE
) -> IPv4Network | None:
    """The private block of that length nearest to `wanted` that overlaps nothing taken; None when there is none.

    Between two taken ranges the nearest block lies at the wanted address or against one end, so only those are tried.
    """
    size = 1 << (32 - length)
    candidates: set[int] = set()
    for space in within:
        if space.prefixlen > length:
            continue
        low, high = int(space.network_address), int(space.broadcast_address) + 1 - size
        edges = [int(wanted), low, high]
        for block in taken:
            edges += [int(block.network_address) - size, int(block.broadcast_address) + 1]
        for edge in edges:
            below = edge // size * size
            candidates |= {start for start in (below, below + size) if low <= start <= high}
    tried = (IPv4Network((start, length)) for start in candidates)
    free = [block for block in tried if not any(block.overlaps(other) for other in taken)]
    return min(free, key=lambda block: (abs(int(block.network_address) - int(wanted)), block), default=None)
