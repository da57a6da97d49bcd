"""Loads an own class as a hook, and asks it."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import re
import sys
from typing import Any, Literal

from serving.gateway.guardrails.config import OnFailure, PythonHookConfig
from serving.gateway.guardrails.hook import HookAnswer, HookRequest
from serving.gateway.guardrails.rules import HookFailed
from serving.gateway.upstream import UpstreamClient

REASON = re.compile(r"[A-Za-z0-9._/,-]{1,64}")


class PythonHook:
    """One own class at one place. See Hook."""

    kind = "python"

    def __init__(self, name: str, config: PythonHookConfig, judge: Any) -> None:
        self.name = name
        self.seconds = config.timeout_milliseconds / 1000
        self.on_failure: OnFailure = config.on_failure
        self._judge = judge

    async def judge(self, request: HookRequest, answer: HookAnswer | None, upstreams: UpstreamClient) -> str | None:
        """See Hook."""
        task = asyncio.current_task()
        try:
            said: Any = await (self._judge(request) if answer is None else self._judge(request, answer))
        except asyncio.CancelledError:
            if task is None or task.cancelling():
                raise
            raise HookFailed from None  # something of its own was cancelled, not the request
        if said is None:
            return None
        return said if REASON.fullmatch(said) else ""  # TypeError for what is no text: a failure too


class HookProblem(Exception):
    """The class cannot be used; the text says what was found."""


def load_hook(name: str, config: PythonHookConfig, place: Literal["before", "after"]) -> PythonHook:
    """Import, make and check the class. Raises HookProblem."""
    module, _, attribute = config.implementation.partition(":")
    if config.folder is not None and config.folder not in sys.path:
        sys.path.append(config.folder)
    try:
        hook: Any = getattr(importlib.import_module(module), attribute)()
    except Exception as error:  # noqa: BLE001, RUF100 - own code may raise anything
        raise HookProblem(f"{type(error).__name__} ({' '.join(str(error).split())[:200]})") from None
    judge: Any = getattr(hook, place, None)
    if not inspect.iscoroutinefunction(judge):
        raise HookProblem(f"no coroutine `{place}` in it")
    try:
        inspect.signature(judge).bind(*(("request",) if place == "before" else ("request", "answer")))
    except TypeError:
        raise HookProblem(f"a coroutine `{place}` that takes other arguments") from None
    return PythonHook(name, config, judge)
