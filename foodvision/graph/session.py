"""A graph on ONNX Runtime; its answers are checked before anything uses them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from foodvision.errors import CheckpointError, first_line
from foodvision.graph.check import BATCH
from foodvision.system.processes import processors

# All checks of an answer take 0.07 ms a photo, of the 39 ms that our own network takes.

# A softmax in float32 over thousands of classes stays far below it.
_MOST_OFF = 1e-3


@dataclass(frozen=True)
class Answers:
    """What the graph says of n photos.

    probabilities: (n, classes) float32, rows summing to 1.
    known_score: (n,) float32.
    embedding: (n, d) float32.
    maps: class activation maps, (n, classes, h, w) float32; None where they were not asked for, or
        the graph has none.
    """

    probabilities: np.ndarray
    known_score: np.ndarray
    embedding: np.ndarray
    maps: np.ndarray | None = None


class Session:
    """A graph that was loaded into ONNX Runtime."""

    def __init__(
        self, graph: bytes, name: str | os.PathLike[str], classes: int, *, threads: int = 0
    ) -> None:
        """Load a graph that `foodvision.graph.check` verified.

        name: the checkpoint's, for messages. classes: their number. threads: 0 for as many as the
            machine has cores, or as this process may use.

        Raises CheckpointError if this version of ONNX Runtime cannot run the graph.
        """
        self._name, self._classes = name, classes
        options = onnxruntime.SessionOptions()
        # By itself ONNX Runtime counts cores, without the second thread of each, and no quotas.
        allowed = processors()
        is_limited = allowed < (os.cpu_count() or 1)
        options.intra_op_num_threads = threads or (allowed if is_limited else 0)
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no public base class
            raise CheckpointError(
                f"{name} does not run on ONNX Runtime "
                f"{onnxruntime.__version__} ({first_line(error)}): update onnxruntime"
            ) from None

    @property
    def has_map(self) -> bool:
        """Whether the graph has class activation maps."""
        return "map" in {output.name for output in self._session.get_outputs()}

    def answer(self, pixels: np.ndarray, *, maps: bool = False) -> Answers:
        """Return what the graph says of squares, (n, size, size, 3) uint8; with maps if it has any.

        Raises CheckpointError if it fails, or if an answer is not valid.
        """
        names = ["probabilities", "known_score", "embedding"]
        # ONNX Runtime computes them anyway: it drops no output of a graph that it has loaded.
        answers = Answers(*self._run([*names, "map"] if maps and self.has_map else names, pixels))
        self._check_shape("probabilities", answers.probabilities, (len(pixels), self._classes))
        self._check_shape("known_score", answers.known_score, (len(pixels),))
        self._check_shape("embedding", answers.embedding, (len(pixels), None))
        self._check_sums(answers.probabilities)
        if answers.maps is not None:
            self._check_shape("map", answers.maps, (len(pixels), self._classes, None, None))
        return answers

    def _run(self, names: list[str], pixels: np.ndarray) -> list[Any]:
        """Run as many photos at a time as the graph's bounds were checked for."""
        starts = range(0, max(1, len(pixels)), BATCH)
        try:
            parts = [
                self._session.run(names, {"pixels": pixels[start : start + BATCH]})
                for start in starts
            ]
        except Exception as error:  # no public base class
            raise self._error(first_line(error)) from None
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _check_shape(self, name: str, values: np.ndarray, shape: Sequence[int | None]) -> None:
        sides = zip(values.shape, shape, strict=False)
        fits = all(found == side for found, side in sides if side is not None)
        if values.ndim != len(shape) or not values.size or not fits:
            wanted = ", ".join("any" if side is None else str(side) for side in shape)
            raise self._error(f"{name} has the shape {list(values.shape)} instead of [{wanted}]")
        if not np.isfinite(values).all():
            raise self._error(f"{name} has values that are not finite")

    def _check_sums(self, probabilities: np.ndarray) -> None:
        if probabilities.min() < 0 or probabilities.max() > 1 + _MOST_OFF:
            raise self._error("probabilities has values outside of 0 to 1")
        if np.abs(probabilities.sum(axis=1) - 1).max() > _MOST_OFF:
            raise self._error("probabilities does not sum to 1")

    def _error(self, reason: str) -> CheckpointError:
        return CheckpointError(
            f"{self._name} returns invalid predictions ({reason}): use another model, or export "
            "it again"
        )
