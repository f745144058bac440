"""Networks by name: TinyVGG and pretrained backbones with a new head."""

from foodvision.models.backbones import (
    Start,
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
    "Start",
    "TinyVGG",
    "check_network",
    "check_training",
    "create_model",
    "find_start",
    "load_network",
    "preprocess_for",
    "split_head",
]
