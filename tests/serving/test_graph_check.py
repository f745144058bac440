"""Graphs of strangers: what would hang or exhaust the machine is refused in one line."""

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import REPOSITORY, SHARED, run_foodvision
from onnx import TensorProto, helper, numpy_helper, parser

import foodvision
from foodvision.checkpoint import BUNDLED, Checkpoint, read_checkpoint
from foodvision.classifier import Classifier
from foodvision.errors import CheckpointError
from foodvision.graph import trial as graph_trial
from foodvision.graph.check import examine
from foodvision.graph.cost import GraphFault
from foodvision.graph.trial import remember_graph

SIZE, CLASSES = 8, 3

EMBEDDING = "embedding = Identity (means)"
PROBABILITIES = "probabilities = Softmax <axis = 1> (embedding)"
SCORE = "known_score = ReduceMax <keepdims = 0> (embedding, one)"


def model(lines="", embedding=EMBEDDING, probabilities=PROBABILITIES, score=SCORE, opset=20):
    """A small graph that keeps the contract, around the lines of a test."""
    return parser.parse_model(f"""
        <ir_version: 10, opset_import: ["" : {opset}]>
        g (uint8[N,8,8,3] pixels)
            => (float[N,3] probabilities, float[N] known_score, float[N,3] embedding) {{
            x = Cast <to = 1> (pixels)
            sides = Constant <value_ints = [1, 2]> ()
            one = Constant <value_ints = [1]> ()
            means = ReduceMean <keepdims = 0> (x, sides)
            {lines}
            {embedding}
            {probabilities}
            {score}
        }}""")


def graph(*args, **kwargs):
    return model(*args, **kwargs).SerializeToString()


def growing(lines):
    """A graph that adds the mean of `big` to its embedding."""
    return graph(
        f"{lines}\nlittle = ReduceMean <keepdims = 0> (big)", "embedding = Add (means, little)"
    )


def try_graph(content, size, classes):
    graph_trial.try_graph(content, sha256(content), size, classes)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_small_graph_passes():
    assert examine(graph(), SIZE, CLASSES) == 0
    try_graph(graph(), SIZE, CLASSES)


GROWING = {
    "expand": "to = Constant <value_ints = [1000000000]> () v = Constant <value_floats = [1.0]> ()"
    " big = Expand (v, to)",
    "expand a photo": "to = Constant <value_ints = [4000000, 1, 8, 8, 3]> () big = Expand (x, to)",
    "tile": "times = Constant <value_ints = [1, 9000, 900, 1]> () big = Tile (x, times)",
    "constant of shape": "to = Constant <value_ints = [30000, 30000]> ()"
    " big = ConstantOfShape (to)",
    "range": "a = Constant <value_int = 0> () b = Constant <value_int = 4000000000> ()"
    " c = Constant <value_int = 1> () r = Range (a, b, c) big = Cast <to = 1> (r)",
    "resize to sizes": "to = Constant <value_ints = [1, 30000, 30000, 3]> ()"
    " big = Resize (x, , , to)",
    "resize by scales": "by = Constant <value_floats = [1.0, 3000.0, 3000.0, 1.0]> ()"
    " big = Resize (x, , by)",
    "pad": "by = Constant <value_ints = [0, 30000, 30000, 0, 0, 0, 0, 0]> () big = Pad (x, by)",
    "broadcast": "a = Constant <value_ints = [40000, 1]> ()"
    " b = Constant <value_ints = [1, 40000]> ()"
    " tall = ConstantOfShape (a) wide = ConstantOfShape (b) big = Add (tall, wide)",
    "outer product": "a = Constant <value_ints = [40000, 1]> ()"
    " b = Constant <value_ints = [1, 40000]> ()"
    " tall = ConstantOfShape (a) wide = ConstantOfShape (b) big = MatMul (tall, wide)",
    "gather": "a = Constant <value_ints = [30000, 30000]> ()"
    " i = ConstantOfShape <value = int64[1] {0}> (a)"
    " big = Gather (x, i)",
    "transposed convolution": "a = Constant <value_ints = [8, 64, 1, 1]> () w = ConstantOfShape (a)"
    " big = ConvTranspose <strides = [9000, 9000]> (x, w)",
    "padded convolution": "a = Constant <value_ints = [8, 8, 1, 1]> () w = ConstantOfShape (a)"
    " big = Conv <pads = [30000, 30000, 0, 0]> (x, w)",
    "padded pool": "big = MaxPool <kernel_shape = [40000, 40000], pads = [39999, 39999, 39999,"
    " 39999]> (x)",
    "doubled": "d0 = Identity (x) "
    + " ".join(f"d{n + 1} = Concat <axis = 1> (d{n}, d{n})" for n in range(40))
    + " big = Identity (d40)",
    "doubled shape": "d0 = Shape (x) "
    + " ".join(f"d{n + 1} = Concat <axis = 0> (d{n}, d{n})" for n in range(40))
    + " big = Cast <to = 1> (d40)",
    "shape to the power": "s = Shape (x) m = Mul (s, s) p = Mul (m, m) q = Mul (p, p)"
    " big = ConstantOfShape (q)",
    "many axes": "s = Shape (x) a = Concat <axis = 0> (s, s, s, s, s) o = Sub (a, a)"
    " to = Max (o, one) big = ConstantOfShape (to)",
    "negative side": "to = Constant <value_ints = [-4, -4]> () big = ConstantOfShape (to)",
}


