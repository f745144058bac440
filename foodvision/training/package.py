"""From a trained network to a checkpoint: features, calibration, graph and configuration."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version

import numpy as np
import torch
from safetensors.torch import save
from scipy.special import softmax
from sklearn.metrics import roc_auc_score
from torch import nn

import foodvision
from foodvision.checkpoint import Checkpoint, CheckpointConfig
from foodvision.classifier import Classifier
from foodvision.data import LabelledPhoto
from foodvision.engine.features import (
    FeatureCache,
    embed_with_graph,
    embed_with_network,
    weights_fingerprint,
)
from foodvision.errors import FoodVisionError
from foodvision.evaluation.calibration import (
    KEPT_SHARE,
    fit_cautious_threshold,
    fit_certainty,
    fit_temperature,
)
from foodvision.evaluation.cross_validation import FEW_TEST_PHOTOS, cross_validate
from foodvision.export.graph import (
    Calibration,
    complete_graph,
    find_body,
    largest_difference,
    score_known,
)
from foodvision.export.known import KnownScore, fit_contrast, fit_prototypes
from foodvision.figures import Share
from foodvision.graph.precision import is_half, store_in_half
from foodvision.models import split_head
from foodvision.training.config import TrainConfig
from foodvision.training.stages import Run

# Largest difference of probabilities between graph and network, on real photos. torch and ONNX
# Runtime sum in another order, which stays far below; half precision rounds the weights.
_TOLERATED_DIFFERENCE = 1e-3
_TOLERATED_DIFFERENCE_IN_HALF = 2e-2

_CHECKED_PHOTOS = 32

# From so many photos of other things on, a score is also fitted to them.
_FEWEST_TO_FIT = 40

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


def body_of_start(run: Run) -> bytes | None:
    """Return the body of the checkpoint that a run starts from, or None if it does not fit."""
    start = run.start.checkpoint
    # The body does not depend on what is white in deep photos.
    if start and replace(start.config.preprocess, white=run.preprocess.white) == run.preprocess:
        return find_body(start.graph)
    return None


def compute_features(
    network: nn.Module, body: bytes, photos: Sequence[LabelledPhoto], run: Run, views: int = 1
) -> torch.Tensor:
    """Return the embeddings of photos, (n, views, d) float32, from the cache if they are there.

    body: what `export_body` made of the network.
    """
    headless, _ = split_head(network)
    device = run.accelerator.device
    on_cpu = device.type == "cpu"
    cache = FeatureCache(
        embed_with_graph(body) if on_cpu else embed_with_network(headless, run.preprocess, device),
        weights_fingerprint(headless),
        run.preprocess,
        run.config.seed,
    )
    return cache.features(photos, views)


@torch.inference_mode()
def calibrate(
    network: nn.Module,
    body: bytes,
    run: Run,
    unknown: Sequence[LabelledPhoto] = (),
    kept: float = KEPT_SHARE,
) -> tuple[Calibration, dict[str, float]]:
    """Fit the known score on train and the rest on val; return it, and each score's AUROC.

    unknown: photos of other things, which choose the known score. Without them it is the cosine to
        the nearest class mean, and there are no AUROCs.
    kept: at least this share of the validation photos is called known.
    """
    _, head = split_head(network)
    head = head.cpu()
    splits = run.photos.splits
    parts = {"train": splits["train"], "val": splits["val"], "unknown": unknown}
    seen = {
        name: compute_features(network, body, photos, run)[:, 0].numpy()
        for name, photos in parts.items()
        if photos
    }
    train_labels, val_labels = np.array(run.labels("train")), np.array(run.labels("val"))
    known = fit_prototypes(seen["train"], train_labels)
    aurocs: dict[str, float] = {}
    if unknown:
        # Ties keep the first candidate.
        candidates = [known, KnownScore("energy")]
        known, aurocs = choose_known(candidates, head, seen["train"], seen["val"], seen["unknown"])
    scores = score_known(known, head, seen["val"])
    threshold = fit_cautious_threshold(scores, kept)
    logits = head(torch.from_numpy(seen["val"])).numpy()
    temperature = fit_temperature(logits, val_labels)
    confidence = softmax(logits / temperature, axis=1).max(axis=1)
    looks_known = scores >= threshold
    is_right = logits.argmax(axis=1) == val_labels
    bounds = fit_certainty(confidence[looks_known], is_right[looks_known])
    return Calibration(temperature, known, threshold, *bounds), aurocs


def cross_validated(network: nn.Module, body: bytes, run: Run) -> Share | None:
    """Return how many of all photos a head like the network's gets right, cross-validated.

    None if there are enough test photos, or the user chose them, and for a network that was trained
    as a whole: it has seen the photos.
    """
    splits = run.photos.splits
    is_small = len(splits["test"]) < FEW_TEST_PHOTOS and "test" in run.photos.carved
    if run.config.trains_network or not is_small:
        return None
    embeddings = [compute_features(network, body, photos, run)[:, 0] for photos in splits.values()]
    labels = [label for split in splits for label in run.labels(split)]
    return cross_validate(torch.cat(embeddings).numpy(), np.array(labels))


def choose_known(
    candidates: Sequence[KnownScore],
    head: nn.Linear,
    train: np.ndarray,
    val: np.ndarray,
    unknown: np.ndarray,
) -> tuple[KnownScore, dict[str, float]]:
    """Return the score that tells known from unknown best, and the AUROC of each.

    train, val, unknown: embeddings, (n, d) float32.

    With enough unknown photos, another candidate is fitted against half of them, and all candidates
    are compared on the other half. If it is the best, it is fitted against all of them.
    """
    judging, contrast = unknown, []
    if len(unknown) >= _FEWEST_TO_FIT:
        contrast, judging = [fit_contrast(train, unknown[::2])], unknown[1::2]
    is_known = np.r_[np.ones(len(val)), np.zeros(len(judging))]
    both = np.concatenate([val, judging])
    aurocs = {
        score.kind: float(roc_auc_score(is_known, score_known(score, head, both)))
        for score in (*candidates, *contrast)
    }
    best = max(aurocs, key=aurocs.__getitem__)
    chosen = {score.kind: score for score in candidates}
    return chosen.get(best) or fit_contrast(train, unknown), aurocs


def build_checkpoint(
    network: nn.Module, body: bytes, calibration: Calibration, run: Run
) -> Checkpoint:
    """Return the checkpoint, its graph compared with the network on real photos; write nothing.

    Raises FoodVisionError if the two do not agree.
    """
    network = network.cpu()
    _, head = split_head(network)
    graph = complete_graph(body, head, calibration)
    checkpoint = Checkpoint(
        folder=run.folder / "checkpoint",
        config=describe(run, calibration),
        graph=store_in_half(graph) if run.config.half_storage else graph,
    )
    classifier = Classifier(checkpoint)
    checked = run.photos.splits["val"][:_CHECKED_PHOTOS]
    pixels = np.stack([classifier.pixels(photo.path) for photo in checked])
    difference = largest_difference(
        network, run.preprocess, checkpoint.graph, calibration.temperature, pixels
    )
    half = is_half(checkpoint.graph)
    tolerated = _TOLERATED_DIFFERENCE_IN_HALF if half else _TOLERATED_DIFFERENCE
    if not difference <= tolerated:
        raise FoodVisionError(
            f"the exported graph's probabilities differ from the network's by {difference:.4f}, "
            f"more than {tolerated}: please report it with the model's name"
        )
    export = {"largest_difference": difference, "photos": len(pixels)}
    return replace(checkpoint, config=replace(checkpoint.config, export=export))


def describe(run: Run, calibration: Calibration) -> CheckpointConfig:
    """Return the `config.json` of a run, still without figures."""
    settings = {
        name: str(value or "") if name in ("output", "exclude", "unknown") else value
        for name, value in asdict(run.config).items()
    }
    if start := run.start.checkpoint:
        settings["hidden_units"] = start.config.training.get(
            "hidden_units", TrainConfig.hidden_units
        )
    return CheckpointConfig(
        classes=run.photos.classes,
        preprocess=run.preprocess,
        architecture=run.start.architecture,
        known_threshold=calibration.known_threshold,
        sure_from=calibration.sure_from,
        likely_from=calibration.likely_from,
        base_model=run.start.base_model if run.config.pretrained else "",
        training=settings,
        data={"fingerprint": run.fingerprint, **run.photos.numbers()},
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
