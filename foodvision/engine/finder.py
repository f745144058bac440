"""The learning rate finder: the loss at rising learning rates."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain, repeat

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

from foodvision.engine.steps import Batches, LossFunction
from foodvision.system.progress import progress

_LOWEST, _HIGHEST = 1e-6, 1.0

# Momentum of the smoothed loss, and the multiple of the best loss that counts as divergence.
_MEMORY = 0.9
_DIVERGED = 4.0


@dataclass(frozen=True)
class RateSweep:
    """The learning rates tried, the smoothed loss at each, and the suggested rate."""

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_learning_rate(
    model: nn.Module,
    dataloader: Batches,
    optimizer: torch.optim.Optimizer,
    loss_fn: LossFunction,
    steps: int = 100,
    device: torch.device | str = "cpu",
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> RateSweep:
    """Raise the learning rate at each step until the loss runs away (Smith, WACV 2017).

    backward: computes the gradients of a loss.

    The network and the optimiser are as before when it returns. Suggests the rate at which the loss
    falls most steeply, as fastai does, which leaves room before it diverges.
    """
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    rates: list[float] = []
    losses: list[float] = []
    smoothed, best = 0.0, float("inf")
    batches = chain.from_iterable(repeat(dataloader))
    model.train()
    for rate in progress(np.geomspace(_LOWEST, _HIGHEST, steps), "rates", "step"):
        for group in optimizer.param_groups:
            group["lr"] = float(rate) * group.get("lr_scale", 1.0)
        images, labels = next(batches)
        loss = loss_fn(model(images.to(device)), labels.to(device))
        smoothed = _MEMORY * smoothed + (1 - _MEMORY) * loss.item()
        debiased = smoothed / (1 - _MEMORY ** (len(losses) + 1))
        if not debiased < _DIVERGED * best:
            break
        best = min(best, debiased)
        rates.append(float(rate))
        losses.append(debiased)
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
    model.load_state_dict(before[0])
    optimizer.load_state_dict(before[1])
    return RateSweep(tuple(rates), tuple(losses), steepest(rates, losses))


def steepest(rates: list[float], losses: list[float]) -> float:
    """Return the middle of the stretch before the lowest loss in which it falls most.

    A stretch is a quarter of all rates, and its fall that of the line through its losses: between
    neighbours it would be that of single batches, above all where few have been averaged yet.
    """
    until_lowest = losses[: int(np.argmin(losses)) + 1]
    length = min(len(until_lowest), max(2, len(losses) // 4))
    # As the rates' logarithms are evenly spaced, this is each line's slope but for a factor.
    falls = sliding_window_view(until_lowest, length) @ (np.arange(length) - (length - 1) / 2)
    return rates[int(np.argmin(falls)) + length // 2]
