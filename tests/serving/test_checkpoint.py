import hashlib
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import replace

import onnx
import pytest
from conftest import COLOURS, make_photo, run_python

from foodvision.checkpoint import (
    check_figures,
    checkpoint_files,
    measured_on,
    read_card,
    read_checkpoint,
    weights_file,
    write_checkpoint,
)
from foodvision.errors import CheckpointError, PhotoError
from foodvision.system.storage import write_atomically


@pytest.fixture
def folder(fruit_checkpoint, tmp_path):
    return shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_was_written_is_read(folder, tmp_path):
    checkpoint = read_checkpoint(folder)
    again = write_checkpoint(tmp_path / "again", checkpoint.config, checkpoint.graph, "card", b"w")
    assert read_checkpoint(again) == replace(checkpoint, folder=again)
    assert (again / "config.json").read_text().startswith('{\n  "schema_version": 1,\n  "sha256": ')
    assert sorted(path.name for path in again.iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
        "model.safetensors",
    ]


@pytest.mark.parametrize(
    ("changes", "file"),
    [
        ({"known_threshold": float("nan")}, "config.json: "),
        ({"classes": ("kiwi", "kiwi", "lemon")}, "config.json: "),
        ({"classes": ("kiwi", "lemon")}, "model.onnx "),
    ],
)
def test_what_no_reader_would_take_is_not_written(folder, tmp_path, changes, file):
    checkpoint = read_checkpoint(folder)
    config = replace(checkpoint.config, figures={}, **changes)
    with pytest.raises(CheckpointError) as caught:
        write_checkpoint(tmp_path / "new", config, checkpoint.graph, "card")
    assert str(caught.value).startswith(f"{tmp_path / 'new'}{os.sep}{file}")
    assert not (tmp_path / "new").exists()


def test_names_of_classes_are_readable_in_the_file(folder, tmp_path):
    checkpoint = read_checkpoint(folder)
    config = replace(checkpoint.config, figures={}, classes=("açaí", "김치", "kiwi"))
    new = write_checkpoint(tmp_path / "new", config, checkpoint.graph, "card")
    assert '"김치"' in (new / "config.json").read_text("utf-8")


def test_what_people_put_beside_a_checkpoint_stays(folder):
    (folder / "page.json").write_text('{"title": "Orchard"}')
    (folder / "examples").mkdir()
    (folder / "examples" / "kiwi.jpg").write_bytes(b"kiwi")
    checkpoint = read_checkpoint(folder)
    pictures = {"pictures/before.png": b"before"}
    write_checkpoint(folder, checkpoint.config, checkpoint.graph, "card", b"weights", pictures)
    write_checkpoint(folder, checkpoint.config, checkpoint.graph, "card")
    assert (folder / "page.json").read_text() == '{"title": "Orchard"}'
    assert (folder / "examples" / "kiwi.jpg").read_bytes() == b"kiwi"
    assert not (folder / "pictures").exists()
    assert not (folder / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("---\nlicense: mit\n---\n\n# Fruit\n", "# Fruit\n"),
        ("# Fruit\n", "# Fruit\n"),
        ("---\n# A rule, and no end of it\n", "---\n# A rule, and no end of it\n"),
    ],
)
def test_card_is_read_without_what_the_hub_reads_of_it(folder, content, text):
    (folder / "README.md").write_text(content)
    assert read_card(read_checkpoint(folder)) == text


def test_checkpoint_is_as_private_as_its_owner_writes(folder, tmp_path):
    program = """
import os, sys
os.umask(0o077)
from foodvision.checkpoint import read_card, read_checkpoint, write_checkpoint
from pathlib import Path
found = read_checkpoint(sys.argv[1])
write_checkpoint(Path(sys.argv[2]), found.config, found.graph, read_card(found), b"", {})
"""
    run_python("-c", program, folder, tmp_path / "own", check=True)
    assert stat.S_IMODE((tmp_path / "own").stat().st_mode) == 0o700


def test_run_folder_stands_for_the_checkpoint_in_it(fruit_checkpoint):
    assert read_checkpoint(fruit_checkpoint.parent).folder == fruit_checkpoint


