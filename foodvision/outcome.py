"""From a trained network to a checkpoint: features, calibration, the graph, what is said of it."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version

import numpy as np
import torch
from safetensors.torch import save
from torch import nn

import foodvision
from foodvision.checkpoint import Checkpoint, CheckpointConfig
from foodvision.classifier import Classifier
from foodvision.data import LabelledPhoto
from foodvision.engine import (
    FeatureCache,
    embed_with_graph,
    embed_with_network,
    weights_fingerprint,
)
from foodvision.errors import FoodVisionError
from foodvision.evaluation import Figures, fit_known_threshold, fit_temperature
from foodvision.export import (
    Calibration,
    ServingGraph,
    can_be_filled,
    export_graph,
    fill_graph,
    is_half,
    largest_difference,
    store_in_half,
    uncalibrated,
)
from foodvision.models import architecture_of, find_start, split_head
from foodvision.stages import Run
from foodvision.tables import interval_in_words

# Of probabilities between graph and network, on real photos. Torch and ONNX Runtime sum in another
# order, which stays far below this; weights stored in half precision are rounded.
_TOLERATED_DIFFERENCE = 1e-3
_TOLERATED_DIFFERENCE_IN_HALF = 2e-2

_CHECKED_PHOTOS = 32
_LIBRARIES = (
    "torch",
    "torchvision",
    "timm",
    "accelerate",
    "onnxruntime",
    "onnx",
    "pillow",
    "numpy",
)


def body_of_start(this: Run) -> bytes | None:
    """Return the graph of the checkpoint that a run starts from, if it fits: the same body."""
    start = find_start(this.config.model)
    if start and start.config.preprocess == this.preprocess and can_be_filled(start.graph):
        return start.graph
    return None


def export_body(network: nn.Module, this: Run) -> bytes:
    """Return the network's graph, its head and calibration still to be filled in."""
    _, head = split_head(network)
    calibration = uncalibrated(head.out_features, head.in_features)
    return export_graph(ServingGraph(network, this.preprocess, calibration), this.preprocess)


def compute_features(
    network: nn.Module, exported: bytes, photos: Sequence[LabelledPhoto], this: Run, views: int = 1
) -> torch.Tensor:
    """Return what the network's head sees of photos, (n, views, d) float32; cached.

    exported: what `export_body` made of the network.
    """
    body, _ = split_head(network)
    device = this.accelerator.device
    on_cpu = device.type == "cpu"
    cache = FeatureCache(
        embed_with_graph(exported) if on_cpu else embed_with_network(body, this.preprocess, device),
        weights_fingerprint(body),
        this.preprocess,
        this.config.seed,
    )
    return cache.features(photos, views)


@torch.inference_mode()
def calibrate(network: nn.Module, exported: bytes, this: Run) -> Calibration:
    """Fit temperature and known-or-not: prototypes from train, the rest from val."""
    _, head = split_head(network)
    embeddings = {
        split: compute_features(network, exported, this.photos.splits[split], this)[:, 0]
        for split in ("train", "val")
    }
    labels = {split: torch.tensor(this.labels(split)) for split in embeddings}
    prototypes = torch.stack(
        [
            embeddings["train"][labels["train"] == index].mean(dim=0)
            for index in range(head.out_features)
        ]
    )
    logits = head.cpu()(embeddings["val"])
    unit = nn.functional.normalize
    cosines = unit(embeddings["val"]) @ unit(prototypes).T
    return Calibration(
        temperature=fit_temperature(logits.numpy(), labels["val"].numpy()),
        prototypes=prototypes,
        known_threshold=fit_known_threshold(cosines.amax(dim=1).numpy()),
    )


def build_checkpoint(
    network: nn.Module, exported: bytes, calibration: Calibration, this: Run
) -> Checkpoint:
    """Complete the graph and hold it against the network on real photos; nothing is written yet.

    Raises FoodVisionError if the two do not agree.
    """
    graph = ServingGraph(network.cpu(), this.preprocess, calibration)
    filled = fill_graph(exported, graph)
    checkpoint = Checkpoint(
        folder=this.folder / "checkpoint",
        config=describe(this, calibration),
        graph=store_in_half(filled) if this.config.half_storage else filled,
    )
    classifier = Classifier(checkpoint)
    checked = this.photos.splits["val"][:_CHECKED_PHOTOS]
    pixels = np.stack([classifier.pixels(photo.path) for photo in checked])
    difference = largest_difference(graph, checkpoint.graph, pixels)
    half = is_half(checkpoint.graph)
    tolerated = _TOLERATED_DIFFERENCE_IN_HALF if half else _TOLERATED_DIFFERENCE
    if not difference <= tolerated:
        raise FoodVisionError(
            f"the exported graph's probabilities differ from the network's by {difference:.4f}, "
            f"more than {tolerated}: please report it with the model's name"
        )
    export = {"largest_difference": difference, "photos": len(pixels)}
    return replace(checkpoint, config=replace(checkpoint.config, export=export))


def describe(this: Run, calibration: Calibration) -> CheckpointConfig:
    """Return what `config.json` says of a run, the figures still missing."""
    settings = {
        name: str(value or "") if name in ("output", "exclude") else value
        for name, value in asdict(this.config).items()
    }
    counts = {split: len(members) for split, members in this.photos.splits.items()}
    return CheckpointConfig(
        classes=this.photos.classes,
        preprocess=this.preprocess,
        architecture=architecture_of(this.config.model),
        known_threshold=calibration.known_threshold,
        training=settings,
        data={"fingerprint": this.fingerprint, **counts},
        versions={
            "foodvision": foodvision.__version__,
            "python": platform.python_version(),
            **{name: version(name) for name in _LIBRARIES},
        },
    )


def weights_of(network: nn.Module, *, half: bool) -> bytes:
    """Return the contents of `model.safetensors`; half: large weights as float16."""
    weights = {name: value.contiguous() for name, value in network.state_dict().items()}
    if half:
        weights = {
            name: value.half() if value.ndim > 1 else value for name, value in weights.items()
        }
    return save(weights)


def write_card(checkpoint: Checkpoint, figures: Figures) -> str:
    """Return the text of a short model card."""
    config = checkpoint.config
    return f"""\
# {checkpoint.folder.parent.name}

{config.architecture} for {len(config.classes)} classes: {", ".join(config.classes)}.

On {figures.n} test photos: top-1 {100 * figures.top1:.1f} (95% interval
{interval_in_words(figures.top1_interval)}), top-5 {100 * figures.top5:.1f}, macro F1
{100 * figures.macro_f1:.1f}. Trained on {config.data["train"]} photos, calibrated on
{config.data["val"]}.

```python
import foodvision
print(foodvision.load("{checkpoint.folder}").predict("photo.jpg"))
```
"""