@pytest.mark.parametrize("lines", GROWING.values(), ids=GROWING)
def test_tensor_that_outgrows_the_machine_is_refused(lines):
    with pytest.raises(GraphFault, match=r"too large|impossible shape|do not match|computes large"):
        examine(growing(lines), SIZE, CLASSES)


WORKING = {
    "matrix product a photo": "to = Constant <value_ints = [9000, 9000]> ()"
    " m = ConstantOfShape (to)"
    " s = ReduceSum <keepdims = 0> (x) n = Add (m, s) a = MatMul (n, n) big = MatMul (a, a)",
    "wide convolution": "p = Transpose <perm = [0, 3, 1, 2]> (x)"
    " a = Constant <value_ints = [4000, 3, 1, 1]> () v = ConstantOfShape (a)"
    " b = Constant <value_ints = [400, 4000, 5, 5]> () w = ConstantOfShape (b)"
    " c = Conv (p, v) up = Constant <value_floats = [1.0, 1.0, 9.0, 9.0]> ()"
    " q = Resize (c, , up) big = Conv (q, w)",
    "wide pool": "to = Constant <value_ints = [1, 3, 3000, 3000]> ()"
    " p = Transpose <perm = [0, 3, 1, 2]> (x)"
    " q = Resize (p, , , to)"
    " big = AveragePool <kernel_shape = [999, 999], pads = [499, 499, 499, 499]> (q)",
    "many sums": "to = Constant <value_ints = [1, 3000, 3000, 3]> () y0 = Resize (x, , , to) "
    + " ".join(f"y{n + 1} = Exp (y{n})" for n in range(400))
    + " big = Identity (y400)",
}


@pytest.mark.parametrize("lines", WORKING.values(), ids=WORKING)
def test_work_without_end_is_refused(lines):
    with pytest.raises(GraphFault, match=r"multiplications|billion|large constants"):
        examine(growing(lines), SIZE, CLASSES)


FOLDING = {
    "products": "to = Constant <value_ints = [3000, 3000]> () k0 = ConstantOfShape (to) "
    + " ".join(f"k{n + 1} = MatMul (k{n}, k{n})" for n in range(99))
    + " big = Identity (k99)",
    "powers": "to = Constant <value_ints = [3000, 3000]> () k0 = ConstantOfShape (to) "
    + " ".join(f"k{n + 1} = Exp (k{n})" for n in range(99))
    + " big = Identity (k99)",
    "from a known shape": "p = Slice (s, three, four) m = Mul (p, thousand)"
    " k = Concat <axis = 0> (m, m)"
    " k0 = ConstantOfShape (k) "
    + " ".join(f"k{n + 1} = MatMul (k{n}, k{n})" for n in range(99))
    + " big = Identity (k99)",
}


