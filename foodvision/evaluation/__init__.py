"""Figures that can be believed, and the calibration behind them."""

from foodvision.evaluation.calibration import KEPT_SHARE, fit_known_threshold, fit_temperature
from foodvision.evaluation.figures import ClassFigures, Figures, Interval, measure, wilson_interval
from foodvision.evaluation.judge import answer, choose_split, evaluate

__all__ = [
    "KEPT_SHARE",
    "ClassFigures",
    "Figures",
    "Interval",
    "answer",
    "choose_split",
    "evaluate",
    "fit_known_threshold",
    "fit_temperature",
    "measure",
    "wilson_interval",
]
