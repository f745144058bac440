"""Train foodvision-101, the model that ships: efficientnet_lite0 on the 101 dishes of Food-101.

    python models/foodvision-101/train.py --data ../shared/data --work runs/foodvision-101

(`make model`). The 40,400 small photos carry the classes, the 4,912 sharp ones the detail: first
mostly small photos at 112 pixels, then as many sharp ones as small ones at 160 pixels. Of the sharp
training photos 15% are set aside for calibration and to watch the training; the sharp test photos
are looked at once, at the end. An interrupted run goes on after the last finished stage.

Writes `foodvision/bundled/`. The figures to expect, and what they were measured on, stand in
`foodvision/bundled/README.md`. It takes about an hour on two cores.
"""

import argparse
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, WeightedRandomSampler

from foodvision.checkpoint import BUNDLED, Checkpoint, write_checkpoint
from foodvision.classifier import Classifier
from foodvision.config import TrainConfig
from foodvision.data import LabelledPhoto, Photos, carve, find_photos, open_source
from foodvision.data.loaders import (
    Item,
    PhotoDataset,
    create_dataloader,
    eval_transform,
    train_transform,
)
from foodvision.engine import test_step, train
from foodvision.evaluation import Interval, answer, evaluate
from foodvision.models import create_model, preprocess_for
from foodvision.tables import interval_in_words
from foodvision.training import Run, build_checkpoint, calibrate, compute_features

MODEL = "efficientnet_lite0"
SEED = 42
SERVED_SIZE = 224

# Classes with as many sharp training photos stand apart in the figures: the others have few.
WELL_SHOWN = 70


@dataclass(frozen=True)
class Stage:
    """One part of the training.

    sharp_share: part of the photos drawn that is sharp; the others are the small ones.
    """

    name: str
    size: int
    steps: int
    epochs: int
    batch_size: int
    peak_rate: float
    sharp_share: float

    def digest(self) -> str:
        """Return a name for these settings: weights of others are not taken for theirs."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]


STAGES = (
    Stage("small", 112, steps=700, epochs=4, batch_size=64, peak_rate=1.5e-3, sharp_share=0.15),
    Stage("sharp", 160, steps=120, epochs=4, batch_size=48, peak_rate=4e-4, sharp_share=0.5),
)


def main() -> None:
    """Train what is not trained yet and write the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/foodvision-101"))
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--smoke", action="store_true", help="two steps a stage: does it run?")
    arguments = parser.parse_args()
    stages = STAGES
    if arguments.smoke:
        # In a folder of its own, so that nobody takes its weights for real ones.
        arguments.work = arguments.work / "smoke"
        arguments.output = arguments.work / "checkpoint"
        stages = tuple(replace(stage, steps=2, epochs=1) for stage in STAGES)
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
        open_source(arguments.data / "not_food.zip") as not_food_folder,
    ):
        small = find_photos(small_folder)
        sharp = split_sharp(sharp_folder)
        network = create_model(MODEL, len(sharp.classes)).to(memory_format=torch.channels_last)
        for stage in stages:
            weights = arguments.work / f"{stage.name}-{stage.digest()}.safetensors"
            if not weights.exists():
                save_file(run_stage(stage, network, small, sharp), weights)
            network.load_state_dict(load_file(weights))
        not_food = find_photos(not_food_folder).splits["all"]
        checkpoint = finish(network, sharp, not_food, arguments.output)
    print(f"{checkpoint.folder}: {checkpoint.config.figures}")


def split_sharp(folder: Path) -> Photos:
    """Carve validation out of the sharp training photos; test/ is left for the end."""
    found = find_photos(folder)
    stays, taken = carve(found.splits["train"], share=0.15, seed="foodvision-101")
    return replace(found, splits={"train": stays, "val": taken, "test": found.splits["test"]})


def run_stage(
    stage: Stage, network: nn.Module, small: Photos, sharp: Photos
) -> dict[str, torch.Tensor]:
    """Train through one stage and return the averaged weights."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=stage.peak_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.peak_rate, epochs=stage.epochs, steps_per_epoch=stage.steps, pct_start=0.2
    )
    average = ModelEmaV3(network, decay=0.998, use_warmup=True)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    optimizer.register_step_post_hook(lambda *_: average.update(network))
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
    loader = mixed_loader(stage, small, sharp)
    val_loader = validation_loader(sharp, stage.size + 32)
    for epoch in range(stage.epochs):
        results = train(network, loader, val_loader, optimizer, loss_fn, epochs=1)
        averaged_loss, averaged_acc = test_step(average.module, val_loader, loss_fn)
        print(stage.name, epoch, results, averaged_loss, averaged_acc, flush=True)
    return {name: tensor.contiguous() for name, tensor in average.module.state_dict().items()}


def mixed_loader(stage: Stage, small: Photos, sharp: Photos) -> DataLoader[Item]:
    """Draw small and sharp photos at the stage's ratio."""
    transform = train_transform(preprocess_for(MODEL, stage.size))
    parts = [
        PhotoDataset(photos.root, photos.splits["train"], sharp.classes, transform)
        for photos in (small, sharp)
    ]
    shares = (1 - stage.sharp_share, stage.sharp_share)
    weights = [
        share / len(part)
        for part, share in zip(parts, shares, strict=True)
        for _ in range(len(part))
    ]
    sampler = WeightedRandomSampler(weights, stage.steps * stage.batch_size)
    return DataLoader(ConcatDataset(parts), stage.batch_size, sampler=sampler, drop_last=True)


