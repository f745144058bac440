"""Where things lie: no home, folders that vanish or move, links, one cache for two runs."""

import os
import subprocess
import sys
from functools import partial

import pytest
from conftest import make_split, run_python

import foodvision
from foodvision.data import find_photos
from foodvision.errors import DataError, FoodVisionError, Stopped
from foodvision.training.events import EpochEnded

pytestmark = pytest.mark.thorough

SMALL = {"model": "tinyvgg", "image_size": 32, "epochs": 2}
TINY = ("--model", "tinyvgg", "--image-size", "32", "--epochs", "1")

# A container's user that no file knows, so that nobody knows its home.
NOBODY = """
import pwd, sys
def unknown(user):
    raise KeyError(f"getpwuid(): uid not found: {user}")
pwd.getpwuid = unknown
from foodvision.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def environment(**changed):
    gone = ("HOME", "USER", "LOGNAME", "FOODVISION_CACHE", "XDG_CACHE_HOME", "HF_HOME")
    return {name: value for name, value in os.environ.items() if name not in gone} | changed


def command(program, *arguments, env, cwd):
    return run_python(
        "-c", program, *arguments, env=env | {"PYTHONPATH": os.pathsep.join(sys.path)}, cwd=cwd
    )


@pytest.mark.slow
def test_no_home_and_no_user_are_needed(fruit, tmp_path):
    ask = partial(command, NOBODY, env=environment(TMPDIR=str(tmp_path)), cwd=tmp_path)
    trained = ask("train", fruit, *TINY, "--output", "run")
    assert trained.returncode == 0, trained.stderr
    photo = next((fruit / "test" / "kiwi").iterdir())
    said = ask("predict", photo, "--model", "run")
    assert said.returncode == 0, said.stderr
    # Nothing is left behind: no cache in the temporary folder, no folder called ~.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


@pytest.mark.slow
def test_home_that_cannot_be_written_is_one_line(fruit, tmp_path):
    (tmp_path / "home").touch()
    program = NOBODY.partition("pwd.getpwuid")[0] + NOBODY[NOBODY.index("from foodvision") :]
    ask = partial(command, program, env=environment(HOME=str(tmp_path / "home")), cwd=tmp_path)
    trained = ask("train", fruit, *TINY, "--output", "run")
    assert trained.returncode == 0, trained.stderr
    lines = [line for line in trained.stderr.splitlines() if "FOODVISION_CACHE" in line]
    assert len(lines) == 1
    photo = next((fruit / "test" / "kiwi").iterdir())
    assert ask("predict", photo, "--model", "run").returncode == 0


def moving(photo, to):
    """Return a listener that moves a photo away after the first epoch."""

    def listen(event):
        if isinstance(event, EpochEnded) and photo.exists():
            photo.rename(to)

    return listen


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_photo_that_vanishes_while_training_is_named_and_the_run_goes_on(split, tmp_path):
    make_split(tmp_path / "photos" / "train", 8)
    make_split(tmp_path / "photos" / "test", 2, first_seed=500)
    photo = tmp_path / "photos" / split / "kiwi" / "1.jpg"
    listener = moving(photo, tmp_path / "elsewhere.jpg")
    with pytest.raises(FoodVisionError, match=r"kiwi.1\.jpg does not exist"):
        foodvision.train(tmp_path / "photos", **SMALL, output=tmp_path / "run", listener=listener)
    (tmp_path / "elsewhere.jpg").rename(photo)
    run = foodvision.train(tmp_path / "photos", resume=tmp_path / "run")
    assert run.figures.n == 6


def stop(event):
    if isinstance(event, EpochEnded):
        raise KeyboardInterrupt


def test_photos_that_were_moved_are_gone_on_with_by_their_new_place(tmp_path):
    make_split(tmp_path / "old" / "photos", 8)
    with pytest.raises(Stopped):
        foodvision.train(
            tmp_path / "old" / "photos", **SMALL, output=tmp_path / "run", listener=stop
        )
    (tmp_path / "old").rename(tmp_path / "new")
    with pytest.raises(DataError, match="photos does not exist: check the path"):
        foodvision.train(tmp_path / "old" / "photos", resume=tmp_path / "run")
    run = foodvision.train(tmp_path / "new" / "photos", resume=tmp_path / "run")
    assert len(run.history["train_loss"]) == 2


def test_links_to_photos_and_folders_are_photos(fruit, tmp_path):
    for label in ("kiwi", "tomato"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for photo in (fruit / "test" / label).iterdir():
            (tmp_path / "photos" / label / photo.name).symlink_to(photo)
    (tmp_path / "photos" / "blueberry").symlink_to(fruit / "test" / "blueberry")
    (tmp_path / "photos" / "kiwi" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    told = []
    run = foodvision.train(
        tmp_path / "photos", **SMALL, output=tmp_path / "run", listener=told.append
    )
    assert run.figures.n == 3
    assert "1 unreadable (kiwi/gone.jpg)" in told[0].photos.in_words()
    assert len(find_photos(tmp_path / "photos").splits["all"]) == 16


@pytest.mark.slow
def test_two_runs_share_one_cache(fruit, tmp_path):
    program = "import sys; from foodvision.cli.main import main; sys.exit(main(sys.argv[1:]))"
    env = environment(HOME=str(tmp_path), FOODVISION_CACHE=str(tmp_path / "cache"))
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", program, "train", fruit, *TINY, "--output", name],
            env=env | {"PYTHONPATH": os.pathsep.join(sys.path)},
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            text=True,
            stdout=subprocess.DEVNULL,
        )
        for name in ("one", "two")
    ]
    for run in runs:
        _, said = run.communicate()
        assert run.returncode == 0, said
    one, two = (
        (tmp_path / name / "checkpoint" / "model.safetensors").read_bytes()
        for name in ("one", "two")
    )
    assert one == two
