"""Network ranges: the n-th block of a range, so that a block's place never depends on what else there is."""

from __future__ import annotations

import ipaddress


def block(cidr: str, more_bits: int, index: int) -> str:
    """The `index`-th of the 2^`more_bits` equal blocks of a range. Raises IndexError beyond the last."""
    if not 0 <= index < 2**more_bits:
        raise IndexError(index)
    whole = ipaddress.IPv4Network(cidr)
    bits = whole.prefixlen + more_bits
    return str(ipaddress.IPv4Network((int(whole.network_address) + index * 2 ** (32 - bits), bits)))
