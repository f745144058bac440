"""A training from shards is the one from the folder, also where it was cut; its memory is flat."""

import io
import json
import re
import subprocess
import sys
import tarfile

import pytest
import torch
from conftest import COLOURS, REPOSITORY, make_photo, run_python
from safetensors.torch import load_file

import foodvision
from foodvision.cli.main import main
from foodvision.data import open_photos, write_shards
from foodvision.errors import Stopped
from foodvision.training.events import EpochEnded

SMALL = {"model": "tinyvgg", "image_size": 32, "epochs": 3, "batch_size": 16, "augment": "strong"}
FROZEN = {"model": "efficientnet_lite0", "image_size": 32, "epochs": 2, "views": 3}


@pytest.fixture(scope="module")
def shards(fruit, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards") / "shards"
    with open_photos(fruit) as photos:
        write_shards(photos, folder, 25)
    return folder


def weights(folder):
    return load_file(folder / "checkpoint" / "model.safetensors")


def assert_same(one, other):
    of_one, of_other = weights(one), weights(other)
    assert of_one.keys() == of_other.keys()
    assert all(torch.equal(of_one[name], of_other[name]) for name in of_one)


def stop_after_one(event):
    if isinstance(event, EpochEnded):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    "settings",
    [SMALL, pytest.param(FROZEN, marks=pytest.mark.slow)],
    ids=["whole network", "frozen backbone"],
)
def test_shards_train_what_the_folder_trains_also_resumed(
    settings, fruit, shards, tmp_path, capsys
):
    of_folder = foodvision.train(fruit, **settings, output=tmp_path / "folder")
    with pytest.raises(Stopped):
        foodvision.train(shards, **settings, output=tmp_path / "cut", listener=stop_after_one)
    of_shards = foodvision.train(shards, resume=tmp_path / "cut")
    assert_same(tmp_path / "folder", tmp_path / "cut")
    assert of_shards.figures.top1 == of_folder.figures.top1
    assert of_shards.history["train_loss"] == of_folder.history["train_loss"]
    answers = (tmp_path / "cut" / "answers.csv").read_text()
    assert len(re.findall(r"^test-00000\.tar/test/\w+/\d\.jpg,", answers, re.MULTILINE)) == 15
    if settings is SMALL:
        capsys.readouterr()
        call = ["evaluate", f"{shards}/test-*.tar", "--model", str(tmp_path / "cut"), "--json"]
        assert main(call) == 0
        assert json.loads(capsys.readouterr().out)["top1"] == of_folder.figures.top1


@pytest.mark.slow
def test_killed_run_from_shards_ends_in_the_weights_of_the_folders(fruit, shards, tmp_path):
    program = REPOSITORY / "tests" / "training" / "killed_run.py"
    settings = SMALL | {"epochs": 12}
    done = run_python(program, shards, tmp_path / "cut", json.dumps(settings), "1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" killed\n") >= 2, done.stdout
    assert done.stdout.endswith("status 0\n")
    foodvision.train(fruit, **settings, output=tmp_path / "whole")
    assert_same(tmp_path / "cut", tmp_path / "whole")


# 160 MB of photos, of which the network sees 4.
_BYTES = 32_000

# What a training does with photos that do not fit into memory.
PROGRAM = """
import resource, sys
from foodvision.data import drop_unreadable, find_white, open_photos, split_photos
from foodvision.data.batches import Batches
from foodvision.data.loaders import photo_dataset
from foodvision.data.transforms import Square
from foodvision.preprocess import Preprocess
with open_photos(sys.argv[1]) as found:
    photos = split_photos(drop_unreadable(find_white(found)))
    seen = 0
    for split in photos.splits:
        dataset = photo_dataset(photos, split, Square(Preprocess(size=16)))
        seen += sum(len(images) for images, _ in Batches(dataset, 32, seed=1))
everybody = resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN
print(seen, max(resource.getrusage(of).ru_maxrss for of in everybody) // 1000)
"""


def write_large_shards(folder, count, photo):
    """Write so many photos, each another one, of 32 kB behind whose pixels nothing is to see."""
    folder.mkdir()
    for first in range(0, count, 1000):
        with tarfile.open(folder / f"{first:05}.tar", "w") as file:
            for number in range(first, min(first + 1000, count)):
                label = sorted(COLOURS)[number % 3]
                content = photo[label] + number.to_bytes(4, "big")
                content += bytes(_BYTES - len(content))
                for ending, part in (("jpg", content), ("cls", label.encode())):
                    info = tarfile.TarInfo(f"{number:05}.{ending}")
                    info.size = len(part)
                    file.addfile(info, io.BytesIO(part))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_photos(tmp_path):
    photo = {
        label: make_photo(tmp_path / f"{label}.jpg", colour, 1, (16, 16)).read_bytes()
        for label, colour in COLOURS.items()
    }
    peaks = []
    for count in (200, 5_000):
        write_large_shards(tmp_path / str(count), count, photo)
        command = [sys.executable, "-c", PROGRAM, tmp_path / str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seen, peak = map(int, done.stdout.split())
        assert count - 96 < seen <= count  # what is over of a batch is left to another epoch
        peaks.append(peak)
    assert peaks[1] - peaks[0] < 60, peaks
