"""Measure a model on labelled photos, by the graph that is served."""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from foodvision.checkpoint import CheckpointConfig
from foodvision.classifier import Certainty, Classifier, in_words
from foodvision.data import LabelledPhoto, Photos, exclude, split_photos
from foodvision.errors import DataError
from foodvision.evaluation.figures import measure
from foodvision.evaluation.robustness import MOST_PHOTOS, label_indices, measure_robustness
from foodvision.evaluation.speed import measure_speed
from foodvision.evaluation.unknown import measure_known
from foodvision.figures import Figures, KnownFigures, Robustness, Share, Speed, as_json
from foodvision.graph.session import Answers
from foodvision.system.progress import progress

_BATCH = 32


@dataclass(frozen=True)
class Judgement:
    """All that is measured of a model; what is None was not measured.

    certainty: of the answers that were called "sure", "likely", ... how many were right; of those
        "not known", how many the nearest class was right for.
    cross_validated: of all photos of a small set, how many a head like the model's got right that
        was fitted without them.
    """

    figures: Figures
    robustness: Robustness | None = None
    speed: Speed | None = None
    known: KnownFigures | None = None
    certainty: Mapping[str, Share] | None = None
    cross_validated: Share | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return figures, robustness, speed, known and certainty side by side, as JSON types."""
        return self.figures.to_dict() | self.beside()

    def beside(self) -> dict[str, Any]:
        """Return what was measured besides the figures, as JSON types."""
        everything = as_json(self)
        return {name: part for name, part in everything.items() if name != "figures" and part}


def choose_split(
    photos: Photos,
    split: str | None,
    config: CheckpointConfig,
    unwanted: Collection[Path] = (),
) -> tuple[LabelledPhoto, ...]:
    """Return the photos to judge.

    split: train, val, test, or all for every photo there is. None is test, or all where the folder
        names no splits.
    unwanted: photos that are left out.

    If the model was trained on these photos, what the source does not name is what its training
    set aside; where photos were excluded then, their list must still be in its place for that.

    Raises DataError for a split or list that is not there, and for classes that the model does not
    know.
    """
    classes = config.classes
    if split == "all":
        chosen = photos.members
    else:
        chosen = (
            photos.splits.get(split or "test")
            or _splits_of_training(photos, config).get(split or "test")
            or photos.splits.get("all", ())
        )
        if split and chosen and chosen == photos.splits.get("all"):
            raise DataError(
                f"{photos.root} has no splits, so it has no {split} photos: leave out --split to "
                f"use all photos, or put some into {split}/"
            )
    if not chosen:
        there = ", ".join(name for name, members in photos.splits.items() if members)
        raise DataError(
            f"{photos.root} has no photos in {split or 'test'}/, only in {there}: choose one with "
            "--split"
        )
    chosen = tuple(photo for photo in chosen if photo.path not in unwanted)
    if not chosen:
        raise DataError(f"{photos.root}: all photos to use are excluded: shorten the list")
    if strange := sorted({photo.label for photo in chosen} - set(classes)):
        raise DataError(
            f"{photos.root} has the class {strange[0]}, which is not one of the model's "
            f"{len(classes)} classes, {classes[0]} to {classes[-1]}: remove or rename the folder"
        )
    return chosen


def _splits_of_training(
    photos: Photos, config: CheckpointConfig
) -> Mapping[str, tuple[LabelledPhoto, ...]]:
    """Return the splits of the training if these are its photos, else none.

    Raises DataError where that cannot be known.
    """
    training, listed = config.training, config.training.get("exclude")
    if listed and isinstance(listed, str) and not os.path.isfile(listed):  # noqa: PTH113 (any text)
        raise DataError(
            f"exclude list {listed} not found: the model was trained without its photos. Run the "
            "command from the folder of the list, or use other photos: in test/, or with "
            "--split all"
        )
    shares = ("val_share", "test_share", "seed")
    how = {name: training[name] for name in shares if name in training}
    try:
        if listed:
            photos = exclude(photos, Path(listed))
        carved = split_photos(photos, **how)
    except (DataError, TypeError, ValueError, OverflowError):
        # Nobody was trained on such photos, or with such settings: a stranger wrote them.
        return {}
    return carved.splits if carved.fingerprint() == config.data.get("fingerprint") else {}


def evaluate(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Figures:
    """Classify photos and return the figures.

    Raises PhotoError at the first photo that cannot be read: no figure leaves one out.
    """
    labels = label_indices(classifier, photos)
    return measure(answer(classifier, photos).probabilities, labels, classifier.classes)


def judge(
    classifier: Classifier,
    photos: Sequence[LabelledPhoto],
    answers: Answers,
    others: Sequence[LabelledPhoto] = (),
    most_corrupted: int = MOST_PHOTOS,
) -> Judgement:
    """Return all that is measured of a model.

    answers: the model's outputs for the photos.
    others: photos of other things than its classes, to measure how many are refused.
    most_corrupted: the most photos to measure robustness on.

    Raises PhotoError at the first photo that cannot be read.
    """
    threshold = classifier.config.known_threshold
    labels = label_indices(classifier, photos)
    return Judgement(
        figures=measure(answers.probabilities, labels, classifier.classes),
        robustness=measure_robustness(classifier, photos, most_corrupted),
        speed=measure_speed(classifier),
        known=(
            measure_known(answers.known_score, answer(classifier, others).known_score, threshold)
            if others
            else None
        ),
        certainty=measure_certainty(answers, labels, classifier.config),
    )


def measure_certainty(
    answers: Answers, labels: np.ndarray, config: CheckpointConfig
) -> dict[str, Share]:
    """Return how many of the answers called sure, likely, ... are right; labels: (n,) indices."""
    is_right = answers.probabilities.argmax(axis=1) == labels
    confidence = answers.probabilities.max(axis=1)
    is_known = answers.known_score >= config.known_threshold
    words = np.array([in_words(*pair, config) for pair in zip(confidence, is_known, strict=True)])
    return {
        word: Share(int(is_right[words == word].sum()), int((words == word).sum()))
        for word in get_args(Certainty)
        if (words == word).any()
    }


def answer(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Answers:
    """Return the model's outputs for all photos, in order.

    Raises PhotoError at the first photo that cannot be read: no figure leaves one out.
    """
    answers = []
    with progress(None, "evaluate", total=len(photos)) as bar:
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
