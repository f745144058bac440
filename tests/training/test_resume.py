"""A run that was cut ends in the weights of one that was not."""

import json
import multiprocessing
import re
import resource
import shutil
import signal
import sys
from dataclasses import replace

import pytest
import torch
from accelerate import Accelerator
from conftest import REPOSITORY, make_split, run_foodvision, run_python
from safetensors.torch import load_file
from test_photos import fill
from torch import nn
from torch.utils.data import TensorDataset

import foodvision
from foodvision.cli.main import main
from foodvision.data import Photos
from foodvision.engine.optimise import EarlyStopping
from foodvision.engine.state import Snapshot
from foodvision.engine.steps import Results
from foodvision.errors import DataError, FoodVisionError, SettingsError, Stopped
from foodvision.models import Start
from foodvision.preprocess import Preprocess
from foodvision.runs.reading import read_run
from foodvision.runs.record import write_state
from foodvision.training.config import TrainConfig
from foodvision.training.events import EpochEnded
from foodvision.training.fit import fit
from foodvision.training.recorder import Recorder, locked, record_run, say_how_to_go_on
from foodvision.training.run import run_training
from foodvision.training.stages import Run, Stage

# All that has a state at once, so that nothing of it is forgotten.
EVERYTHING = {
    "model": "tinyvgg",
    "image_size": 32,
    "epochs": 12,
    "batch_size": 8,
    "augment": "strong",
    "mixup": 0.2,
    "cutmix": 1.0,
    "accumulate": 5,
    "clip": 1.0,
    "ema": 0.9,
    "early_stopping": 8,
    "warmup_epochs": 1.0,
    "low_resolution": 0.3,
    "balance": "sampler",
}
PROBE_THEN_FINETUNE = {
    "model": "efficientnet_lite0",
    "image_size": 32,
    "epochs": 3,
    "finetune_epochs": 3,
    "batch_size": 16,
    "layer_decay": 0.8,
    "views": 3,
}


def weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


def assert_same_weights(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "seed"),
    [(EVERYTHING, "1"), (PROBE_THEN_FINETUNE, "3")],
    ids=["everything", "probe then finetune"],
)
def test_killed_run_ends_in_the_same_weights_bit_for_bit(settings, seed, fruit, tmp_path):
    done = run_python(
        REPOSITORY / "tests" / "training" / "killed_run.py",
        fruit,
        tmp_path / "cut",
        json.dumps(settings),
        seed,
    )
    assert done.returncode == 0, done.stderr
    deaths = re.findall(r"^(in a write|after seconds) \S+ killed$", done.stdout, re.MULTILINE)
    assert deaths.count("in a write") >= 2, done.stdout
    assert done.stdout.endswith("status 0\n")
    run_training(fruit, TrainConfig(**settings, output=tmp_path / "whole"))
    assert_same_weights(tmp_path / "cut", tmp_path / "whole")
    cut, whole = (
        json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("cut", "whole")
    )
    assert [row | {"seconds": 0} for row in cut] == [row | {"seconds": 0} for row in whole]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_that_is_asked_to_stop_saves_its_place_within_the_epoch(number, fruit, tmp_path):
    settings = {**EVERYTHING, "epochs": 4}
    config = TrainConfig(**settings, output=tmp_path / "cut")
    program = f"""
import itertools, os, sys
import foodvision
from foodvision.cli.main import main
from foodvision.data.batches import Batches
count, yielded = itertools.count(), Batches.__iter__
def iterate(batches):
    for batch in yielded(batches):
        if next(count) == 17:
            os.kill(os.getpid(), {int(number)})
        yield batch
Batches.__iter__ = iterate
sys.exit(main(sys.argv[1:]))
"""
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    done = run_python(
        *("-c", program, "train", fruit, "--output", config.output),
        *("--config", tmp_path / "settings.json"),
    )
    assert done.returncode == 130, done.stderr
    assert done.stderr == (
        f"foodvision: stopped, the state is saved: resume with foodvision train {fruit} "
        f"--resume {config.output}\n"
    )
    assert json.loads((config.output / "run.json").read_text())["state"] == "stopped"
    with pytest.raises(FoodVisionError, match="an unfinished run: continue it with --resume"):
        foodvision.load(config.output)
    assert main(["train", str(fruit), "--resume", str(config.output)]) == 0
    whole = TrainConfig(**settings, output=tmp_path / "whole")
    run_training(fruit, whole)
    assert_same_weights(config.output, whole.output)


