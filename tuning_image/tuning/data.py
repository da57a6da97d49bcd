"""Conversations as JSON lines ({"messages": [{"role": …, "content": …}, …]}), and what of them is learned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tuning.settings import Unusable

# What the loss does not look at.
IGNORED = -100
_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class Data:
    """`digest` is of all bytes, in the order of the files' names."""

    conversations: tuple[list[dict[str, str]], ...]
    digest: str


def read(place: Path) -> Data:
    """Every line of a file, or of every .jsonl of a folder. Raises Unusable."""
    files = sorted(place.rglob("*.jsonl")) if place.is_dir() else [place]
    digest, conversations = hashlib.sha256(), []
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as why:
            raise Unusable(f"data: {why}") from None
        digest.update(content)
        for number, line in enumerate(content.decode("utf-8", errors="replace").splitlines(), start=1):
            if line.strip():
                conversations.append(_conversation(f"{file.name}, line {number}", line))
    if not conversations:
        raise Unusable(f"data: no line in {place}")
    return Data(tuple(conversations), digest.hexdigest())


def _conversation(where: str, line: str) -> list[dict[str, str]]:
    try:
        messages = json.loads(line)["messages"]
        said = [{"role": str(one["role"]), "content": str(one["content"])} for one in messages]
    except (ValueError, KeyError, TypeError):
        raise Unusable(f'{where}: not {{"messages": [{{"role": …, "content": …}}, …]}}') from None
    if len(said) < 2 or said[-1]["role"] != "assistant" or any(one["role"] not in _ROLES for one in said):
        raise Unusable(
            f"{where}: roles are {', '.join(_ROLES)}, and the last message of two or more is the assistant's"
        )
    return said


@dataclass(frozen=True)
class Example:
    """Tokens of a conversation; only those of the last answer are learned."""

    tokens: list[int]
    labels: list[int]


def encoded(data: Data, tokenizer: Any, max_tokens: int) -> list[Example]:
    """Each conversation as the model's own template writes it. Raises Unusable."""
    examples = []
    for number, messages in enumerate(data.conversations, start=1):
        before = tokenizer.apply_chat_template(messages[:-1], tokenize=False, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(messages, tokenize=False)
        if not whole.startswith(before):
            raise Unusable("data: the model's chat template rewrites a conversation when it goes on")
        # Apart, so that no token holds the end of the question and the start of the answer: it is asked this way too.
        asked = tokenizer(before, add_special_tokens=False)["input_ids"]
        answer = tokenizer(whole[len(before) :].rstrip("\n"), add_special_tokens=False)["input_ids"]
        if len(asked) + len(answer) > max_tokens:
            raise Unusable(f"data: conversation {number} has {len(asked) + len(answer)} tokens of at most {max_tokens}")
        examples.append(Example(asked + answer, [IGNORED] * len(asked) + answer))
    return examples


def batch(examples: list[Example], padding: int) -> dict[str, torch.Tensor]:
    """Of one length, filled up on the right."""
    longest = max(len(one.tokens) for one in examples)

    def filled(values: list[list[int]], filling: int) -> torch.Tensor:
        return torch.tensor([row + [filling] * (longest - len(row)) for row in values])

    tokens = [one.tokens for one in examples]
    return {
        "input_ids": filled(tokens, padding),
        "attention_mask": filled([[1] * len(row) for row in tokens], 0),
        "labels": filled([one.labels for one in examples], IGNORED),
    }
