"""Why a photo is not taken, in the visitor's language: from the decoder's process to the page."""

import pickle
from typing import get_args

import numpy as np
import pytest
from conftest import EXAMPLES
from PIL import Image

import foodvision
from foodvision.checkpoint import BUNDLED
from foodvision.errors import BusyError, PhotoError, PhotoFault
from foodvision.page.models import PageModel
from foodvision.page.words import LANGUAGES, read_wording
from foodvision.web.feedback import Feedback
from foodvision.web.many import answer_one

WORDING = read_wording(BUNDLED, "foodvision")


def cut_off(path):
    whole = (EXAMPLES / "pizza.jpg").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def over_the_limit_of_bytes(path):
    with path.open("wb") as file:
        file.truncate(200_000_001)  # takes no room on the disk


FILES = {
    "unreadable": lambda path: path.mkdir(),
    "not_photo": lambda path: path.write_text("pizza 8.50"),
    "cut_off": cut_off,
    "too_large": lambda path: Image.new("1", (8001, 8001)).save(path, "PNG"),
    "too_long": lambda path: Image.new("1", (65_536, 1)).save(path, "PNG"),
    "too_many_bytes": over_the_limit_of_bytes,
    "too_heavy": lambda path: path.write_bytes(b"P3 2000 2000 255\n"),
    "dicom": lambda path: path.write_bytes(bytes(128) + b"DICM"),
    "no_range": lambda path: Image.fromarray(np.ones((9, 9), np.float32)).save(path, "TIFF"),
    "gone": lambda path: None,
}
LIMITS = {"too_large": "42", "too_long": "65,535", "too_many_bytes": "200"}


@pytest.fixture(scope="module")
def model():
    return PageModel("foodvision", foodvision.load())


@pytest.mark.parametrize("fault", FILES)
def test_every_fault_is_said_in_the_visitors_language(fault, model, tmp_path):
    path = tmp_path / "내 사진.jpg"
    FILES[fault](path)
    with pytest.raises(PhotoError) as caught:
        model.predict(str(path))
    assert caught.value.fault == fault
    said = {name: WORDING.languages[name].fault(caught.value, str(path)) for name in LANGUAGES}
    assert len(set(said.values())) == len(LANGUAGES)
    for sentence in said.values():
        assert sentence.startswith("내 사진.jpg")
        assert LIMITS.get(fault, "") in sentence
    assert answer_one(model, str(path), WORDING.languages["ko"]).error == said["ko"]


def test_names_of_corrections_are_refused_in_the_visitors_language(tmp_path):
    korean = WORDING.languages["ko"]
    for only_classes, label, fault in ((False, "?!", "bad_name"), (True, "감자", "no_class")):
        feedback = Feedback(tmp_path, only_classes=only_classes)
        with pytest.raises(PhotoError) as caught:
            feedback.keep(EXAMPLES / "pizza.jpg", label, ["pizza"])
        assert caught.value.fault == fault
        assert korean.fault(caught.value, "pizza.jpg").startswith(f"“{label}”: ")


def test_no_fault_is_without_a_text():
    for language in LANGUAGES:
        assert set(get_args(PhotoFault)) <= WORDING.languages[language].texts.keys()


def test_controls_in_a_files_name_are_escaped():
    said = WORDING.languages["ko"].fault(PhotoError("", "not_photo"), "a/\u202egpj.exe")
    assert said.startswith("\\u202egpj.exe: ")


@pytest.mark.parametrize("kind", [PhotoError, BusyError])
def test_fault_goes_from_process_to_process(kind):
    error = pickle.loads(pickle.dumps(kind("a.png is too large", "too_large", limit=52)))
    assert type(error) is kind
    assert (str(error), error.fault) == ("a.png is too large", "too_large")
    assert error.values == {"limit": 52}
