"""The two stages of a training: the head on a frozen backbone's features, the whole network."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from timm.layers import convert_sync_batchnorm
from torch import nn
from torch.utils.data import TensorDataset
from torchvision.transforms import v2

from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import find_checkpoint
from foodvision.data import Photos
from foodvision.data.batches import (
    Batch,
    Batches,
    Shard,
    Shorten,
    class_weights,
    in_memory,
    mixing,
)
from foodvision.data.loaders import photo_dataset
from foodvision.data.transforms import Square, augmentation, normalise
from foodvision.engine.memory import keep_freed_memory
from foodvision.engine.optimise import create_optimizer
from foodvision.engine.state import StopSignal
from foodvision.engine.steps import Batches as AnyBatches
from foodvision.engine.steps import LossFunction
from foodvision.engine.teacher import DistillationLoader, Teacher
from foodvision.errors import SettingsError
from foodvision.models import Start, check_training, load_network, split_head
from foodvision.preprocess import Preprocess
from foodvision.runs.record import Row
from foodvision.training.config import TrainConfig

# The short side of photos to crop from, in sides of the square.
_ROOM_TO_CROP = 1.5

_SIZE_STEP = 16


@dataclass(frozen=True)
class Run:
    """What the steps of a run share: settings, photos, devices, and where it starts."""

    config: TrainConfig
    photos: Photos
    preprocess: Preprocess
    folder: Path
    accelerator: Accelerator
    start: Start
    on_epoch: Callable[[list[Row]], None] = lambda _: None

    @cached_property
    def stop(self) -> StopSignal:
        """The signal that stops the run between two batches."""
        return StopSignal(self.accelerator)

    @cached_property
    def fingerprint(self) -> str:
        """The fingerprint of the photos."""
        return self.photos.fingerprint()

    @property
    def shard(self) -> Shard:
        """The part of every batch that this process takes."""
        return Shard(self.accelerator.process_index, self.accelerator.num_processes)

    @cached_property
    def teach(self) -> Callable[[Batches], AnyBatches]:
        """Wraps the training batches with the teacher's answers, if the settings name a teacher.

        Raises SettingsError if it does not know a class, and what loading it raises.
        """
        config, wanted = self.config, self.photos.classes
        if not config.teacher:
            return lambda batches: batches
        checkpoint = read_checkpoint(find_checkpoint(config.teacher, weights=True))
        known = checkpoint.config.classes
        if strange := sorted(set(wanted) - set(known)):
            raise SettingsError(
                f"the teacher {config.teacher} does not have the class {strange[0]}: choose a "
                "teacher with all of your classes"
            )
        teacher = Teacher(
            load_network(checkpoint).to(self.accelerator.device),
            checkpoint.config.preprocess,
            self.preprocess,
            [known.index(name) for name in wanted],
        )
        return lambda batches: DistillationLoader(
            batches, teacher, config.teacher_share, config.teacher_temperature
        )

    def labels(self, split: str) -> list[int]:
        """Return the class indices of a split's photos."""
        index = {name: place for place, name in enumerate(self.photos.classes)}
        return [index[photo.label] for photo in self.photos.splits[split]]

    def batches(self, dataset: Any, **how: Any) -> Batches:
        """Return batches of a dataset, with the run's size, seed and shard."""
        return Batches(
            dataset, self.config.batch_size, seed=self.config.seed, shard=self.shard, **how
        )


@dataclass(frozen=True)
class Stage:
    """A network, or only its head, and what it learns from.

    teach: wraps the training batches with a teacher's answers, if there is one.
    """

    name: str
    network: nn.Module
    train_batches: Batches
    val_batches: Batches
    epochs: int
    learning_rate: float
    layer_decay: float = 1.0
    teach: Callable[[Batches], AnyBatches] = lambda batches: batches


def head_stage(network: nn.Module, features: Mapping[str, torch.Tensor], run: Run) -> Stage:
    """Return the stage that trains the head on the features of a frozen backbone.

    features: by split, (n, views, d) float32; each photo is used in a random view.
    """
    _, head = split_head(network)
    train_set = TensorDataset(features["train"], torch.tensor(run.labels("train")))
    val_set = TensorDataset(features["val"][:, 0], torch.tensor(run.labels("val")))
    return Stage(
        "head",
        head,
        run.batches(
            train_set,
            weights=_sampling_weights(run),
            transform_of=lambda _: _random_view,
            before_batch=run.stop.check,
        ),
        run.batches(val_set, shuffle=False),
        run.config.epochs,
        run.config.learning_rate or 3e-3,
    )


