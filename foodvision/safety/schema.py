"""What may be in the files of a checkpoint and a run: types, ranges, lengths.

Each type says in one phrase what a value must be. The classes that these figures are computed as,
with their statistics, are in `foodvision.evaluation`.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    FailFast,
    Field,
    GetPydanticSchema,
    ValidationError,
    WrapValidator,
    with_config,
)
from pydantic_core import PydanticCustomError
from typing_extensions import NotRequired, TypedDict

from foodvision.safety.files import is_plain

MOST_CLASSES = 25_000
"""ImageNet's largest list has 21,841."""

LONGEST_NAME = 255
"""The longest name of a folder, as which a class begins."""

_LONGEST_TEXT = 1000


def at_most(count: int) -> BeforeValidator:
    """Return a validator that refuses too long an object or list before its values are looked at.

    pydantic's own limit comes after them, and collects a fault of each: seconds and gigabytes.
    """

    def check(value: Any) -> Any:
        if isinstance(value, (dict, list)) and len(value) > count:
            raise PydanticCustomError("at_most", f"must have at most {count:,} entries")
        return value

    return BeforeValidator(check)


# Of rows and entries that no class multiplies.
_FEW = at_most(1000)

# A mean of float32 confidences can exceed 1 by a rounding error.
_ROUNDING = 1e-6


def must_be(phrase: str) -> WrapValidator:
    """Return a validator that says all faults of a value in one phrase."""

    def say(value: Any, check: Callable[[Any], Any]) -> Any:
        try:
            return check(value)
        except ValidationError:
            raise PydanticCustomError("must_be", f"must be {phrase}") from None

    return WrapValidator(say)


def read_as(schema: Any) -> GetPydanticSchema:
    """Return what has a field checked by a TypedDict, for code that takes any dict."""
    return GetPydanticSchema(lambda _, handler: handler(schema))


def _plain(text: str) -> str:
    if not is_plain(text):
        raise ValueError
    return text


def _rising(pair: list[float]) -> list[float]:
    if pair[0] > pair[1]:
        raise ValueError
    return pair


Name: TypeAlias = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_NAME),
    AfterValidator(_plain),
    must_be(f"a text of 1 to {LONGEST_NAME} characters, without control characters"),
]
Text: TypeAlias = Annotated[
    str,
    Field(max_length=_LONGEST_TEXT),
    AfterValidator(_plain),
    must_be(f"a text of at most {_LONGEST_TEXT} characters, without control characters"),
]
Repository: TypeAlias = Annotated[
    str,
    Field(pattern=r"\A([\w-][\w.-]*/[\w-][\w.-]*)?\z", max_length=LONGEST_NAME),
    must_be('a repository of the Hub, as user/name, or ""'),
]
Architecture: TypeAlias = Annotated[
    str,
    Field(pattern=r"\A[\w-][\w./-]*\z", max_length=LONGEST_NAME),
    must_be("the name of a network: letters, digits, and any of . _ / -"),
]
Sha256: TypeAlias = Annotated[
    str, Field(pattern=r"\A[0-9a-f]{64}\z"), must_be("a SHA-256 in hexadecimal")
]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False), must_be("a finite number")]
Positive: TypeAlias = Annotated[float, Field(ge=0, le=1e12), must_be("a number from 0 to 1e12")]
Share: TypeAlias = Annotated[
    float, Field(ge=-_ROUNDING, le=1 + _ROUNDING), must_be("a number from 0 to 1")
]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**12), must_be("a whole number from 0 to 1e12")]
AtLeastOne: TypeAlias = Annotated[
    int, Field(ge=1, le=10**12), must_be("a whole number from 1 to 1e12")
]
# Of shares. The bootstrap's, of calibration errors, can exceed 1.
Interval: TypeAlias = Annotated[
    list[Annotated[float, Field(ge=-_ROUNDING, le=2)]],
    Field(min_length=2, max_length=2),
    AfterValidator(_rising),
    must_be("a pair of numbers from 0 to 2, the lower one first"),
]


Versions: TypeAlias = Annotated[dict[Text, Text], _FEW]


class ClassClaims(TypedDict):
    """What is claimed of a class; see `foodvision.evaluation.ClassFigures`."""

    n: Count
    precision: Share
    recall: Share
    f1: Share
    answered: NotRequired[Count | None]
    f1_interval: NotRequired[Interval | None]
    precision_interval: NotRequired[Interval | None]
    recall_interval: NotRequired[Interval | None]


class BinClaims(TypedDict):
    """A bin of confidence; see `foodvision.evaluation.ReliabilityBin`."""

    low: Share
    high: Share
    n: AtLeastOne
    confidence: Share
    accuracy: Share


class PairClaims(TypedDict):
    """A confusion; see `foodvision.evaluation.Pair`."""

    label: Name
    answer: Name
    times: Count
    n: Count


