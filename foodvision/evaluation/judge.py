"""A model judged on labelled photos: the served graph itself, not the network it came from."""

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from foodvision.classifier import Answers, Classifier
from foodvision.data import LabelledPhoto, Photos
from foodvision.errors import DataError
from foodvision.evaluation.figures import Figures, measure

_BATCH = 32


def choose_split(photos: Photos, split: str, classes: Sequence[str]) -> tuple[LabelledPhoto, ...]:
    """Return the photos to judge: those of a split, or all where the folder names no splits.

    Raises DataError for a split that is not there, and for classes that the model does not know.
    """
    if "all" in photos.splits:
        chosen = photos.splits["all"]
    elif photos.splits.get(split):
        chosen = photos.splits[split]
    else:
        there = ", ".join(name for name, members in photos.splits.items() if members)
        raise DataError(
            f"{photos.root} has no photos in {split}/, only in {there}: name one with --split"
        )
    if strange := sorted({photo.label for photo in chosen} - set(classes)):
        raise DataError(
            f"{photos.root} has the class {strange[0]}, which the model does not know: "
            f"it knows {len(classes)} classes, {classes[0]} to {classes[-1]}"
        )
    return chosen


def evaluate(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Figures:
    """Answer every photo and compare with its label.

    Raises PhotoError at the first photo that cannot be read: no figure leaves one out.
    """
    index = {name: number for number, name in enumerate(classifier.classes)}
    labels = np.array([index[photo.label] for photo in photos])
    return measure(answer(classifier, photos).probabilities, labels, classifier.classes)


def answer(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Answers:
    """Answer every photo, in order.

    Raises PhotoError at the first photo that cannot be read: no figure leaves one out.
    """
    answers = []
    with tqdm(total=len(photos), desc="evaluate", unit="photo", disable=None, leave=False) as bar:
        for start in range(0, len(photos), _BATCH):
            batch = photos[start : start + _BATCH]
            pixels = np.stack([classifier.pixels(photo.path) for photo in batch])
            answers.append(classifier.run(pixels))
            bar.update(len(batch))
    return Answers(
        probabilities=np.concatenate([part.probabilities for part in answers]),
        known_score=np.concatenate([part.known_score for part in answers]),
        embedding=np.concatenate([part.embedding for part in answers]),
    )
