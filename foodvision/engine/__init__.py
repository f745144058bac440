"""Training: the loop, what hangs on it, what a frozen backbone sees, and how a run is resumed."""

from foodvision.engine.steps import test_step, train, train_step

__all__ = ["test_step", "train", "train_step"]
