"""One streamed answer, timed as its reader sees it: the first token, every later one, how it ended."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from serving.trials.config import TrialConfig

_DATA, _DONE = b"data:", b"[DONE]"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Seconds count from when the request was sent. `error` is None for one that came whole; `first_token` is None
    where there was none."""

    text: str = ""
    seconds: float = 0.0
    first_token: float | None = None
    last_token: float | None = None
    prompt_tokens: int = 0
    output_tokens: int = 0
    error: str | None = None

    @property
    def per_output_token_ms(self) -> float | None:
        """Between two tokens, on average; None for an answer of one."""
        if self.first_token is None or self.last_token is None or self.output_tokens < 2:
            return None
        return 1000 * (self.last_token - self.first_token) / (self.output_tokens - 1)


class Asking:
    """Connections to one origin, as one client. Nothing is tried twice: what a client would see is what counts."""

    def __init__(self, session: aiohttp.ClientSession, config: TrialConfig) -> None:
        self._session = session
        self._url = f"{config.url.rstrip('/')}/v1/chat/completions"
        self._model = config.model
        self._headers = {"authorization": f"Bearer {Path(config.key_file).read_text(encoding='ascii').strip()}"}

    async def ask(self, prompt: str, max_tokens: int) -> Answer:
        """The answer to one question, at temperature 0. Never raises for what the network or the model does."""
        body = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        began = time.perf_counter()
        stream = _Stream(began)
        try:
            async with self._session.post(self._url, json=body, headers=self._headers) as response:
                if response.status != 200:
                    refusal = _refusal(response.status, await response.read())
                    return Answer(seconds=time.perf_counter() - began, error=refusal)
                async for line in response.content:
                    stream.take(line)
        except TimeoutError:
            stream.error = "no whole answer in time"
        except (aiohttp.ClientError, OSError, ValueError) as lost:
            stream.error = f"connection lost: {type(lost).__name__}"
        return stream.answer()


class _Stream:
    """What has come of one answer."""

    def __init__(self, began: float) -> None:
        self._began = began
        self._texts: list[str] = []
        self._first: float | None = None
        self._last: float | None = None
        self._usage: dict[str, Any] = {}
        self._done = False
        self.error: str | None = None

    def take(self, line: bytes) -> None:
        if not line.startswith(_DATA):
            return
        data = line[len(_DATA) :].strip()
        if data == _DONE:
            self._done = True
            return
        try:
            event: dict[str, Any] = json.loads(data)
        except ValueError:
            self.error = "an event that is not JSON"
            return
        if problem := event.get("error"):
            self.error = f"broken off: {problem.get('code') or problem.get('type') or 'unknown'}"
        for choice in event.get("choices") or ():
            delta: dict[str, Any] = choice.get("delta") or {}
            # A model that thinks first has begun to answer.
            if piece := delta.get("content") or delta.get("reasoning_content"):
                self._last = time.perf_counter() - self._began
                self._first = self._last if self._first is None else self._first
                self._texts.append(piece)
        self._usage = event.get("usage") or self._usage

    def answer(self) -> Answer:
        error = self.error or (None if self._done else "broken off without an end")
        return Answer(
            text="".join(self._texts),
            seconds=time.perf_counter() - self._began,
            first_token=self._first,
            last_token=self._last,
            prompt_tokens=int(self._usage.get("prompt_tokens") or 0),
            output_tokens=int(self._usage.get("completion_tokens") or 0) or len(self._texts),
            error=error,
        )


@asynccontextmanager
async def asking(config: TrialConfig) -> AsyncGenerator[Asking]:
    """Connections for the time of a trial; an answer that is not whole after `answer_seconds` is given up."""
    trust: ssl.SSLContext | bool = True
    if config.ca_file:
        trust = ssl.create_default_context(cafile=config.ca_file)
        # The file is the very certificate, whatever name it was made for.
        trust.check_hostname = False
    connector = aiohttp.TCPConnector(limit=0, ssl=trust)
    patience = aiohttp.ClientTimeout(total=config.answer_seconds)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        yield Asking(session, config)
    # Transports close in the loop's next rounds.
    await asyncio.sleep(0)


def _refusal(status: int, body: bytes) -> str:
    """The status and, where it is one of ours, its code: a text may repeat the prompt."""
    try:
        problem = json.loads(body)["error"]
        code = problem.get("code") or problem.get("type") or ""
    except (ValueError, KeyError, TypeError, AttributeError):
        code = ""
    return f"{status} {code}".strip()
