"""A checkpoint's graph: bounded, tried and run."""