class PhotoClaims(TypedDict):
    """What is claimed of labelled photos; see `foodvision.evaluation.Figures`."""

    n: AtLeastOne
    top1: Share
    top1_interval: Interval
    top5: Share
    macro_f1: Share
    per_class: Annotated[dict[Name, ClassClaims], at_most(MOST_CLASSES)]
    top5_interval: NotRequired[Interval | None]
    macro_f1_interval: NotRequired[Interval | None]
    nll: NotRequired[Positive | None]
    brier: NotRequired[Positive | None]
    ece: NotRequired[Share | None]
    ece_interval: NotRequired[Interval | None]
    ece_by_chance: NotRequired[Share | None]
    reliability: NotRequired[Annotated[list[BinClaims], _FEW]]
    confused: NotRequired[Annotated[list[PairClaims], _FEW]]


class _Parts(TypedDict):
    count: Count
    n: AtLeastOne
    value: Share
    interval: Interval


def _at_most_all(parts: _Parts) -> _Parts:
    if parts["count"] > parts["n"]:
        raise PydanticCustomError("share", "must have a count of at most n")
    return parts


ShareClaims: TypeAlias = Annotated[_Parts, AfterValidator(_at_most_all)]
"""So many of n photos; see `foodvision.evaluation.Share`."""


class CorruptionClaims(TypedDict):
    """Photos made worse in one way; see `foodvision.evaluation.Corrupted`."""

    corruption: Text
    strength: Text
    right: ShareClaims


class RobustnessClaims(TypedDict):
    """Photos made worse; see `foodvision.evaluation.Robustness`."""

    untouched: ShareClaims
    corrupted: Annotated[list[CorruptionClaims], _FEW]


class SpeedClaims(TypedDict):
    """See `foodvision.evaluation.Speed`."""

    milliseconds: Positive
    runs: Count
    bytes: Count


class KnownClaims(TypedDict):
    """Photos of other things; see `foodvision.evaluation.KnownFigures`."""

    auroc: Share
    auroc_interval: Interval
    refused_at_95: ShareClaims
    threshold: Number
    kept: ShareClaims
    refused: ShareClaims


class BesideClaims(TypedDict, total=False):
    """What is claimed besides the figures of test photos; see `foodvision.evaluation.Judgement`."""

    robustness: RobustnessClaims
    speed: SpeedClaims
    known: KnownClaims
    certainty: Annotated[dict[Text, ShareClaims], _FEW]
    cross_validated: ShareClaims


class JudgementClaims(PhotoClaims, BesideClaims):
    """`figures.json` of a run."""


class ChosenBy(TypedDict):
    """Which score of known or not was chosen, and the AUROC of each candidate."""

    score: Text
    auroc_on_validation: Annotated[dict[Text, Share], _FEW]


@with_config(ConfigDict(extra="allow"))
class Claims(BesideClaims, total=False):
    """`figures` of a checkpoint. What recipes add stays as it is."""

    test: PhotoClaims
    known_by: ChosenBy
    measured_on: Annotated[dict[Text, Sha256], _FEW]


Scalar: TypeAlias = Annotated[
    str | int | float | bool | None, must_be("a text, a number, true, false or null")
]
Settings: TypeAlias = Annotated[dict[Text, Scalar], _FEW]
"""A file of settings; what each may be says `foodvision.training.config.TrainConfig`."""


@with_config(ConfigDict(extra="allow"))
class Training(TypedDict, total=False):
    """`training` of a checkpoint: the settings that this package reads again, and the others."""

    exclude: str | None
    # Of a TinyVGG of 2048 units: 113 million weights.
    hidden_units: Annotated[int, Field(ge=1, le=2048), must_be("a whole number from 1 to 2048")]


@with_config(ConfigDict(extra="allow"))
class DataOrigin(TypedDict, total=False):
    """`data` of a checkpoint: the photos' source, fingerprint and number in each split.

    left_out: how many files were left out, by the reason.
    """

    source: str
    fingerprint: str
    train: Count
    val: Count
    test: Count
    left_out: Annotated[dict[Text, Count], _FEW]


@with_config(ConfigDict(extra="allow"))
class Agreement(TypedDict, total=False):
    """`export` of a checkpoint: how closely graph and network agree, on how many photos."""

    largest_difference: Positive
    photos: Count


def _moment(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
        moment.timestamp()  # by which runs are sorted, and which not every date has
    except (ValueError, OverflowError):
        raise ValueError from None
    return moment.isoformat()


Moment: TypeAlias = Annotated[
    str,
    AfterValidator(_moment),
    must_be("a date and time, as 2026-11-30T10:00:00+01:00"),
]


class Started(TypedDict):
    """`run.json` of a run."""

    data: str
    started: Moment
    command: tuple[str, ...]
    state: Literal["running", "finished", "stopped", "failed"]
    seconds: Positive
    system: Annotated[dict[Text, Scalar], _FEW]
    versions: Versions


class _Row(TypedDict, total=False):
    """An epoch."""

    epoch: Count
    stage: Text
    train_loss: Number | None
    train_acc: Share | None
    val_loss: Number | None
    val_acc: Share | None
    learning_rate: Number | None
    seconds: Positive | None


Rows: TypeAlias = Annotated[
    list[dict[str, float | int | str | None]], read_as(Annotated[list[_Row], FailFast()])
]
"""`metrics.json` of a run."""


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise PydanticCustomError("unique", "must not contain a class twice")
    return names


ClassNames: TypeAlias = Annotated[
    tuple[Name, ...],
    Field(min_length=2, max_length=MOST_CLASSES),
    FailFast(),
    AfterValidator(_unique),
]
