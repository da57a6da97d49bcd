"""The settings of a listener's connections: uvicorn's own, and ours that a signal may change while they live."""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from typing import Any

import uvicorn

from serving.gateway.config import LimitsConfig
from serving.gateway.workers import Workers
from serving.gateway.write_batch import WriteBatch

_BACKLOG = 2048


class Traffic:
    """Shared by all connections of the process."""

    def __init__(self, limits: LimitsConfig) -> None:
        self.draining = False
        self.date_line = b""
        self.writes = WriteBatch()
        self.workers = Workers()
        self.adopt(limits)
        self.tick()

    def adopt(self, limits: LimitsConfig) -> None:
        """At the start and after a reload."""
        self.header_seconds = limits.header_seconds
        self.message_bytes = limits.body_bytes

    def tick(self) -> None:
        """Once a second."""
        self.date_line = f"date: {formatdate(time.time(), usegmt=True)}\r\n".encode("ascii")


class ListenerConfig(uvicorn.Config):
    """uvicorn's settings plus Traffic. Nothing of uvicorn's logging, header or process handling is used."""

    def __init__(
        self,
        application: Any,
        connection: type[asyncio.Protocol],
        traffic: Traffic,
        keep_alive_seconds: int,
    ) -> None:
        super().__init__(
            application,
            http=connection,
            loop="uvloop",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=keep_alive_seconds,
        )
        self.traffic = traffic
