"""Two processes on a CPU train what one does: real ones, started by both launchers."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from conftest import COLOURS, REPOSITORY, make_photo
from safetensors.torch import load_file

import foodvision
from foodvision.errors import SettingsError
from foodvision.export.graph import (
    Body,
    Calibration,
    complete_graph,
    export_body,
    largest_difference,
)
from foodvision.export.known import KnownScore
from foodvision.models import create_model, preprocess_for, split_head
from foodvision.system.processes import is_first, reports_error
from foodvision.system.progress import progress
from foodvision.training.config import TrainConfig
from foodvision.training.run import run_training, start_accelerator

PROGRAMS = Path(sys.executable).parent

TORCHRUN = ("torchrun", "--standalone", "--nproc-per-node", "2")
ACCELERATE = (
    *("accelerate", "launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"),
    *("--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"),
)

# What does not mix photos of a batch, and is so the same however the batch is shared out.
WHOLE_NETWORK = {
    "model": "tinyvgg",
    "image_size": 32,
    "epochs": 4,
    "batch_size": 8,
    "augment": "strong",
    "accumulate": 2,
    "clip": 1.0,
    "ema": 0.9,
    "early_stopping": 3,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.1,
    "balance": "sampler",
    "device": "cpu",
}
# The last stage moves the head by nothing that is seen.
HEAD = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "epochs": 4,
    "batch_size": 8,
    "finetune_epochs": 1,
    "finetune_learning_rate": 1e-9,
    "device": "cpu",
}

IN_ONE_PROCESS = """
import itertools, os, signal, sys
from foodvision.cli.main import main
from foodvision.data.batches import Batches
from foodvision.errors import PhotoError

count, yielded = itertools.count(), Batches.__iter__

def iterate(batches):
    for batch in yielded(batches):
        if next(count) == 11 and os.environ["RANK"] == "1":
            {what}
        yield batch

Batches.__iter__ = iterate
sys.exit(main(["train", *sys.argv[1:]]))
"""


@pytest.fixture(scope="module")
def uneven(tmp_path_factory) -> Path:
    """49 photos to train on, 9 to validate: one is left over of each where a batch takes 8."""
    folder = tmp_path_factory.mktemp("uneven")
    counts = {"train": (17, 16, 16), "val": (3, 3, 3), "test": (5, 5, 5)}
    for seed, (split, of_classes) in enumerate(counts.items()):
        for number, (label, colour) in enumerate(COLOURS.items()):
            for index in range(of_classes[number]):
                photo = folder / split / label / f"{seed}-{index}.jpg"
                make_photo(photo, colour, seed=1000 * seed + 100 * number + index)
    return folder


def launch(launcher, program, *arguments):
    """Start two processes, each on a thread of its own."""
    # Which one of them is the first to do something must not depend on how many cores there are.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
    name, *options = launcher
    return subprocess.run(
        [PROGRAMS / name, *options, program, *map(str, arguments)],
        env=environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def write_settings(path, settings):
    path.write_text(json.dumps(settings))
    return path


def epochs(folder):
    return json.loads((folder / "metrics.json").read_text())


def weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


def told(done):
    """The lines that are ours, not the launcher's."""
    return re.findall("^foodvision: .*", done.stderr, re.MULTILINE)


def assert_same_epochs(ours, other, tolerance):
    assert len(ours) == len(other)
    for one, two in zip(ours, other, strict=True):
        assert one["val_acc"] == two["val_acc"]
        for name in ("train_loss", "train_acc", "val_loss", "learning_rate"):
            assert one[name] == pytest.approx(two[name], abs=tolerance), (one["epoch"], name)


