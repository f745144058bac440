"""From a trained network to the graph that serves."""

from foodvision.export.graph import Calibration, ServingGraph, export_graph, largest_difference

__all__ = ["Calibration", "ServingGraph", "export_graph", "largest_difference"]