def test_best_weights_are_not_those_of_the_epoch_that_a_stop_cut():
    network = torch.nn.Linear(2, 2)
    best = network.weight.detach().clone()
    stopping, results = EarlyStopping(network, 2), Results()
    results["train_loss"], results["test_loss"] = [1.0], [1.0]
    assert not stopping(results)
    torch.nn.init.zeros_(network.weight)
    assert not stopping.is_enough(results)
    stopping.keep_best()
    assert torch.equal(network.weight, best)


def test_full_disk_is_one_line_and_the_last_state_stays_whole(tmp_path):
    part = torch.nn.Linear(100, 100)
    snapshot = Snapshot(tmp_path / "state" / "head.safetensors", {"model": part}, "photos")
    snapshot.save()
    before = part.weight.detach().clone()
    torch.nn.init.zeros_(part.weight)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(FoodVisionError) as caught:
            snapshot.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert str(caught.value) == (
        f"{tmp_path / 'state' / 'head.safetensors'} cannot be written (File too large): the "
        "last saved epoch is intact; free some space and continue with --resume"
    )
    assert [path.name for path in (tmp_path / "state").iterdir()] == ["head.safetensors"]
    assert snapshot.restore()
    assert torch.equal(part.weight, before)


def test_spoiled_state_and_other_photos_are_told(tmp_path):
    path = tmp_path / "run" / "state" / "head.safetensors"
    part = torch.nn.Linear(2, 2)
    Snapshot(path, {"model": part}, "these photos").save()
    with pytest.raises(DataError, match="was trained on other photos: start a new run"):
        Snapshot(path, {"model": part}, "others").restore()
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(FoodVisionError, match=r"head\.safetensors is damaged .*: remove it"):
        Snapshot(path, {"model": part}, "these photos").restore()


@pytest.mark.parametrize(
    ("left", "said"), [("run.json", "before the first step"), ("state/x", "the state is saved")]
)
def test_run_that_is_stopped_says_what_is_kept(left, said, tmp_path):
    fill(tmp_path, left)
    go_on = f"resume with foodvision train photos --resume {tmp_path}"
    with pytest.raises(Stopped) as caught, say_how_to_go_on("photos", tmp_path):
        raise KeyboardInterrupt
    assert str(caught.value) == f"stopped, {said}: {go_on}"