def validation_loader(sharp: Photos, size: int) -> DataLoader[Item]:
    """Return the loader of the sharp validation photos."""
    transform = eval_transform(preprocess_for(MODEL, size))
    dataset = PhotoDataset(sharp.root, sharp.splits["val"], sharp.classes, transform)
    return create_dataloader(dataset, 64, shuffle=False)


def finish(
    network: nn.Module, sharp: Photos, not_food: tuple[LabelledPhoto, ...], folder: Path
) -> Checkpoint:
    """Calibrate, export, measure once on the test photos, and write."""
    config = TrainConfig(model=MODEL, image_size=SERVED_SIZE, half_storage=True)
    preprocess, cpu = preprocess_for(MODEL, SERVED_SIZE), torch.device("cpu")
    this = Run(config, sharp, sharp.fingerprint(), preprocess, cpu, folder)
    calibration = calibrate(network, compute_features(network, this))
    checkpoint = build_checkpoint(network, calibration, this)
    checkpoint = replace(
        checkpoint,
        config=replace(
            checkpoint.config,
            training={"command": "make model", "seed": SEED, "stages": [vars(s) for s in STAGES]},
            figures=figures_of(checkpoint, sharp, not_food),
        ),
    )
    write_checkpoint(folder, checkpoint.config, checkpoint.graph, write_card(checkpoint))
    return checkpoint


def figures_of(
    checkpoint: Checkpoint, sharp: Photos, not_food: tuple[LabelledPhoto, ...]
) -> dict[str, Any]:
    """Measure the served graph: on all test photos, and apart on classes with many and few."""
    classifier = Classifier(checkpoint)
    test = sharp.splits["test"]
    counts = find_counts(sharp)
    well_shown = [photo for photo in test if counts[photo.label] >= WELL_SHOWN]
    others = [photo for photo in test if counts[photo.label] < WELL_SHOWN]
    food, other = (answer(classifier, photos).known_score for photos in (test, not_food))
    is_food = np.r_[np.ones(len(food)), np.zeros(len(other))]
    threshold = checkpoint.config.known_threshold
    return {
        "test": evaluate(classifier, test).to_dict(),
        "test_well_shown": evaluate(classifier, well_shown).to_dict() | {"per_class": {}},
        "test_others": evaluate(classifier, others).to_dict() | {"per_class": {}},
        "known": {
            "n_food": len(food),
            "n_not_food": len(other),
            "auroc": float(roc_auc_score(is_food, np.r_[food, other])),
            "food_kept": float(np.mean(food >= threshold)),
            "not_food_refused": float(np.mean(other < threshold)),
        },
    }


def find_counts(sharp: Photos) -> dict[str, int]:
    """Return the sharp training photos of each class, those set aside for validation included."""
    train_counts, val_counts = sharp.counts("train"), sharp.counts("val")
    return {name: train_counts[name] + val_counts[name] for name in sharp.classes}


def write_card(checkpoint: Checkpoint) -> str:
    """Return the model card, its figures from the checkpoint."""
    figures = checkpoint.config.figures
    known, data = figures["known"], checkpoint.config.data
    rows = "\n".join(
        f"| {title} | {of['n']} | {100 * of['top1']:.1f} "
        f"({interval_in_words(Interval(*of['top1_interval']))}) | {100 * of['top5']:.1f} "
        f"| {100 * of['macro_f1']:.1f} |"
        for title, of in (
            ("all", figures["test"]),
            (f"classes with {WELL_SHOWN} sharp training photos", figures["test_well_shown"]),
            ("the other classes", figures["test_others"]),
        )
    )
    worst = sorted(figures["test"]["per_class"].items(), key=lambda item: item[1]["recall"])
    worst_names = ", ".join(f"{name} ({of['n']})" for name, of in worst[:8])
    return f"""\
# foodvision-101

Tells which of 101 dishes is in a photo. EfficientNet-Lite0, {len(checkpoint.graph) / 1e6:.1f} MB,
for a laptop, a small server or a browser. It knows the dishes of Food-101 and no other food; it
does not find allergens, weigh portions or judge whether something may be eaten.

```python
import foodvision
print(foodvision.load().predict("photo.jpg"))
```

## Figures

Sharp Food-101 test photos (official test split, short side 224 pixels), looked at once:

| photos | n | top-1 (95% interval) | top-5 | macro F1 |
|---|---|---|---|---|
{rows}

It finds fewest of (test photos in brackets, few: mind the interval): {worst_names}.

Known or not, by the score and threshold in the checkpoint: of the {known["n_food"]} test photos
{100 * known["food_kept"]:.1f}% are kept, of {known["n_not_food"]} photos without food
{100 * known["not_food_refused"]:.1f}% are refused (AUROC {known["auroc"]:.3f}). Dishes
that it was not taught it mostly takes for one that it was.

## Data and licence

Trained on {data["train"]:,} sharp and 40,400 small (64 pixels) photos of Food-101's training split,
calibrated on {data["val"]} sharp ones; starts from Google's ImageNet weights (Apache-2.0).
Food-101 (Bossard, Guillaumin, Van Gool: Food-101 - Mining Discriminative Components with Random
Forests, ECCV 2014) is for research use: its photos are from foodspotting.com and belong to their
owners. Its training labels are known to be wrong in places.

`make model` trains it again and writes this page.
"""


if __name__ == "__main__":
    main()
