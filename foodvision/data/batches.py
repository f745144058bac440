"""Deterministic batches: seed, epoch and position alone decide their order and augmentation.

So a resumed run sees the photos, crops and flips that it would have seen, and several processes
share one order.
"""

import multiprocessing
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeAlias, TypeVar

import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset
from torchvision.transforms import v2

from foodvision.data.loaders import Item, PhotoDataset, worker_count
from foodvision.system.packed import packed
from foodvision.system.progress import progress

Batch: TypeAlias = tuple[torch.Tensor, torch.Tensor]
_Draw = TypeVar("_Draw")

# Decoded photos are kept in memory up to this.
_CACHE_BYTES = 3_000_000_000

# Photos of shards are read in stretches of so many that lie side by side, and mixed among so many:
# a disk or network then reads ahead, and what it read is used. A window of 100 kB photos is 400 MB.
# A smaller set is mixed as a whole, as a folder is.
_STRETCH, _WINDOW = 256, 4096


class Place(NamedTuple):
    """An item of an epoch: its place in the dataset, and which of the epoch's draws it is.

    Epoch and draw decide the chance in it: a photo that is drawn twice is not the same crop twice.
    """

    epoch: int
    item: int
    draw: int


class Shard(NamedTuple):
    """Which part of every batch a process takes: the `rank`-th of `world` equal ones."""

    rank: int = 0
    world: int = 1


