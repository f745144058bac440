"""The loop: `train_step`, `test_step` and `train`, with the lecture's meaning.

What is optional (schedules, averaged weights, mixing, accumulation, many devices, resuming) hangs
on it from outside: as a wrapped loader, model or optimiser, a hook of the optimiser, or a callback.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import torch
from torch import nn
from torchmetrics import MeanMetric
from torchmetrics.functional.classification import multiclass_accuracy

from foodvision.errors import FoodVisionError
from foodvision.system.processes import is_first
from foodvision.system.progress import progress

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


class Results(dict[str, list[float]]):
    """train_loss, train_acc, test_loss and test_acc: lists with one value an epoch."""

    def __init__(self) -> None:
        """Start with no epochs."""
        super().__init__(train_loss=[], train_acc=[], test_loss=[], test_acc=[])

    @property
    def epochs(self) -> int:
        """How many epochs are done."""
        return len(self["train_loss"])

    def state_dict(self) -> dict[str, list[float]]:
        """Return what was measured so far."""
        return dict(self)

    def load_state_dict(self, state: Mapping[str, list[float]]) -> None:
        """Go on from there."""
        self.update(state)


class Steps(Protocol):
    """What the loop asks of an optimiser: torch's, or what wraps one."""

    def zero_grad(self) -> None:
        """Forget the gradients."""

    def step(self) -> Any:
        """Change the weights."""


class Tally:
    """Loss and accuracy counted photo by photo: a small last batch counts for its size only.

    Over several processes each counts its own photos, and the means are those of all.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        """Start with no photos; device: where several processes can exchange their counts."""
        self._loss, self._accuracy = MeanMetric().to(device), MeanMetric().to(device)
        for metric in (self._loss, self._accuracy):
            metric.persistent(mode=True)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Count a batch: mean loss, (n, classes) logits, and (n,) labels or (n, classes) shares."""
        hard = labels if labels.ndim == 1 else labels.argmax(dim=1)
        accuracy = multiclass_accuracy(
            logits.detach().float(), hard, num_classes=logits.shape[1], average="micro"
        )
        self._loss.update(loss.item(), weight=len(labels))
        self._accuracy.update(accuracy.item(), weight=len(labels))

    def means(self) -> tuple[float, float]:
        """Return loss and accuracy over the photos so far, and start again with none."""
        means = self._loss.compute().item(), self._accuracy.compute().item()
        self._loss.reset()
        self._accuracy.reset()
        return means

    def pool(self) -> None:
        """Take in what the other processes counted, before the state of one is saved for all."""
        self._loss.sync()
        self._accuracy.sync()

    def state_dict(self) -> dict[str, Any]:
        """Return what was counted so far."""
        return {"loss": self._loss.state_dict(), "accuracy": self._accuracy.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on counting from there; what was pooled is one process's to count."""
        if not is_first():
            return
        for name, metric in (("loss", self._loss), ("accuracy", self._accuracy)):
            metric.load_state_dict(state[name])
            # torchmetrics does not save that there was an update, and warns without one; nor does
            # it bring what it loads to its device.
            metric._update_count = 1
            metric.to(metric.device)


def train_step(
    model: nn.Module,
    dataloader: Batches,
    loss_fn: LossFunction,
    optimizer: Steps,
    device: torch.device | str = "cpu",
    *,
    tally: Tally | None = None,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> tuple[float, float]:
    """Train for one epoch and return the loss and accuracy, means over its photos.

    tally: the photos of the epoch that were seen before it was cut, if it was.
    backward: computes the gradients of a loss.

    Raises FoodVisionError at the first loss that is not finite, naming the batch.
    """
    model.train()
    tally = tally or Tally(device)
    for number, (images, labels) in enumerate(bar := progress(dataloader, "train", "batch")):
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        loss = loss_fn(logits, labels)
        if not math.isfinite(loss.item()):
            raise FoodVisionError(
                f"the loss is {loss.item()} at batch {number}: lower the learning rate"
            )
        optimizer.zero_grad()
        backward(loss)
        optimizer.step()
        tally.add(loss, logits, labels)
        bar.set_postfix(loss=f"{loss.item():.3f}")
    return tally.means()


@torch.inference_mode()
def test_step(
    model: nn.Module,
    dataloader: Batches,
    loss_fn: LossFunction,
    device: torch.device | str = "cpu",
) -> tuple[float, float]:
    """Return the loss and accuracy over a loader, means over its photos; nothing is learnt."""
    model.eval()
    tally = Tally(device)
    for images, labels in progress(dataloader, "test", "batch"):
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        tally.add(loss_fn(logits, labels), logits, labels)
    return tally.means()


def train(
    model: nn.Module,
    train_dataloader: Batches,
    test_dataloader: Batches,
    optimizer: Steps,
    loss_fn: LossFunction,
    epochs: int,
    device: torch.device | str = "cpu",
    *,
    results: Results | None = None,
    tally: Tally | None = None,
    after_epoch: Callable[[Results], bool] = lambda _: False,
    backward: Callable[[torch.Tensor], None] = torch.Tensor.backward,
) -> Results:
    """Train for some epochs, with a test step after each.

    The loader given as test decides nothing, but who looks at it while training should give
    validation photos.

    results, tally: of the epochs before, and of the one under way, to go on from; both are filled.
    after_epoch: is called with the results so far; the training ends early when it says so.
    backward: computes the gradients of a loss.

    Returns train_loss, train_acc, test_loss and test_acc: lists with one value an epoch.
    """
    results = Results() if results is None else results
    tally = tally or Tally(device)
    done = results.epochs
    bar = progress(range(done, epochs), "epochs", "epoch", total=epochs, initial=done)
    for _ in bar:
        trained = train_step(
            model, train_dataloader, loss_fn, optimizer, device, tally=tally, backward=backward
        )
        tested = test_step(model, test_dataloader, loss_fn, device)
        for name, value in zip(results, (*trained, *tested), strict=True):
            results[name].append(value)
        bar.set_postfix({name: f"{values[-1]:.3f}" for name, values in results.items()})
        if after_epoch(results):
            break
    return results
