"""From a trained network to the graph that serves."""

from foodvision.export.graph import (
    Calibration,
    ServingGraph,
    can_be_filled,
    export_graph,
    fill_graph,
    largest_difference,
    uncalibrated,
)
from foodvision.export.storage import is_half, store_in_half

__all__ = [
    "Calibration",
    "ServingGraph",
    "can_be_filled",
    "export_graph",
    "fill_graph",
    "is_half",
    "largest_difference",
    "store_in_half",
    "uncalibrated",
]
