"""Distillation: labels are mixed with a teacher's predictions."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from foodvision.engine.steps import Batches
from foodvision.preprocess import Preprocess


class DistillationLoader:
    """A loader that mixes each label with a teacher's prediction for the same crop.

    (Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015; the same crop
    for both: Beyer et al., "Knowledge distillation: A good teacher is patient and consistent",
    CVPR 2022.)
    """

    def __init__(
        self,
        batches: Batches,
        teacher: Callable[[torch.Tensor], torch.Tensor],
        share: float,
        temperature: float,
    ) -> None:
        """Take a loader of (n, 3, size, size) images and (n,) labels or (n, classes) shares.

        teacher: gives logits, (n, classes), of images.
        """
        self._batches, self._teacher = batches, teacher
        self._share, self._temperature = share, temperature

    def __len__(self) -> int:
        """Batches an epoch."""
        return len(self._batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Give images and (n, classes) float32 shares."""
        for images, labels in self._batches:
            answers = (self._teacher(images) / self._temperature).softmax(dim=1)
            if labels.ndim == 1:
                labels = nn.functional.one_hot(labels, answers.shape[1])
            yield images, torch.lerp(labels.to(answers), answers, self._share)


class Teacher:
    """A trained network that predicts a student's classes from a student's images."""

    def __init__(
        self, network: nn.Module, own: Preprocess, students: Preprocess, columns: list[int]
    ) -> None:
        """Take the network, its and the student's preprocessing, and the columns of the classes."""
        self._network = network.eval().to(memory_format=torch.channels_last)
        self._own, self._students, self._columns = own, students, columns

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return its logits for the student's classes, (n, classes), of the student's images.

        They are on the images' device; the network may be on another.
        """
        mean, std = (torch.tensor(self._students.mean), torch.tensor(self._students.std))
        own_mean, own_std = (torch.tensor(self._own.mean), torch.tensor(self._own.std))
        scale, shift = std / own_std, (mean - own_mean) / own_std
        seen = images * scale.view(3, 1, 1) + shift.view(3, 1, 1)
        if self._own.size != images.shape[-1]:
            side = self._own.size
            seen = nn.functional.interpolate(seen, (side, side), mode="bilinear", antialias=True)
        device = next(self._network.parameters()).device
        logits: torch.Tensor = self._network(seen.to(device))[:, self._columns]
        return logits.to(images.device)
