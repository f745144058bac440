"""Two runs on the same test photos: which is better, and whether that is more than noise."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import computed_field
from scipy.stats import binomtest, norm

from foodvision.errors import RunError
from foodvision.evaluation.words import points
from foodvision.figures import Interval, as_json, wilson_interval
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.record import RunRecord

LEVEL = 0.05
"""A difference that chance alone makes less often than this is called more than noise."""


@dataclass(frozen=True)
class Side:
    """One of the two: n test photos, so many of them right, with Wilson's 95% interval."""

    name: str
    n: int
    right: int
    interval: Interval

    @computed_field  # type: ignore[prop-decorator]
    @property
    def top1(self) -> float:
        """Share of photos that it got right."""
        return self.right / self.n


@dataclass(frozen=True)
class Comparison:
    """What the same test photos say of two runs.

    difference: top-1 of the second less the first's, -1 to 1, with its paired 95% interval.
    only_first, only_second: photos that one run got right and the other did not.
    p_value: McNemar's exact test: how often chance alone would make such a difference.
    """

    first: Side
    second: Side
    difference: float
    interval: Interval
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    p_value: float

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_more_than_noise(self) -> bool:
        """Whether chance alone makes such a difference less often than in 5 of 100 cases."""
        return self.p_value < LEVEL

    def in_words(self) -> str:
        """Return a sentence: which run is better, and whether that is more than noise."""
        on_photos = f"on the same {self.first.n} photos"
        if not self.difference:
            return f"{self.first.name} and {self.second.name} are equally accurate {on_photos}."
        ahead, behind, interval = self.second, self.first, self.interval
        if self.difference < 0:
            ahead, behind, interval = behind, ahead, Interval(-interval.high, -interval.low)
        p_value = "p < 0.001" if self.p_value < 0.001 else f"p = {self.p_value:.3f}"
        verdict = f"{'a' if self.is_more_than_noise else 'no'} significant difference"
        # The exact test is the stricter one: the interval never includes 0 where it rejects.
        disagree = (
            " The interval just excludes 0, but the exact test does not reject equal accuracy: "
            "there are too few photos to tell."
        )
        return (
            f"{ahead.name} is {100 * abs(self.difference):.1f} points more accurate than "
            f"{behind.name} (95% interval {points(interval.low)} to {points(interval.high)}) "
            f"{on_photos}: {verdict} (McNemar's exact test, {p_value})."
            f"{disagree if interval.low > 0 and not self.is_more_than_noise else ''}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON types."""
        return as_json(self) | {"in_words": self.in_words()}


def compare(first: RunRecord, second: RunRecord) -> Comparison:
    """Hold two runs against each other, photo by photo.

    Raises RunError for a run whose test photos were not judged, for two that were judged on
    different photos, and for one run given twice.
    """
    if first.folder.resolve() == second.folder.resolve():
        raise RunError(f"{second.folder} is the same run: compare it with another one")
    one, two = _by_photo(first), _by_photo(second)
    names = _names(first, second)
    _check_same_photos(names, one, two)
    only_first = tuple(name for name in one if one[name].is_right and not two[name].is_right)
    only_second = tuple(name for name in one if two[name].is_right and not one[name].is_right)
    return Comparison(
        first=_side(names[0], first),
        second=_side(names[1], second),
        difference=(len(only_second) - len(only_first)) / len(one),
        interval=paired_interval(len(only_first), len(only_second), len(one)),
        only_first=only_first,
        only_second=only_second,
        p_value=mcnemar_exact(len(only_first), len(only_second)),
    )


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """Return how often chance makes such a difference (McNemar, Psychometrika 12, 1947).

    If the two were equally good, the photos that one alone got right would fall to either side
    like a coin.
    """
    discordant = only_first + only_second
    return float(binomtest(only_second, discordant).pvalue) if discordant else 1.0


def paired_interval(only_first: int, only_second: int, n: int) -> Interval:
    """Return the 95% interval of the difference of two shares of the same n photos.

    Adjusted Wald (Bonett and Price, J. Educ. Behav. Stat. 37, 2012): it holds for few photos, too,
    and for two runs that are right on the same ones.
    """
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    difference = second - first
    half = float(norm.ppf(0.975)) * math.sqrt((first + second - difference**2) / (n + 2))
    return Interval(max(-1.0, difference - half), min(1.0, difference + half))


def _names(first: RunRecord, second: RunRecord) -> tuple[str, str]:
    if first.name == second.name:  # of two different folders, it may be
        return str(first.folder), str(second.folder)
    return first.name, second.name


def _by_photo(run: RunRecord) -> dict[str, JudgedPhoto]:
    if not run.answers:
        raise RunError(
            f"{run.folder} has no predictions for test photos (it is {run.state}): compare "
            "finished runs"
        )
    return {answer.photo: answer for answer in run.answers}


def _check_same_photos(
    names: tuple[str, str], one: Mapping[str, JudgedPhoto], two: Mapping[str, JudgedPhoto]
) -> None:
    both = " and ".join(names)
    way_out = (
        "compare runs with the same photos, seed and test-share, and with the same --exclude list "
        "and files"
    )
    if one.keys() != two.keys():
        raise RunError(
            f"{both} have different test photos ({len(one)} and {len(two)}, "
            f"{len(one.keys() & two.keys())} in common): {way_out}"
        )
    for name, answer in one.items():
        if answer.label != two[name].label:
            raise RunError(
                f"{both} have different labels ({name} is {answer.label} in one and "
                f"{two[name].label} in the other): {way_out}"
            )


def _side(name: str, run: RunRecord) -> Side:
    right = sum(answer.is_right for answer in run.answers)
    return Side(name, len(run.answers), right, wilson_interval(right, len(run.answers)))
