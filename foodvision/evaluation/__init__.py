"""Figures that can be believed, and the calibration behind them."""

from foodvision.evaluation.calibration import (
    KEPT_SHARE,
    CertaintyBounds,
    fit_certainty,
    fit_known_threshold,
    fit_temperature,
)
from foodvision.evaluation.figures import ClassFigures, Figures, Interval, measure, wilson_interval
from foodvision.evaluation.judge import answer, choose_split, evaluate
from foodvision.evaluation.known import KnownFigures, measure_known

__all__ = [
    "KEPT_SHARE",
    "CertaintyBounds",
    "ClassFigures",
    "Figures",
    "Interval",
    "KnownFigures",
    "answer",
    "choose_split",
    "evaluate",
    "fit_certainty",
    "fit_known_threshold",
    "fit_temperature",
    "measure",
    "measure_known",
    "wilson_interval",
]
