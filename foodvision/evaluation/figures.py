"""Compare answers with labels: each figure with the number of photos behind it and an interval."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from foodvision.evaluation.intervals import percentile_interval, resample
from foodvision.evaluation.reliability import (
    brier_score,
    calibration_error,
    calibration_interval,
    error_by_chance,
    find_bins,
    negative_log_likelihood,
)
from foodvision.figures import ClassFigures, Figures, Interval, Pair, wilson_interval

_PAIRS = 10


def measure(
    probabilities: np.ndarray, labels: Sequence[int] | np.ndarray, classes: Sequence[str]
) -> Figures:
    """Compare answers with labels.

    probabilities: (n, classes) float32, n at least 1.
    labels: (n,) class indices.
    """
    labels = np.asarray(labels)
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    hits = ranked == labels[:, None]
    among_five = int(hits[:, :5].any(axis=1).sum())
    confidence = probabilities.max(axis=1)
    bins = find_bins(confidence, hits[:, 0])
    macro_f1_interval, per_class = _measure_classes(labels, ranked[:, 0], classes)
    counts = confusion_matrix(labels, ranked[:, 0], labels=np.arange(len(classes)))
    return Figures(
        n=len(labels),
        top1=int(hits[:, 0].sum()) / len(labels),
        top1_interval=wilson_interval(int(hits[:, 0].sum()), len(labels)),
        top5=among_five / len(labels),
        macro_f1=float(np.mean([figures.f1 for figures in per_class.values()])),
        per_class=per_class,
        top5_interval=wilson_interval(among_five, len(labels)),
        macro_f1_interval=macro_f1_interval,
        nll=negative_log_likelihood(probabilities, labels),
        brier=brier_score(probabilities, labels),
        ece=calibration_error(bins),
        ece_interval=calibration_interval(confidence, hits[:, 0]),
        ece_by_chance=error_by_chance(confidence),
        reliability=bins,
        confused=find_pairs(counts, classes),
    )


def find_pairs(counts: np.ndarray, classes: Sequence[str]) -> tuple[Pair, ...]:
    """Return the most frequent confusions, the most frequent first.

    counts: (classes, classes) int, a row a label, a column an answer.
    """
    of_class = counts.sum(axis=1)
    confusions = counts - np.diag(np.diag(counts))
    pairs = [
        Pair(classes[row], classes[column], int(confusions[row, column]), int(of_class[row]))
        for row, column in np.argwhere(confusions)
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.times)[:_PAIRS])


def _measure_classes(
    labels: np.ndarray, guesses: np.ndarray, classes: Sequence[str]
) -> tuple[Interval, dict[str, ClassFigures]]:
    """Return macro F1's interval, and the figures of the classes that have photos."""
    present = np.unique(labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, guesses, labels=present, zero_division=0.0
    )
    resampled = _resample_f1(labels, guesses, len(classes))[:, present]
    answered = np.bincount(guesses, minlength=len(classes))
    per_class = {
        classes[index]: ClassFigures(
            n=int(support[place]),
            precision=float(precision[place]),
            recall=float(recall[place]),
            f1=float(f1[place]),
            answered=int(answered[index]),
            f1_interval=percentile_interval(resampled[:, place], int(support[place])),
        )
        for place, index in enumerate(present)
    }
    return percentile_interval(np.nanmean(resampled, axis=1), len(labels)), per_class


def _resample_f1(labels: np.ndarray, guesses: np.ndarray, classes: int) -> np.ndarray:
    """Return F1 of every class in resamples, (resamples, classes); NaN where it has no photos."""

    def f1_of_classes(drawn: np.ndarray) -> np.ndarray:
        of_label, of_guess = labels[drawn], guesses[drawn]
        there = np.bincount(of_label, minlength=classes)
        found = np.bincount(of_label[of_label == of_guess], minlength=classes)
        answered = np.bincount(of_guess, minlength=classes)
        f1: np.ndarray = 2 * found / np.maximum(there + answered, 1)
        return np.where(there > 0, f1, np.nan)

    return resample(f1_of_classes, len(labels))
