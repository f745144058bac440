"""Training: the loop, and what a frozen backbone sees."""

from foodvision.engine.features import compute_embeddings
from foodvision.engine.steps import Results, test_step, train, train_step

__all__ = ["Results", "compute_embeddings", "test_step", "train", "train_step"]
