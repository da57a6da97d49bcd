"""The time that requests waited, as a histogram."""

from __future__ import annotations

from prometheus_client import Histogram

# In no registry of its own: the routing collector hands it out together with the rest.
QUEUE_SECONDS = Histogram(
    "slipway_gateway_queue_time_seconds",
    "How long a request that had to wait for a replica waited.",
    ("model",),
    registry=None,
    buckets=(0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300),
)
