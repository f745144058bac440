"""From a trained network to the graph that serves."""

from foodvision.export.graph import (
    Calibration,
    ServingGraph,
    export_graph,
    fill_graph,
    largest_difference,
    uncalibrated,
)
from foodvision.export.storage import store_in_half

__all__ = [
    "Calibration",
    "ServingGraph",
    "export_graph",
    "fill_graph",
    "largest_difference",
    "store_in_half",
    "uncalibrated",
]