def test_missing_and_foreign_folders_are_told_apart(tmp_path):
    with pytest.raises(
        CheckpointError, match="nowhere does not exist: give a checkpoint or run folder"
    ):
        read_checkpoint(tmp_path / "nowhere")
    with pytest.raises(CheckpointError, match=r"is not a checkpoint: it has no config\.json"):
        read_checkpoint(tmp_path)


def test_graph_of_another_config_is_refused(folder):
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(CheckpointError, match=r"model\.onnx does not match config\.json"):
        read_checkpoint(folder)


def test_graph_that_is_none_is_named(folder):
    (folder / "model.onnx").write_bytes(b"no graph")
    config = json.loads((folder / "config.json").read_text())
    config["sha256"] = hashlib.sha256(b"no graph").hexdigest()
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=rf"{folder / 'model.onnx'}:? "):
        read_checkpoint(folder)


def test_missing_graph_is_named(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"model\.onnx: cannot be read \(No such file"):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema_version": 99}, "schema version 99, but this foodvision reads 1: update"),
        ({"schema_version": None}, "config.json: schema_version must be a whole number; download"),
        ({"preprocess": {"size": 1}}, "preprocess: image size 1 is out of range: 8 to 2048 pixels"),
        ({"preprocess": {"size": "8"}}, "preprocess.size must be a whole number"),
        ({"preprocess": {"std": [0, 1, 1]}}, "std .* is out of range"),
        ({"classes": None}, "classes must be a list"),
        ({"classes": "abc"}, "classes must be a list"),
        ({"classes": ["one"]}, "classes must have at least 2 items"),
        ({"classes": ["one", "two", "one"]}, "classes must not contain a class twice"),
        (
            {"classes": ["one", "\x1b[2J"]},
            "classes.1 must be a text of 1 to 255 characters, without",
        ),
        ({"classes": ["one", "two"]}, "figures.test names 'blueberry', which is not among the"),
        ({"classes": ["1", "2"], "figures": {}}, r"probabilities should be float \[N, 2\]"),
        ({"known_threshold": "nan"}, "known_threshold must be a finite number"),
        ({"sure_from": "often"}, "sure_from must be a number from 0 to 1e12"),
        ({"likely_from": float("inf")}, "config.json: is not JSON"),
        ({"likely_from": 10**400}, "likely_from must be a number of at most 64 bits"),
        ({"figures": {"test": None}}, "figures.test must be an object"),
        ({"figures": {"test": {"n": 0}}}, "figures.test.n must be a whole number from 1 to 1e12"),
        (
            {"figures": {"test": {"n": 1, "top1": 1, "top1_interval": [0.5, 0.4]}}},
            "top1_interval must be a pair of numbers from 0 to 2, the lower one first",
        ),
        (
            {"figures": {"certainty": {"sure": {"count": 3, "n": 2}}}},
            "figures.certainty.sure must have a count of at most n",
        ),
        ({"figures": {"certainty": dict.fromkeys(map(str, range(1001)))}}, "at most 1,000 entries"),
        ({"architecture": "<b>"}, "architecture must be the name of a network"),
        ({"base_model": "https://x"}, "base_model must be a repository of the Hub"),
        (
            {"training": {"hidden_units": 10**9}},
            "training.hidden_units must be a whole number from",
        ),
    ],
)
def test_config_that_does_not_fit_says_why(folder, changes, message):
    edit_config(folder, **changes)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(folder)


def test_confusion_with_what_is_no_class_is_named(folder):
    figures = read_checkpoint(folder).config.figures
    figures["test"]["confused"] = [{"label": "kiwi", "answer": "pear", "times": 1, "n": 5}]
    edit_config(folder, figures=figures)
    with pytest.raises(CheckpointError, match=r"figures\.test names 'pear', which is not among"):
        read_checkpoint(folder)