@pytest.mark.parametrize("lines", FOLDING.values(), ids=FOLDING)
def test_constants_that_are_folded_without_end_are_refused(lines):
    known = (
        "s = Shape (x) three = Constant <value_ints = [3]> () four = Constant <value_ints = [4]> ()"
        " thousand = Constant <value_ints = [1000]> () "
    )
    with pytest.raises(GraphFault, match="it computes large constants when it is loaded"):
        examine(growing(known + lines), SIZE, CLASSES)


UNKNOWN = {
    "by content": "f = ReduceSum (x) i = Cast <to = 7> (f) to = Reshape (i, one)"
    " big = ConstantOfShape (to)",
    "by a rounded number": "a = Constant <value_floats = [9.5]> () i = Cast <to = 7> (a)"
    " big = ConstantOfShape (i)",
    "by a negative division": "a = Constant <value_ints = [-1]> ()"
    " b = Constant <value_ints = [2]> ()"
    " i = Div (a, b) j = Add (i, one) big = ConstantOfShape (j)",
}


@pytest.mark.parametrize("lines", UNKNOWN.values(), ids=UNKNOWN)
def test_shape_that_nobody_can_tell_beforehand_is_refused(lines):
    with pytest.raises(GraphFault, match="is not known before it runs"):
        examine(growing(lines), SIZE, CLASSES)


@pytest.mark.parametrize(
    "line",
    [
        "big = RandomNormalLike (x)",
        "i = NonZero (x) big = Cast <to = 1> (i)",
        "q = SequenceConstruct (x, x) big = SequenceAt (q, one)",
        "big, i = TopK (x, one)",
        'big = Einsum <equation = "abcd,efgh->abcdefgh"> (x, x)',
        "big = ImageDecoder (pixels)",
        "big, i, j, k = Unique (x)",
        "big = EyeLike (x)",
        "big = NoSuchOperator (x)",
    ],
)
def test_operator_that_no_network_for_photos_needs_is_refused(line):
    with pytest.raises(GraphFault, match=r"it uses the operator|is not an ONNX graph"):
        examine(growing(line), SIZE, CLASSES)


@pytest.mark.parametrize("kind", ["Loop", "Scan", "If"])
def test_graph_in_a_graph_is_refused(kind):
    changed = model()
    inner = helper.make_graph([], "inner", [], [])
    attribute = {"If": "then_branch"}.get(kind, "body")
    changed.graph.node.append(helper.make_node(kind, [], ["out"], **{attribute: inner}))
    with pytest.raises(GraphFault, match="it contains nested graphs"):
        examine(changed.SerializeToString(), SIZE, CLASSES)


def too_many_nodes(changed):
    changed.graph.node.extend(helper.make_node("Relu", ["x"], [f"r{n}"]) for n in range(10_001))


def too_many_tensors(changed):
    tensor = numpy_helper.from_array(np.zeros(1, np.float32))
    changed.graph.initializer.extend([tensor] * 10_001)


def huge_without_values(changed):
    changed.graph.initializer.append(
        TensorProto(name="w", dims=[1 << 40], data_type=1, raw_data=b"1234")
    )


def overflowing_shape(changed):
    changed.graph.initializer.append(
        TensorProto(name="w", dims=[1 << 32, 1 << 32], data_type=1, raw_data=b"")
    )


def negative_shape(changed):
    changed.graph.initializer.append(
        TensorProto(name="w", dims=[-1], data_type=1, raw_data=b"1234")
    )


def words(changed):
    changed.graph.initializer.append(helper.make_tensor("w", TensorProto.STRING, [1], [b"word"]))


def huge_constant(changed):
    tensor = TensorProto(name="w", dims=[1 << 40], data_type=1, raw_data=b"1234")
    changed.graph.node.insert(0, helper.make_node("Constant", [], ["w"], value=tensor))


def sparse_constant(changed):
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    places = numpy_helper.from_array(np.zeros(1, np.int64), "p")
    sparse = helper.make_sparse_tensor(values, places, [1 << 40])
    changed.graph.node.insert(0, helper.make_node("Constant", [], ["w"], sparse_value=sparse))


def trained_inside(changed):
    changed.training_info.add()


def two_versions(changed):
    changed.opset_import.append(helper.make_opsetid("", 13))


