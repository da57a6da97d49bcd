"""What a site on this machine keeps over its generations, such as the audit and an own certificate: where it is."""

from __future__ import annotations

from infra.placeholders import in_place as in_place

# The gateway's own name for the certificate that it makes; a contract test holds this against the gateway's.
CERTIFICATE = "gateway.crt"


def state_folder(name: str) -> str:
    """The folder of a site, by its specification's name, relative to the checkout."""
    return f".slipway/gateway/{name}"
