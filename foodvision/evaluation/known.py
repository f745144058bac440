"""Known or not: how well a score tells photos of the classes from photos of other things."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from foodvision.evaluation.calibration import fit_known_threshold
from foodvision.evaluation.figures import Interval, wilson_interval


@dataclass(frozen=True)
class KnownFigures:
    """What a score says of photos of the classes (known) and of other things (unknown).

    score: its name.
    n_known, n_unknown: numbers of photos.
    auroc: the chance that a known photo scores higher than an unknown one, 0 to 1.
    refused: share of the unknown that are refused while `KEPT_SHARE` of these known are kept.
    refused_interval: Wilson's 95% interval of it.
    """

    score: str
    n_known: int
    n_unknown: int
    auroc: float
    refused: float
    refused_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """The figures as JSON types."""
        return asdict(self) | {"refused_interval": list(self.refused_interval)}


def measure_known(score: str, known: np.ndarray, unknown: np.ndarray) -> KnownFigures:
    """Measure a score by what it gives known photos, (n,), and unknown ones, (m,)."""
    refused = int((unknown < fit_known_threshold(known)).sum())
    is_known = np.r_[np.ones(len(known)), np.zeros(len(unknown))]
    return KnownFigures(
        score=score,
        n_known=len(known),
        n_unknown=len(unknown),
        auroc=float(roc_auc_score(is_known, np.r_[known, unknown])),
        refused=refused / len(unknown),
        refused_interval=wilson_interval(refused, len(unknown)),
    )
