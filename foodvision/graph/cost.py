"""What a graph costs, from the shapes of its tensors alone: nothing is computed with them.

ONNX infers the shapes one node at a time, so that a bound ends the walk before a shape gets out of
hand. `infer_shapes` of a whole model has no such bound: 21 nodes let it take 1.5 GB and 9 s.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.defs import get_schema
from onnx.reference import ReferenceEvaluator
from onnx.shape_inference import infer_node_outputs

from foodvision.errors import first_line

Shape = tuple[int, ...]


class GraphFault(Exception):  # noqa: N818 (a finding, which the caller turns into an error)
    """Why a graph is refused, as the end of a sentence about it."""


@dataclass(frozen=True)
class Bounds:
    """What a graph may cost at most.

    nodes: nodes, and as many stored tensors. The largest networks of timm have 2,000.
    rank: axes of a tensor.
    multiplications: multiplications for one photo. ViT-L needs 62e9 at 224 pixels and 191e9 at
        384, EfficientNet-B7 38e9 at 600.
    elements: elements that all nodes for one photo read and write. EfficientNet-B7 has 2.4e9.
    memory: bytes of the tensors that one photo needs at the same time; eight are answered at a
        time. EfficientNet-B7 needs 207e6, ResNet-18 at 1536 pixels 302e6.
    folded: bytes of the tensors that no photo decides, beside 8 for each stored byte. ONNX Runtime
        computes them when it loads the graph. Networks that normalise weights (NFNet) have 5.
    """

    nodes: int = 10_000
    rank: int = 8
    multiplications: int = 400_000_000_000
    elements: int = 10_000_000_000
    memory: int = 400_000_000
    folded: int = 100_000_000


BOUNDS = Bounds()

BYTES: Mapping[int, int] = {
    TensorProto.FLOAT: 4,
    TensorProto.DOUBLE: 8,
    TensorProto.FLOAT16: 2,
    TensorProto.BFLOAT16: 2,
    TensorProto.BOOL: 1,
    **dict.fromkeys((TensorProto.INT8, TensorProto.UINT8), 1),
    **dict.fromkeys((TensorProto.INT16, TensorProto.UINT16), 2),
    **dict.fromkeys((TensorProto.INT32, TensorProto.UINT32), 4),
    **dict.fromkeys((TensorProto.INT64, TensorProto.UINT64), 8),
}
"""Bytes of an element, by the types that a graph may use."""

# ONNX Runtime multiplies other types one by one, and so it computes windows.
_FAST = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.UINT8, TensorProto.INT8)
_SLOWER = 32

# The attributes that say how large a window is.
_WINDOWS = ("kernel_shape", "size")

# Shapes are computed from shorter tensors than this.
_MOST_KNOWN = 4096

_INTEGERS = (TensorProto.INT64, TensorProto.INT32, TensorProto.BOOL)

# Operators that torch's exporters write for networks of timm and torchvision, and their kin. None
# draws random numbers, repeats a graph, or has a shape that only a photo's content decides.
_OPERATORS = """
    Abs Add And ArgMax ArgMin AveragePool BatchNormalization Cast CastLike Ceil Celu Clip Concat
    Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos CumSum DepthToSpace
    DequantizeLinear Div Dropout DynamicQuantizeLinear Elu Equal Erf Exp Expand Flatten Floor Gather
    GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalLpPool GlobalMaxPool Greater
    GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization LRN LayerNormalization
    LeakyRelu Less LessOrEqual Log LogSoftmax LpNormalization LpPool MatMul MatMulInteger Max
    MaxPool Mean Min Mish Mod Mul Neg Not Or PRelu Pad Pow QuantizeLinear RMSNormalization Range
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize Round ScatterElements ScatterND Selu
    Shape Sigmoid Sign Sin Size Slice Softmax Softplus Softsign SpaceToDepth Split Sqrt Squeeze Sub
    Sum Swish Tanh ThresholdedRelu Tile Transpose Trilu Unsqueeze Where Xor
"""

# Operators by which exporters compute shapes; on integers, ONNX's reference and ONNX Runtime agree.
_OF_SHAPES = """
    Add Cast Concat Constant ConstantOfShape Div Equal Expand Gather Identity Max Min Mul Range
    ReduceProd Reshape Slice Split Squeeze Sub Transpose Unsqueeze Where
