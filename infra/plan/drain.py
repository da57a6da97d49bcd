"""Drain times: from the longest wait and generation, how long each layer may take to end without cutting a stream."""

from __future__ import annotations

from infra.plan.types import DrainPlan

# The gateway gets a little more than the engine, so that the last bytes of the last answer are still delivered.
GATEWAY_MARGIN_SECONDS = 5
# After the gateway has ended, engines are idle: what is left is ending processes that may each need a kill (10 s).
PROCESS_MARGIN_SECONDS = 25
# Load balancers use an idle connection again for 60 s unless told otherwise. A request that meets one which the gateway
# is just closing fails, so the gateway must be the later one, by more than clocks and networks are off.
LEAST_KEEP_ALIVE_SECONDS = 65


def drain_plan(longest_generation_seconds: int, longest_wait_seconds: int = 0) -> DrainPlan:
    """All drain times from these two numbers; each layer ends strictly after the one it protects.

    `longest_wait_seconds` is for requests that wait in the gateway (`queue`, `hold`): one that came just before the end
    still gets its whole wait and its whole generation.
    """
    engine = longest_generation_seconds
    gateway = longest_wait_seconds + engine + GATEWAY_MARGIN_SECONDS
    return DrainPlan(
        longest_generation_seconds=longest_generation_seconds,
        longest_wait_seconds=longest_wait_seconds,
        engine_shutdown_seconds=engine,
        gateway_grace_seconds=gateway,
        process_group_grace_seconds=gateway + PROCESS_MARGIN_SECONDS,
    )
