"""The recipe of the model that ships, on a few photos: whole, and killed on the way."""

import subprocess
import sys

import pytest
from conftest import REPOSITORY, SHARED, shared

import foodvision
from foodvision.checkpoint import BUNDLED

RECIPE = REPOSITORY / "models" / "foodvision-101" / "train.py"
PHOTOS = (
    "food101_64px.tar.gz",
    "food101_sharp.zip",
    "pizza_steak_sushi.zip",
    "not_food.zip",
    "other_food.zip",
)
COMMAND = [sys.executable, str(RECIPE), "--data", str(SHARED), "--smoke"]


@pytest.mark.slow
def test_recipe_goes_on_where_it_was_stopped_and_writes_the_checkpoint(tmp_path):
    for name in PHOTOS:
        shared(name)
    before = (BUNDLED / "config.json").read_bytes()
    with subprocess.Popen(
        COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        next(line for line in process.stdout if line.startswith("long small, epoch 1"))
        process.terminate()
        _, said = process.communicate()
    assert process.returncode == 1
    assert said.splitlines()[-1] == "stopped, the state is saved: start it again to go on"
    with subprocess.Popen(COMMAND, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        next(line for line in process.stdout if line.startswith("long sharp, epoch 1"))
        process.kill()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, check=True)
    stages = [line.partition(",")[0] for line in done.stdout.splitlines()]
    long = ["long mixed", "long calm", *["long head"] * 10]
    brief = ["brief small", "brief sharp", *["brief head"] * 10]
    assert stages == [*long, *brief, "taught"]

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