@pytest.mark.parametrize("content", ["{", "[]", '"text"'])
def test_config_that_is_no_json_object_is_named(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json: .*; download the folder again"):
        read_checkpoint(folder)


def write_with(folder, change):
    """Write the checkpoint again with a changed graph."""
    checkpoint = read_checkpoint(folder)
    model = onnx.load_model_from_string(checkpoint.graph)
    change(model)
    write_checkpoint(folder, checkpoint.config, model.SerializeToString(), "card")


def store_outside(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="weights.bin")
    tensor.ClearField("raw_data")


def use_foreign_operators(model):
    model.opset_import.append(onnx.helper.make_opsetid("com.example", 1))


def rename_output(model):
    score = next(value for value in model.graph.output if value.name == "known_score")
    node = next(node for node in model.graph.node if "known_score" in node.output)
    node.output[list(node.output).index("known_score")] = "score"
    score.name = "score"


def hide_a_branch(model):
    branch = onnx.helper.make_graph(
        [onnx.helper.make_node("Constant", [], ["inner"], value_float=1.0)],
        "branch",
        [],
        [onnx.helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, [])],
    )
    condition = onnx.helper.make_tensor("yes", onnx.TensorProto.BOOL, [], [True])
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["yes"], value=condition))
    model.graph.node.append(
        onnx.helper.make_node("If", ["yes"], ["outer"], then_branch=branch, else_branch=branch)
    )


def take_more(model):
    more = onnx.helper.make_tensor_value_info("more", onnx.TensorProto.FLOAT, ["N"])
    model.graph.input.append(more)


def take_one_photo(model):
    (pixels,) = model.graph.input
    pixels.type.tensor_type.shape.dim[0].dim_value = 1


def take_floats(model):
    (pixels,) = model.graph.input
    pixels.type.tensor_type.elem_type = onnx.TensorProto.FLOAT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (take_floats, r"pixels should be uint8 \[N, 32, 32, 3\]"),
        (use_foreign_operators, r"it uses operators of com\.example"),
        (rename_output, r"known_score should be float \[N\]"),
        (store_outside, "its weights are in another file"),
        (hide_a_branch, "it contains nested graphs"),
        (take_more, "its only input should be pixels"),
        (take_one_photo, r"pixels should be uint8 \[N, 32, 32, 3\]"),
    ],
)
def test_graph_that_breaks_the_contract_is_never_written(folder, change, message):
    before = read_checkpoint(folder)
    with pytest.raises(CheckpointError, match=message):
        write_with(folder, change)
    assert read_checkpoint(folder) == before


def test_bytes_that_are_no_graph_are_refused(folder):
    checkpoint = read_checkpoint(folder)
    with pytest.raises(CheckpointError, match=r"checkpoint/model\.onnx is not an ONNX graph"):
        write_checkpoint(folder, checkpoint.config, b"not a graph", "card")


def test_failed_write_leaves_the_old_checkpoint_and_no_rest(folder, monkeypatch):
    before = read_checkpoint(folder)

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(folder, before.config, before.graph, "another card")
    assert read_checkpoint(folder) == before
    assert [path.name for path in folder.parent.iterdir()] == ["checkpoint"]


def test_place_that_no_file_can_take_is_named_and_has_no_rest(tmp_path):
    (tmp_path / "metrics.csv").mkdir()
    with pytest.raises(IsADirectoryError) as raised:
        write_atomically(tmp_path / "metrics.csv", b"epoch\n")
    assert raised.value.filename == str(tmp_path / "metrics.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.csv"]


def test_folder_with_something_else_is_never_replaced(folder, tmp_path):
    checkpoint = read_checkpoint(folder)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work")
    with pytest.raises(CheckpointError, match="is not empty and not a checkpoint"):
        write_checkpoint(tmp_path / "thesis", checkpoint.config, checkpoint.graph, "card")
    assert (tmp_path / "thesis" / "thesis.txt").read_text() == "years of work"


def test_checkpoint_cannot_be_written_where_no_folder_can_be(folder, tmp_path):
    checkpoint = read_checkpoint(folder)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        CheckpointError, match=r"file/new cannot be written: .*file is not a writable"
    ):
        write_checkpoint(tmp_path / "file" / "new", checkpoint.config, checkpoint.graph, "card")


def test_graph_of_our_own_is_not_tried_when_it_is_read(folder, tmp_path, monkeypatch):
    checkpoint = read_checkpoint(folder)
    model = onnx.load_model_from_string(checkpoint.graph)
    model.doc_string = "one that was never read"
    graph = model.SerializeToString()
    written = write_checkpoint(tmp_path / "own", checkpoint.config, graph, "card")
    monkeypatch.setattr(subprocess, "run", lambda *given, **more: pytest.fail("it is tried"))
    assert read_checkpoint(written).graph == graph


