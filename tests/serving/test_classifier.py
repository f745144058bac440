import io
import json
import pickle
import shutil
from dataclasses import replace

import numpy as np
import pytest
from conftest import COLOURS, EXAMPLES, make_photo, run_python
from PIL import Image

import foodvision
from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import Classifier, in_words
from foodvision.errors import CheckpointError, PhotoError, SettingsError
from foodvision.image import load_image


@pytest.fixture(scope="module")
def classifier(fruit_checkpoint):
    return foodvision.load(fruit_checkpoint)


def test_answer_has_everything_the_contract_names(classifier, tmp_path):
    photo = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=9)
    prediction = classifier.predict(photo)
    assert prediction.label == "kiwi"
    assert prediction.top[0] == (prediction.label, prediction.confidence)
    assert [guess.confidence for guess in prediction.top] == sorted(
        (guess.confidence for guess in prediction.top), reverse=True
    )
    assert sum(guess.confidence for guess in prediction.top) == pytest.approx(1, abs=1e-5)
    assert prediction.known is True
    assert prediction.known_score >= classifier.config.known_threshold
    assert 0 < prediction.seconds < 10


def test_path_bytes_image_and_array_get_the_same_answer(classifier, tmp_path):
    path = make_photo(tmp_path / "a.png", COLOURS["tomato"], seed=1)
    with Image.open(path) as image:
        sources = [path, str(path), path.read_bytes(), image, np.asarray(image)]
        answers = [classifier.predict(source).to_dict() for source in sources]
    assert all(answer == answers[0] for answer in answers)


def test_open_files_get_the_answer_of_their_bytes(classifier, tmp_path):
    path = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=3)
    with path.open("rb") as file:
        answers = [classifier.predict(of) for of in (path, file, io.BytesIO(path.read_bytes()))]
    assert all(answer.to_dict() == answers[0].to_dict() for answer in answers)
    with path.open(encoding="latin-1") as file, pytest.raises(PhotoError, match="binary mode"):
        classifier.predict(file)


def test_one_photo_is_no_batch_and_an_address_no_file(classifier, tmp_path):
    path = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=3)
    array = np.asarray(load_image(path))
    alike = (str(path), path, path.read_bytes(), io.BytesIO(), load_image(path))
    for one in (*alike, array, array[..., :1], array[..., 0]):
        with pytest.raises(SettingsError, match="a list of photos: for one photo, use predict"):
            classifier.predict_batch(one)
    with pytest.raises(
        PhotoError, match=r"https://x\.y/a\.jpg is a web address: download the photo"
    ):
        classifier.predict("https://x.y/a.jpg")


def test_model_goes_to_another_process_by_its_folder(classifier, tmp_path):
    path = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=3)
    sent = pickle.dumps(classifier)
    assert len(sent) < 1000
    assert pickle.loads(sent).predict(path).to_dict() == classifier.predict(path).to_dict()


def test_answer_says_where_the_photo_speaks_for_it():
    answer = foodvision.load().predict(EXAMPLES / "pizza.jpg")
    again = foodvision.load().evidence(EXAMPLES / "pizza.jpg", answer.label)
    assert np.array_equal(answer.evidence, again)


def test_batch_gives_the_answers_of_its_photos_in_order(classifier, tmp_path):
    photos = [
        make_photo(tmp_path / f"{index}.jpg", colour, seed=index)
        for index, colour in enumerate([*COLOURS.values()] * 7)
    ]
    together = classifier.predict_batch(photos)
    apart = [classifier.predict(photo) for photo in photos]
    assert [answer.label for answer in together] == [answer.label for answer in apart]
    assert [answer.confidence for answer in together] == pytest.approx(
        [answer.confidence for answer in apart], abs=1e-5
    )
    assert classifier.predict_batch([]) == []


def test_stack_of_arrays_is_a_batch(classifier):
    assert len(classifier.predict_batch(np.zeros((2, 40, 30, 3), np.uint8))) == 2
    assert len(classifier.predict_batch(np.zeros((2, 40, 30), np.uint8))) == 2