def two_of_a_name(changed):
    changed.graph.node.append(helper.make_node("Relu", ["x"], ["pixels"]))


@pytest.mark.parametrize(
    "change",
    [
        too_many_nodes,
        too_many_tensors,
        huge_without_values,
        overflowing_shape,
        negative_shape,
        words,
        huge_constant,
        sparse_constant,
        trained_inside,
        two_versions,
        two_of_a_name,
    ],
)
def test_graph_with_odd_parts_is_refused(change):
    changed = model()
    change(changed)
    with pytest.raises(GraphFault, match=r"is not (an ONNX graph|the graph of a)"):
        examine(changed.SerializeToString(), SIZE, CLASSES)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"embedding": "m = ReduceMean (x) embedding = Squeeze (m, sides)"},
            r"probabilities has the shape \[1, 1\]",
        ),
        (
            {
                "embedding": "m = ReduceMean <keepdims = 0> (means)"
                " t = Constant <value_ints = [5, 3]> ()"
                " embedding = Expand (m, t)"
            },
            "for a batch of",
        ),
        ({"score": "known_score = ReduceMax <keepdims = 1> (embedding, one)"}, "known_score"),
        ({"probabilities": "probabilities = Transpose (embedding)"}, "probabilities"),
    ],
)
def test_graph_with_another_number_of_answers_is_refused(parts, message):
    with pytest.raises(GraphFault, match=message):
        examine(graph(**parts), SIZE, CLASSES)


def test_graph_without_classes_is_refused():
    with pytest.raises(GraphFault, match="it has no classes"):
        examine(graph(), SIZE, 0)


def test_output_with_a_symbol_for_a_side_is_refused():
    changed = model()
    changed.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "C"
    with pytest.raises(GraphFault, match=r"probabilities should be float \[N, 3\]"):
        examine(changed.SerializeToString(), SIZE, CLASSES)


def test_claimed_shapes_are_not_believed():
    changed = model("to = Constant <value_ints = [40000, 40000]> () big = ConstantOfShape (to)")
    changed.graph.value_info.append(helper.make_tensor_value_info("big", TensorProto.FLOAT, [1, 1]))
    with pytest.raises(GraphFault, match="'big' is too large"):
        examine(changed.SerializeToString(), SIZE, CLASSES)


def test_names_of_a_stranger_cannot_write_to_the_terminal():
    changed = model()
    changed.opset_import.append(helper.make_opsetid("\x1b[2J" + "x" * 9999, 1))
    with pytest.raises(GraphFault) as raised:
        examine(changed.SerializeToString(), SIZE, CLASSES)
    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 400


ANSWERS = {
    "not a number": ("probabilities = Div (zero, zero)", "not finite"),
    "infinite": ("i = Div (whole, zero) probabilities = Abs (i)", "not finite"),
    "negative": ("n = Neg (whole) probabilities = Identity (n)", "outside of 0 to 1"),
    "sum 2": ("s = Softmax <axis = 1> (means) probabilities = Add (s, s)", "outside|not sum"),
    "sum 0": ("probabilities = Identity (zero)", "does not sum to 1"),
}
ZERO = "zero = Sub (means, means) e = Exp (zero) whole = Identity (e)"


@pytest.mark.parametrize(("probabilities", "message"), ANSWERS.values(), ids=ANSWERS)
def test_probabilities_that_are_none_are_one_error(probabilities, message):
    odd = graph(ZERO, probabilities=probabilities)
    examine(odd, SIZE, CLASSES)
    with pytest.raises(CheckpointError, match=message):
        classifier(odd).run(np.ones((2, 8, 8, 3), np.uint8))


@pytest.mark.parametrize(
    "parts",
    [
        {"score": "q = Div (zero, zero) known_score = ReduceMax <keepdims = 0> (q, one)"},
        {
            "embedding": "embedding = Div (whole, zero)",
            "probabilities": "probabilities = Softmax <axis = 1> (means)",
            "score": "known_score = ReduceMax <keepdims = 0> (means, one)",
        },
    ],
    ids=["known_score", "embedding"],
)
def test_other_answers_are_finite_too(parts):
    with pytest.raises(
        CheckpointError, match=r"model returns invalid predictions \(.* not finite\)"
    ):
        classifier(graph(ZERO, **parts)).run(np.ones((1, 8, 8, 3), np.uint8))


