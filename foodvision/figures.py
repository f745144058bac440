"""Figures as a checkpoint and a run hold them: each with the number of photos behind it.

They are computed in `foodvision.evaluation`. Read from a file, each must keep the bounds that its
type names (`foodvision.safety.schema`).
"""

import math
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import AfterValidator, ConfigDict, computed_field, with_config
from typing_extensions import TypedDict

from foodvision.safety.files import adapter
from foodvision.safety.schema import (
    FEW,
    MOST_CLASSES,
    ROUNDING,
    AtLeastOne,
    Count,
    Name,
    Number,
    Positive,
    Proportion,
    Sha256,
    Text,
    at_most,
    must_be,
)

# A standard normal variable lies in 95% of cases at most so far from 0.
_DEVIATIONS = 1.959963984540054


class Interval(NamedTuple):
    """A 95% interval of a figure; of a share, 0 to 1."""

    low: float
    high: float


def _rising(interval: Interval) -> Interval:
    # The bootstrap's, of calibration errors, can exceed 1.
    if not -ROUNDING <= interval.low <= interval.high <= 2:
        raise ValueError
    return interval


_Interval: TypeAlias = Annotated[
    Interval,
    AfterValidator(_rising),
    must_be("a pair of numbers from 0 to 2, the lower one first"),
]


def wilson_interval(correct: int, n: int) -> Interval:
    """Return the 95% interval of a share (Wilson, JASA 22, 1927); 0 to 1 of no photos."""
    # Not scipy's, because every checkpoint that is read needs it: serving imports no scipy.
    if not n:
        return Interval(0.0, 1.0)
    share, strength = correct / n, _DEVIATIONS**2 / n
    middle = share + strength / 2
    margin = math.sqrt(strength * (share * (1 - share) + strength / 4))
    low, high = ((middle + of) / (1 + strength) for of in (-margin, margin))
    return Interval(low if correct > 0 else 0.0, high if correct < n else 1.0)


@dataclass(frozen=True)
class Share:
    """So many of n photos, n at least 1."""

    count: Count
    n: AtLeastOne

    def __post_init__(self) -> None:
        if self.count > self.n:
            raise ValueError("must have a count of at most n")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def value(self) -> float:
        """The share, 0 to 1."""
        return self.count / self.n

    @computed_field  # type: ignore[prop-decorator]
    @property
    def interval(self) -> Interval:
        """Wilson's 95% interval of the share."""
        return wilson_interval(self.count, self.n)


@dataclass(frozen=True)
class ReliabilityBin:
    """Photos answered with about the same confidence.

    low, high: of the confidence, 0 to 1.
    n: how many photos, at least 1.
    confidence: their mean confidence. accuracy: the share of them that was right.
    """

    low: Proportion
    high: Proportion
    n: AtLeastOne
    confidence: Proportion
    accuracy: Proportion

    @property
    def interval(self) -> Interval:
        """Wilson's interval of the accuracy."""
        return _interval_of(self.accuracy, self.n)


@dataclass(frozen=True)
class Pair:
    """A confusion: so many of the n photos of a class got another class's name."""

    label: Name
    answer: Name
    times: Count
    n: Count


@dataclass(frozen=True)
class ClassFigures:
    """How a class fares: n photos of it, then precision, recall (its accuracy) and F1, 0 to 1.

    answered: how many photos got its name, with none precision says nothing; None in what older
        versions wrote.
    f1_interval: the bootstrap's; None there, too.
    """

    n: Count
    precision: Proportion
    recall: Proportion
    f1: Proportion
    answered: Count | None = None
    f1_interval: _Interval | None = None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def recall_interval(self) -> Interval:
        """Wilson's interval of the recall."""
        return _interval_of(self.recall, self.n)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def precision_interval(self) -> Interval | None:
        """Wilson's interval of the precision; none if no photo got the class's name."""
        return _interval_of(self.precision, self.answered) if self.answered else None


