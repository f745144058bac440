"""Train foodvision-101, the model that ships: a linear head on frozen efficientnet_lite0 features.

    python models/foodvision-101/train.py --data ../shared/data

(`make model`). The 40,400 small photos carry the classes, the 4,912 sharp ones the detail. Of the
sharp training photos 15% are set aside for calibration and to watch the training; the sharp test
photos are looked at once, at the end. What else was tried, and why it does not ship: docs/model.md.

Writes `foodvision/bundled/`. The figures to expect stand in its README.md, with n and interval. It
takes ten minutes on two cores; `--smoke` sees in two whether it runs.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset, WeightedRandomSampler

from foodvision.checkpoint import BUNDLED, Checkpoint, write_checkpoint
from foodvision.classifier import Classifier
from foodvision.config import TrainConfig
from foodvision.data import LabelledPhoto, Photos, carve, find_photos, open_source
from foodvision.data.loaders import Item, create_dataloader
from foodvision.engine import train
from foodvision.evaluation import Interval, answer, evaluate
from foodvision.export import Calibration
from foodvision.models import create_model, preprocess_for, split_head
from foodvision.tables import interval_in_words
from foodvision.training import Run, build_checkpoint, calibrate

CONFIG = TrainConfig(epochs=10, batch_size=256, learning_rate=3e-3, half_storage=True)
SERVED = preprocess_for(CONFIG.model)

# How often a sharp and a small photo are drawn.
WEIGHTS = (2.0, 0.3)
WEIGHT_DECAY = 0.1
LABEL_SMOOTHING = 0.1

# Classes with as many sharp training photos stand apart in the figures: the others have few.
WELL_SHOWN = 70


def main() -> None:
    """Train, calibrate, measure and write the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--smoke", action="store_true", help="few small photos, into runs/smoke")
    arguments = parser.parse_args()
    output = Path("runs/smoke") if arguments.smoke else arguments.output
    torch.manual_seed(CONFIG.seed)
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
        open_source(arguments.data / "not_food.zip") as not_food_folder,
    ):
        small = find_photos(small_folder).splits["train"][:: 100 if arguments.smoke else 1]
        sharp = split_sharp(sharp_folder)
        this = Run(CONFIG, sharp, sharp.fingerprint(), SERVED, torch.device("cpu"), output)
        network = create_model(CONFIG.model, len(sharp.classes))
        features = compute_features(network, this, small)
        fit_head(network, features)
        checkpoint = build_checkpoint(network, calibrate(network, features), this)
        figures = figures_of(checkpoint, sharp, find_photos(not_food_folder).splits["all"])
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, figures=figures))
    write_checkpoint(output, checkpoint.config, checkpoint.graph, write_card(checkpoint))


def split_sharp(folder: Path) -> Photos:
    """Carve validation out of the sharp training photos; test/ is left for the end."""
    found = find_photos(folder)
    stays, taken = carve(found.splits["train"], share=0.15, seed="foodvision-101")
    return replace(found, splits={"train": stays, "val": taken, "test": found.splits["test"]})


def compute_features(
    network: nn.Module, this: Run, small: Sequence[LabelledPhoto]
) -> dict[str, TensorDataset]:
    """Return what the network's head sees of the sharp train and val photos, and of the small ones.

    On ONNX Runtime, which on a CPU is several times as fast as torch, by the graph that is served.
    """
    _, head = split_head(network)
    uncalibrated = Calibration(1.0, torch.ones(head.out_features, head.in_features), 0.0)
    checkpoint = build_checkpoint(network, uncalibrated, this)
    # The small photos are squares already: nothing is cut off.
    whole = replace(checkpoint.config, preprocess=replace(SERVED, crop=1.0))
    index = {name: number for number, name in enumerate(this.photos.classes)}

    def features(checkpoint: Checkpoint, photos: Sequence[LabelledPhoto]) -> TensorDataset:
        embedding = answer(Classifier(checkpoint), photos).embedding
        return TensorDataset(
            torch.from_numpy(embedding), torch.tensor([index[photo.label] for photo in photos])
        )

    return {
        "train": features(checkpoint, this.photos.splits["train"]),
        "val": features(checkpoint, this.photos.splits["val"]),
        "small": features(replace(checkpoint, config=whole), small),
    }


def fit_head(network: nn.Module, features: dict[str, TensorDataset]) -> None:
    """Train the network's head on sharp and small photos."""
    _, head = split_head(network)
    parts = [features["train"], features["small"]]
    weights = [
        weight for part, weight in zip(parts, WEIGHTS, strict=True) for _ in range(len(part))
    ]
    sampler = WeightedRandomSampler(weights, len(weights))
    loader: DataLoader[Item] = DataLoader(ConcatDataset(parts), CONFIG.batch_size, sampler=sampler)
    optimizer = torch.optim.AdamW(
        head.parameters(), lr=CONFIG.learning_rate or 0.0, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, CONFIG.epochs * len(loader))
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    loss_fn = nn.CrossEntropyLoss(label_smoothing=LABEL_SMOOTHING)
    val_loader = create_dataloader(features["val"], CONFIG.batch_size, shuffle=False)
    results = train(head, loader, val_loader, optimizer, loss_fn, CONFIG.epochs)
    print("validation accuracy by epoch:", *(f"{value:.3f}" for value in results["test_acc"]))


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
