"""Flower as it is used here: it tells nobody what is done, and keeps nothing in a home. Import it from here first."""

from __future__ import annotations

import logging
import os
from pathlib import Path


def quiet(folder: Path) -> None:
    """Before anything of it is imported: it reads these then."""
    os.environ |= {"FLWR_TELEMETRY_ENABLED": "0", "FLWR_HOME": str(folder), "no_grpc_proxy": "127.0.0.1"}
    # Each of its lines about a round is one of ours already, and that of deprecation says nothing to whoever tunes.
    # It sets its own level when it is imported.
    import flwr.common.logger

    logging.getLogger(flwr.common.logger.LOGGER_NAME).setLevel(logging.CRITICAL)
    # A connection that is ended is no news: who was it is told.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
