"""Differential privacy by Opacus: gradients of each line cut to one length, and noise; what was spent is counted."""

from __future__ import annotations

from typing import Any

import torch
from opacus import GradSampleModule
from opacus.accountants import RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from opacus.optimizers import DPOptimizer

from tuning.settings import Privacy, Unusable


class Private:
    """Training with privacy of each line, in `rounds` of `steps`, all of which are counted together: each round begins
    with what the one before gave away. Every line is in a step by chance, and with the same chance in each."""

    def __init__(self, settings: Privacy, model: Any, optimizer: Any, *, lines: int, batch: int, steps: int,
                 rounds: int) -> None:  # fmt: skip
        if settings.delta >= 1 / lines:
            # A mechanism that gives whole lines away could keep it.
            raise Unusable(f"privacy: delta {settings.delta:g} is not below 1/{lines}, one divided by the lines")
        self._settings, self._rate = settings, min(1.0, batch / lines)
        self.noise = get_noise_multiplier(
            target_epsilon=settings.epsilon, target_delta=settings.delta, sample_rate=self._rate, steps=steps * rounds
        )
        self._steps, self._most = steps, steps * rounds
        self.model = GradSampleModule(model, loss_reduction="sum")
        # Noise that a seed could repeat could be taken away again: it is not the seed's.
        noise = torch.Generator(device=next(model.parameters()).device)
        noise.seed()
        self.optimizer = DPOptimizer(
            optimizer,
            noise_multiplier=self.noise,
            max_grad_norm=settings.max_gradient_norm,
            expected_batch_size=batch,
            loss_reduction="sum",
            generator=noise,
        )
        self._accountant = RDPAccountant()
        self._chance = torch.Generator()
        self._chance.seed()
        self._lines = lines

    def drawn(self) -> list[int]:
        """Which lines are in this step; none is possible."""
        return torch.nonzero(torch.rand(self._lines, generator=self._chance) < self._rate).flatten().tolist()

    def step(self, *, empty: bool) -> None:
        """One step with what gradients there are; one of no line is noise alone."""
        if empty:
            for parameter in self.optimizer.params:
                parameter.grad_sample = torch.zeros((0, *parameter.shape), device=parameter.device)
        self.optimizer.step()
        self._accountant.step(noise_multiplier=self.noise, sample_rate=self._rate)

    def spent(self) -> float:
        """Epsilon until now."""
        return float(self._accountant.get_epsilon(delta=self._settings.delta)) if len(self._accountant) else 0.0

    def state(self) -> list[tuple[float, float, int]]:
        """What a checkpoint keeps, so that a run that goes on has spent what was spent."""
        return [tuple(one) for one in self._accountant.history]

    def restore(self, state: list[tuple[float, float, int]]) -> None:
        """What was spent before."""
        self._accountant.history = [tuple(one) for one in state]

    def begin(self) -> None:
        """Before a round. Raises Unusable where it would tell more of a line than is allowed."""
        if sum(count for _, _, count in self._accountant.history) + self._steps > self._most:
            raise Unusable(f"privacy: epsilon {self._settings.epsilon:g} of this data is spent: no further round")