def test_files_of_a_checkpoint_are_all_that_is_published(folder):
    make_photo(folder / "examples" / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    (folder / "examples" / "._kiwi.jpg").write_bytes(b"macOS writes one beside each")
    (folder / "examples" / "more").mkdir()
    (folder / "notes.txt").write_text("for myself")
    (folder / "page.json").write_text("{}")
    names = [path.relative_to(folder).as_posix() for path in checkpoint_files(folder)]
    pictures = sorted(f"pictures/{path.name}" for path in (folder / "pictures").iterdir())
    top = ["config.json", "model.onnx", "model.safetensors", "page.json"]
    assert names == [*top, "examples/kiwi.jpg", *pictures]


def test_files_that_are_not_the_checkpoints_are_not_published(folder, tmp_path):
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "key.txt").write_text("secret")
    for name, place in (("page.json", "private/key.txt"), ("examples", "private")):
        (folder / name).symlink_to(tmp_path / place)
        with pytest.raises(CheckpointError) as caught:
            checkpoint_files(folder)
        assert str(caught.value).startswith(f"{folder / name}: ")
        assert str(caught.value).endswith("; replace it with a copy, or remove it")
        (folder / name).unlink()
    (folder / "examples").mkdir()
    (folder / "examples" / "menu.JPG").write_text("pizza 8.50")
    with pytest.raises(PhotoError, match=r"examples/menu\.JPG is not a readable photo"):
        checkpoint_files(folder)


def test_figures_are_those_of_the_graph_and_the_weights(folder):
    checkpoint = read_checkpoint(folder)
    check_figures(checkpoint)
    with pytest.raises(CheckpointError) as caught:
        check_figures(replace(checkpoint, graph=b"another"))
    assert str(caught.value) == (
        f"the figures in {folder / 'config.json'} were not measured on its graph and weights: "
        "train again, or download or copy the folder again"
    )
    weights_file(checkpoint).write_bytes(b"others")
    with pytest.raises(CheckpointError, match=r"figures in .*config\.json were not measured on"):
        check_figures(checkpoint)
    check_figures(replace(checkpoint, config=replace(checkpoint.config, figures={})))
    silent = {"test": checkpoint.config.figures["test"]}
    with pytest.raises(CheckpointError, match="were not measured on"):
        check_figures(replace(checkpoint, config=replace(checkpoint.config, figures=silent)))
    weights_file(checkpoint).unlink()
    check_figures(checkpoint)


def test_figures_name_what_they_were_measured_on():
    graph = {"model.onnx": hashlib.sha256(b"graph").hexdigest()}
    weights = {"model.safetensors": hashlib.sha256(b"weights").hexdigest()}
    assert measured_on(b"graph", None) == graph
    assert measured_on(b"graph", b"weights") == graph | weights


def test_checkpoint_without_weights_is_for_serving_only(folder, tmp_path):
    checkpoint = read_checkpoint(folder)
    assert weights_file(checkpoint) == folder / "model.safetensors"
    weights_file(checkpoint).rename(tmp_path / "elsewhere")
    with pytest.raises(
        CheckpointError, match=r"has no model\.safetensors, so it can only be served"
    ):
        weights_file(checkpoint)
    (folder / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: .*; download the folder again"):
        weights_file(checkpoint)


WRITER = """
import sys
from foodvision.checkpoint import read_card, read_checkpoint, write_checkpoint
checkpoint = read_checkpoint(sys.argv[1])
print("ready", flush=True)
while True:
    write_checkpoint(sys.argv[1], checkpoint.config, checkpoint.graph, "card", b"w" * 1_000_000)
"""


def test_killed_writer_leaves_a_whole_checkpoint(folder):
    expected = read_checkpoint(folder)
    for milliseconds in (1, 3, 7, 12, 20, 31):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(folder)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            writer.wait(milliseconds / 1000)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        assert read_checkpoint(folder) == expected


def test_checkpoint_that_lay_aside_when_the_writer_died_is_found(folder):
    expected = read_checkpoint(folder)
    folder.rename(folder.parent / ".checkpoint.old")
    assert read_checkpoint(folder) == expected
