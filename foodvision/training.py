"""The story of a run, from a folder of photos to a checkpoint; every step is a call into a room."""

import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import save
from torch import nn
from torch.utils.data import TensorDataset
from tqdm import tqdm

import foodvision
from foodvision.checkpoint import (
    Checkpoint,
    CheckpointConfig,
    check_target,
    write_checkpoint,
)
from foodvision.classifier import Classifier
from foodvision.config import TrainConfig
from foodvision.data import LabelledPhoto, Photos, open_photos, split_photos
from foodvision.data.loaders import (
    create_dataloader,
    eval_transform,
    photo_dataset,
    train_transform,
)
from foodvision.engine import Results, compute_embeddings, train
from foodvision.errors import FoodVisionError, SettingsError
from foodvision.evaluation import Figures, evaluate, fit_known_threshold, fit_temperature
from foodvision.export import (
    Calibration,
    ServingGraph,
    export_graph,
    largest_difference,
    store_in_half,
)
from foodvision.image import load_image
from foodvision.models import check_network, create_model, preprocess_for, split_head
from foodvision.preprocess import Preprocess
from foodvision.tables import figures_table, interval_in_words, photos_table

# Of probabilities between graph and network, on real photos. Torch and ONNX Runtime sum in another
# order, which stays far below this; weights stored in half precision are rounded.
_TOLERATED_DIFFERENCE = 1e-3
_TOLERATED_DIFFERENCE_IN_HALF = 2e-2

_CHECKED_PHOTOS = 32
_LIBRARIES = ("torch", "torchvision", "timm", "onnxruntime", "onnx", "pillow", "numpy")

Features = Mapping[str, TensorDataset]
"""By split, train and val: (embedding (d,) float32, class index) of every photo."""


@dataclass(frozen=True)
class Run:
    """What the steps of a run share."""

    config: TrainConfig
    photos: Photos
    fingerprint: str
    preprocess: Preprocess
    device: torch.device
    folder: Path


def run(data: Path, config: TrainConfig, console: Console) -> Path:
    """Train on a folder or archive of photos and return the checkpoint's folder.

    Raises FoodVisionError for whatever a person can mend.
    """
    started = time.perf_counter()
    device = choose_device(config.device)
    preprocess = preprocess_for(config.model, config.image_size)
    folder = run_folder(config) / "checkpoint"
    check_target(folder)
    with open_photos(data) as found:
        photos = split_photos(
            found,
            val_share=config.val_share,
            test_share=config.test_share,
            seed=config.seed,
        )
        console.print(f"{data}: {photos.in_words()}", soft_wrap=True)
        console.print(photos_table(photos))
        check_photos(photos.splits["test"])
        this = Run(config, photos, photos.fingerprint(), preprocess, device, folder)

        torch.manual_seed(config.seed)
        network = create_model(
            config.model,
            len(photos.classes),
            pretrained=config.pretrained,
            hidden_units=config.hidden_units,
        )
        check_network(network, config.model, preprocess.size)
        if config.trains_head_only:
            features = compute_features(network, this)
            results = fit_head(network, features, config)
        else:
            results = fit_network(network, this)
            features = compute_features(network, this)
        seconds = time.perf_counter() - started
        console.print(_results_in_words(results, seconds), soft_wrap=True)

        checkpoint = build_checkpoint(network, calibrate(network, features), this)
        figures = evaluate(Classifier(checkpoint), photos.splits["test"])
    console.print(figures_table(figures, f"{config.model} on the test photos"))
    measured = {"test": figures.to_dict(), "epochs": results, "training_seconds": seconds}
    write_checkpoint(
        folder,
        replace(checkpoint.config, figures=measured),
        checkpoint.graph,
        card=write_card(checkpoint, figures),
        weights=save({name: value.contiguous() for name, value in network.state_dict().items()}),
    )
    console.print(f"The checkpoint: {folder}", soft_wrap=True)
    console.print(f"See it: foodvision demo --model {folder}", soft_wrap=True)
    return folder


def check_photos(photos: Sequence[LabelledPhoto]) -> None:
    """Open photos that are not needed before the end: what is wrong is better known before.

    Raises PhotoError at the first one that cannot be read.
    """
    for photo in tqdm(photos, desc="test photos", unit="photo", disable=None, leave=False):
        load_image(photo.path)


