"""The loop: `train_step`, `test_step` and `train`, with the lecture's meaning.

What is optional (schedules, averaged weights, mixing) hangs on it from outside: as a wrapped
loader or model, or as a hook of the optimiser.
"""

import math
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torchmetrics import MeanMetric
from torchmetrics.functional.classification import multiclass_accuracy
from tqdm import tqdm

from foodvision.errors import FoodVisionError

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]
Results = dict[str, list[float]]


def train_step(
    model: nn.Module,
    dataloader: Batches,
    loss_fn: LossFunction,
    optimizer: torch.optim.Optimizer,
    device: torch.device | str = "cpu",
) -> tuple[float, float]:
    """Train for one epoch and return the loss and accuracy, means over its photos.

    Raises FoodVisionError at the first loss that is not finite, naming the batch.
    """
    model.train()
    tally = _Tally("train", dataloader)
    for number, (images, labels) in enumerate(tally.batches):
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        loss = loss_fn(logits, labels)
        if not math.isfinite(loss.item()):
            raise FoodVisionError(
                f"the loss is {loss.item()} at batch {number}: lower the learning rate"
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        tally.add(loss, logits, labels)
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
    tally = _Tally("test", dataloader)
    for images, labels in tally.batches:
        images, labels = images.to(device), labels.to(device)
        logits = model(images)
        tally.add(loss_fn(logits, labels), logits, labels)
    return tally.means()


def train(
    model: nn.Module,
    train_dataloader: Batches,
    test_dataloader: Batches,
    optimizer: torch.optim.Optimizer,
    loss_fn: LossFunction,
    epochs: int,
    device: torch.device | str = "cpu",
) -> Results:
    """Train for some epochs, with a test step after each.

    The loader given as test decides nothing, but who looks at it while training should give
    validation photos.

    Returns train_loss, train_acc, test_loss and test_acc: lists with one value an epoch.
    """
    results: Results = {"train_loss": [], "train_acc": [], "test_loss": [], "test_acc": []}
    with tqdm(range(epochs), desc="epochs", unit="epoch", disable=None) as progress:
        for _ in progress:
            train_loss, train_acc = train_step(model, train_dataloader, loss_fn, optimizer, device)
            test_loss, test_acc = test_step(model, test_dataloader, loss_fn, device)
            for values, value in zip(
                results.values(), (train_loss, train_acc, test_loss, test_acc), strict=True
            ):
                values.append(value)
            progress.set_postfix({name: f"{values[-1]:.3f}" for name, values in results.items()})
    return results


class _Tally:
    """Loss and accuracy counted photo by photo: a small last batch counts for its size only."""

    def __init__(self, name: str, dataloader: Batches) -> None:
        self._loss, self._accuracy = MeanMetric(), MeanMetric()
        # The plain tqdm: tqdm.auto's starts every loader twice, its workers and seeds with it.
        self.batches = tqdm(dataloader, desc=name, unit="batch", leave=False, disable=None)

    def add(self, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        accuracy = multiclass_accuracy(
            logits.detach(), labels, num_classes=logits.shape[1], average="micro"
        )
        self._loss.update(loss.item(), weight=len(labels))
        self._accuracy.update(accuracy.item(), weight=len(labels))
        self.batches.set_postfix(loss=f"{self.means()[0]:.3f}", acc=f"{self.means()[1]:.3f}")

    def means(self) -> tuple[float, float]:
        return self._loss.compute().item(), self._accuracy.compute().item()
