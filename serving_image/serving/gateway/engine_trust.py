"""Who an engine must be: the holder of a certificate that one authority gave for one name, whatever its address."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from serving.gateway.routing.config import UpstreamTls


class EngineTrust:
    """What a connection to an engine is made with."""

    __slots__ = ("context", "server_name")

    def __init__(self, context: ssl.SSLContext, server_name: str) -> None:
        self.context = context
        self.server_name = server_name


def load_trust(config: UpstreamTls) -> EngineTrust:
    """Reads the file; with the same content it is the same object, so that connections outlive a reload.

    Raises OSError or ValueError."""
    return _trust(Path(config.ca_file).read_text(encoding="ascii"), config.server_name)


@lru_cache(maxsize=1024)
def _trust(authorities: str, server_name: str) -> EngineTrust:
    # Of a context for clients: certificates are required, and the name is checked. No authority of the system's.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=authorities)
    return EngineTrust(context, server_name)
