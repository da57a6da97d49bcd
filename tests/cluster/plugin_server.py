"""Serves a provider's plugin until its engine ends it or is gone."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

LARGEST_MESSAGE_BYTES = 400 << 20


def serve(provider: Callable[[threading.Event], Any], workers: int) -> None:
    """`provider` gets the event that is set when the engine cancels. Prints the port, which the engine reads."""
    # Told to cancel, it ends what it waits for; it goes when the engine says so, which takes anything else for a crash.
    cancelled, end = threading.Event(), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: (cancelled.set(), end.set()))
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=workers),
        options=[("grpc.max_receive_message_length", LARGEST_MESSAGE_BYTES)],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(provider(cancelled), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    parent = os.getppid()
    while not end.wait(1.0) and os.getppid() == parent:  # an engine that was killed interrupts nobody
        pass
    sys.stdout.flush()
    os._exit(0)
