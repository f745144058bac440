"""Names of classes as people have them: told, or kept to the last page and card."""

import csv
import json
import unicodedata

import pytest
from conftest import COLOURS, make_photo, make_split
from test_photos import fill

import foodvision
from foodvision.browser.site import data_files
from foodvision.data import find_photos, open_photos, split_photos
from foodvision.data.names import alike_in_words
from foodvision.inspection.inspect import inspect_photos
from foodvision.page.models import PageModel
from foodvision.reports.inspection import write_inspection
from foodvision.safety.escaping import markdown
from foodvision.web.about import tell_about

ODD = (
    *("fish/chips", "back\\slash", ".hidden dish", "0", "01", "10", "1e5", "=sum(a)", "a*b_c~d"),
    *("🍕👩‍🍳", "فلافل", "פלאפל (חם)", "비빔밥", "x" * 255, "한" * 255, "Café", "con", "<b>"),
)
ALIKE = "these names differ only in case, accents or spaces, and are read as separate classes."


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """A run on a list of oddly named classes."""
    folder = tmp_path_factory.mktemp("odd")
    colours = list(COLOURS.values())
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label"))
        for place, label in enumerate(ODD):
            for number in range(3):
                name = f"{place}-{number}.jpg"
                make_photo(folder / name, colours[place % 3], 10 * place + number)
                rows.writerow((name, label))
    return foodvision.train(
        folder / "photos.csv", model="tinyvgg", image_size=16, epochs=1, output=folder / "run"
    )


def test_odd_labels_are_kept_in_the_checkpoint_and_the_answers(odd):
    assert set(odd.classifier.classes) == set(ODD)
    assert {answer.label for answer in odd.record.answers} == set(ODD)


def test_odd_labels_are_kept_on_the_card(odd):
    card = (odd.folder / "checkpoint" / "README.md").read_text("utf-8")
    assert [label for label in ODD if markdown(label) not in card] == []


def test_odd_labels_are_kept_on_the_page_and_in_the_browser(odd):
    model = PageModel("odd", odd.classifier)
    words = model.wording.languages["en"]
    shown = [row[0] for row in tell_about(model, words).rows]
    assert shown == [words.name(label) for label in odd.classifier.classes]
    config = json.loads(data_files(model, {})["config.json"])
    assert config["classes"] == list(odd.classifier.classes)


def test_odd_labels_are_kept_in_the_report(odd):
    report = (odd.folder / "report.html").read_text("utf-8")
    for label in ("fish/chips", "🍕👩‍🍳", "فلافل", "한" * 255, "&lt;b&gt;"):
        assert label in report


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Pizza", "pizza"),
        ("café", "cafe"),
        ("french fries", "french_fries"),
        ("French-Fries", "french fries"),
    ],
)
def test_classes_whose_names_nobody_tells_apart_are_told(first, second, tmp_path):
    for number, label in enumerate((first, second, "steak")):
        for index in range(3):
            make_photo(tmp_path / label / f"{index}.jpg", (200, 50, 50), 10 * number + index)
    found = find_photos(tmp_path)
    told = f"{' and '.join(sorted((first, second)))}: {ALIKE}"
    assert told in split_photos(found).in_words()
    inspection = inspect_photos(found, None)
    assert any(note.startswith(told) for note in inspection.notes)
    write_inspection(tmp_path / "page.html", inspection, tmp_path, "photos")
    assert told in (tmp_path / "page.html").read_text("utf-8")


def test_many_classes_that_nobody_tells_apart_are_five_and_a_number():
    names = [name for letter in "abcdefg" for name in (letter, letter.upper())]
    (said,) = alike_in_words(names)
    assert said.startswith("A and a; B and b; C and c; D and d; E and e and 2 more: these names")


def test_classes_that_differ_in_more_are_not_told(tmp_path):
    photos = split_photos(find_photos(make_split(tmp_path, 3)))
    assert ALIKE not in photos.in_words()


@pytest.mark.parametrize("encoding", ["cp866", "cp1251", "cp874", "cp1253"])
def test_names_of_a_zip_that_came_out_as_signs_are_told(encoding, tmp_path):
    words = {"cp874": "ผัดไทย", "cp1253": "σαλάτα"}.get(encoding, "пицца блины")
    read = words.encode(encoding).decode("cp437")
    fill(
        tmp_path, *(f"{name}/{number}.jpg" for name in (read, "pâté", "초밥") for number in "1234")
    )
    assert f"{read}: these names look garbled" in split_photos(find_photos(tmp_path)).in_words()


def test_accents_apart_and_in_one_are_one_class(tmp_path):
    for number, form in enumerate(("NFC", "NFD")):
        for index in range(2):
            label = unicodedata.normalize(form, "café")
            make_photo(tmp_path / label / f"{form}{index}.jpg", (200, 50, 50), 10 * number + index)
    make_photo(tmp_path / "steak" / "1.jpg", (90, 50, 50), 7)
    with open_photos(tmp_path) as photos:
        assert photos.counts("all") == {"café": 4, "steak": 1}


def test_class_folder_that_is_hidden_is_told(tmp_path):
    make_split(tmp_path, 3)
    make_photo(tmp_path / ".pizza" / "1.jpg", (200, 50, 50), 0)
    assert "(.pizza)" in find_photos(tmp_path).in_words()
