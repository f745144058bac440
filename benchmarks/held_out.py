"""How often a model knows that a photo shows a class that it was never shown.

    python benchmarks/held_out.py --data ../shared/data

Food-101's dishes that have sharp test photos (98), without every fifth, trained with the default
settings from ImageNet's efficientnet_lite0, which has seen none of these photos. Known are the
test photos of the 78 that stay, unknown those of the other 20. Half of the photos without food
choose the score, so it is not the held-out dishes that do. Prints the AUROC and the share refused
while 95% of the known are kept, of the held-out dishes and of the other half of the photos without
food. Five minutes on two cores.
"""

import argparse
import tempfile
from pathlib import Path

import foodvision
from foodvision.data import find_photos, open_source, open_unlabelled
from foodvision.evaluation.judge import answer
from foodvision.evaluation.unknown import measure_known
from foodvision.training.config import TrainConfig
from foodvision.training.run import run_training

EVERY = 5


def main() -> None:
    """Train and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    not_food = arguments.data / "not_food.zip"
    with (
        open_source(arguments.data / "food101_sharp.zip") as folder,
        open_unlabelled(not_food) as others,
        tempfile.TemporaryDirectory() as temporary,
    ):
        photos = find_photos(folder)
        classes = sorted({photo.label for photo in photos.splits["test"]})
        held_out = set(classes[::EVERY])
        part = Path(temporary) / "part"
        for split in ("train", "test"):
            for label in set(classes) - held_out:
                place = part / split / label
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to((folder / split / label).resolve())
        config = TrainConfig(
            model="efficientnet_lite0", unknown=not_food, output=Path(temporary) / "run"
        )
        classifier = foodvision.load(run_training(part, config))
        test = photos.splits["test"]
        known = answer(classifier, [photo for photo in test if photo.label not in held_out])
        dishes = answer(classifier, [photo for photo in test if photo.label in held_out])
        things = answer(classifier, others[1::2])
        figures = classifier.config.figures
        print(f"accuracy: {100 * figures['test']['top1']:.1f}; {figures['known_by']}")
        for name, those in (("held-out dishes", dishes), ("no food", things)):
            of = measure_known(
                known.known_score, those.known_score, classifier.config.known_threshold
            )
            low, high = of.auroc_interval
            print(f"{name}: AUROC {of.auroc:.3f} ({low:.3f} to {high:.3f}), {of.refused_at_95}")


if __name__ == "__main__":
    main()
