"""Predictions: a checkpoint on ONNX Runtime, from a photo to its label and confidence."""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from foodvision.checkpoint import BUNDLED, Checkpoint, CheckpointConfig, read_checkpoint
from foodvision.errors import CheckpointError, SettingsError
from foodvision.graph.check import BATCH
from foodvision.graph.session import Answers, Session
from foodvision.hub.client import is_repo_id
from foodvision.hub.download import download_checkpoint
from foodvision.hub.push import Pushed, push_checkpoint
from foodvision.image import Photo, load_image
from foodvision.safety.foreign import fault_of_file, fault_of_network, plain_name

BUNDLED_NAME = "foodvision_101"
"""The name of the model that ships."""

Certainty: TypeAlias = Literal["sure", "likely", "perhaps", "not known"]
"""How sure a model is, in words."""


class Guess(NamedTuple):
    """One label and its calibrated probability, 0 to 1."""

    label: str
    confidence: float


@dataclass(frozen=True)
class Prediction:
    """The answer for one photo.

    label: the likeliest class (where `known` is false: only the nearest).
    confidence: its probability, 0 to 1.
    top: the likeliest classes, best first.
    certainty: how sure the model is, in words: "sure" (of its validation photos 98% of the answers
        called so were right), "likely" (80%), "perhaps" (fewer), "not known" (`known` is false).
    known: whether the photo looks like any of the classes at all.
    known_score: what `known` was decided by; higher is more surely one of the classes.
    seconds: what the answer took, decoding included; in a batch, the photo's share.
    evidence: where the photo speaks for `label`: (h, w) float32, 0 (nowhere) to 1 (most); the class
        activation map (Zhou et al., CVPR 2016), what speaks against it cut off. None of a network
        that has none: it does not end in pooled features.
    """

    label: str
    confidence: float
    top: tuple[Guess, ...]
    certainty: Certainty
    known: bool
    known_score: float
    seconds: float
    evidence: np.ndarray | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as JSON types: label, confidence, certainty, known, ... top."""
        return {
            "label": self.label,
            "confidence": self.confidence,
            "certainty": self.certainty,
            "known": self.known,
            "known_score": self.known_score,
            "top": [guess._asdict() for guess in self.top],
        }


class Classifier:
    """A checkpoint, ready to answer."""

    def __init__(self, checkpoint: Checkpoint, *, threads: int = 0) -> None:
        """Start ONNX Runtime on a checkpoint that `read_checkpoint` verified.

        threads: of one answer; 0 for all. With 1, several answers at once are faster: none waits
            for the threads of another.

        Raises CheckpointError if this version of ONNX Runtime cannot run the graph.
        """
        self.checkpoint = checkpoint
        classes = len(checkpoint.config.classes)
        self._session = Session(checkpoint.graph, checkpoint.folder, classes, threads=threads)

    def __reduce__(self) -> "tuple[Any, ...]":
        """Return how another process loads it: by the checkpoint's folder."""
        return load, (os.fspath(self.checkpoint.folder),)

    @classmethod
    def from_pretrained(
        cls, source: str | os.PathLike[str], revision: str | None = None
    ) -> "Classifier":
        """Load a model by folder or user/name on the Hub, as `load` does."""
        return cls(read_checkpoint(find_checkpoint(source, revision)))

    def push_to_hub(
        self, repo_id: str, *, private: bool = False, revision: str | None = None
    ) -> Pushed:
        """Push the checkpoint to `user/name`, as `foodvision.hub.push_checkpoint` does."""
        return push_checkpoint(self.checkpoint, repo_id, private=private, revision=revision)

    @property
    def config(self) -> CheckpointConfig:
        """What the checkpoint says of itself."""
        return self.checkpoint.config

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, in the order of the probabilities."""
        return self.config.classes

    def predict(self, image: Photo, top: int = 5) -> Prediction:
        """Say what is in one photo: a path, bytes, an open file, a Pillow image or an array.

        Raises PhotoError for what is no photo, SettingsError for a `top` below 1.
        """
        return self.predict_batch([image], top)[0]

    def predict_batch(self, images: Iterable[Photo], top: int = 5) -> list[Prediction]:
        """Say what is in each photo, in order.

        Raises PhotoError at the first one that is no photo, SettingsError for a `top` below 1, and
        for one photo instead of several.
        """
        check_top(top)
        if _is_one(images):
            raise SettingsError("predict_batch needs a list of photos: for one photo, use predict")
        return [
            prediction for batch in _batches(images) for prediction in self._predict(batch, top)
        ]

    def predict_pixels(self, pixels: np.ndarray, top: int = 5) -> list[Prediction]:
        """Say what is in squares as `pixels` returns them: (n, size, size, 3) uint8.

        Raises SettingsError for a `top` below 1.
        """
        check_top(top)
        return list(self._answer(pixels, top, time.perf_counter()))

    def pixels(self, image: Photo) -> np.ndarray:
        """Return what the graph takes for a photo: (size, size, 3) uint8."""
        preprocess = self.config.preprocess
        return preprocess(load_image(image, preprocess.short_side, preprocess.white))

    def run(self, pixels: np.ndarray) -> Answers:
        """Run the graph on squares, (n, size, size, 3) uint8.

        Raises CheckpointError if it fails, or if an answer is not valid.
        """
        return self._session.answer(pixels)

    def evidence(self, image: Photo, label: str) -> np.ndarray | None:
        """Return where a photo speaks for any class, as `Prediction.evidence` does for its label.

        Raises PhotoError for what is no photo, SettingsError for a label that is no class.
        """
        if label not in self.classes:
            raise SettingsError(f"{label!r} is not one of the model's {len(self.classes)} classes")
        maps = self._session.answer(self.pixels(image)[None], maps=True).maps
        return None if maps is None else _evidence(maps[0, self.classes.index(label)])

    def _predict(self, photos: Sequence[Photo], top: int) -> Iterator[Prediction]:
        started = time.perf_counter()
        return self._answer(np.stack([self.pixels(photo) for photo in photos]), top, started)

    def _answer(self, pixels: np.ndarray, top: int, started: float) -> Iterator[Prediction]:
        answers = self._session.answer(pixels, maps=True)
        maps = [None] * len(pixels) if answers.maps is None else answers.maps
        scores = answers.known_score.tolist()
        seconds = (time.perf_counter() - started) / len(pixels)
        for row, score, map_ in zip(answers.probabilities, scores, maps, strict=True):
            best = np.argsort(-row, kind="stable")[:top]
            guesses = tuple(Guess(self.classes[index], float(row[index])) for index in best)
            known = score >= self.config.known_threshold
            certainty = in_words(guesses[0].confidence, known, self.config)
            evidence = None if map_ is None else _evidence(map_[best[0]])
            yield Prediction(*guesses[0], guesses, certainty, known, score, seconds, evidence)


def load(
    source: str | os.PathLike[str] | None = None, *, revision: str | None = None
) -> Classifier:
    """Load a model that answers.

    source: nothing or "foodvision_101" for the model that ships, a checkpoint (or run) folder,
        or "user/name" on the Hugging Face Hub.
    revision: a branch, tag or commit of a Hub repository.

    Raises CheckpointError or HubError, each saying the way out.

    >>> foodvision.load().predict("photo.jpg").label
    'pizza'
    """
    return Classifier.from_pretrained(source or BUNDLED_NAME, revision)


def find_checkpoint(
    source: str | os.PathLike[str] | None = None,
    revision: str | None = None,
    *,
    weights: bool = False,
) -> Path:
    """Return the folder of what `load` takes, downloading it if it is on the Hub.

    weights: download also those that training starts from.

    Raises HubError, and CheckpointError for the name of a network that was never trained on photos
    of one's own, or of a run that does not exist.
    """
    name = os.fspath(source or BUNDLED_NAME)
    if not Path(name).exists():
        if fault := fault_of_network(name) or fault_of_file(name):
            raise CheckpointError(fault)
        name = plain_name(name)
    if name == BUNDLED_NAME:
        return BUNDLED
    repo_id, _, named = name.partition("@")
    if Path(name).exists() or not is_repo_id(repo_id):
        return Path(name)
    runs = Path(name).parent
    if any(runs.glob("*/run.json")):
        raise CheckpointError(
            f"{name} does not exist: `foodvision runs {runs}` lists the runs there. For a model on "
            "the Hub, write user/name"
        )
    return download_checkpoint(repo_id, revision or named or None, weights=weights)


def in_words(confidence: float, known: bool, config: CheckpointConfig) -> Certainty:
    """Return how sure an answer is; the bounds are the checkpoint's."""
    if not known:
        return "not known"
    if confidence >= config.sure_from:
        return "sure"
    return "likely" if confidence >= config.likely_from else "perhaps"


def check_top(top: int) -> None:
    """Raise SettingsError for a number of guesses below 1."""
    if top < 1:
        raise SettingsError(f"top {top} is out of range: at least 1")


def _evidence(map_: np.ndarray) -> np.ndarray:
    """Return what of a class activation map, (h, w), speaks for its class, 0 to 1."""
    heat = np.maximum(map_, 0)
    return np.asarray(heat / max(float(heat.max()), 1e-6), np.float32)


def _is_one(images: object) -> bool:
    """Whether this is one photo; an array of three dimensions may be a stack of grey ones."""
    if isinstance(images, np.ndarray):
        return images.ndim < 3 or (images.ndim == 3 and images.shape[2] in (1, 3, 4))
    return isinstance(images, (str, os.PathLike, bytes, Image.Image)) or hasattr(images, "read")


def _batches(images: Iterable[Photo]) -> Iterator[list[Photo]]:
    rest = iter(images)
    while batch := list(islice(rest, BATCH)):
        yield batch
