"""Sets of few photos, and of many classes: right, or told."""

import numpy as np
import pytest
from conftest import COLOURS, make_photo, make_split
from PIL import Image

import foodvision
from foodvision.checkpoint import NO_THRESHOLD, read_card
from foodvision.cli.progress import print_event
from foodvision.errors import DataError
from foodvision.page.models import PageModel
from foodvision.training.events import Finished
from foodvision.web.about import tell_about

SMALL = {"model": "tinyvgg", "image_size": 32, "epochs": 2}
TOLD = (
    "With fewer than 29 validation photos (here 3), the model cannot refuse photos of other "
    "things. Add photos, or increase --val-share."
)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """A run on six photos a class, and what was told of it."""
    folder = tmp_path_factory.mktemp("few")
    told = []
    make_split(folder / "photos", 6)
    run = foodvision.train(folder / "photos", **SMALL, output=folder / "run", listener=told.append)
    return run, told[-1]


def test_model_of_few_photos_refuses_none_and_the_runs_end_says_so(few, capsys):
    run, finished = few
    assert run.classifier.config.known_threshold == NO_THRESHOLD
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    assert run.classifier.predict(noise).known
    assert finished.notes == (TOLD,)
    print_event(finished)
    assert TOLD in capsys.readouterr().out


def test_card_of_few_photos_says_so(few):
    card = read_card(few[0].classifier.checkpoint)
    assert "It cannot refuse photos of other things: at least 29 validation photos are" in card
    assert "may take such a photo" not in card
    assert f"<li>{TOLD}</li>" in (few[0].folder / "report.html").read_text()
    assert 'refused as "not known"' not in card


def test_where_no_prediction_was_sure_nothing_claims_that_sure_ones_were_right(few, capsys):
    folder, said = few[0].folder, "No prediction was “sure”."
    assert "sure" not in few[0].record.judgement.certainty
    report = (folder / "report.html").read_text()
    assert f"{said} None was “likely”." in report
    assert "98%" not in report
    assert 'No prediction was "sure".' in (folder / "checkpoint" / "README.md").read_text()
    print_event(few[1])
    assert "no prediction was sure" in capsys.readouterr().out


def test_page_of_few_photos_says_so_in_every_language(few):
    model = PageModel("few", few[0].classifier)
    told = [words("never_refuses") for words in model.wording.languages.values()]
    said = [tell_about(model, words).summary for words in model.wording.languages.values()]
    assert len(set(told)) == 3
    assert all(one in all_of_it for one, all_of_it in zip(told, said, strict=True))


def test_enough_photos_are_not_told(fruit, tmp_path):
    told = []
    foodvision.train(fruit, **SMALL, val_share=0.5, output=tmp_path / "run", listener=told.append)
    run = told[-1]
    assert isinstance(run, Finished)
    assert run.notes == ()
    config = foodvision.load(run.folder).config
    assert config.refuses
    card = (run.folder / "checkpoint" / "README.md").read_text()
    assert 'Photos that look like none of them get "not known"' in card
    report = (run.folder / "report.html").read_text()
    assert all("it may take such a photo for one of its classes" in text for text in (card, report))
    assert "cannot refuse" not in card + report


def test_small_set_is_cross_validated(fruit_checkpoint, tmp_path, capsys):
    make_split(tmp_path / "photos", 6)
    run = foodvision.train(
        tmp_path / "photos",
        model=str(fruit_checkpoint),
        epochs=2,
        output=tmp_path / "run",
        listener=print_event,
    )
    share = run.record.judgement.cross_validated
    assert (run.figures.n, share.n) == (3, 18)
    assert share.count >= 16  # each class has a colour of its own
    assert "top-1, cross-validated (18 photos)" in capsys.readouterr().out
    assert "cross-validated over all 18 photos" in read_card(run.classifier.checkpoint)


def test_two_photos_a_class_are_too_few(tmp_path):
    make_split(tmp_path / "photos", 2)
    with pytest.raises(DataError, match="class blueberry has too few photos: training"):
        foodvision.train(tmp_path / "photos", **SMALL, output=tmp_path / "run")


def test_three_photos_a_class_are_enough(tmp_path):
    make_split(tmp_path / "photos", 3)
    run = foodvision.train(tmp_path / "photos", **SMALL, output=tmp_path / "run")
    assert run.figures.n == 3


def test_one_class_is_too_few(tmp_path):
    make_photo(tmp_path / "photos" / "kiwi" / "1.jpg", COLOURS["kiwi"], 0)
    with pytest.raises(DataError, match="has one class, kiwi: at least two classes are required"):
        foodvision.train(tmp_path / "photos", **SMALL, output=tmp_path / "run")


@pytest.mark.slow
def test_a_thousand_classes_are_trained_on(tmp_path):
    rng = np.random.default_rng(0)
    for label in range(1000):
        folder = tmp_path / "photos" / f"class_{label:03}"
        folder.mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    small = SMALL | {"image_size": 8, "epochs": 1}
    run = foodvision.train(tmp_path / "photos", **small, output=tmp_path / "run")
    assert run.figures.n == 1000
    assert len(run.classifier.classes) == 1000
