"""Address space: blocks at fixed places of a range, and the nearest free range when one is taken.

Plain arithmetic on IPv4 networks; it knows nothing of clouds.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

# RFC 1918, and the shared space of RFC 6598 that clusters use for pods.
RFC_1918 = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
PRIVATE = (*RFC_1918, IPv4Network("100.64.0.0/10"))


def prefix_length(addresses: int) -> int:
    """The smallest block with at least so many addresses."""
    return 32 - max(0, addresses - 1).bit_length()


def block(range_: IPv4Network, more_bits: int, index: int) -> IPv4Network:
    """The `index`-th of the 2^`more_bits` equal blocks of a range, so that a block's place never depends on what else
    there is. Raises IndexError beyond the last."""
    if not 0 <= index < 2**more_bits:
        raise IndexError(index)
    bits = range_.prefixlen + more_bits
    return IPv4Network((int(range_.network_address) + index * 2 ** (32 - bits), bits))


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
        for other in taken:
            edges += [int(other.network_address) - size, int(other.broadcast_address) + 1]
        for edge in edges:
            below = edge // size * size
            candidates |= {start for start in (below, below + size) if low <= start <= high}
    tried = (IPv4Network((start, length)) for start in candidates)
    free = [found for found in tried if not any(found.overlaps(other) for other in taken)]
    return min(free, key=lambda found: (abs(int(found.network_address) - int(wanted)), found), default=None)
