"""From a trained network to the graph that serves."""

from foodvision.export.graph import (
    Calibration,
    complete_graph,
    export_body,
    find_body,
    largest_difference,
    score_known,
)
from foodvision.export.known import KnownScore, fit_contrast, fit_prototypes
from foodvision.graph.precision import is_half, store_in_half

__all__ = [
    "Calibration",
    "KnownScore",
    "complete_graph",
    "export_body",
    "find_body",
    "fit_contrast",
    "fit_prototypes",
    "is_half",
    "largest_difference",
    "score_known",
    "store_in_half",
]
