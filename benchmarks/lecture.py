"""What the lecture's network makes of the lecture's photos, and what makes it better.

    python benchmarks/lecture.py --data ../shared/data

TinyVGG with 10 hidden units (10,693 parameters) on 225 photos of pizza, steak and sushi, judged on
the same 75 test photos in every row, seeds 1 to 5. The first row is the lecture's own loop, the
second `python train.py` as docs/lecture.md has it; each row after it changes one thing. The number
of epochs and the strength of augmentation are chosen on the validation parts, never on test.

Writes the tables of docs/lecture.md, with the figures to expect, and docs/lecture-curves.png.
To expect, mean of five seeds with its 95% t interval, 75 photos each: the command 42.1 (32.5 to
51.8), 200 epochs with all that was added 59.7 (57.0 to 62.5), 960 small photos 64.0 (61.4 to 66.6);
always sushi is right on 41.3. It takes about 20 minutes of processor time, on one AMD EPYC core.
`--smoke` trains every row for an epoch on a few photos, prints the tables, and writes nothing.
"""

import argparse
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from PIL import Image
from scipy import stats
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from foodvision.data import LabelledPhoto, Photos, find_photos, open_source, split_photos
from foodvision.data.transforms import eval_transform
from foodvision.engine.steps import Results, train
from foodvision.figures import Interval
from foodvision.image import load_image
from foodvision.models import TinyVGG, find_start, preprocess_for
from foodvision.preprocess import Preprocess
from foodvision.system.storage import write_atomically
from foodvision.training.config import TrainConfig
from foodvision.training.fit import fit
from foodvision.training.run import start_accelerator, start_network
from foodvision.training.stages import Row, Run, network_stage

SEEDS = (1, 2, 3, 4, 5)

LECTURE = TrainConfig(
    model="tinyvgg",
    image_size=64,
    epochs=10,
    optimizer="adam",
    learning_rate=0.001,
    schedule="constant",
    device="cpu",
)
CALM = replace(LECTURE, schedule="cosine", warmup_epochs=1.0)

