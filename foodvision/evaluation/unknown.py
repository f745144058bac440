"""Known or not: whether photos of other things are refused."""

import numpy as np
from sklearn.metrics import roc_auc_score

from foodvision.evaluation.calibration import fit_known_threshold
from foodvision.evaluation.intervals import percentile_interval, resample
from foodvision.figures import Interval, KnownFigures, Share


def measure_known(known: np.ndarray, unknown: np.ndarray, threshold: float) -> KnownFigures:
    """Compare the known scores of known photos, (n,), and of others, (m,), both at least one."""
    is_known = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    at_95 = fit_known_threshold(known)
    return KnownFigures(
        auroc=float(roc_auc_score(is_known, np.r_[known, unknown])),
        auroc_interval=_auroc_interval(known, unknown),
        refused_at_95=Share(int((unknown < at_95).sum()), len(unknown)),
        threshold=threshold,
        kept=Share(int((known >= threshold).sum()), len(known)),
        refused=Share(int((unknown < threshold).sum()), len(unknown)),
    )


def _auroc_interval(known: np.ndarray, unknown: np.ndarray) -> Interval:
    """Known photos and others are drawn apart: how many there are of each says nothing."""
    chance = np.random.default_rng(1)

    def auroc(drawn: np.ndarray) -> float:
        others = np.sort(unknown[chance.integers(len(unknown), size=len(unknown))])
        below = np.searchsorted(others, known[drawn], "left")
        not_above = np.searchsorted(others, known[drawn], "right")
        return float((below + not_above).mean() / 2 / len(others))

    return percentile_interval(resample(auroc, len(known)), min(len(known), len(unknown)))
