"""A model's adapters as arrays, in the order of their names: all that travels between a site and the server."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from peft import get_peft_model_state_dict, set_peft_model_state_dict


def taken(model: Any) -> list[numpy.ndarray]:
    """Those of a model."""
    return [one.detach().float().cpu().numpy() for _, one in _named(model)]


def put(model: Any, arrays: list[numpy.ndarray]) -> None:
    """Into a model that has such ones."""
    named = _named(model)
    state = {name: torch.from_numpy(array).to(one) for (name, one), array in zip(named, arrays, strict=True)}
    set_peft_model_state_dict(model, state)


def _named(model: Any) -> list[tuple[str, torch.Tensor]]:
    return sorted(get_peft_model_state_dict(model, save_embedding_layers=False).items())
