"""95% intervals of figures by the bootstrap."""

from collections.abc import Callable
from typing import Any

import numpy as np

from foodvision.figures import Interval, wilson_interval

RESAMPLES = 1000
"""Samples that stand for the chance in a set of photos."""


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