@pytest.mark.slow
def test_second_run_into_a_folder_refuses(fruit, tmp_path):
    config = TrainConfig(model="tinyvgg", image_size=32, epochs=1, output=tmp_path / "run")
    with locked(config.output):
        done = run_foodvision(
            *("train", fruit, "--model", "tinyvgg", "--image-size", "32", "--epochs", "1"),
            *("--output", config.output),
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"foodvision: another run is writing to {config.output}: choose another --output\n"
    )
    run_training(fruit, config)
    with pytest.raises(SettingsError, match="contains a finished run: choose another"):
        run_training(fruit, config)
    with pytest.raises(SettingsError, match="is already finished: there is nothing to resume"):
        run_training(fruit, config, resume=True)
    with pytest.raises(SettingsError, match="contains no run to resume"):
        run_training(fruit, TrainConfig(output=tmp_path / "none"), resume=True)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("removed", "does not exist"),
        pytest.param("cut", "is truncated or", marks=pytest.mark.slow),
    ],
)
def test_photo_that_goes_bad_while_it_is_learnt_from_ends_the_run_in_a_line(
    harm, said, fruit, tmp_path, monkeypatch, capsys
):
    folder, output = tmp_path / "photos", tmp_path / "run"
    shutil.copytree(fruit, folder)
    # As for a set that is too large to be kept in memory.
    monkeypatch.setattr("foodvision.data.batches._CACHE_BYTES", 0)
    monkeypatch.setattr("foodvision.data.batches.worker_count", lambda photos: 0)
    write = Recorder.__call__

    def write_and_harm(recorder, rows):
        write(recorder, rows)
        for photo in (folder / "train" / "kiwi").iterdir():
            content = photo.read_bytes()
            photo.unlink()
            if harm == "cut":
                photo.write_bytes(content[: len(content) // 2])

    monkeypatch.setattr(Recorder, "__call__", write_and_harm)
    command = ["train", str(folder), "--model", "tinyvgg", "--epochs", "4", "--output", str(output)]
    assert main([*command, "--image-size", "32"]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert [line for line in errors if line.startswith("foodvision:")] == errors[-1:]
    assert re.fullmatch(rf"foodvision: {folder}/train/kiwi/\S+\.\w+:? {said}.*", errors[-1])
    assert read_run(output).state == "failed"
    monkeypatch.setattr(Recorder, "__call__", write)
    shutil.copytree(fruit, folder, dirs_exist_ok=True)
    assert main(["train", str(folder), "--resume", str(output)]) == 0


def test_time_of_a_run_is_counted_over_all_its_parts(tmp_path):
    row = {"epoch": 1, "stage": "head", "val_acc": 0.5}
    for before in (0, 500):
        with record_run(
            tmp_path, "photos", TrainConfig(), Accelerator(cpu=True), resume=bool(before)
        ) as recorder:
            recorder([row])  # what a run that is killed leaves
            run_so_far = read_run(tmp_path)
        assert run_so_far.state == "running"
        assert before <= run_so_far.seconds < before + 500
        write_state(tmp_path, "stopped", 500.0)


def test_run_does_not_slip_into_one_that_began_meanwhile(tmp_path):
    config, accelerator = TrainConfig(), Accelerator(cpu=True)
    with (
        pytest.raises(Stopped, match="resume with foodvision train 'my photos' --resume "),
        record_run(tmp_path / "run", "my photos", config, accelerator, resume=False),
    ):
        raise Stopped("stopped")
    with (
        pytest.raises(SettingsError, match="contains a run: continue it"),
        record_run(tmp_path / "run", "other photos", config, accelerator, resume=False),
    ):
        pytest.fail("it began")
    assert read_run(tmp_path / "run").data == "my photos"


def test_signal_while_the_last_epoch_is_judged_is_heard(tmp_path):
    data = TensorDataset(torch.randn(8, 4), torch.arange(8) % 2)

    def stage(this, finish=None):
        judged = this.batches(data, shuffle=False, finish=finish)
        return Stage("head", nn.Linear(4, 2), this.batches(data), judged, 1, 0.01)

    def interrupt(images, labels):
        signal.raise_signal(signal.SIGINT)
        return images, labels

    this = Run(
        TrainConfig(),
        Photos(tmp_path, {}),
        Preprocess(),
        tmp_path,
        Accelerator(cpu=True),
        Start("tinyvgg"),
    )
    with pytest.raises(Stopped):
        fit(stage(this, interrupt), this)
    taken_up = replace(this)
    assert len(fit(stage(taken_up), taken_up)) == 1


@pytest.mark.slow
def test_run_that_lost_a_worker_says_how_to_go_on(tmp_path):
    photos = make_split(tmp_path / "photos", 1100)  # enough for a worker
    settings = {"model": "tinyvgg", "image_size": 16, "epochs": 2, "augment": "strong"}

    def kill_workers(event):
        if isinstance(event, EpochEnded):
            workers = multiprocessing.active_children()
            assert workers
            for worker in workers:
                worker.kill()

    output = tmp_path / "run"
    with pytest.raises(FoodVisionError, match="reads photos was killed") as caught:
        foodvision.train(photos, **settings, output=output, listener=kill_workers)
    assert str(caught.value).endswith(f"foodvision train {photos} --resume {output}")
    assert read_run(output).state == "failed"
    run = foodvision.train(photos, resume=output)
    assert len(run.history["train_loss"]) == 2


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
import foodvision

def allow_little_more(_):
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (200 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))

data, output = sys.argv[1:]
settings = dict(model="tinyvgg", image_size=512, epochs=1, device="cpu", output=output)
try:
    foodvision.train(data, **settings, listener=allow_little_more)
except foodvision.FoodVisionError as error:
    print(error)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_run_without_enough_memory_says_what_to_make_smaller(fruit, tmp_path):
    done = run_python("-c", LITTLE_MEMORY, fruit, tmp_path / "run", check=True)
    assert done.stdout.startswith("not enough memory (")
    assert done.stdout.endswith("smaller --batch-size or --image-size, or a smaller --model\n")
