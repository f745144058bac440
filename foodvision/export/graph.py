"""From a torch network to the graph that serves: everything after the pixels in one ONNX file."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import onnxscript  # noqa: F401 (torch exports with it: better missed before training than after)
import torch
from onnx import numpy_helper
from torch import nn

from foodvision.export.storage import HALF
from foodvision.models import split_head
from foodvision.preprocess import Preprocess

_FILLED = ("head.weight", "head.bias", "temperature", "prototypes")

_OPSET = 20  # read by onnxruntime 1.23, the newest for Python 3.10


@dataclass(frozen=True)
class Calibration:
    """What was fitted on validation photos and becomes nodes of the graph.

    temperature: the logits are divided by it before the softmax, above 0.
    prototypes: (classes, d) float32, the mean embedding of each class.
    known_threshold: a photo is known from this `known_score` on.
    """

    temperature: float
    prototypes: torch.Tensor
    known_threshold: float


def uncalibrated(classes: int, width: int) -> Calibration:
    """Return what stands in a graph until `fill_graph`; no two values of it are the same."""
    return Calibration(1.5, torch.linspace(0.1, 1.0, classes * width).view(classes, width), 0.0)


class ServingGraph(nn.Module):
    """A network with what the architecture puts around it.

    From pixels, (n, size, size, 3) uint8, to
        probabilities (n, classes): softmax of the logits divided by the temperature;
        known_score (n,): the largest cosine between the photo's embedding and a class's mean
            embedding, -1 to 1;
        embedding (n, d): what the head sees;
        map (n, classes, h, w): class activation maps (Zhou et al., "Learning Deep Features for
            Discriminative Localization", CVPR 2016), only of networks that end in pooled features.
    All outputs are float32.
    """

    mean: torch.Tensor
    std: torch.Tensor
    temperature: torch.Tensor
    prototypes: torch.Tensor

    def __init__(
        self, network: nn.Module, preprocess: Preprocess, calibration: Calibration
    ) -> None:
        """Build around a copy of the network, on the CPU and in evaluation mode."""
        super().__init__()
        self.body, self.head = split_head(network)
        self.register_buffer("temperature", torch.tensor(calibration.temperature))
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1))
        # As columns, which the exporter leaves as they are.
        columns = nn.functional.normalize(calibration.prototypes, dim=1).T.contiguous()
        self.register_buffer("prototypes", columns)
        self.eval()
        with torch.inference_mode():
            self.has_map = self._ends_in_pooled_features(preprocess.size)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return probabilities, known_score, embedding and, where there is one, map."""
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        if self.has_map:
            features = self.body.forward_features(images)  # type: ignore[operator]
            embedding = features.mean(dim=(2, 3))
        else:
            embedding = self.body(images)
        probabilities = (self.head(embedding) / self.temperature).softmax(dim=1)
        cosines = nn.functional.normalize(embedding, dim=1) @ self.prototypes
        answers = (probabilities, cosines.amax(dim=1), embedding)
        if self.has_map:
            return (*answers, torch.einsum("nchw,kc->nkhw", features, self.head.weight))
        return answers

    def _ends_in_pooled_features(self, size: int) -> bool:
        """Whether the embedding is the mean of the last feature map: then the head sees places."""
        forward_features = getattr(self.body, "forward_features", None)
        if forward_features is None:
            return False
        images = torch.linspace(-2, 2, 2 * 3 * size * size).view(2, 3, size, size)
        features, embedding = forward_features(images), self.body(images)
        return (
            features.ndim == 4
            and features.shape[1] == embedding.shape[1]
            and torch.allclose(features.mean(dim=(2, 3)), embedding, rtol=1e-4, atol=1e-4)
        )


def export_graph(graph: ServingGraph, preprocess: Preprocess) -> bytes:
    """Return the graph as the contents of `model.onnx`, for any number of photos."""
    names = ["probabilities", "known_score", "embedding", "map"]
    pixels = torch.zeros(2, preprocess.size, preprocess.size, 3, dtype=torch.uint8)
    with _quiet_exporter():
        program = torch.onnx.export(
            graph,
            (pixels,),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=names if graph.has_map else names[:3],
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def can_be_filled(exported: bytes) -> bool:
    """Whether `fill_graph` finds in an export all that it puts there."""
    model = onnx.load_model_from_string(exported)
    return set(_FILLED) <= {_plain_name(tensor) for tensor in model.graph.initializer}


def fill_graph(exported: bytes, graph: ServingGraph) -> bytes:
    """Put a graph's head, temperature and prototypes into an export with the same body.

    Exporting takes seconds, a frozen backbone is exported before its head is trained, and that of a
    checkpoint was exported long ago, for other classes.
    """
    model = onnx.load_model_from_string(exported)
    values = {name: value.numpy() for name, value in graph.state_dict().items()}
    for tensor in model.graph.initializer:
        name = _plain_name(tensor)
        if name in _FILLED:
            tensor.CopyFrom(numpy_helper.from_array(values[name], name))
    # What was stored in half precision had a node that restored it.
    nodes = [node for node in model.graph.node if not set(node.output) & set(_FILLED)]
    del model.graph.node[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    for output in model.graph.output:
        if output.name in ("probabilities", "map"):
            output.type.tensor_type.shape.dim[1].dim_value = graph.head.out_features
    return bytes(model.SerializeToString())


def _plain_name(tensor: onnx.TensorProto) -> str:
    return tensor.name.removesuffix(HALF)


@torch.inference_mode()
def largest_difference(graph: ServingGraph, exported: bytes, pixels: np.ndarray) -> float:
    """Return how far the exported graph's probabilities are from torch's on some squares.

    pixels: (n, size, size, 3) uint8.
    """
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["probabilities"], {"pixels": pixels})
    expected = graph(torch.from_numpy(pixels))[0].numpy()
    return float(np.abs(answers - expected).max())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Silence what the exporter says of its own internals: a user can do nothing about it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
