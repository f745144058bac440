"""What foodvision-101 is worth: figures of the served graph."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from foodvision.checkpoint import Checkpoint
from foodvision.classifier import Answers, Classifier
from foodvision.data import LabelledPhoto, Photos
from foodvision.evaluation.figures import measure
from foodvision.evaluation.judge import answer, judge
from foodvision.evaluation.unknown import measure_known
from foodvision.figures import Share, as_json
from foodvision.reports.card import draw_pictures
from foodvision.runs.answers import list_answers

_CLASSIC = ("pizza", "steak", "sushi")


def figures_of(
    checkpoint: Checkpoint,
    sharp: Photos,
    classic: Sequence[LabelledPhoto],
    not_food: Sequence[LabelledPhoto],
    other_food: Sequence[LabelledPhoto],
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Measure the served graph, each photo answered once; return figures and the card's pictures.

    sharp: with the test photos, and the training photos; the classes that have most of these, 70
        each, stand apart as well shown.
    classic: test photos of pizza, steak and sushi, which the answer is restricted to.
    not_food: photos by which nothing was chosen. other_food: dishes that are none of the classes.
    """
    classifier, test = Classifier(checkpoint), sharp.splits["test"]
    answers = answer(classifier, test)
    judgement = judge(classifier, test, answers, not_food)
    counts = {
        name: sum(sharp.counts(split)[name] for split in ("train", "val")) for name in sharp.classes
    }
    most = max(counts.values())
    well_shown = np.array([counts[photo.label] == most for photo in test])
    dishes = answer(classifier, other_food).known_score
    threshold = checkpoint.config.known_threshold
    listed = list_answers(sharp.root, test, classifier.classes, answers)
    kept = answers.known_score >= threshold
    figures = {
        "test": judgement.figures.to_dict(),
        "test_well_shown": _part(answers, test, well_shown, classifier.classes),
        "test_others": _part(answers, test, ~well_shown, classifier.classes),
        "classic": as_json(_restricted(classifier, classic)),
        **judgement.beside(),
        "known_kept_well_shown": as_json(Share(int(kept[well_shown].sum()), int(well_shown.sum()))),
        "known_kept_others": as_json(Share(int(kept[~well_shown].sum()), int((~well_shown).sum()))),
        "known_other_food": as_json(measure_known(answers.known_score, dishes, threshold)),
    }
    return figures, draw_pictures(judgement.figures, listed)


def _part(
    answers: Answers,
    photos: Sequence[LabelledPhoto],
    chosen: np.ndarray,
    classes: Sequence[str],
) -> dict[str, Any]:
    labels = np.array([classes.index(photo.label) for photo in photos])
    figures = measure(answers.probabilities[chosen], labels[chosen], classes)
    return figures.to_dict() | {"per_class": {}}


def _restricted(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> Share:
    """Return how many photos are right where only the classic three may be answered."""
    columns = [classifier.classes.index(name) for name in _CLASSIC]
    best = answer(classifier, photos).probabilities[:, columns].argmax(axis=1)
    right = sum(_CLASSIC[at] == photo.label for at, photo in zip(best, photos, strict=True))
    return Share(right, len(photos))
