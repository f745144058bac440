"""What it is worth on few photos that a head starts from what is known of classes of the same name.

    python benchmarks/known_classes.py --data ../shared/data/food101_sharp.zip

Ten of the dishes by chance, 24 times: half of their photos to learn from (four or five a dish), the
other half to judge by, the default settings. The photos are those that the recipe of the model that
ships sets aside, so it has learnt none of them. A dish whose name is changed is new to the head.
Four minutes on two cores; `--smoke` tries twice.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
from accelerate import Accelerator

from foodvision.data import LabelledPhoto, Photos, carve, open_photos
from foodvision.models import find_start, preprocess_for
from foodvision.training.config import TrainConfig
from foodvision.training.fit import fit
from foodvision.training.run import start_head, start_network
from foodvision.training.stages import Run

DISHES, KNOWN = 10, (10, 5, 0)
FEWEST_PHOTOS = 8


def main() -> None:
    """Train heads that know all, half and none of the dishes, and print what they get right."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/food101_sharp.zip"))
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    trials = 2 if arguments.smoke else 24
    with open_photos(arguments.data) as found:
        _, photos = carve(found.splits["train"], 0.15, "foodvision-101")
        shown = Counter(photo.label for photo in photos)
        many = sorted(name for name, count in shown.items() if count >= FEWEST_PHOTOS)
        chances = [Random(seed) for seed in range(trials)]  # noqa: S311 (nothing secret)
        chosen = [chance.sample(many, DISHES) for chance in chances]
        top1 = {
            known: np.array([100 * train(found.root, photos, of, known) for of in chosen])
            for known in KNOWN
        }
    for known, values in top1.items():
        more = values - top1[0]
        error = 1.96 * more.std(ddof=1) / np.sqrt(trials)
        print(
            f"{known:2} of {DISHES} known: {values.mean():.1f}, "
            f"{more.mean():.1f} (± {error:.1f}) more than with none"
        )


def train(root: Path, photos: Sequence[LabelledPhoto], dishes: Sequence[str], known: int) -> float:
    """Return the share that a head is right on which knows the first dishes by their names."""
    names = {dish: dish if place < known else f"new {dish}" for place, dish in enumerate(dishes)}
    named = [replace(photo, label=names[photo.label]) for photo in photos if photo.label in names]
    named.sort(key=lambda photo: (photo.label, photo.path))
    splits = {"train": tuple(named[::2]), "val": tuple(named[1::2])}
    config = TrainConfig()
    with tempfile.TemporaryDirectory() as folder:
        this = Run(
            config,
            Photos(root, splits),
            preprocess_for(config.model),
            Path(folder),
            Accelerator(cpu=True),
            find_start(config.model, weights=True),
        )
        stage, _ = start_head(start_network(this), this)
        return float(fit(stage, this)[-1]["val_acc"])


if __name__ == "__main__":
    main()
