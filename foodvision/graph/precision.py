"""Smaller files for the same graph."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# Small tensors weigh nothing, and among them are those that half precision would hurt.
_SMALLEST = 1024

HALF = "_half"
"""What the name of a tensor ends in that is stored in half precision."""


def is_half(graph: bytes) -> bool:
    """Whether a graph stores weights as float16."""
    model = onnx.load_model_from_string(graph)
    return any(tensor.data_type == TensorProto.FLOAT16 for tensor in model.graph.initializer)


def store_in_half(graph: bytes) -> bytes:
    """Store large weights as float16, at half the size; they are computed with as float32.

    A Cast node behind each stored tensor gives float32 back, which ONNX Runtime does once, when it
    loads the graph. Weights beyond the range of float16 (65,504) stay as they are.
    """
    model = onnx.load_model_from_string(graph)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < _SMALLEST:
            continue
        if np.abs(values).max() > np.finfo(np.float16).max:
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + HALF))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return bytes(model.SerializeToString())
