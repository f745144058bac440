"""Around the loop: optimisers, schedules, averaged weights and early stopping."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from timm.optim import create_optimizer_v2
from timm.scheduler import CosineLRScheduler, StepLRScheduler
from timm.scheduler.scheduler import Scheduler
from timm.utils import ModelEmaV3
from torch import nn

from foodvision.engine.steps import Results
from foodvision.errors import SettingsError

_MOMENTUM = 0.9


def create_optimizer(
    network: nn.Module,
    name: str,
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
) -> torch.optim.Optimizer:
    """Return torch's Adam, AdamW or SGD with momentum over a network's weights.

    layer_decay: factor on the learning rate for each layer further from the head (Clark et al.,
        "ELECTRA", ICLR 2020).

    Raises SettingsError for a `layer_decay` on a network whose layers are not known.
    """
    if layer_decay < 1 and not hasattr(network, "group_matcher"):
        raise SettingsError(
            f"layer-decay does not support {type(network).__name__}: use a network of timm, or "
            "leave it at 1"
        )
    optimizer: torch.optim.Optimizer = create_optimizer_v2(
        network,
        name,
        learning_rate,
        weight_decay=0.0 if name == "adam" else weight_decay,
        momentum=_MOMENTUM,
        layer_decay=layer_decay if layer_decay < 1 else None,
    )
    return optimizer


class Schedule:
    """A learning rate schedule that advances with each step of the optimiser."""

    def __init__(
        self, optimizer: torch.optim.Optimizer, kind: str, steps: int, warmup_steps: int = 0
    ) -> None:
        """Attach a schedule: "cosine" falls to 0 after `steps`, "constant" stays."""
        warmup: dict[str, Any] = {
            "warmup_t": warmup_steps,
            "warmup_prefix": True,
            "t_in_epochs": False,
        }
        falling = max(1, steps - warmup_steps)
        self._scheduler: Scheduler = (
            CosineLRScheduler(optimizer, falling, **warmup)
            if kind == "cosine"
            else StepLRScheduler(optimizer, falling + 1, **warmup)
        )
        self.steps = 0
        optimizer.register_step_post_hook(self._advance)

    def _advance(self, *_: object) -> None:
        self.steps += 1
        self._scheduler.step_update(self.steps)

    def state_dict(self) -> dict[str, int]:
        """Return the steps so far; the rates themselves are the optimiser's."""
        return {"steps": self.steps}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from there."""
        self.steps = state["steps"]


class GradientAccumulator:
    """An optimiser that steps once for several batches, with the mean of their gradients."""

    def __init__(self, optimizer: torch.optim.Optimizer, batches: int) -> None:
        """Take the optimiser and how many batches make a step."""
        self._optimizer, self._batches, self._seen = optimizer, batches, 0

    def zero_grad(self) -> None:
        """Clear the gradients after a step."""
        if self._seen == 0:
            self._optimizer.zero_grad()

    def step(self) -> None:
        """Count a batch, and step after the last of several."""
        self._seen = (self._seen + 1) % self._batches
        if self._seen == 0:
            for parameter in self._parameters():
                if parameter.grad is not None:
                    parameter.grad /= self._batches
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the optimiser's state, and the gradients accumulated so far."""
        gradients = [parameter.grad for parameter in self._parameters()] if self._seen else []
        return {
            "seen": self._seen,
            "gradients": gradients,
            "optimizer": self._optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._seen = state["seen"]
        self._optimizer.load_state_dict(state["optimizer"])
        restore_order(self._optimizer)
        for parameter, gradient in zip(self._parameters(), state["gradients"], strict=False):
            parameter.grad = None if gradient is None else like(gradient, parameter)

    def _parameters(self) -> list[nn.Parameter]:
        return [weight for group in self._optimizer.param_groups for weight in group["params"]]


class EMAModel(nn.Module):
    """A network that is evaluated with a moving average of its weights.

    (Polyak and Juditsky, 1992; timm's exponential moving average.) Early averages follow closely.
    """

    steps: torch.Tensor

    def __init__(self, network: nn.Module, decay: float, optimizer: torch.optim.Optimizer) -> None:
        """Average after each step of the optimiser."""
        super().__init__()
        self.network = network
        self.average = ModelEmaV3(network, decay=decay, use_warmup=True)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        optimizer.register_step_post_hook(self._update)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits, (n, classes): the network's in training, else the average's."""
        logits: torch.Tensor = (self.network if self.training else self.average)(images)
        return logits

    def keep_average(self) -> None:
        """Put the averaged weights into the network."""
        self.network.load_state_dict(self.average.module.state_dict())

    def _update(self, *_: object) -> None:
        self.steps.add_(1)
        self.average.update(self.network, step=int(self.steps))


class DistributedModel(nn.Module):
    """A network that several processes train together, each on its part of a batch.

    In evaluation each process answers alone, because parts may be unequal. The statistics of batch
    normalisation are then the first process's, so that all answer alike.
    """

    def __init__(self, trained: nn.Module, answering: nn.Module) -> None:
        """Take the wrapped network for training, and the network for evaluation."""
        super().__init__()
        self.trained, self.answering = trained, answering

    def train(self, mode: bool = True) -> "DistributedModel":
        """Switch to training or evaluation; all processes must switch at once."""
        super().train(mode)
        if not mode:
            for statistics in self.answering.buffers():
                if statistics.is_floating_point():
                    torch.distributed.broadcast(statistics, src=0)
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits, (n, classes)."""
        logits: torch.Tensor = (self.trained if self.training else self.answering)(images)
        return logits


class EarlyStopping:
    """Stops a training whose validation loss no longer falls, and keeps its best weights."""

    def __init__(self, network: nn.Module, patience: int) -> None:
        """Take the network whose weights are kept; patience: epochs without a lower loss."""
        self._network, self._patience = network, patience
        self._best: dict[str, Any] = {}

    def __call__(self, results: Results) -> bool:
        """Keep the newest epoch's weights if they are the best; return whether to stop."""
        if _epochs_since_best(results) == 0:
            self._best = copy.deepcopy(self._network.state_dict())
        return self.is_enough(results)

    def is_enough(self, results: Results) -> bool:
        """Return whether the last epochs brought no lower loss."""
        return results.epochs > 0 and _epochs_since_best(results) >= self._patience

    def keep_best(self) -> None:
        """Put the best epoch's weights into the network."""
        if self._best:
            self._network.load_state_dict(self._best)

    def state_dict(self) -> dict[str, Any]:
        """Return the best weights so far."""
        return self._best

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        self._best = dict(state)


def _epochs_since_best(results: Results) -> int:
    losses = results["test_loss"]
    return len(losses) - 1 - min(range(len(losses)), key=losses.__getitem__)


def clip_gradients(optimizer: torch.optim.Optimizer, largest_norm: float) -> None:
    """Scale the gradients down before each step whose norm is above `largest_norm`."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]

    def clip(*_: object) -> None:
        nn.utils.clip_grad_norm_(weights, largest_norm)

    optimizer.register_step_pre_hook(clip)


def restore_order(optimizer: torch.optim.Optimizer) -> None:
    """Convert an optimiser's loaded tensors to the memory format of its weights."""
    for weight, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == weight.shape:
                state[name] = like(value, weight)


def like(value: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the memory format and on the device of another one of its shape."""
    return torch.empty_like(other, requires_grad=False).copy_(value)
