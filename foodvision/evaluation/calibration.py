"""Calibration on validation photos: temperature, thresholds and certainty."""

from math import ceil, log
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import beta

from foodvision.checkpoint import NO_THRESHOLD

KEPT_SHARE = 0.95
"""Of the validation photos, so many are called known where nobody asks for more."""

# At most this share of later photos is refused, with this probability.
MOST_REFUSED, ASSURANCE = 0.1, 0.95

FEWEST_TO_REFUSE = ceil(log(1 - ASSURANCE) / log(1 - MOST_REFUSED))
"""Validation photos, 29, below which no threshold of known or not keeps that promise."""

# Standard deviation of the prior on the temperature's logarithm, around 1. Without it, a few photos
# that are all classified rightly would make the model almost certain.
_PRIOR_WIDTH = 0.5

# At least this share of the answers called so is right.
SURE_SHARE = 0.98
LIKELY_SHARE = 0.8

# Above any confidence.
NEVER = 2.0


class CertaintyBounds(NamedTuple):
    """Confidence from which on an answer is called sure, or likely; `NEVER` where none is."""

    sure_from: float
    likely_from: float


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that calibrates the probabilities.

    It minimises the negative log-likelihood (Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017), with a weak prior around 1 that matters for few photos only.

    logits: (n, classes) float32. labels: (n,) class indices.
    """

    def cost(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        likelihood = log_probabilities[np.arange(len(labels)), labels].sum()
        return float((log_temperature / _PRIOR_WIDTH) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(cost, bounds=(-3.0, 3.0), method="bounded").x))


def fit_known_threshold(scores: np.ndarray, kept: float = KEPT_SHARE) -> float:
    """Return the score that a share of the validation photos reach; scores: (n,) float32."""
    return float(np.quantile(scores, 1 - kept, method="lower"))


def fit_cautious_threshold(scores: np.ndarray, kept: float = KEPT_SHARE) -> float:
    """Return the score of `fit_known_threshold`, or a lower one where it comes from few photos.

    Later photos fall below the k-th lowest of n scores with a probability that is distributed as
    Beta(k, n + 1 - k), whatever the scores are (Wilks, 1941): k is the largest with which at most
    `MOST_REFUSED` fall below it with a probability of `ASSURANCE`. With fewer than
    `FEWEST_TO_REFUSE` scores there is none, and every photo counts as known.
    `benchmarks/known_threshold.py` shows both rules.

    scores: (n,) float32, of validation photos.
    """
    ranks = np.arange(1, len(scores) + 1)
    is_safe = beta.cdf(MOST_REFUSED, ranks, len(scores) + 1 - ranks) >= ASSURANCE
    if not is_safe.any():
        return NO_THRESHOLD
    safe = np.sort(scores)[is_safe.sum() - 1]
    return min(float(safe), fit_known_threshold(scores, kept))


def few_photos_in_words(count: int) -> tuple[str, ...]:
    """Return a sentence if so few validation photos let a model refuse nothing; else none."""
    if count >= FEWEST_TO_REFUSE:
        return ()
    return (
        f"With fewer than {FEWEST_TO_REFUSE} validation photos (here {count}), the model cannot "
        "refuse photos of other things. Add photos, or increase --val-share.",
    )


def refusal_in_words(count: int, *, is_measured: bool) -> tuple[str, ...]:
    """Return a sentence if a model cannot refuse photos of other things, or nobody tried; or none.

    count: of validation photos. is_measured: whether there were photos of other things.
    """
    if is_measured or count < FEWEST_TO_REFUSE:
        return few_photos_in_words(count)
    return (
        "The model was trained without photos of other things: it may take such a photo for one "
        "of its classes. Use --unknown to improve and measure this.",
    )


def fit_certainty(confidence: np.ndarray, is_right: np.ndarray) -> CertaintyBounds:
    """Return the lowest bounds that the validation photos justify.

    Of the answers called sure `SURE_SHARE` are right, of those called likely `LIKELY_SHARE`, with
    one more mistake counted than there was: so 49 answers without a mistake are the least that
    makes any answer sure, and where they are missing none ever is.

    confidence: (n,) float32, 0 to 1, of answers to photos that look like one of the classes.
    is_right: (n,) bool.
    """
    sure_from = _lowest_bound(confidence, is_right, SURE_SHARE)
    below = confidence < sure_from
    likely_from = _lowest_bound(confidence[below], is_right[below], LIKELY_SHARE)
    return CertaintyBounds(sure_from, min(likely_from, sure_from))


def _lowest_bound(confidence: np.ndarray, is_right: np.ndarray, share: float) -> float:
    order = np.argsort(-confidence, kind="stable")
    falling, right = confidence[order], np.cumsum(is_right[order])
    # A bound takes in all of the same confidence.
    is_last = np.append(falling[1:] < falling[:-1], True)[: len(order)]
    enough = np.flatnonzero((right >= share * np.arange(2, len(order) + 2)) & is_last)
    return float(falling[enough[-1]]) if len(enough) else NEVER
