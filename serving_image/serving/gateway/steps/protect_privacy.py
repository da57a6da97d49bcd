"""Step: what may not leave as it is: personal data and secrets are refused, masked or replaced by placeholders."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from math import inf
from typing import Any, cast

import orjson

from serving.gateway.context import OWN_REQUEST_ID, RequestContext, next_request_id
from serving.gateway.lifeline import Cause
from serving.gateway.privacy.answer import AnswerTransform, TextRewriter
from serving.gateway.privacy.document import refuse_unreadable, rewrite_document, texts_of
from serving.gateway.privacy.output_scan import OutputScan
from serving.gateway.privacy.outside import ask_outside
from serving.gateway.privacy.placeholders import LITERAL, Vault, label
from serving.gateway.privacy.recogniser import Finding
from serving.gateway.privacy.restore import Restorer
from serving.gateway.privacy.rules import ClientPrivacy
from serving.gateway.privacy.scanner import Lens, TooSlow
from serving.gateway.refusal import Refusal, four_parts

# Fields by which a client asks for an answer that is JSON: values put into it must be escaped.
_JSON_FIELDS = ("guided_json", "json_schema", "structured_outputs", "guided_grammar", "grammar")


def protect_privacy(context: RequestContext) -> Awaitable[None] | None:
    """Rewrite `context.document` and `context.body` where something was found, and say how the answer is treated."""
    client = context.client
    rules = client.privacy if client is not None else None
    if rules is None:
        return None
    assert context.model is not None
    lens = rules.lens(context.model.name)
    if rules.output is not None and context.endpoint != "embeddings":
        context.transform = _transform(context, rules, {})
    if not lens.modes:
        return None
    deadline = time.perf_counter() + rules.config.scan_milliseconds / 1000
    document = context.document
    refuse_unreadable(document, rules.allow_media)
    joined = "\n".join(texts_of(document))
    limit = rules.config.largest_text_bytes
    if len(joined) * 4 > limit and len(joined.encode()) > limit:
        raise _too_large(rules.config.largest_text_bytes)
    anything = bool(lens.suspects(joined))
    if not context.request_id.startswith(OWN_REQUEST_ID):
        # The client chose it, and it goes to the engine and into logs.
        chosen = context.request_id.decode("ascii")
        if (suspects := lens.suspects(chosen)) and lens.findings(chosen, suspects, deadline):
            context.request_id = next_request_id()
    outside = rules.outside
    if outside is not None and not lens.modes.keys().isdisjoint(outside.config.kinds):
        return _with_outside(context, rules, lens, anything, deadline)
    if anything:
        _apply(context, rules, lens, {}, deadline)
    return None


async def _with_outside(
    context: RequestContext,
    rules: ClientPrivacy,
    lens: Lens,
    anything: bool,
    deadline: float,
) -> None:
    assert rules.outside is not None
    # The recogniser has a limit of its own; that for a slow body is over.
    context.lifeline.phase(Cause.TOTAL, inf)
    # The very texts that are rewritten later: those inside a tool call's arguments one by one.
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    rewrite_document(context.document, collect, keep_media=rules.allow_media)
    started = time.perf_counter()
    kinds = frozenset(rules.outside.config.kinds).intersection(lens.modes)
    found = await ask_outside(rules.outside, context.upstreams, list(dict.fromkeys(texts)), kinds)
    if anything or any(found.values()):
        _apply(context, rules, lens, found, deadline + time.perf_counter() - started)


class _Treatment:
    """Replaces the findings of one request, text by text, and counts them."""

    def __init__(
        self,
        lens: Lens,
        found_outside: dict[str, list[Finding]],
        vault: Vault,
        deadline: float,
    ) -> None:
        self._lens = lens
        self._outside = found_outside
        self._vault = vault
        self._deadline = deadline
        self.counts: dict[str, int] = {}
        self.blocked: set[str] = set()

    def rewrite(self, text: str) -> str:
        """The text as the model may see it."""
        lens = self._lens
        suspects = lens.suspects(text)
        found = lens.findings(text, suspects, self._deadline) if suspects else []
        if outside := self._outside.get(text):
            found = lens.merged(found + outside)
        if not found:
            return text
        out: list[str] = []
        done = 0
        for start, end, kind in found:
            mode = lens.modes[kind]
            if kind != LITERAL:
                self.counts[kind] = self.counts.get(kind, 0) + 1
            if mode == "block":
                self.blocked.add(kind)
            out.append(text[done:start])
            out.append(self._vault.placeholder(kind, text[start:end]) if mode == "tokenise" else f"[{label(kind)}]")
            done = end
        out.append(text[done:])
        return "".join(out)


def _apply(
    context: RequestContext,
    rules: ClientPrivacy,
    lens: Lens,
    found_outside: dict[str, list[Finding]],
    deadline: float,
) -> None:
    vault = Vault(rules.key)
    treatment = _Treatment(lens, found_outside, vault, deadline)
    try:
        changed = rewrite_document(context.document, treatment.rewrite, keep_media=rules.allow_media)
    except TooSlow:
        raise _too_slow() from None
    if treatment.counts:
        context.findings = {(kind, lens.modes[kind]): count for kind, count in treatment.counts.items()}
        decisions = [f"privacy:{mode}:{kind}" for kind, mode in sorted(context.findings)]
        context.decisions = [*(context.decisions or ()), *decisions]
    if treatment.blocked:
        raise _blocked(sorted(treatment.blocked))
    if changed:
        context.cacheable = False
        context.body = orjson.dumps(context.document)
    if vault.value_of and context.endpoint != "embeddings":
        context.transform = _transform(context, rules, vault.value_of)


class _Both:
    """First what the model wrote is looked at, then placeholders are restored."""

    def __init__(self, scan: OutputScan, restore: Restorer) -> None:
        self._scan = scan
        self._restore = restore

    def feed(self, piece: str, *, final: bool = False) -> str:
        """See TextRewriter."""
        return self._restore.feed(self._scan.feed(piece, final=final), final=final)


def _transform(context: RequestContext, rules: ClientPrivacy, value_of: dict[str, str]) -> AnswerTransform:
    output = rules.output
    config = rules.config
    counts: dict[str, int] = {}

    def make(in_json: bool) -> TextRewriter:
        restore = Restorer(value_of, in_json=in_json)
        if output is None:
            return restore
        lens, blocks = output
        scan = OutputScan(
            lens,
            blocks=blocks,
            window=config.output_window_bytes,
            seconds=config.scan_milliseconds / 1000,
            spans_words=rules.spans_words,
            counts=counts,
        )
        return _Both(scan, restore) if value_of else scan

    context.output_findings = counts if output is not None else None
    return AnswerTransform(
        make,
        json_content=_asks_for_json(context.document),
        drop_logprobs=output is not None,
        largest_whole=config.largest_answer_bytes,
    )


def _asks_for_json(document: dict[str, Any]) -> bool:
    wanted: Any = document.get("response_format")
    if type(wanted) is dict and cast("dict[str, Any]", wanted).get("type") in ("json_object", "json_schema"):
        return True
    return any(document.get(name) is not None for name in _JSON_FIELDS)


def _blocked(kinds: list[str]) -> Refusal:
    return Refusal(
        400,
        "privacy_blocked",
        four_parts(
            "body",
            f"personal data or secrets of these kinds: {', '.join(kinds)}",
            "prompts without them for this key and model",
            "Remove them, or ask the gateway's operator about this key's privacy settings.",
        ),
    )


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        "privacy_too_large",
        four_parts(
            "body",
            "more text than can be scanned for personal data",
            f"{limit} bytes of text",
            "Send a shorter prompt.",
        ),
    )


def _too_slow() -> Refusal:
    return Refusal(
        503,
        "privacy_scan_too_slow",
        four_parts(
            "body",
            "text that could not be scanned for personal data in the time for it",
            "what fits into privacy.scan_milliseconds",
            "Send a shorter prompt, or try again later.",
        ),
        kind="api_error",
        retry_after=b"2",
    )