FAILING = "f = Constant <value_ints = [9]> () g = Gather (x, f) h = ReduceMean <keepdims = 0> (g)"


def test_graph_that_fails_while_it_runs_is_one_error():
    failing = graph(FAILING, "embedding = Add (means, h)")
    with pytest.raises(CheckpointError, match="model returns invalid predictions") as raised:
        classifier(failing).run(np.zeros((1, 8, 8, 3), np.uint8))
    assert "\n" not in str(raised.value)


def test_map_that_is_not_finite_is_one_error():
    changed = model(
        "t = Transpose <perm = [0, 3, 1, 2]> (x) zeros = Sub (t, t) map = Div (zeros, zeros)"
    )
    changed.graph.output.append(
        helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", 3, 8, 8])
    )
    found = classifier(changed.SerializeToString())
    with pytest.raises(CheckpointError, match="map has values that are not finite"):
        found.predict_pixels(np.zeros((1, 8, 8, 3), np.uint8))


def test_map_larger_than_the_square_is_refused():
    changed = model(
        "t = Transpose <perm = [0, 3, 1, 2]> (x)"
        " by = Constant <value_floats = [1.0, 1.0, 2.0, 2.0]> () map = Resize (t, , by)"
    )
    changed.graph.output.append(
        helper.make_tensor_value_info("map", TensorProto.FLOAT, ["N", 3, "H", "W"])
    )
    with pytest.raises(GraphFault, match=r"map has the shape \[1, 3, 16, 16\]"):
        examine(changed.SerializeToString(), SIZE, CLASSES)


def test_answer_is_always_json():
    answer = foodvision.load().predict(np.zeros((9, 9, 3), np.uint8))
    json.dumps(answer.to_dict(), allow_nan=False)


def classifier(content):
    """A classifier of a graph that nobody looked at."""
    bundled = read_checkpoint(BUNDLED)
    config = replace(
        bundled.config,
        classes=("a", "b", "c"),
        preprocess=replace(bundled.config.preprocess, size=SIZE),
    )
    return Classifier(Checkpoint(Path("model"), config, content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (graph(FAILING, "embedding = Add (means, h)"), "returns invalid predictions"),
        (graph(ZERO, probabilities="probabilities = Div (zero, zero)"), "not finite"),
        (b"no graph", "is not an ONNX graph"),
        (b"", "is no"),
    ],
    ids=["fails", "not a number", "no graph", "empty"],
)
def test_trial_says_in_one_line_why_a_graph_is_refused(content, message):
    for _ in range(2):  # what failed is not remembered
        with pytest.raises(GraphFault, match=message) as raised:
            try_graph(content, SIZE, CLASSES)
        assert "\n" not in str(raised.value)


def test_trial_ends_at_its_limit_of_processor_time(monkeypatch):
    monkeypatch.setattr(graph_trial, "_PROGRAM", _LIMITED.format("_SECONDS", 1, "while True: pass"))
    with pytest.raises(GraphFault, match="takes too long to load and run: use another model"):
        try_graph(graph("a = Relu (x)"), SIZE, CLASSES)


def test_trial_ends_at_its_limit_of_memory(monkeypatch):
    fill = "held = [bytearray(10**8) for _ in range(99)]"
    monkeypatch.setattr(graph_trial, "_PROGRAM", _LIMITED.format("_BYTES", 10**9, fill))
    with pytest.raises(GraphFault, match="needs too much memory: use another model"):
        try_graph(graph("b = Relu (x)"), SIZE, CLASSES)


def test_trial_ends_at_its_limit_of_time(monkeypatch):
    monkeypatch.setattr(graph_trial, "_CLOCK_SECONDS", 0.01)
    with pytest.raises(GraphFault, match="takes too long"):
        try_graph(graph("c = Relu (x)"), SIZE, CLASSES)


