"""Networks by name: TinyVGG and pretrained backbones with a new head."""

from foodvision.models.backbones import (
    architecture_of,
    base_model_of,
    check_network,
    check_training,
    create_model,
    find_start,
    load_network,
    preprocess_for,
    split_head,
)
from foodvision.models.tinyvgg import TinyVGG

__all__ = [
    "TinyVGG",
    "architecture_of",
    "base_model_of",
    "check_network",
    "check_training",
    "create_model",
    "find_start",
    "load_network",
    "preprocess_for",
    "split_head",
]