SQUASHED = preprocess_for("tinyvgg", 64)
NORMALISED = replace(SQUASHED, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
CROPPED = replace(NORMALISED, resize="short")

DOCS = Path(__file__).parents[1] / "docs"
_LINES = (("train", "training photos", "#0072b2"), ("val", "validation photos", "#d55e00"))
_DRAWS = 10_000
_SMOKE_PHOTOS = 6


@dataclass(frozen=True)
class Recipe:
    """A row of the table: what it is called, and how the network is trained."""

    name: str
    config: TrainConfig
    square: Preprocess
    is_candidate: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a recipe came to over the seeds.

    right: (seeds, test photos) bool. validation: a share for each seed, none where no photos were
    set aside. curves: the epochs of each seed.
    """

    name: str
    learns_from: int
    epochs: int
    validation: Sequence[float]
    right: np.ndarray
    curves: Sequence[Sequence[Row]] = ()

    @property
    def shares(self) -> np.ndarray:
        """Top-1 of each seed, (seeds,) 0 to 1."""
        means: np.ndarray = self.right.mean(axis=1)
        return means


@dataclass(frozen=True)
class Counted:
    """Accuracies of one epoch from the same logits, counted by photos and averaged over batches."""

    train_photos: float
    train_batches: float
    test_photos: float
    test_batches: float


LADDER = (
    Recipe("the command", LECTURE, SQUASHED),
    Recipe("+ normalisation", LECTURE, NORMALISED),
    Recipe("+ random crops of at least 35%", LECTURE, CROPPED),
    Recipe("+ warm-up and cosine", CALM, CROPPED),
    *(
        Recipe(
            f"+ {epochs} epochs" + (", strong augmentation" if augment == "strong" else ""),
            replace(CALM, epochs=epochs, warmup_epochs=5.0, augment=augment),
            CROPPED,
            is_candidate=True,
        )
        for epochs, augment in ((50, "light"), (100, "light"), (200, "light"), (200, "strong"))
    ),
)


class CountBothWays:
    """A loss that also notes, batch by batch, how many answers were right."""

    def __init__(self, train_batches: int) -> None:
        """Start with no batches; train_batches: how many an epoch begins with, before test's."""
        self.epochs: list[Counted] = []
        self._train_batches = train_batches
        self._loss_fn = nn.CrossEntropyLoss()
        self._batches: list[tuple[int, int]] = []

    def __call__(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy."""
        right = int((logits.argmax(dim=1) == labels).sum())
        self._batches.append((right, len(labels)))
        loss: torch.Tensor = self._loss_fn(logits, labels)
        return loss

    def end_epoch(self, _: Results) -> bool:
        """Sum up an epoch; the training goes on."""
        parts = self._batches[: self._train_batches], self._batches[self._train_batches :]
        self.epochs.append(Counted(*chain(*(_both_ways(part) for part in parts))))
        self._batches = []
        return False


def main() -> None:
    """Train every row with every seed and write what came out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--smoke", action="store_true", help="a few photos, an epoch, two seeds")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = SEEDS[:2] if arguments.smoke else SEEDS
    ladder = [_short(recipe) for recipe in LADDER] if arguments.smoke else list(LADDER)
    with opened(arguments.data, arguments.smoke) as (classic, small):
        own, counted = lectures_own_loop(classic, seeds, 1 if arguments.smoke else LECTURE.epochs)
        steps = [follow(recipe, classic, seeds) for recipe in ladder]
        best = best_of(ladder, steps)
        more = [follow(recipe, small, seeds) for recipe in with_more_photos(best)]
        labels = _labels(classic, "test")
    chosen = steps[ladder.index(best)]
    tables = {
        "figures": figures_table([own, *steps, *more], labels, classic.classes),
        "steps": steps_table([*pairwise(steps), *((chosen, outcome) for outcome in more)]),
        "counting": counting_table(counted, labels, classic.classes),
    }
    if arguments.smoke:
        print("\n\n".join(tables.values()))
        return
    fill_in(DOCS / "lecture.md", tables)
    write_atomically(DOCS / "lecture-curves.png", draw(steps[0], chosen))


@contextmanager
def opened(data: Path, smoke: bool) -> Iterator[tuple[Photos, Photos]]:
    """Give the classic photos, and the small ones of the same classes with the classic test."""
    with (
        open_source(data / "pizza_steak_sushi.zip") as folder,
        tempfile.TemporaryDirectory() as small_folder,
    ):
        found = find_photos(folder)
        _unpack(data / "food101_64px.tar.gz", found.classes, Path(small_folder))
        small = find_photos(Path(small_folder)).splits["train"]
        classic, more = found.splits["train"], found.splits["test"]
        if smoke:
            classic, small, more = (_a_few(photos) for photos in (classic, small, more))
        yield (
            Photos(folder, {"train": classic, "test": more}),
            Photos(Path(small_folder), {"train": small, "test": more}),
        )


def lectures_own_loop(
    photos: Photos, seeds: Sequence[int], epochs: int
) -> tuple[Outcome, list[Counted]]:
    """Train as the lecture does: on all photos, none set aside, test watched after each epoch."""
    tensors = {split: _tensors(photos, split, SQUASHED) for split in ("train", "test")}
    right, counted = [], []
    for seed in seeds:
        torch.manual_seed(seed)
        network = TinyVGG(3, 10, len(photos.classes))
        loaders = [
            DataLoader(TensorDataset(*tensors[split]), 32, shuffle=split == "train")
            for split in ("train", "test")
        ]
        counting = CountBothWays(train_batches=len(loaders[0]))
        optimizer = torch.optim.Adam(network.parameters(), lr=0.001)
        train(network, *loaders, optimizer, counting, epochs, after_epoch=counting.end_epoch)
        right.append(_answers_right(network, *tensors["test"]))
        counted += counting.epochs
    learns_from = len(photos.splits["train"])
    return Outcome("the lecture's own loop", learns_from, epochs, (), np.stack(right)), counted


def follow(recipe: Recipe, photos: Photos, seeds: Sequence[int]) -> Outcome:
    """Train by a recipe with each seed, as `foodvision train` does."""
    test = _tensors(photos, "test", recipe.square)
    right, curves = [], []
    for seed in seeds:
        config = replace(recipe.config, seed=seed)
        split = split_photos(photos, val_share=config.val_share, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            this = Run(
                config,
                split,
                recipe.square,
                Path(folder),
                start_accelerator(config),
                find_start(config.model),
            )
            network = start_network(this)
            curves.append(fit(network_stage(network, this), this))
        right.append(_answers_right(network, *test))
        print(f"{recipe.name}, seed {seed}: {100 * right[-1].mean():.1f}", flush=True)
    return Outcome(
        recipe.name,
        len(split.splits["train"]),
        recipe.config.epochs,
        [rows[-1]["val_acc"] for rows in curves],
        np.stack(right),
        curves,
    )


def best_of(recipes: Sequence[Recipe], outcomes: Sequence[Outcome]) -> Recipe:
    """Return the candidate that answered most validation photos rightly."""
    candidates = [pair for pair in zip(recipes, outcomes, strict=True) if pair[0].is_candidate]
    return max(candidates, key=lambda pair: float(np.mean(pair[1].validation)))[0]


def with_more_photos(best: Recipe) -> list[Recipe]:
    """Return the best recipe for 960 photos in place of 180: with as many steps, and with more."""
    fewer = max(1, round(best.config.epochs * 180 / 960))
    return [
        replace(
            best,
            name=f"the best of these, on 64-pixel photos, {words}",
            config=replace(best.config, epochs=epochs, warmup_epochs=epochs / 20),
        )
        for words, epochs in (("as many steps", fewer), ("twice the steps", 2 * fewer))
    ]


def seeds_interval(shares: np.ndarray) -> Interval:
    """Return the 95% t interval of the mean over seeds; shares: (seeds,), or differences."""
    if np.ptp(shares) == 0:
        return Interval(float(shares[0]), float(shares[0]))
    low, high = stats.t.interval(0.95, len(shares) - 1, shares.mean(), stats.sem(shares))
    return Interval(float(low), float(high))


def against_one_answer(right: np.ndarray, constant: np.ndarray) -> tuple[float, Interval]:
    """Return the mean difference to answering one class, and its 95% interval.

    The bootstrap draws seeds and test photos anew, both answers on the same photos.

    right: (seeds, photos) bool. constant: (photos,) bool, where the one answer is right.
    """
    rng = np.random.default_rng(0)
    difference = right.astype(float) - constant
    seeds, photos = difference.shape
    draws = [
        difference[rng.integers(seeds, size=seeds)][:, rng.integers(photos, size=photos)].mean()
        for _ in range(_DRAWS)
    ]
    low, high = np.quantile(draws, [0.025, 0.975])
    return float(difference.mean()), Interval(float(low), float(high))


def figures_table(outcomes: Sequence[Outcome], labels: np.ndarray, classes: Sequence[str]) -> str:
    """Return the rows as Markdown, in percent, and what one answer comes to."""
    commonest = int(np.bincount(labels).argmax())
    constant = labels == commonest
    seeds, photos = outcomes[0].right.shape
    lines = [
        f"| recipe | training photos | epochs | validation | test, n = {seeds} x {photos} "
        f"| 95% interval | difference to always {classes[commonest]} |",
        "|---|---|---|---|---|---|---|",
        f"| always {classes[commonest]} | | | | {100 * constant.mean():.1f} | | |",
    ]
    for outcome in outcomes:
        low, high = seeds_interval(outcome.shares)
        difference, (least, most) = against_one_answer(outcome.right, constant)
        validation = f"{100 * np.mean(outcome.validation):.1f}" if outcome.validation else ""
        lines.append(
            f"| {outcome.name} | {outcome.learns_from} | {outcome.epochs} | {validation} "
            f"| {100 * outcome.shares.mean():.1f} | {100 * low:.1f} to {100 * high:.1f} "
            f"| {100 * difference:+.1f} ({100 * least:+.1f} to {100 * most:+.1f}) |"
        )
    return "\n".join(lines)


def steps_table(pairs: Sequence[tuple[Outcome, Outcome]]) -> str:
    """Return how far the second of each pair is above the first, seed by seed, as Markdown."""
    lines = ["| from | to | test | 95% interval |", "|---|---|---|---|"]
    for before, after in pairs:
        differences = after.shares - before.shares
        low, high = (100 * bound for bound in seeds_interval(differences))
        lines.append(
            f"| {before.name} | {after.name} | {100 * differences.mean():+.1f} "
            f"| {low:+.1f} to {high:+.1f} |"
        )
    return "\n".join(lines)


def counting_table(counted: Sequence[Counted], labels: np.ndarray, classes: Sequence[str]) -> str:
    """Return how far averages over batches are from counts of photos, as Markdown, in points."""
    lines = [
        f"| accuracy, {len(counted)} epochs of the lecture's own loop | mean error "
        "| largest error |",
        "|---|---|---|",
    ]
    for name in ("train", "test"):
        off = [
            abs(getattr(epoch, f"{name}_batches") - getattr(epoch, f"{name}_photos"))
            for epoch in counted
        ]
        lines.append(f"| {name} | {100 * np.mean(off):.1f} | {100 * max(off):.1f} |")
    commonest = int(np.bincount(labels).argmax())
    right = labels == commonest
    batches = [(int(part.sum()), len(part)) for part in np.split(right, range(32, len(right), 32))]
    by_photos, by_batches = _both_ways(batches)
    lines.append(
        f"| test, always {classes[commonest]}: {100 * by_photos:.1f} over photos, "
        f"{100 * by_batches:.1f} over batches | {100 * (by_batches - by_photos):.1f} "
        f"| {100 * (by_batches - by_photos):.1f} |"
    )
    return "\n".join(lines)


def fill_in(page: Path, tables: dict[str, str]) -> None:
    """Put tables between their markers in a page."""
    text = page.read_text()
    for name, table in tables.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        _, _, after = rest.partition(end)
        text = f"{before}{start}\n{table}\n{end}{after}"
    write_atomically(page, text.encode())


def draw(command: Outcome, best: Outcome) -> bytes:
    """Return loss and accuracy of two recipes, a thin line a seed and a thick mean, as PNG."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    panels = figure.subplots(2, 2, sharex="col", sharey="row")
    titles = ("the command", "the best by validation")
    for column, (title, outcome) in enumerate(zip(titles, (command, best), strict=True)):
        panels[0][column].set_title(f"{title}, {outcome.epochs} epochs", fontsize=9)
        panels[1][column].set_xlabel("epoch")
        for axes, name in zip(panels[:, column], ("loss", "acc"), strict=True):
            _draw_lines(axes, outcome.curves, name)
    panels[0][0].set_ylabel("loss")
    panels[1][0].set_ylabel("accuracy")
    panels[1][0].yaxis.set_major_formatter(PercentFormatter(1))
    panels[0][0].legend(frameon=False, fontsize=8)
    return _small_png(figure)


def _draw_lines(axes: Axes, curves: Sequence[Sequence[Row]], name: str) -> None:
    for split, words, colour in _LINES:
        values = np.array([[row[f"{split}_{name}"] for row in rows] for rows in curves])
        epochs = np.arange(1, values.shape[1] + 1)
        axes.plot(epochs, values.T, color=colour, alpha=0.25, linewidth=0.6)
        axes.plot(epochs, values.mean(axis=0), color=colour, label=words)
    axes.grid(color="#e2e2e2")
    axes.spines[["top", "right"]].set_visible(False)


def _small_png(figure: Figure) -> bytes:
    """A drawing with few colours takes a third of the bytes with a palette."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves.png"
        figure.savefig(path, dpi=130)
        with Image.open(path) as image:
            image.convert("RGB").quantize(64).save(path, optimize=True)
        return path.read_bytes()


def _both_ways(batches: Sequence[tuple[int, int]]) -> tuple[float, float]:
    """Accuracy by photos, and averaged over batches; batches: (right, photos) of each."""
    by_photos = sum(right for right, _ in batches) / sum(photos for _, photos in batches)
    return by_photos, float(np.mean([right / photos for right, photos in batches]))


@torch.inference_mode()
def _answers_right(network: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    network.eval()
    right: np.ndarray = (network(images).argmax(dim=1) == labels).numpy()
    return right


def _tensors(photos: Photos, split: str, square: Preprocess) -> tuple[torch.Tensor, torch.Tensor]:
    """Images as evaluation sees them, (n, 3, size, size) float32, and class indices."""
    transform = eval_transform(square)
    images = [transform(load_image(photo.path)) for photo in photos.splits[split]]
    return torch.stack(images), torch.from_numpy(_labels(photos, split))


def _labels(photos: Photos, split: str) -> np.ndarray:
    return np.array([photos.classes.index(photo.label) for photo in photos.splits[split]])


def _unpack(archive: Path, classes: Sequence[str], target: Path) -> None:
    """Unpack the photos of some classes: `open_source` would unpack forty thousand."""
    with tarfile.open(archive) as file:
        wanted = (member for member in file if Path(member.name).parent.name in classes)
        file.extractall(target, members=wanted, filter="data")


def _a_few(photos: Sequence[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    by_class: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        by_class.setdefault(photo.label, []).append(photo)
    return tuple(photo for members in by_class.values() for photo in members[:_SMOKE_PHOTOS])


def _short(recipe: Recipe) -> Recipe:
    changes: dict[str, Any] = {"epochs": 1, "warmup_epochs": 0.0}
    return replace(recipe, config=replace(recipe.config, **changes))


if __name__ == "__main__":
    main()
