"""Shares with the number of photos behind them, and 95% intervals: Wilson's and the bootstrap's."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from pydantic import TypeAdapter, computed_field
from pydantic.dataclasses import dataclass
from scipy.stats import binomtest

RESAMPLES = 1000
"""Samples that stand for the chance in a set of photos."""


class Interval(NamedTuple):
    """A 95% interval of a figure; of a share, 0 to 1."""

    low: float
    high: float


@dataclass(frozen=True)
class Share:
    """So many of n photos, n at least 1."""

    count: int
    n: int

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


def as_json(figures: Any) -> dict[str, Any]:
    """Return one of this package's dataclasses as JSON types, what it computes included."""
    plain: dict[str, Any] = TypeAdapter(type(figures)).dump_python(figures, mode="json")
    return plain


def wilson_interval(correct: int, n: int) -> Interval:
    """Return the 95% interval of a share (Wilson, JASA 22, 1927); 0 to 1 of no photos."""
    if not n:
        return Interval(0.0, 1.0)
    low, high = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    return Interval(float(low), float(high))


def resample(statistic: Callable[[np.ndarray], Any], n: int) -> np.ndarray:
    """Return a statistic of 1000 samples drawn with replacement from n photos; always the same.

    statistic: takes the places of the photos drawn, (n,) int, and returns k figures.

    Returns (1000, k) float64.
    """
    rng = np.random.default_rng(0)
    drawn = (statistic(rng.integers(n, size=n)) for _ in range(RESAMPLES))
    return np.array([np.atleast_1d(values) for values in drawn], dtype=np.float64)


def percentile_interval(resampled: np.ndarray, n: int) -> Interval:
    """Return the middle 95% of a figure's resamples (Efron, 1979); what is NaN is left out.

    n: the photos behind it. Where nothing is wrong, or nothing right, resamples cannot differ, but
    other photos could: then it is Wilson's interval of none in n.
    """
    low, high = np.nanquantile(resampled, (0.025, 0.975))
    if low == high and low in (0, 1):
        return wilson_interval(int(low) * n, n)
    return Interval(float(low), float(high))
