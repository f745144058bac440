"""What a graph must be, before ONNX Runtime sees it: the contract of a checkpoint, and bounds."""

from collections.abc import Iterator
from itertools import chain
from math import prod

import onnx
from onnx import AttributeProto
from onnx.external_data_helper import uses_external_data

from foodvision.errors import first_line
from foodvision.graph.cost import BOUNDS, BYTES, GraphFault, measure

BATCH = 8
"""Photos that are answered together at most. Larger batches gain nothing on a CPU."""

_LONGEST_FAULT = 300

# Others hold graphs, sparse tensors that become large, or types.
_PLAIN_ATTRIBUTES = (
    *(AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR),
    *(AttributeProto.FLOATS, AttributeProto.INTS, AttributeProto.STRINGS),
)


def examine(graph: bytes, size: int, classes: int) -> int:
    """Return how many multiplications a graph takes for a photo.

    size: pixels of a side of its squares. classes: how many the configuration names.

    Raises GraphFault, the end of a sentence about the graph's file, if it is none of a checkpoint.
    """
    try:
        model = onnx.load_model_from_string(graph)
        fault = next(_foreign(model), "")
        if not fault:
            # Only now: the checker opens the files that a graph names.
            onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise classes of their own
        raise GraphFault(
            shown(f"is not an ONNX graph ({first_line(error)}): download or copy it again")
        ) from None
    try:
        if fault := fault or next(_misshapen(model, size, classes), ""):
            raise GraphFault(fault)
        costs = [_cost(model, size, classes, photos) for photos in (1, BATCH)]
    except GraphFault as fault:
        raise GraphFault(shown(f"is not the graph of a foodvision checkpoint: {fault}")) from None
    return costs[0]


def shown(text: str) -> str:
    """Return a text with names of a stranger's choice in it as a terminal may show it."""
    return "".join(each if each.isprintable() else "?" for each in text[:_LONGEST_FAULT])


def _foreign(model: onnx.ModelProto) -> Iterator[str]:
    """Say what in the graph reaches outside of the file or the ONNX standard, or is too much."""
    graph = model.graph
    if len(graph.node) > BOUNDS.nodes or len(graph.initializer) > BOUNDS.nodes:
        yield f"it has over {BOUNDS.nodes:,} nodes or tensors"
    domains = {entry.domain for entry in model.opset_import} - {"", "ai.onnx"}
    yield from (f"it uses operators of {domain}" for domain in sorted(domains))
    if [entry.domain for entry in model.opset_import] != [""]:
        yield "it does not declare exactly one version of the ONNX operators"
    attributes = [attribute for node in graph.node for attribute in node.attribute]
    if model.functions or any(each.HasField("g") or each.graphs for each in attributes):
        # Ours have none; a stranger's could hide in them what the other checks look for.
        yield "it contains nested graphs"
    tensors = [*graph.initializer, *(attribute.t for attribute in attributes)]
    if graph.sparse_initializer or any(uses_external_data(tensor) for tensor in tensors):
        yield "its weights are in another file"
    if model.training_info or any(each.type not in _PLAIN_ATTRIBUTES for each in attributes):
        yield "it has attributes that image networks do not use"
    constants = [each.t for each in attributes if each.type == AttributeProto.TENSOR]
    if not all(map(_is_whole, chain(graph.initializer, constants))):
        yield "it has tensors whose values do not match their shape"


def _is_whole(tensor: onnx.TensorProto) -> bool:
    """Whether a tensor has as many values as its shape promises, of a type that we know."""
    if tensor.data_type not in BYTES or any(side < 0 for side in tensor.dims):
        return False
    count: int = prod(tensor.dims)
    if tensor.HasField("raw_data"):
        return len(tensor.raw_data) == count * BYTES[tensor.data_type]
    fields = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
    return sum(len(getattr(tensor, name)) for name in fields) == count


def _misshapen(model: onnx.ModelProto, size: int, classes: int) -> Iterator[str]:
    """Say where inputs and outputs are not what the configuration promises."""
    expected = {
        "pixels": ("UINT8", [size, size, 3]),
        "probabilities": ("FLOAT", [classes]),
        "known_score": ("FLOAT", []),
        "embedding": ("FLOAT", None),  # as wide as the network makes it
    }
    if classes < 1:
        yield "it has no classes"
    values = {value.name: value for value in (*model.graph.input, *model.graph.output)}
    if len(model.graph.input) != 1:
        yield "its only input should be pixels"
    for name, (kind, sides) in expected.items():
        if name not in values or not _fits(values[name], kind, sides):
            yield f"{name} should be {_in_words(kind, sides)}"


def _in_words(kind: str, sides: list[int] | None) -> str:
    shape = ["N", *map(str, ["d"] if sides is None else sides)]
    return f"{kind.lower()} [{', '.join(shape)}]"


def _fits(value: onnx.ValueInfoProto, kind: str, sides: list[int] | None) -> bool:
    tensor = value.type.tensor_type
    found = [side.dim_value for side in tensor.shape.dim[1:]]
    any_number = bool(tensor.shape.dim) and bool(tensor.shape.dim[0].dim_param)
    return (
        any_number
        and tensor.elem_type == onnx.TensorProto.DataType.Value(kind)
        and (found == sides if sides is not None else len(found) == 1)
    )


def _cost(model: onnx.ModelProto, size: int, classes: int, photos: int) -> int:
    """Return how many multiplications some photos take.

    The cost is held against the bounds. The shapes of the outputs, as they are inferred and not as
    the graph claims them, are held against the contract.
    """
    cost = measure(model, size, photos)
    shapes = cost.shapes
    embedding, maps = shapes["embedding"], shapes.get("map", (photos, classes, 1, 1))
    fits = {
        "probabilities": shapes["probabilities"] == (photos, classes),
        "known_score": shapes["known_score"] == (photos,),
        "embedding": len(embedding) == 2 and embedding[0] == photos,
        "map": len(maps) == 4 and maps[:2] == (photos, classes) and max(maps[2:]) <= size,
    }
    for name, holds in fits.items():
        if not holds:
            raise GraphFault(f"{name} has the shape {list(shapes[name])} for a batch of {photos}")
    return cost.multiplications