@pytest.mark.slow
def test_two_processes_stopped_and_resumed_train_the_network_that_one_does(uneven, tmp_path):
    settings = write_settings(tmp_path / "settings.json", WHOLE_NETWORK)
    folder, program = tmp_path / "two", tmp_path / "stopped.py"
    program.write_text(IN_ONE_PROCESS.format(what="os.kill(os.getppid(), signal.SIGTERM)"))
    stopped = launch(TORCHRUN, program, uneven, "--config", settings, "--output", folder)
    assert stopped.returncode != 0
    assert told(stopped) == [
        f"foodvision: stopped, the state is saved: resume with foodvision train {uneven} "
        f"--resume {folder}"
    ]
    assert json.loads((folder / "run.json").read_text())["state"] == "stopped"
    resumed = launch(ACCELERATE, "train.py", uneven, "--resume", folder)
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert resumed.stdout.count("Trained. ") == resumed.stdout.count("Report: ") == 1
    run_training(uneven, TrainConfig(**WHOLE_NETWORK, output=tmp_path / "one"))
    assert_same_epochs(epochs(folder), epochs(tmp_path / "one"), 1e-5)
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(weights(folder)[name], value, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_two_processes_train_the_head_that_one_does(uneven, tmp_path):
    settings = write_settings(tmp_path / "settings.json", HEAD)
    options = ("--config", settings, "--output", tmp_path / "two")
    done = launch(ACCELERATE, "train.py", uneven, *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("Trained. ") == done.stdout.count("Report: ") == 1
    run_training(uneven, TrainConfig(**HEAD, output=tmp_path / "one"))
    two, one = epochs(tmp_path / "two"), epochs(tmp_path / "one")
    assert [row["stage"] for row in two] == [*["head"] * 4, "network"]
    assert_same_epochs(two[:4], one[:4], 1e-5)
    for name in ("classifier.weight", "classifier.bias"):
        ours, other = weights(tmp_path / "two")[name], weights(tmp_path / "one")[name]
        torch.testing.assert_close(ours, other, atol=1e-5, rtol=0)
    assert foodvision.load(tmp_path / "two").classes == tuple(COLOURS)


@pytest.mark.slow
def test_failure_of_one_process_ends_all_in_one_line(uneven, tmp_path):
    # Without a GPU the CPU need not be asked for.
    settings = write_settings(tmp_path / "settings.json", WHOLE_NETWORK | {"device": "auto"})
    folder, program = tmp_path / "run", tmp_path / "failing.py"
    program.write_text(IN_ONE_PROCESS.format(what="raise PhotoError('2.jpg cannot be read')"))
    done = launch(TORCHRUN, program, uneven, "--config", settings, "--output", folder)
    assert done.returncode != 0
    assert told(done) == ["foodvision: 2.jpg cannot be read"]
    assert "gloo" not in done.stderr


def test_alone_a_process_is_the_first_and_tells(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert is_first()
    assert reports_error()
    assert reports_error()


def test_of_several_processes_one_tells_even_where_they_never_met(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv("RANK", "0")
    assert reports_error()
    monkeypatch.setenv("RANK", "1")
    assert not reports_error()


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_bar_shows_in_a_terminal_and_in_a_notebook_of_the_first_process(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    assert not progress([], "photos", file=Terminal()).disable
    assert progress([], "photos", file=io.StringIO()).disable
    monkeypatch.setitem(sys.modules, "ipykernel", None)
    assert not progress([], "photos", file=io.StringIO()).disable
    monkeypatch.setenv("RANK", "1")
    assert progress([], "photos", file=Terminal()).disable


def test_batch_that_processes_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr("foodvision.training.run.Accelerator.num_processes", 3)
    with pytest.raises(SettingsError) as caught:
        start_accelerator(TrainConfig(batch_size=32))
    assert str(caught.value) == "batch-size 32 is not divisible by 3 processes: use a multiple of 3"


@pytest.mark.slow
def test_runs_of_several_precisions_follow_each_other_in_one_process(uneven, tmp_path):
    settings = WHOLE_NETWORK | {"epochs": 1}
    losses = {}
    for precision in ("float32", "bfloat16"):
        config = TrainConfig(**settings, precision=precision, output=tmp_path / precision)
        run_training(uneven, config)
        losses[precision] = epochs(tmp_path / precision)[0]["train_loss"]
        assert foodvision.load(config.output).classes == tuple(COLOURS)
    assert losses["float32"] != losses["bfloat16"]
    assert losses["float32"] == pytest.approx(losses["bfloat16"], abs=0.05)


def test_precision_that_a_cpu_would_pass_over_is_refused():
    with pytest.raises(SettingsError) as caught:
        start_accelerator(TrainConfig(precision="float16", device="cpu"))
    assert str(caught.value) == "precision float16 is not supported on a CPU: use bfloat16"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["efficientnet_lite0", "torchvision/mobilenet_v3_small"])
def test_batch_norms_that_share_statistics_serve_like_others(name):
    preprocess = preprocess_for(name, 32)
    network = create_model(name, 3, pretrained=False).eval()
    names = list(network.state_dict())
    pixels = torch.randint(256, (4, 32, 32, 3), dtype=torch.uint8)
    expected = Body(network, preprocess)(pixels)
    shared = timm.layers.convert_sync_batchnorm(network)
    assert any(isinstance(layer, torch.nn.SyncBatchNorm) for layer in shared.modules())
    assert list(shared.state_dict()) == names
    for ours, other in zip(Body(shared, preprocess)(pixels), expected, strict=True):
        torch.testing.assert_close(ours, other)
    _, head = split_head(shared)
    calibration = Calibration(1.0, KnownScore("energy"), 0.0, 0.9, 0.5)
    graph = complete_graph(export_body(shared, preprocess), head, calibration)
    assert largest_difference(shared, preprocess, graph, 1.0, pixels.numpy()) < 1e-5
