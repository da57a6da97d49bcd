"""What the privacy step costs: `python -m tests.serving.privacy_cost` prints microseconds per request as JSON.

The corpus has no findings (CLEAN: ordinary prose with years, times and lists) or five in each 400 characters
(WITH_HITS); a scanner that is fast only on clean text is not measured.
"""

from __future__ import annotations

import copy
import json
import platform
import time
from collections.abc import Callable
from typing import Any

import orjson

from serving.gateway.privacy.config import ClientPrivacyConfig, PrivacyConfig
from serving.gateway.privacy.document import refuse_unreadable, rewrite_document, texts_of
from serving.gateway.privacy.load import load_privacy
from serving.gateway.privacy.placeholders import Vault
from serving.gateway.privacy.prefilter import ENGINE
from serving.gateway.privacy.restore import Restorer
from serving.gateway.privacy.scanner import Lens

CLEAN = (
    'It is said that, for example (as we know): "nothing" was ever done by 3 or 4 of them in 2024, at 12:30. '
    "The committee, which had met in London and in Berlin, did not agree on more than two of the seven points.\n"
)
DATED = CLEAN + "Minutes of 2026-11-23 12:00, version 1.2.3, 1,234,567 lines. "
WITH_HITS = CLEAN + (
    "Write to jane.doe@example.com or call +49 30 1234567; the card is 4111 1111 1111 1111, the account "
    "DE89 3704 0044 0532 0130 00, the host 192.0.2.17. "
)


class _Client:
    privacy = ClientPrivacyConfig(mode="tokenise")


_setup = load_privacy("", PrivacyConfig(), {"c": _Client()}, [])
assert _setup is not None
LENS = Lens(_setup.scanner, dict.fromkeys(_setup.kinds, "tokenise"))


def request_of(unit: str, size: int) -> dict[str, Any]:
    """A chat request whose prompt has `size` characters."""
    text = (unit * (size // len(unit) + 1))[:size]
    system = {"role": "system", "content": "You are a helpful assistant."}
    return {"model": "m", "messages": [system, {"role": "user", "content": text}], "max_tokens": 100}


def protect(
    document: dict[str, Any], *, top_level_numbers: bool = True
) -> tuple[bool, dict[str, Any], Callable[[str], str]]:
    """What the step does to a document: whether it changed, what goes up, and the way back."""
    vault = Vault(b"k" * 32)

    def rewrite(text: str) -> str:
        suspects = LENS.suspects(text)
        if not suspects:
            return text
        out: list[str] = []
        done = 0
        for start, end, kind in LENS.findings(text, suspects, time.perf_counter() + 9):
            out += (text[done:start], vault.placeholder(kind, text[start:end]))
            done = end
        return "".join(out) + text[done:] if out else text

    changed = rewrite_document(document, rewrite, keep_media=False)
    return changed, document, lambda text: Restorer(vault.value_of, in_json=True).feed(text, final=True)


def everything(document: dict[str, Any]) -> bool:
    """All that is done for a request, and the new body where something was found."""
    refuse_unreadable(document, False)
    if not LENS.suspects("\n".join(texts_of(document))):
        return False
    changed, document, _ = protect(document)
    if changed:
        orjson.dumps(document)
    return changed


def main() -> None:
    """Print medians of the fastest half of the runs."""
    result: dict[str, Any] = {"engine": ENGINE, "machine": platform.processor() or platform.machine()}
    for name, unit in (("clean", CLEAN), ("dated", DATED), ("hits", WITH_HITS)):
        for size in (2_048, 65_536):
            document = request_of(unit, size)
            times: list[float] = []
            for _ in range(400 if name == "clean" else 60):
                fresh = copy.deepcopy(document)
                started = time.perf_counter()
                everything(fresh)
                times.append((time.perf_counter() - started) * 1e6)
            times.sort()
            result[f"{name}_{size}_us"] = round(times[len(times) // 4], 1)
    frame = orjson.dumps({"choices": [{"index": 0, "delta": {"content": "word "}, "finish_reason": None}]})
    result["restored_event_us"] = round(_per_event(b"data: " + frame + b"\n\n"), 2)
    print(json.dumps(result, indent=1))


def _per_event(frame: bytes) -> float:
    from serving.gateway.privacy.answer import AnswerTransform

    vault = Vault(b"k" * 32)
    vault.placeholder("email", "a@b.de")
    transform = AnswerTransform(
        lambda in_json: Restorer(vault.value_of, in_json=in_json),
        json_content=False,
        drop_logprobs=False,
        largest_whole=1,
    )
    best = 1e9
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(500):
            transform.feed(frame)
        best = min(best, (time.perf_counter() - started) / 500 * 1e6)
    return best


if __name__ == "__main__":
    main()