def test_trial_that_dies_is_one_line(monkeypatch):
    monkeypatch.setattr(graph_trial, "_PROGRAM", "import os; os.abort()")
    with pytest.raises(GraphFault, match="crashes the process that tests it") as raised:
        try_graph(graph("d = Relu (x)"), SIZE, CLASSES)
    assert "\n" not in str(raised.value)


# The trial as it is, but with a lower limit, and something else to do than the graph.
_LIMITED = """
import sys; sys.path[:] = sys.argv[4:]
from foodvision.graph import trial as graph_trial
graph_trial.{} = {}
def run(*args):
    {}
graph_trial._run = run
graph_trial.main()
"""


def test_what_passed_is_not_tried_again(monkeypatch):
    passed = graph("e = Relu (x)")
    try_graph(passed, SIZE, CLASSES)
    monkeypatch.setattr(subprocess, "run", forbidden)
    graph_trial._passed.clear()  # as in the next process
    try_graph(passed, SIZE, CLASSES)
    with pytest.raises(AssertionError):
        try_graph(passed, SIZE, CLASSES + 1)


def test_what_was_just_written_is_not_tried(monkeypatch):
    monkeypatch.setattr(subprocess, "run", forbidden)
    written = graph("f = Relu (x)")
    remember_graph(sha256(written), SIZE, CLASSES)
    try_graph(written, SIZE, CLASSES)


def test_model_that_ships_is_not_tried(monkeypatch):
    monkeypatch.setattr(subprocess, "run", forbidden)
    read_checkpoint(BUNDLED)


def test_cache_that_cannot_be_written_stops_nobody(monkeypatch, tmp_path):
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "taken"))
    try_graph(graph("h = Relu (x)"), SIZE, CLASSES)


def test_user_without_a_home_loads_all_the_same(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(graph_trial, "cache_folder", homeless)
    try_graph(graph("k = Relu (x)"), SIZE, CLASSES)


@pytest.mark.parametrize("interpreter", ["", "/nowhere/python"])
def test_program_without_an_interpreter_has_the_bounds(monkeypatch, interpreter):
    monkeypatch.setattr(sys, "executable", interpreter)
    monkeypatch.setattr(graph_trial, "_passed", set())
    try_graph(graph(f"i{len(interpreter)} = Relu (x)"), SIZE, CLASSES)
    with pytest.raises(GraphFault, match="too large"):
        try_graph(growing(GROWING["expand"]), SIZE, CLASSES)


def test_trial_imports_nothing_from_the_folder_in_which_someone_works(monkeypatch, tmp_path):
    (tmp_path / "onnx.py").write_text("raise SystemExit('a stranger')")
    monkeypatch.chdir(tmp_path)
    try_graph(graph("j = Relu (x)"), SIZE, CLASSES)


def forbidden(*given, **more):
    raise AssertionError("the graph was tried")


@pytest.mark.parametrize(
    "case",
    [
        "compute_constfold",
        "expand_data",
        "nan_probs",
        "runtime_error",
        "wrong_rows",
        "zero_classes",
    ],
)
def test_case_that_broke_the_product_is_one_line(case):
    folder = SHARED.parent / "cases" / "onnx" / case
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here")
    ended = run_foodvision("predict", "examples/pizza.jpg", "--model", folder, cwd=REPOSITORY)
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1


NETWORKS = [
    "tinyvgg",
    "efficientnet_lite0",
    "resnet18",
    "vit_tiny_patch16_224",
    "torchvision/mobilenet_v3_small",
]
LARGE = [
    "convnext_tiny",
    "swin_tiny_patch4_window7_224",
    "xcit_nano_12_p16_224",
    "edgenext_xx_small",
    "eca_nfnet_l0",
    "torchvision/densenet121",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NETWORKS, *LARGE])
def test_exported_network_passes(name):
    from foodvision.export.graph import Calibration, complete_graph, export_body
    from foodvision.export.known import KnownScore
    from foodvision.models import create_model, preprocess_for, split_head

    network, preprocess = create_model(name, 5, pretrained=False), preprocess_for(name)
    calibration = Calibration(1.0, KnownScore("energy"), 0.0, 2.0, 2.0)
    body = export_body(network, preprocess)
    exported = complete_graph(body, split_head(network)[1], calibration)
    try_graph(exported, preprocess.size, 5)
