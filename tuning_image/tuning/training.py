"""Training with checkpoints: each step is a function of seed and number, so that one that goes on ends the same."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict, set_peft_model_state_dict

from tuning.data import Example, batch
from tuning.privacy import Private
from tuning.settings import Tuning
from tuning.weights import TAUGHT


@dataclass(frozen=True)
class Trained:
    """`resumed_at` is the step at which it went on, 0 for one that was never killed; losses are means of an epoch."""

    steps: int
    resumed_at: int
    first_loss: float
    last_loss: float
    epsilon_spent: float | None


def adapted(model: Any, tuning: Tuning) -> Any:
    """The model with something to learn; all else is frozen."""
    torch.manual_seed(tuning.seed)
    settings = LoraConfig(r=tuning.rank, lora_alpha=tuning.alpha, target_modules=list(TAUGHT), task_type="CAUSAL_LM")
    return get_peft_model(model, settings)


def train(model: Any, examples: list[Example], padding: int, tuning: Tuning, file: Path, told: Callable[[str], None],
          stopping: Callable[[], bool], spent: list[tuple[float, float, int]] | None = None,
          ) -> Trained | None:  # fmt: skip
    """Every epoch, from the checkpoint in `file` if there is one. None where it was told to stop; the file has it.
    `spent` is what privacy has cost in rounds before, and then with this one."""
    spent = [] if spent is None else spent
    each = math.ceil(len(examples) / tuning.batch)
    steps = tuning.epochs * each
    taught = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(taught, lr=tuning.learning_rate, weight_decay=0.0)
    private = None
    if tuning.privacy:
        options = {"lines": len(examples), "batch": tuning.batch, "steps": steps}
        private = Private(tuning.privacy, model, optimizer, **options, rounds=max(1, tuning.rounds))
        private.restore(spent)
        private.begin()
    model.train()
    start, losses = _restored(file, model, optimizer, private)
    if start:
        told(f"goes on after step {start} of {steps}")
    for step in range(start, steps):
        if stopping():
            _keep(file, step, losses, model, optimizer, private)
            return None
        losses.append(_step(step, each, model, optimizer, private, examples, padding, tuning))
        if (step + 1) % tuning.checkpoint_steps == 0 or step + 1 == steps:
            _keep(file, step + 1, losses, model, optimizer, private)
        told(f"step {step + 1} of {steps}, loss {losses[-1]:.4f}")
    if private:
        private.model.remove_hooks()
        spent[:] = private.state()
    first, last = losses[:each], losses[-each:]
    return Trained(steps, start, sum(first) / len(first), sum(last) / len(last), private.spent() if private else None)


def _step(step: int, each: int, model: Any, optimizer: Any, private: Private | None, examples: list[Example],
          padding: int, tuning: Tuning) -> float:  # fmt: skip
    optimizer.zero_grad()
    if private:
        drawn = private.drawn()
        loss = _private_loss(private, [examples[place] for place in drawn], padding) if drawn else 0.0
        private.step(empty=not drawn)
        private.optimizer.zero_grad()
        return loss
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(tuning.seed + step // each)).tolist()
    chosen = order[(step % each) * tuning.batch :][: tuning.batch]
    torch.manual_seed(tuning.seed + step)
    loss = model(**_on(model, batch([examples[place] for place in chosen], padding))).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_([group for group in model.parameters() if group.requires_grad], 1.0)
    optimizer.step()
    return float(loss.detach())


def _private_loss(private: Private, examples: list[Example], padding: int) -> float:
    """The sum over lines of each one's mean: a line's gradient must not depend on its neighbours."""
    inputs = _on(private.model, batch(examples, padding))
    labels = inputs.pop("labels")
    logits = private.model(**inputs).logits[:, :-1].transpose(1, 2).float()
    each = torch.nn.functional.cross_entropy(logits, labels[:, 1:], reduction="none")
    learned = (labels[:, 1:] >= 0).sum(1).clamp(min=1)
    loss = (each.sum(1) / learned).sum()
    loss.backward()
    return float(loss.detach()) / len(examples)


def _on(model: Any, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    device = next(model.parameters()).device
    return {name: value.to(device) for name, value in inputs.items()}


def fingerprint(tuning: Tuning, base: str, data: str) -> str:
    """Of all that a checkpoint depends on: another one's is never gone on with."""
    said = json.dumps([base, data, tuning.decisive()], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()


def _keep(file: Path, step: int, losses: list[float], model: Any, optimizer: Any, private: Private | None) -> None:
    state = {
        "step": step,
        "losses": losses,
        "adapter": get_peft_model_state_dict(model, save_embedding_layers=False),
        "optimizer": optimizer.state_dict(),
        "spent": private.state() if private else [],
    }
    keep(file, state)


def keep(file: Path, state: dict[str, Any]) -> None:
    """Whole or not at all: whoever is killed here leaves the one before."""
    unfinished = file.with_suffix(".unfinished")
    with unfinished.open("wb") as opened:
        torch.save(state, opened)
        opened.flush()
        os.fsync(opened.fileno())
    unfinished.replace(file)


def _restored(file: Path, model: Any, optimizer: Any, private: Private | None) -> tuple[int, list[float]]:
    if not file.exists():
        return 0, []
    state = torch.load(file, weights_only=True, map_location=next(model.parameters()).device)
    set_peft_model_state_dict(model, state["adapter"])
    optimizer.load_state_dict(state["optimizer"])
    if private:
        private.restore(state["spent"])
    return state["step"], state["losses"]


def learned(model: Any) -> dict[str, torch.Tensor]:
    """What the adapters add to each parameter, by the parameter's name in the base."""
    prefix = "base_model.model."
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and "default" in getattr(module, "lora_A", {}):
            found[f"{name.removeprefix(prefix)}.weight"] = module.get_delta_weight("default").detach()
    return found
