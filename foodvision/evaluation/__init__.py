"""Figures that can be believed, and the calibration behind them."""

from foodvision.evaluation.calibration import (
    FEWEST_TO_REFUSE,
    KEPT_SHARE,
    CertaintyBounds,
    few_photos_in_words,
    fit_cautious_threshold,
    fit_certainty,
    fit_known_threshold,
    fit_temperature,
)
from foodvision.evaluation.cross_validation import FEW_TEST_PHOTOS, cross_validate
from foodvision.evaluation.figures import ClassFigures, Figures, Pair, find_pairs, measure
from foodvision.evaluation.intervals import Interval, Share, as_json, wilson_interval
from foodvision.evaluation.judge import Judgement, answer, choose_split, evaluate, judge
from foodvision.evaluation.reliability import ReliabilityBin
from foodvision.evaluation.robustness import MOST_PHOTOS, Corrupted, Robustness, measure_robustness
from foodvision.evaluation.speed import Speed, measure_speed
from foodvision.evaluation.unknown import KnownFigures, measure_known

__all__ = [
    "FEWEST_TO_REFUSE",
    "FEW_TEST_PHOTOS",
    "KEPT_SHARE",
    "CertaintyBounds",
    "MOST_PHOTOS",
    "ClassFigures",
    "Corrupted",
    "Figures",
    "Interval",
    "Judgement",
    "KnownFigures",
    "Pair",
    "ReliabilityBin",
    "Robustness",
    "Share",
    "Speed",
    "answer",
    "as_json",
    "choose_split",
    "cross_validate",
    "evaluate",
    "few_photos_in_words",
    "find_pairs",
    "fit_cautious_threshold",
    "fit_certainty",
    "fit_known_threshold",
    "fit_temperature",
    "judge",
    "measure",
    "measure_known",
    "measure_robustness",
    "measure_speed",
    "wilson_interval",
]
