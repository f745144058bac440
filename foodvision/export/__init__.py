"""From a trained network to the graph that serves."""
