"""What the audit costs the event loop: measured and printed; the bound only catches a change of kind."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from serving.gateway.audit.config import AuditConfig
from serving.gateway.audit.log import open_audit
from serving.gateway.facts import RequestFacts

REQUESTS = 500
TARGET_MICROSECONDS = 6.0
# A machine that does other things too may take this many times the target.
NOISE = 5


async def _nothing(*_: Any) -> Any:
    raise AssertionError("a row is made without asking anybody")


def _facts() -> RequestFacts:
    """A finished request, as far as a row goes."""
    facts = RequestFacts({}, _nothing, _nothing, 1.9)
    facts.client_name = facts.model_name = "chat"
    facts.model_digest = "sha256:" + "a" * 64
    facts.first_byte_at = 2.0
    facts.request_id = b"71cdfb0524897c80-1"
    facts.key_id, facts.endpoint, facts.boundary = "key:e423808d", "chat_completions", "local"
    facts.decisions, facts.status = ["privacy:mask:email"], 200
    facts.prompt_tokens, facts.output_tokens, facts.cost = 700, 128, 0.00012
    return facts


async def _measure(folder: Path) -> tuple[float, int]:
    log = open_audit(AuditConfig(folder=str(folder), queue_rows=REQUESTS * 50), lambda *_, **__: None)
    best = float("inf")
    for _ in range(20):
        requests = [_facts() for _ in range(REQUESTS)]
        started = time.perf_counter()
        for facts in requests:
            log.finish(facts, 0.1, log.admit(facts))
        best = min(best, (time.perf_counter() - started) / REQUESTS * 1e6)
        await asyncio.sleep(0.05)
    assert await log.close()
    return best, log.writer.rows


def test_a_row_costs_the_event_loop_microseconds(tmp_path: Path) -> None:
    best, rows = asyncio.run(_measure(tmp_path / "audit"))
    print(f"audit, event loop: {best:.2f} us per request (target {TARGET_MICROSECONDS})")
    assert rows == REQUESTS * 20
    assert best <= TARGET_MICROSECONDS * NOISE