def test_score_below_the_checkpoints_threshold_is_not_known(fruit_checkpoint):
    checkpoint = read_checkpoint(fruit_checkpoint)
    strict = replace(checkpoint.config, known_threshold=1.1)  # no cosine is above 1
    prediction = Classifier(replace(checkpoint, config=strict)).predict(np.zeros((9, 9), np.uint8))
    assert prediction.known is False
    assert -1 <= prediction.known_score <= 1


def test_top_decides_how_many_guesses(classifier):
    photo = np.zeros((40, 40, 3), np.uint8)
    assert len(classifier.predict(photo, top=2).top) == 2
    assert len(classifier.predict(photo, top=99).top) == 3
    with pytest.raises(SettingsError, match="top 0 is out of range: at least 1"):
        classifier.predict(photo, top=0)


def test_photo_that_cannot_be_read_is_named(classifier, tmp_path):
    with pytest.raises(PhotoError, match=r"nowhere\.jpg does not exist"):
        classifier.predict(tmp_path / "nowhere.jpg")


def test_graph_that_does_not_run_is_a_checkpoint_error(fruit_checkpoint):
    checkpoint = replace(read_checkpoint(fruit_checkpoint), graph=b"spoiled")
    with pytest.raises(CheckpointError, match="does not run on ONNX Runtime"):
        Classifier(checkpoint)


def test_unknown_model_says_so():
    with pytest.raises(CheckpointError, match="no_such_model does not exist: give"):
        foodvision.load("no_such_model")


def test_run_that_does_not_exist_is_told_without_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "run.json").touch()
    with pytest.raises(CheckpointError, match=r"^runs/two does not exist: `foodvision runs runs`"):
        foodvision.load("runs/two")


def test_model_that_ships_knows_its_dishes():
    classifier = foodvision.load()
    assert len(classifier.classes) == 101
    assert foodvision.load("foodvision_101").checkpoint.sha256 == classifier.checkpoint.sha256
    assert len(classifier.checkpoint.graph) < 16_000_000


@pytest.mark.parametrize("name", ["pizza.jpg", "pizza_dad.jpg"])
def test_model_that_ships_answers_pizza_for_pizza(name):

    prediction = foodvision.load().predict(EXAMPLES / name)
    assert prediction.label == "pizza"
    assert prediction.known


def test_cat_is_no_dish():

    assert not foodvision.load().predict(EXAMPLES / "not_food_cat.jpg").known


def test_exported_names_are_these():
    assert foodvision.__all__ == [
        *("Classifier", "FoodVisionError", "Prediction", "TrainingRun", "load", "train")
    ]
    assert all(hasattr(foodvision, name) for name in foodvision.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'unload'"):
        _ = foodvision.unload


def test_serving_never_imports_torch():
    program = """
import sys
from dataclasses import replace
import foodvision, foodvision.web, foodvision.cli.main
classifier = foodvision.load()
classifier.predict("examples/pizza.jpg")
foodvision.web.build_page(classifier)
heavy = {"torch", "torchvision", "timm", "torchmetrics", "sklearn", "scipy"} & set(sys.modules)
assert not heavy, heavy
"""
    from conftest import REPOSITORY

    run_python("-c", program, check=True, cwd=REPOSITORY)


@pytest.mark.parametrize(
    ("confidence", "known", "words"),
    [
        (0.9, True, "sure"),
        (0.89, True, "likely"),
        (0.5, True, "perhaps"),
        (1.0, False, "not known"),
    ],
)
def test_confidence_becomes_words_by_the_checkpoints_bounds(confidence, known, words):
    config = replace(foodvision.load().config, sure_from=0.9, likely_from=0.6)
    assert in_words(confidence, known, config) == words


def test_older_checkpoint_without_bounds_is_never_sure(fruit_checkpoint, tmp_path):
    kiwi = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=5)
    shutil.copytree(fruit_checkpoint, tmp_path / "old")
    path = tmp_path / "old" / "config.json"
    raw = json.loads(path.read_text())
    raw |= {"sure_from": 0.0, "likely_from": 0.0, "known_threshold": -1e9}
    path.write_text(json.dumps(raw))
    assert foodvision.load(tmp_path / "old").predict(kiwi).certainty == "sure"
    path.write_text(
        json.dumps({key: value for key, value in raw.items() if not key.endswith("_from")})
    )
    assert foodvision.load(tmp_path / "old").predict(kiwi).certainty == "perhaps"