@dataclass(frozen=True)
class Figures:
    """What a set of labelled photos says of a model.

    n: number of photos.
    top1, top5: share of photos whose class is the first, or among the first five; with fewer
        than five classes, top5 is 1.
    top1_interval, top5_interval: Wilson's 95% intervals.
    macro_f1: mean of F1 over the classes that have photos, with the bootstrap's interval.
    per_class: the same classes one by one.
    nll: mean negative log-likelihood of the labels. brier: Brier score, 0 to 2.
    ece: expected calibration error, 0 to 1, with the bootstrap's interval.
    ece_by_chance: what it would be on so few photos if the model meant exactly what it says.
    reliability: the bins of confidence behind it, those without photos left out.
    confused: the most frequent confusions, the most frequent first.

    What is None or empty was not measured by the version that wrote it.
    """

    n: AtLeastOne
    top1: Proportion
    top1_interval: _Interval
    top5: Proportion
    macro_f1: Proportion
    per_class: Annotated[dict[Name, ClassFigures], at_most(MOST_CLASSES)]
    top5_interval: _Interval | None = None
    macro_f1_interval: _Interval | None = None
    nll: Positive | None = None
    brier: Positive | None = None
    ece: Proportion | None = None
    ece_interval: _Interval | None = None
    ece_by_chance: Proportion | None = None
    reliability: Annotated[tuple[ReliabilityBin, ...], FEW] = ()
    confused: Annotated[tuple[Pair, ...], FEW] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return as_json(self)


@dataclass(frozen=True)
class Corrupted:
    """Photos right under a corruption; strength in words, as "quality 25"."""

    corruption: Text
    strength: Text
    right: Share


@dataclass(frozen=True)
class Robustness:
    """The same photos as they are, and under each corruption, the mildest strength first."""

    untouched: Share
    corrupted: Annotated[tuple[Corrupted, ...], FEW]


@dataclass(frozen=True)
class Speed:
    """The graph's answer to one photo, on one thread of this machine's processor.

    milliseconds: the median, decoding and resizing the photo left out.
    runs: how many times it was measured.
    bytes: of the graph.
    """

    milliseconds: Positive
    runs: Count
    bytes: Count


@dataclass(frozen=True)
class KnownFigures:
    """How well the known score tells known photos from photos of other things.

    auroc: how often a known photo has the higher score of the two, with the bootstrap's interval.
    refused_at_95: of the others, those that are refused where 95% of these known photos are kept.
    threshold: the checkpoint's own; there, `kept` of the known and `refused` of the others.
    """

    auroc: Proportion
    auroc_interval: _Interval
    refused_at_95: Share
    threshold: Number
    kept: Share
    refused: Share


class Beside(TypedDict, total=False):
    """What is measured besides the figures of test photos; see `foodvision.evaluation.judge`."""

    robustness: Robustness
    speed: Speed
    known: KnownFigures
    certainty: Annotated[dict[Text, Share], FEW]
    cross_validated: Share


class ChosenBy(TypedDict):
    """Which score of known or not was chosen, and the AUROC of each candidate."""

    score: Text
    auroc_on_validation: Annotated[dict[Text, Proportion], FEW]


@with_config(ConfigDict(extra="allow"))
class Claims(Beside, total=False):
    """`figures` of a checkpoint. What recipes add stays as it is."""

    test: Figures
    known_by: ChosenBy
    measured_on: Annotated[dict[Text, Sha256], FEW]


def as_json(figures: Any, kind: Any = None) -> dict[str, Any]:
    """Return figures as JSON types, with what they compute.

    kind: their type, where it is a TypedDict.
    """
    schema: Any = kind or type(figures)
    plain: dict[str, Any] = adapter(schema).dump_python(figures, mode="json")
    return plain


def _interval_of(share: float, n: int) -> Interval:
    # Read from a file, a share can exceed 1 by a rounding error.
    return wilson_interval(min(max(round(share * n), 0), n), n)