class Batches:
    """A DataLoader that resumes in the middle of an epoch.

    Every pass over it is an epoch. A batch counts as done when the next one is requested, so in a
    training loop the count is that of the optimiser's steps.
    """

    def __init__(
        self,
        dataset: Dataset[Item],
        batch_size: int,
        *,
        seed: int,
        shuffle: bool = True,
        weights: torch.Tensor | None = None,
        transform_of: Callable[[int], v2.Transform] | None = None,
        finish: Callable[[torch.Tensor, torch.Tensor], Batch] | None = None,
        before_batch: Callable[[], None] = lambda: None,
        shard: Shard = Shard(),
    ) -> None:
        """Take a dataset and what is done to its items.

        weights: (n,) how often each item is drawn, with replacement; in turn if not given.
        transform_of: gives an epoch's transform of the image of an item.
        finish: what is done to a whole batch.
        before_batch: is called before each batch, and may raise to leave the loop.
        """
        self.epoch, self.batch = 0, 0
        self._seed, self._finish, self._before_batch = seed, finish, before_batch
        drawing = _Drawing(seed, shuffle, weights, _stretches(dataset))
        self._order = _Order(self, len(dataset), batch_size, drawing, shard)  # type: ignore[arg-type]
        workers = _workers(dataset, transform_of is not None)
        self._loader: DataLoader[Item] = DataLoader(
            _SeededDataset(dataset, seed, transform_of),
            batch_sampler=self._order,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its draws must not shift the network's
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return self._order.batches

    def __iter__(self) -> Iterator[Batch]:
        """Yield the rest of the epoch."""
        self._before_batch()
        for images, labels in self._loader:
            if self._finish:
                with seeded(self._seed, "batch", self.epoch, self.batch):
                    images, labels = self._finish(images, labels)
            yield images, labels
            self.batch += 1
            if self.batch < len(self):
                self._before_batch()
        self.epoch, self.batch = self.epoch + 1, 0

    def state_dict(self) -> dict[str, int]:
        """Return where in the data the loop stands."""
        return {"epoch": self.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from there."""
        self.epoch, self.batch = state["epoch"], state["batch"]


class InMemory(Dataset[Item]):
    """The items of a photo dataset, decoded at once by several threads and kept."""

    def __init__(self, dataset: PhotoDataset) -> None:
        """Decode every photo."""
        with ThreadPoolExecutor() as threads:
            done = threads.map(dataset.__getitem__, range(len(dataset)))
            self._items = list(progress(done, "decoding", total=len(dataset)))

    def __len__(self) -> int:
        """Return the number of photos."""
        return len(self._items)

    def __getitem__(self, index: int) -> Item:
        """Return what the dataset gave."""
        image, label = self._items[index]
        return image, label


class Shorten(v2.Transform):  # type: ignore[misc]
    """A Pillow image to (3, h, w) uint8 whose short side is at most `side`: enough to crop from."""

    def __init__(self, side: int) -> None:
        """Take the longest short side."""
        super().__init__()
        self._side = side

    def forward(self, image: Image.Image) -> torch.Tensor:
        """Return the photo, smaller if it was larger."""
        scale = self._side / min(image.size)
        if scale < 1:
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=2)
        tensor: torch.Tensor = v2.functional.pil_to_tensor(image)
        return tensor


def in_memory(dataset: PhotoDataset, side: int) -> Dataset[Item]:
    """Return the dataset decoded, if photos with such a short side fit; else the dataset itself."""
    bytes_a_photo = 3 * side * side * 4 // 3
    return InMemory(dataset) if len(dataset) * bytes_a_photo <= _CACHE_BYTES else dataset


class seeded:  # noqa: N801 (reads as a statement)
    """A block whose random draws by torch depend on `parts` alone, and change no others."""

    def __init__(self, *parts: int | str) -> None:
        """Make the seed of `parts`."""
        # Names of files may be no UTF-8.
        text = " ".join(map(str, parts)).encode("utf-8", "surrogateescape")
        self._seed = random.Random(text).getrandbits(63)  # noqa: S311

    def __enter__(self) -> None:
        """Save the state of torch's generator, and seed it."""
        self._state = torch.get_rng_state()
        torch.default_generator.manual_seed(self._seed)

    def __exit__(self, *_: object) -> None:
        """Restore the state."""
        torch.set_rng_state(self._state)


@dataclass(frozen=True)
class _Drawing:
    """How the items of an epoch are drawn; all of it by `seed` and the epoch's number.

    weights: (items,) how often each is drawn, with replacement; in turn if None.
    stretches: (items,) which ones lie side by side, a number each; None where that does not matter.
    """

    seed: int
    shuffle: bool
    weights: torch.Tensor | None
    stretches: torch.Tensor | None

    def draw(self, items: int, epoch: int) -> Sequence[int]:
        if not self.shuffle:
            return range(items)
        with seeded(self.seed, "order", epoch):
            if self.weights is not None:
                drawn = torch.multinomial(self.weights, items, replacement=True)
            else:
                drawn = torch.randperm(items)
            if self.stretches is not None:
                drawn = _kept_near(drawn, self.stretches)
        indices: list[int] = drawn.tolist()
        return indices


def _stretches(dataset: Dataset[Item]) -> torch.Tensor | None:
    """Return (n,) the stretches that photos of shards lie in, None for others and for a few."""
    if not isinstance(dataset, PhotoDataset) or len(dataset) <= _WINDOW:
        return None
    paths = [path for path, _ in dataset.samples]
    if not packed(paths[0]):
        return None
    stretches = torch.empty(len(paths), dtype=torch.long)
    as_they_lie = sorted(range(len(paths)), key=paths.__getitem__)
    stretches[torch.tensor(as_they_lie)] = torch.arange(len(paths)) // _STRETCH
    return stretches


def _kept_near(drawn: torch.Tensor, stretches: torch.Tensor) -> torch.Tensor:
    """Return the draws stretch by stretch in an order by chance, mixed within windows."""
    order = torch.randperm(int(stretches.max()) + 1)
    together = drawn[torch.argsort(order[stretches[drawn]], stable=True)]
    windows = [together[start : start + _WINDOW] for start in range(0, len(drawn), _WINDOW)]
    return torch.cat([window[torch.randperm(len(window))] for window in windows])


class _Order(Sampler[list[Place]]):
    """Places of an epoch's batches, from where its `Batches` stands."""

    def __init__(
        self, position: Batches, items: int, batch_size: int, drawing: _Drawing, shard: Shard
    ) -> None:
        self._position, self._items, self._batch_size = position, items, batch_size
        self._drawing, self._shard = drawing, shard

    @property
    def batches(self) -> int:
        return len(self._cut(range(self._items)))

    def __iter__(self) -> Iterator[list[Place]]:
        epoch = self._position.epoch
        rank, world = self._shard
        items = self._drawing.draw(self._items, epoch)
        draws = [Place(epoch, item, draw) for draw, item in enumerate(items)]
        for batch in islice(self._cut(draws), self._position.batch, None):
            if part := batch[rank::world]:  # of a few validation photos, some processes get none
                yield list(part)

    def _cut(self, draws: Sequence[_Draw]) -> list[Sequence[_Draw]]:
        starts = range(0, len(draws), self._batch_size)
        batches = [draws[start : start + self._batch_size] for start in starts]
        if self._drawing.shuffle:
            # Processes take equal parts, and batch normalisation cannot learn from a single photo:
            # what is over is left to another epoch.
            least = self._shard.world * (2 if len(batches) > 1 else 1)
            last = batches[-1][: len(batches[-1]) // self._shard.world * self._shard.world]
            batches[-1:] = [last] if len(last) >= least else []
        return batches


def _workers(dataset: Dataset[Item], is_augmented: bool) -> int:
    """Return how many processes get items ready while the network learns from the last ones."""
    if isinstance(dataset, PhotoDataset):
        return worker_count(len(dataset))
    if isinstance(dataset, TensorDataset) or not is_augmented:
        return 0
    # Photos in memory go to a process for nothing where it is forked, and only there.
    is_forked = multiprocessing.get_start_method() == "fork"
    return min(1, worker_count(len(dataset))) if is_forked else 0  # type: ignore[arg-type]


class _SeededDataset(Dataset[Item]):
    """A dataset whose items are drawn by place, on which alone their augmentation depends."""

    def __init__(
        self,
        dataset: Dataset[Item],
        seed: int,
        transform_of: Callable[[int], v2.Transform] | None,
    ) -> None:
        self._dataset, self._seed, self._transform_of = dataset, seed, transform_of

    def __getitem__(self, place: Place) -> Item:
        image, label = self._dataset[place.item]
        if self._transform_of is None:
            return image, label
        with seeded(self._seed, "photo", place.epoch, place.draw):
            return self._transform_of(place.epoch)(image), label


def class_weights(labels: Sequence[int], classes: int) -> torch.Tensor:
    """Return (classes,) float32 weights against unequal counts; over the photos their mean is 1."""
    counts = torch.bincount(torch.tensor(labels), minlength=classes)
    return len(labels) / (classes * counts.float())


def mixing(mixup: float, cutmix: float, classes: int) -> Callable[..., Any] | None:
    """Return what mixes a batch by MixUp or CutMix, whichever is on; labels become (n, classes)."""
    kinds = [
        kind(alpha=alpha, num_classes=classes)
        for kind, alpha in ((v2.MixUp, mixup), (v2.CutMix, cutmix))
        if alpha
    ]
    return v2.RandomChoice(kinds) if kinds else None