"""


@dataclass(frozen=True)
class Cost:
    """What a graph costs for some photos.

    shapes: of all its tensors, by their names.
    multiplications: how many it takes.
    """

    shapes: Mapping[str, Shape]
    multiplications: int


def measure(model: onnx.ModelProto, size: int, photos: int) -> Cost:
    """Return what a graph costs for some photos, squares of `size` pixels.

    Raises GraphFault if it costs more than the bounds allow, if a shape depends on what a photo
    shows, or if it uses an operator that networks for photos do without.
    """
    walk = _Walk(model, (photos, size, size, 3))
    for node in model.graph.node:
        walk.visit(node)
        walk.check(photos)
    if walk.most_memory() > photos * BOUNDS.memory:
        raise GraphFault(
            f"it needs over {photos * BOUNDS.memory // 10**6:,} MB for {photos} photos"
        )
    return Cost(walk.shapes, walk.multiplications)


class _Walk:
    """A walk over the nodes in their order, and what was learnt on the way.

    shapes, kinds: of every tensor so far. known: those that shapes may be computed from.
    folded: tensors that no photo decides.
    """

    def __init__(self, model: onnx.ModelProto, pixels: Shape) -> None:
        self._model, graph = model, model.graph
        self._opset = {entry.domain: entry.version for entry in model.opset_import}[""]
        self.shapes: dict[str, Shape] = {"pixels": pixels}
        self.kinds: dict[str, int] = {"pixels": TensorProto.UINT8}
        self._known: dict[str, TensorProto] = {}
        self._folded = {tensor.name for tensor in graph.initializer}
        self._stored = sum(prod(each.dims) * BYTES[each.data_type] for each in graph.initializer)
        self.multiplications = self.elements = self.folded_bytes = self.folded_multiplications = 0
        for tensor in graph.initializer:
            self._add(tensor.name, tensor.data_type, tuple(tensor.dims))
            if prod(tensor.dims) <= _MOST_KNOWN:
                self._known[tensor.name] = tensor

    def visit(self, node: onnx.NodeProto) -> None:
        """Infer what a node makes, and count what it costs."""
        if node.op_type not in _OPERATORS.split():
            raise GraphFault(f"it uses the operator {node.op_type!r:.40}")
        self._infer(node)
        self._evaluate(node)
        made = [name for name in node.output if name]
        inputs = [self.shapes[name] for name in node.input if name]
        count = _multiplications(node, inputs, self.shapes[made[0]])
        if node.input and self.kinds[node.input[0]] not in _FAST:
            count *= _SLOWER
        self.multiplications += count
        self.elements += sum(map(prod, inputs)) + sum(prod(self.shapes[name]) for name in made)
        # A shape is folded too where ONNX Runtime knows it.
        if node.op_type in ("Shape", "Size") or self._folded.issuperset(filter(None, node.input)):
            self._folded.update(made)
            self.folded_multiplications += count
            self.folded_bytes += sum(map(self._bytes, made))

    def check(self, photos: int) -> None:
        """Hold what was counted so far against the bounds."""
        if self.multiplications > photos * BOUNDS.multiplications:
            most = BOUNDS.multiplications // 10**9
            raise GraphFault(f"it needs over {most} billion multiplications per photo")
        if self.elements > photos * BOUNDS.elements:
            raise GraphFault(f"it reads and writes over {BOUNDS.elements // 10**9} billion numbers")
        most_bytes = photos * BOUNDS.folded + 8 * self._stored
        if max(self.folded_bytes, self.folded_multiplications // 10) > most_bytes:
            raise GraphFault("it computes large constants when it is loaded")

    def most_memory(self) -> int:
        """Return the most bytes that tensors need at the same time, stored ones left out."""
        nodes = self._model.graph.node
        last = {name: index for index, node in enumerate(nodes) for name in node.input}
        last |= {output.name: len(nodes) for output in self._model.graph.output}
        freed: dict[int, int] = {}
        held = most = 0
        for index, node in enumerate(nodes):
            for name in filter(None, node.output):
                held += self._bytes(name)
                end = last.get(name, index)
                freed[end] = freed.get(end, 0) + self._bytes(name)
            most = max(most, held)
            held -= freed.get(index, 0)
        return most

    def _bytes(self, name: str) -> int:
        return prod(self.shapes[name]) * BYTES[self.kinds[name]]

    def _add(self, name: str, kind: int, shape: Shape) -> None:
        if name in self.shapes:
            raise GraphFault(f"it makes {name!r:.40} twice")
        if kind not in BYTES:
            raise GraphFault(f"{name!r:.40} does not hold numbers of a common type")
        if len(shape) > BOUNDS.rank or min(shape, default=0) < 0:
            raise GraphFault(f"{name!r:.40} has an impossible shape")
        self.shapes[name], self.kinds[name] = shape, kind
        if self._bytes(name) > self.shapes["pixels"][0] * BOUNDS.memory + 4 * self._stored:
            raise GraphFault(f"{name!r:.40} is too large")

    def _infer(self, node: onnx.NodeProto) -> None:
        names = [name for name in node.input if name]
        try:
            inferred = infer_node_outputs(
                get_schema(node.op_type, self._opset),
                node,
                {
                    each: helper.make_tensor_type_proto(self.kinds[each], self.shapes[each])
                    for each in names
                },
                {each: self._known[each] for each in names if each in self._known},
                opset_imports=list(self._model.opset_import),
                ir_version=self._model.ir_version,
            )
        except Exception as error:  # the schemas raise several classes
            raise GraphFault(f"its shapes do not match ({first_line(error)})") from None
        for name in filter(None, node.output):
            found = inferred[name].tensor_type if name in inferred else onnx.TypeProto.Tensor()
            sides = found.shape.dim
            if not found.HasField("shape") or not all(side.HasField("dim_value") for side in sides):
                raise GraphFault(f"the shape of {name!r:.40} is not known before it runs")
            self._add(name, found.elem_type, tuple(side.dim_value for side in sides))

    def _evaluate(self, node: onnx.NodeProto) -> None:
        """Remember what a node makes, if shapes may depend on it."""
        if node.op_type == "Shape":
            values: Sequence[np.ndarray] = [np.array(self._sides(node), np.int64)]
        elif node.op_type in _OF_SHAPES.split() and all(map(self._is_short, node.output)):
            values = self._compute(node)
        else:
            return
        for name, value in zip(node.output, values, strict=False):
            self._known[name] = numpy_helper.from_array(np.asarray(value), name)

    def _sides(self, node: onnx.NodeProto) -> Shape:
        bounds = {each.name: each.i for each in node.attribute}
        return self.shapes[node.input[0]][bounds.get("start") : bounds.get("end")]

    def _is_short(self, name: str) -> bool:
        return prod(self.shapes[name]) <= _MOST_KNOWN

    def _compute(self, node: onnx.NodeProto) -> Sequence[np.ndarray]:
        """Compute a node on known integers; nothing if one is not known."""
        names = [name for name in node.input if name]
        if any(
            name not in self._known or self._known[name].data_type not in _INTEGERS
            for name in names
        ):
            return []
        values = {name: numpy_helper.to_array(self._known[name]) for name in names}
        if node.op_type == "Div" and any((value < 0).any() for value in values.values()):
            return []  # the reference rounds them down, ONNX Runtime to zero
        try:
            with np.errstate(all="ignore"):
                computed = ReferenceEvaluator(node, opsets={"": self._opset}).run(None, values)
        except Exception:  # of numpy, at values that do not fit: then the shape stays unknown
            return []
        return [np.asarray(value) for value in computed]


def _multiplications(node: onnx.NodeProto, inputs: Sequence[Shape], output: Shape) -> int:
    match node.op_type:
        case "Conv" | "ConvInteger":
            return prod(output) * prod(inputs[1][1:])
        case "ConvTranspose":
            return prod(inputs[0]) * prod(inputs[1][1:])
        case "MatMul" | "MatMulInteger" | "Gemm":
            is_turned = any(each.name == "transA" and each.i for each in node.attribute)
            return prod(output) * inputs[0][0 if is_turned else -1]
        case "AveragePool" | "MaxPool" | "LpPool" | "LRN":
            sides = [each.i or prod(each.ints) for each in node.attribute if each.name in _WINDOWS]
            return int(_SLOWER * prod(output) * prod(sides))
        case "Resize":
            # Up to cubic, in each of two directions; antialiased, a window of what is made smaller.
            return 16 * (prod(output) + prod(inputs[0]))
    return 0