def choose_device(name: str) -> torch.device:
    """Return the device of that name, or for "auto" the best there is.

    Raises SettingsError for a device that this machine does not have.
    """
    if name == "auto":
        accelerator = torch.accelerator.current_accelerator(check_available=True)
        return accelerator or torch.device("cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError):
        raise SettingsError(f"this machine has no device {name!r}: try cpu, or auto") from None


def fit_head(network: nn.Module, features: Features, config: TrainConfig) -> Results:
    """Train the network's head on what its frozen backbone saw."""
    _, head = split_head(network)
    optimizer = torch.optim.Adam(head.parameters(), lr=config.learning_rate or 1e-2)
    return train(
        head,
        create_dataloader(features["train"], config.batch_size, shuffle=True),
        create_dataloader(features["val"], config.batch_size, shuffle=False),
        optimizer,
        nn.CrossEntropyLoss(),
        config.epochs,
    )


def fit_network(network: nn.Module, this: Run) -> Results:
    """Train the whole network on photos that are cropped and flipped by chance."""
    config = this.config
    # The order of memory in which a CPU's and a GPU's convolutions are about twice as fast.
    network.to(memory_format=torch.channels_last).to(this.device)
    train_set = photo_dataset(this.photos, "train", train_transform(this.preprocess))
    val_set = photo_dataset(this.photos, "val", eval_transform(this.preprocess))
    learning_rate = config.learning_rate or (5e-4 if config.starts_from_weights else 1e-3)
    return train(
        network,
        create_dataloader(train_set, config.batch_size, shuffle=True),
        create_dataloader(val_set, config.batch_size, shuffle=False),
        torch.optim.Adam(network.parameters(), lr=learning_rate),
        nn.CrossEntropyLoss(),
        config.epochs,
        this.device,
    )


def compute_features(network: nn.Module, this: Run) -> Features:
    """Return what the network's head sees of the train and val photos, left as they are."""
    body, _ = split_head(network)
    body.to(memory_format=torch.channels_last).to(this.device)
    features = {}
    for split in ("train", "val"):
        dataset = photo_dataset(this.photos, split, eval_transform(this.preprocess))
        loader = create_dataloader(dataset, this.config.batch_size, shuffle=False)
        features[split] = compute_embeddings(body, loader, this.device)
    return features


@torch.inference_mode()
def calibrate(network: nn.Module, features: Features) -> Calibration:
    """Fit temperature and known-or-not: prototypes from train, the rest from val."""
    _, head = split_head(network)
    embeddings, labels = features["train"].tensors
    prototypes = torch.stack(
        [embeddings[labels == index].mean(dim=0) for index in range(head.out_features)]
    )
    embeddings, labels = features["val"].tensors
    logits = head.cpu()(embeddings)
    cosines = nn.functional.normalize(embeddings) @ nn.functional.normalize(prototypes).T
    return Calibration(
        temperature=fit_temperature(logits.numpy(), labels.numpy()),
        prototypes=prototypes,
        known_threshold=fit_known_threshold(cosines.amax(dim=1).numpy()),
    )


def build_checkpoint(network: nn.Module, calibration: Calibration, this: Run) -> Checkpoint:
    """Export the network and hold the graph against it on real photos; nothing is written yet.

    Raises FoodVisionError if the two do not agree.
    """
    half = this.config.half_storage
    graph = ServingGraph(network.cpu(), this.preprocess, calibration)
    exported = export_graph(graph, this.preprocess)
    checkpoint = Checkpoint(
        folder=this.folder,
        config=describe(this, calibration),
        graph=store_in_half(exported) if half else exported,
    )
    classifier = Classifier(checkpoint)
    checked = this.photos.splits["val"][:_CHECKED_PHOTOS]
    pixels = np.stack([classifier.pixels(photo.path) for photo in checked])
    difference = largest_difference(graph, checkpoint.graph, pixels)
    tolerated = _TOLERATED_DIFFERENCE_IN_HALF if half else _TOLERATED_DIFFERENCE
    if not difference <= tolerated:
        raise FoodVisionError(
            f"the exported graph's probabilities differ from the network's by {difference:.4f}, "
            f"more than {tolerated}: please report it with the model's name"
        )
    export = {"largest_difference": difference, "photos": len(pixels)}
    return replace(checkpoint, config=replace(checkpoint.config, export=export))


def run_folder(config: TrainConfig) -> Path:
    """Return the folder asked for, or a new name under runs/."""
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{config.model.replace('/', '-')}"
    return config.output or Path("runs") / name


def describe(this: Run, calibration: Calibration) -> CheckpointConfig:
    """Return what `config.json` says of a run, the figures still missing."""
    settings = asdict(this.config) | {"output": str(this.config.output or "")}
    counts = {split: len(members) for split, members in this.photos.splits.items()}
    libraries = {name: version(name) for name in _LIBRARIES}
    return CheckpointConfig(
        classes=this.photos.classes,
        preprocess=this.preprocess,
        architecture=this.config.model,
        known_threshold=calibration.known_threshold,
        training=settings,
        data={"fingerprint": this.fingerprint, **counts},
        versions={
            "foodvision": foodvision.__version__,
            "python": platform.python_version(),
            **libraries,
        },
    )


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


def _results_in_words(results: Results, seconds: float) -> str:
    last = {name: values[-1] for name, values in results.items()}
    return (
        f"Trained in {seconds:.0f} seconds. Last epoch: "
        f"train loss {last['train_loss']:.3f}, accuracy {100 * last['train_acc']:.1f}; "
        f"validation loss {last['test_loss']:.3f}, accuracy {100 * last['test_acc']:.1f}."
    )