def network_stage(network: nn.Module, run: Run) -> Stage:
    """Return the stage that trains the whole network on photos."""
    config, square = run.config, run.preprocess
    if run.accelerator.device.type == "cpu":
        keep_freed_memory()
    elif run.accelerator.num_processes > 1:
        # Statistics of the whole batch; the layers' names and outputs stay the same.
        network = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    # In this memory format, convolutions are about twice as fast on CPUs and GPUs.
    network.to(memory_format=torch.channels_last)
    return Stage(
        "network",
        network,
        _photo_batches(run),
        run.batches(
            in_memory(
                photo_dataset(run.photos, "val", Square(square), square.short_side), square.size
            ),
            shuffle=False,
            finish=BatchTransform(square),
        ),
        config.network_epochs,
        _learning_rate(config),
        config.layer_decay,
        run.teach,
    )


def check_network_stage(network: nn.Module, run: Run) -> None:
    """Check that the whole network can be trained as the settings say, before its head is.

    Raises SettingsError, and what loading the teacher raises.
    """
    config = run.config
    create_optimizer(network, "sgd", 1.0, layer_decay=config.layer_decay)
    full = run.preprocess.size
    if config.start_size and config.start_size > full:
        raise SettingsError(
            f"start-size {config.start_size} is larger than the image size of {config.model}, "
            f"{full}: decrease it, or increase --image-size"
        )
    for size in ProgressiveResize(run.preprocess, config).sizes():
        check_training(network, config.model, size)
    _ = run.teach


def loss_function(run: Run) -> LossFunction:
    """Return the cross entropy that the settings ask for, on the run's device."""
    weights = None
    if run.config.balance == "loss":
        weights = class_weights(run.labels("train"), len(run.photos.classes))
    smoothing = run.config.label_smoothing
    loss_fn = nn.CrossEntropyLoss(weights, label_smoothing=smoothing, reduction="none")
    loss_fn.to(run.accelerator.device)
    # torch's own mean divides by the weights in the batch: with a single class they cancel out.
    return lambda logits, labels: loss_fn(logits, labels).mean()


class ProgressiveResize:
    """The augmentation of an epoch: from `start_size`, if one is given, to the full size."""

    def __init__(self, square: Preprocess, config: TrainConfig) -> None:
        """Take the full square and the settings."""
        self._square, self._config = square, config
        self._of_size: dict[int, v2.Transform] = {}  # building one takes as long as a photo

    def __call__(self, epoch: int) -> v2.Transform:
        """Return the augmentation."""
        size = self.size(epoch)
        if size not in self._of_size:
            self._of_size[size] = augmentation(
                self._square,
                self._config.augment,
                size=size,
                low_resolution=self._config.low_resolution,
            )
        return self._of_size[size]

    def size(self, epoch: int) -> int:
        """Return the side of an epoch's squares, in pixels."""
        full, last = self._square.size, self._config.network_epochs - 1
        if self._config.start_size is None or epoch >= last:
            return full
        grown = self._config.start_size + (full - self._config.start_size) * epoch / last
        return min(full, max(1, round(grown / _SIZE_STEP)) * _SIZE_STEP)

    def sizes(self) -> list[int]:
        """Return the sizes of all epochs, the smallest first."""
        return sorted({self.size(epoch) for epoch in range(self._config.network_epochs)})


class BatchTransform:
    """Normalises a batch, in the fast memory format, and mixes it."""

    def __init__(self, square: Preprocess, mix: Callable[..., Any] | None = None) -> None:
        """Take the network's normalisation; mix: MixUp or CutMix."""
        self._normalise, self._mix = normalise(square), mix

    def __call__(self, images: torch.Tensor, labels: torch.Tensor) -> Batch:
        """Return float32 images, (n, 3, size, size), and (n,) labels or (n, classes) shares."""
        images = self._normalise(images.contiguous(memory_format=torch.channels_last))
        if self._mix:
            images, labels = self._mix(images, labels)
        return images, labels


def _photo_batches(run: Run) -> Batches:
    config, square = run.config, run.preprocess
    room = math.ceil(max(_ROOM_TO_CROP, 1 / square.crop) * square.size)
    before_crop = Shorten(room) if square.resize == "short" else Square(square)
    return run.batches(
        in_memory(photo_dataset(run.photos, "train", before_crop, room), room),
        weights=_sampling_weights(run),
        transform_of=ProgressiveResize(square, config),
        finish=BatchTransform(square, mixing(config.mixup, config.cutmix, len(run.photos.classes))),
        before_batch=run.stop.check,
    )


def _learning_rate(config: TrainConfig) -> float:
    if config.trains_head_first:
        return config.finetune_learning_rate
    return config.learning_rate or (5e-4 if config.starts_from_weights else 1e-3)


def _sampling_weights(run: Run) -> torch.Tensor | None:
    """Return the sampling weight of each training photo, or None to take them in turn."""
    if run.config.balance != "sampler":
        return None
    labels = run.labels("train")
    return class_weights(labels, len(run.photos.classes))[labels]


def _random_view(views: torch.Tensor) -> torch.Tensor:
    return views[torch.randint(len(views), ())]
