"""Figures that can be believed: each with the number of photos behind it and an interval."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_fscore_support


class Interval(NamedTuple):
    """A 95% interval of a share, 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True)
class ClassFigures:
    """How a class fares: n photos of it, then precision, recall (its accuracy) and F1, 0 to 1."""

    n: int
    precision: float
    recall: float
    f1: float

    @property
    def recall_interval(self) -> Interval:
        """Wilson's interval of the recall."""
        return wilson_interval(round(self.recall * self.n), self.n)


@dataclass(frozen=True)
class Figures:
    """What a set of labelled photos says of a model.

    n: number of photos.
    top1, top5: share of photos whose class is the first, or among the first five; with fewer
        than five classes, top5 is 1.
    top1_interval: Wilson's 95% interval of top1.
    macro_f1: mean of F1 over the classes that have photos.
    per_class: the same classes one by one.
    """

    n: int
    top1: float
    top1_interval: Interval
    top5: float
    macro_f1: float
    per_class: dict[str, ClassFigures]

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return asdict(self) | {"top1_interval": list(self.top1_interval)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> "Figures":
        """Return what `to_dict` wrote.

        Raises KeyError or TypeError for something else.
        """
        per_class = {name: ClassFigures(**values) for name, values in raw["per_class"].items()}
        interval = Interval(*raw["top1_interval"])
        return cls(**{**raw, "top1_interval": interval, "per_class": per_class})


def wilson_interval(correct: int, n: int) -> Interval:
    """Return the 95% interval of a share (Wilson, JASA 22, 1927)."""
    low, high = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return Interval(float(low), float(high))


def measure(
    probabilities: np.ndarray, labels: Sequence[int] | np.ndarray, classes: Sequence[str]
) -> Figures:
    """Compare answers with labels.

    probabilities: (n, classes) float32, n at least 1.
    labels: (n,) class indices.
    """
    ranked = np.argsort(-probabilities, axis=1, kind="stable")
    hits = ranked == np.asarray(labels)[:, None]
    correct = int(hits[:, 0].sum())
    present = np.unique(labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, ranked[:, 0], labels=present, zero_division=0.0
    )
    per_class = {
        classes[index]: ClassFigures(int(n), float(p), float(r), float(f))
        for index, n, p, r, f in zip(present, support, precision, recall, f1, strict=True)
    }
    return Figures(
        n=len(labels),
        top1=correct / len(labels),
        top1_interval=wilson_interval(correct, len(labels)),
        top5=float(hits[:, :5].any(axis=1).mean()),
        macro_f1=float(np.mean(f1)),
        per_class=per_class,
    )
