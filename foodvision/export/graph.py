"""From a torch network to the graph that serves: everything after the pixels in one ONNX file.

The graph has two parts. The body, from pixels to what the head sees, is exported by torch, which
takes seconds. The tail, from there to the answers, is a few nodes that are written here, so that a
frozen body is exported once and then serves any head.
"""

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
from onnx import TensorProto, helper, numpy_helper, parser
from torch import nn

from foodvision.export.known import NODES, KnownScore
from foodvision.models import split_head
from foodvision.preprocess import Preprocess

_OPSET = 20  # read by onnxruntime 1.23, the newest for Python 3.10
_IR_VERSION = 10  # of that opset

# What the tail's tensors are called, by which they are found again in a served graph.
_TAIL = "tail_"

_ANSWERS = """
    tail_logits = Gemm <transB = 1> (embedding, tail_head_weight, tail_head_bias)
    tail_tempered = Div (tail_logits, tail_temperature)
    probabilities = Softmax <axis = 1> (tail_tempered)
"""
_MAP = """
    tail_kernel = Unsqueeze (tail_head_weight, tail_places)
    map = Conv (features, tail_kernel)
"""


@dataclass(frozen=True)
class Calibration:
    """What was fitted on validation photos.

    temperature: the logits are divided by it before the softmax, above 0; a node of the graph.
    known: the score of known or not; nodes of the graph.
    known_threshold: a photo is known from this `known_score` on.
    sure_from, likely_from: confidence from which on an answer is called sure, or likely.
    """

    temperature: float
    known: KnownScore
    known_threshold: float
    sure_from: float
    likely_from: float


class Body(nn.Module):
    """A network without its head, from the pixels on.

    From (n, size, size, 3) uint8 to the embedding, (n, d) float32, and, of networks that end in
    pooled features, the feature map that was pooled, (n, d, h, w) float32.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, network: nn.Module, preprocess: Preprocess) -> None:
        """Build around a copy of the network, on the CPU and in evaluation mode."""
        super().__init__()
        self.body, _ = split_head(network)
        self.register_buffer("mean", torch.tensor(preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(preprocess.std).view(1, 3, 1, 1))
        self.cpu().eval()
        with torch.inference_mode():
            self.has_features = self._ends_in_pooled_features(preprocess.size)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the embedding and, where there are some, the features."""
        images = (pixels.permute(0, 3, 1, 2).float() / 255 - self.mean) / self.std
        if not self.has_features:
            return (self.body(images),)
        features = self.body.forward_features(images)  # type: ignore[operator]
        return features.mean(dim=(2, 3)), features

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


def export_body(network: nn.Module, preprocess: Preprocess) -> bytes:
    """Return a network without its head as an ONNX graph, from `pixels` to `embedding`."""
    body = Body(network, preprocess)
    pixels = torch.zeros(2, preprocess.size, preprocess.size, 3, dtype=torch.uint8)
    with _quiet_exporter():
        program = torch.onnx.export(
            body,
            (pixels,),
            dynamo=True,
            verbose=False,
            opset_version=_OPSET,
            input_names=["pixels"],
            output_names=["embedding", "features"][: 1 + body.has_features],
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )
    assert program is not None
    return bytes(program.model_proto.SerializeToString())


def find_body(graph: bytes) -> bytes | None:
    """Return the body of a graph that `complete_graph` made, or None of another one."""
    model = onnx.load_model_from_string(graph)
    names = {output.name for output in model.graph.output}
    made = {name for node in model.graph.node for name in node.output}
    if "tail_logits" not in made or ("map" in names and "features" not in made):
        return None
    nodes = [node for node in model.graph.node if not _is_of_tail(node.output[0])]
    weights = [tensor for tensor in model.graph.initializer if not _is_of_tail(tensor.name)]
    outputs = [output for output in model.graph.output if output.name == "embedding"]
    if "map" in names:
        outputs.append(helper.make_tensor_value_info("features", TensorProto.FLOAT, None))
    for part in ("node", "initializer", "output", "value_info"):
        del getattr(model.graph, part)[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(weights)
    model.graph.output.extend(outputs)
    return bytes(model.SerializeToString())


def complete_graph(body: bytes, head: nn.Linear, calibration: Calibration) -> bytes:
    """Return the contents of `model.onnx`: a body with the tail of a head and its calibration.

    Its outputs, all float32:
        probabilities (n, classes): softmax of the logits divided by the temperature;
        known_score (n,): higher is more surely one of the classes;
        embedding (n, d): what the head sees;
        map (n, classes, h, w): class activation maps (Zhou et al., "Learning Deep Features for
            Discriminative Localization", CVPR 2016), only of bodies with features.
    """
    model = onnx.load_model_from_string(body)
    of_body = {output.name: output for output in model.graph.output}
    tail = _tail(head, calibration.temperature, calibration.known, has_map="features" in of_body)
    model.graph.node.extend(tail.graph.node)
    model.graph.initializer.extend(tail.graph.initializer)
    outputs = {output.name: output for output in tail.graph.output} | of_body
    del model.graph.output[:]
    model.graph.output.extend(
        outputs[name]
        for name in ("probabilities", "known_score", "embedding", "map")
        if name in outputs
    )
    return bytes(model.SerializeToString())


def score_known(known: KnownScore, head: nn.Linear, embeddings: np.ndarray) -> np.ndarray:
    """Return what a score gives for embeddings, (n, d) float32: (n,) float32, by its own nodes."""
    tail = _tail(head, 1.0, known, has_map=False)
    session = onnxruntime.InferenceSession(
        tail.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(["known_score"], {"embedding": embeddings})
    return np.asarray(scores)


@torch.inference_mode()
def largest_difference(
    network: nn.Module, preprocess: Preprocess, graph: bytes, temperature: float, pixels: np.ndarray
) -> float:
    """Return how far a graph's probabilities are from its network's on some squares.

    pixels: (n, size, size, 3) uint8.
    """
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    (answers,) = session.run(["probabilities"], {"pixels": pixels})
    _, head = split_head(network)
    embedding = Body(network, preprocess)(torch.from_numpy(pixels))[0]
    expected = (head(embedding) / temperature).softmax(dim=1).numpy()
    return float(np.abs(answers - expected).max())


def _tail(
    head: nn.Linear, temperature: float, known: KnownScore, *, has_map: bool
) -> onnx.ModelProto:
    """Return the graph from `embedding`, and `features` for a map, to the answers."""
    classes, width = head.out_features, head.in_features
    inputs, outputs, nodes = f"float[N,{width}] embedding", "", _ANSWERS + NODES[known.kind]
    if has_map:
        inputs += f", float[N,{width},H,W] features"
        outputs += f", float[N,{classes},H,W] map"
        nodes += _MAP
    model = parser.parse_model(
        f'<ir_version: {_IR_VERSION}, opset_import: ["" : {_OPSET}]> tail ({inputs}) => '
        f"(float[N,{classes}] probabilities, float[N] known_score{outputs}) {{ {nodes} }}"
    )
    values = {
        "head_weight": head.weight.detach().numpy(),
        "head_bias": head.bias.detach().numpy(),
        "temperature": np.array(temperature),
        **known.values,
    }
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(value, np.float32, order="C"), _TAIL + name)
        for name, value in values.items()
    )
    axes = {"axis": [1], "places": [2, 3]} if has_map else {"axis": [1]}
    model.graph.initializer.extend(
        numpy_helper.from_array(np.array(of), _TAIL + name) for name, of in axes.items()
    )
    return model


def _is_of_tail(name: str) -> bool:
    return name.startswith(_TAIL) or name in ("probabilities", "known_score", "map")


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
