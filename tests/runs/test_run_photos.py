"""Photos that a run was trained on are not those that it is evaluated on."""

import shutil
from dataclasses import replace

import pytest
from conftest import COLOURS, make_photo, make_split

from foodvision.checkpoint import BUNDLED, Checkpoint, read_checkpoint
from foodvision.cli.main import main
from foodvision.data import find_photos, split_photos
from foodvision.errors import DataError, RunError
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.photos import photos_to_judge, used_photos
from foodvision.runs.record import write_answers, write_photos, write_start


@pytest.fixture
def heap(tmp_path):
    return make_split(tmp_path / "heap", 10)


@pytest.fixture
def run(heap, tmp_path):
    """A run on a folder without splits, of which 6 photos were set aside to test it."""
    write_start(tmp_path / "run", {}, str(heap), ["foodvision", "train"])
    write_photos(tmp_path / "run", used_photos(split_photos(find_photos(heap))))
    return tmp_path / "run"


@pytest.fixture
def chosen(run):
    """What of a folder the run is judged on, and what is said of that."""
    config = replace(read_checkpoint(BUNDLED).config, classes=tuple(COLOURS))
    checkpoint = Checkpoint(run / "checkpoint", config, b"")

    def choose(folder, split=None, excluded=None):
        found = photos_to_judge(find_photos(folder), split, checkpoint, str(folder), excluded)
        return len(found.photos), found.notes

    return choose


def test_run_is_evaluated_on_the_photos_that_it_set_aside(run, heap, chosen):
    make_photo(heap / "kiwi" / "new.jpg", COLOURS["kiwi"], seed=77)
    said = (
        f"Evaluated on the 6 test photos of {run}. The other 25 photos of {heap} are left out: the "
        "model was trained on them, or may have been."
    )
    assert chosen(heap) == chosen(heap, "test") == (6, (said,))
    for split, count in (("val", 6), ("train", 18)):
        n, (said,) = chosen(heap, split)
        assert n == count
        assert said.endswith(f" The other {31 - count} photos of {heap} are left out.")


def test_photos_that_trained_the_model_are_counted_elsewhere_too(heap, tmp_path, chosen):
    shutil.copytree(heap / "kiwi", tmp_path / "other" / "kiwi")
    make_photo(tmp_path / "other" / "tomato" / "new.jpg", COLOURS["tomato"], seed=77)
    said = (
        "Warning: the model was trained on {} of these {} photos, so the accuracy is too high. Use "
        "photos that it has not seen."
    )
    assert chosen(tmp_path / "other") == (11, (said.format(6, 11),))
    assert chosen(heap, "all") == (30, (said.format(18, 30),))


def test_run_that_kept_no_list_of_photos_tells_them_by_its_answers(run, heap, chosen):
    (run / "photos.csv").unlink()
    write_answers(run, [JudgedPhoto(f"kiwi/{n}.jpg", "kiwi", "kiwi", 1, 1) for n in range(4)])
    assert chosen(heap)[0] == 4
    with pytest.raises(DataError, match="has no splits, so it has no train photos"):
        chosen(heap, "train")  # nothing tells them from the validation photos
    n, (said,) = chosen(heap, "all")
    assert n == 30
    assert said.startswith("Warning: the model was trained on 26 of these 30 photos")


@pytest.mark.parametrize("row", ["kiwi/1.jpg", "kiwi/1.jpg,test,much,0"])
def test_spoiled_list_of_photos_is_one_error(row, run, heap, chosen):
    (run / "photos.csv").write_text(f"photo,split,bytes,sha256\n{row}\n")
    with pytest.raises(RunError, match=r"photos\.csv: .*; restore it"):
        chosen(heap)


def test_listed_photos_are_left_out_of_an_evaluation(fruit, tmp_path, chosen):
    (tmp_path / "list.txt").write_text("test/kiwi/0.jpg\ntest/kiwi/gone.jpg\n")
    n, (said,) = chosen(fruit, excluded=tmp_path / "list.txt")
    assert n == 14
    assert "1 of 2 lines names no photo (test/kiwi/gone.jpg)" in said


def test_split_of_a_folder_without_splits_is_refused(fruit, capsys):
    assert main(["evaluate", str(fruit / "test"), "--split", "val"]) == 2
    assert capsys.readouterr().err == (
        f"foodvision: {fruit / 'test'} has no splits, so it has no val photos: leave out --split "
        "to use all photos, or put some into val/\n"
    )
