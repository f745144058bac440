"""The recipe of the model that ships, on a few photos: whole, and killed on the way."""

import importlib.util
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from conftest import REPOSITORY, SHARED, shared

import foodvision
from foodvision.checkpoint import BUNDLED
from foodvision.data import LabelledPhoto, Photos, find_photos, split_photos
from foodvision.errors import Stopped
from foodvision.models import Start, create_model
from foodvision.training.stages import Run

RECIPE = REPOSITORY / "models" / "foodvision-101" / "train.py"
PHOTOS = (
    "food101_64px.tar.gz",
    "food101_64px_more.tar.gz",
    "food101_sharp.zip",
    "food101_sharp_more.zip",
    "pizza_steak_sushi.zip",
    "not_food.zip",
    "other_food.zip",
)
COMMAND = [sys.executable, str(RECIPE), "--data", str(SHARED), "--smoke"]


class Interrupted:
    """A loader in whose first batch the process is asked to stop."""

    def __init__(self, batches):
        self.batches = batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for batch in self.batches:
            self.images, _ = batch
            os.kill(os.getpid(), signal.SIGTERM)
            yield batch


@pytest.fixture
def recipe(monkeypatch):
    monkeypatch.syspath_prepend(RECIPE.parent)
    spec = importlib.util.spec_from_file_location("recipe", RECIPE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "recipe", module)
    spec.loader.exec_module(module)
    return module


def test_calm_lesson_draws_classes_alike_and_their_photos_less_often_where_there_are_many(recipe):
    def photos_of(kind, counts):
        return tuple(
            LabelledPhoto(Path(f"{kind}/{name}/{at}.jpg"), name)
            for name, count in counts.items()
            for at in range(count)
        )

    sharp, small = (
        photos_of("sharp", {"many": 400, "few": 4}),
        photos_of("small", {"many": 10, "few": 30}),
    )
    weights = recipe.weights_by_class(Photos(Path(), {"train": sharp}), small, 0.5)
    labels = [photo.label for photo in (*sharp, *small)]
    masses = {
        name: sum(float(of) for of, label in zip(weights, labels, strict=True) if label == name)
        for name in ("many", "few")
    }
    assert sum(masses.values()) == pytest.approx(1)
    assert masses["many"] == pytest.approx(masses["few"], rel=0.1)
    assert float(weights[:404].sum()) == pytest.approx(0.5)
    assert weights[0] < weights[400] / 5


def test_photos_are_made_worse_in_many_ways_and_as_often_as_asked(recipe):
    photo = torch.arange(3 * 64 * 64, dtype=torch.int32).reshape(3, 64, 64).remainder(251).byte()
    torch.manual_seed(0)
    worse = recipe.AsPhonesTakeIt(0.4)
    seen = [worse(photo) for _ in range(200)]
    changed = [of for of in seen if not torch.equal(of, photo)]
    assert 50 < len(changed) < 110
    assert all(of.shape == photo.shape and of.dtype == torch.uint8 for of in seen)
    assert len({of.numpy().tobytes() for of in changed}) > 40


def test_phases_of_the_recipe_see_photos_of_their_own_and_hear_that_they_shall_stop(
    recipe, fruit, tmp_path
):
    photos = split_photos(find_photos(fruit))
    this = Run(
        recipe.HEAD, photos, recipe.SERVED, tmp_path, Accelerator(cpu=True), Start(recipe.BACKBONE)
    )
    config = replace(recipe.TAUGHT.config, batch_size=16)
    seen = []

    def interrupted(batches):
        seen.append(Interrupted(batches))
        return seen[-1]

    for name in ("taught", "taught again"):
        phase = replace(recipe.TAUGHT, name=name, config=config, size=32)
        with pytest.raises(Stopped):
            recipe.fit_phase(
                phase, create_model("tinyvgg", 3), photos.splits["train"], this, interrupted
            )
        assert (tmp_path / "state" / f"{name}.safetensors").exists()
    assert not torch.equal(seen[0].images, seen[1].images)


@pytest.mark.slow
def test_recipe_goes_on_where_it_was_killed_and_writes_the_checkpoint(tmp_path):
    for name in PHOTOS:
        shared(name)
    before = (BUNDLED / "config.json").read_bytes()
    with subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        next(line for line in process.stdout if line.startswith("long sharp, epoch 1"))
        process.kill()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, check=True)
    stages = [line.partition(",")[0] for line in done.stdout.splitlines()]
    long = ["long mixed", "long calm", *["long head"] * 10]
    brief = ["brief small", "brief sharp", *["brief head"] * 10]
    assert stages == [*long, *brief, "taught", "taught again", "calm"]

    config = foodvision.load(tmp_path / "runs" / "smoke").config
    assert len(config.classes) == 101
    assert config.data["source"] == "food101"
    assert config.base_model == "timm/tf_efficientnet_lite0.in1k"
    figures = config.figures
    well_shown, others = figures["test_well_shown"]["n"], figures["test_others"]["n"]
    assert well_shown > others > 0
    assert well_shown + others == figures["test"]["n"] == config.data["test"]
    assert (tmp_path / "runs" / "smoke" / "README.md").read_text().startswith("# foodvision-101\n")
    assert not (tmp_path / "runs" / "smoke-state").exists()
    assert (BUNDLED / "config.json").read_bytes() == before
