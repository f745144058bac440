"""Training: the loop, what hangs on it, what a frozen backbone sees, and how a run is resumed."""

from foodvision.engine.features import (
    FeatureCache,
    embed_with_graph,
    embed_with_network,
    weights_fingerprint,
)
from foodvision.engine.finder import RateSweep, find_learning_rate
from foodvision.engine.memory import keep_freed_memory
from foodvision.engine.optimise import (
    DistributedModel,
    EarlyStopping,
    EMAModel,
    GradientAccumulator,
    Schedule,
    clip_gradients,
    create_optimizer,
)
from foodvision.engine.state import Snapshot, StopSignal
from foodvision.engine.steps import Results, Tally, test_step, train, train_step
from foodvision.engine.teacher import DistillationLoader, Teacher

__all__ = [
    "GradientAccumulator",
    "EMAModel",
    "EarlyStopping",
    "FeatureCache",
    "RateSweep",
    "Results",
    "Schedule",
    "DistributedModel",
    "Snapshot",
    "StopSignal",
    "Tally",
    "DistillationLoader",
    "Teacher",
    "clip_gradients",
    "create_optimizer",
    "embed_with_graph",
    "embed_with_network",
    "find_learning_rate",
    "keep_freed_memory",
    "test_step",
    "train",
    "train_step",
    "weights_fingerprint",
]
