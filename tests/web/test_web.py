"""What the page is made of, without a browser: words, feedback, where the model looked."""

import io
import json
import re
import shutil
import string
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import matplotlib
import numpy as np
import pytest
from conftest import COLOURS, EXAMPLES, make_photo
from PIL import Image
from starlette.requests import Request
from visiting import as_uploaded, ask, functions, named, upload

import foodvision
from foodvision.classifier import Guess, Prediction
from foodvision.data import find_photos
from foodvision.errors import BusyError, CheckpointError, PhotoError, SettingsError
from foodvision.image import load_image
from foodvision.page.colours import colour_table
from foodvision.page.models import PageModel, name_of
from foodvision.page.pictures import SIDE, draw_thumbnail, where_it_looked
from foodvision.page.words import LANGUAGES, read_wording
from foodvision.web import build_page, launch_page, many
from foodvision.web.ahead import ExamplesAhead
from foodvision.web.feedback import Feedback, open_feedback


def places(text):
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_language_misses_a_text_or_a_place_in_one(tmp_path):
    english, *others = (read_wording(tmp_path, "fruit").languages[name].texts for name in LANGUAGES)
    for texts in others:
        assert {key: places(text) for key, text in texts.items()} == {
            key: places(text) for key, text in english.items()
        }


def test_browsers_language_is_chosen(tmp_path):
    wording = read_wording(tmp_path, "fruit")
    assert wording.choose("ja-JP, fr;q=0.8, en;q=0.5") is wording.languages["ja"]
    assert wording.choose("fr, ja;q=0.8") is wording.choose(None) is wording.languages["en"]


def test_page_of_ones_own_model_has_its_own_words(tmp_path):
    (tmp_path / "page.json").write_text(
        json.dumps(
            {
                "title": "Orchard",
                "texts": {"en": {"ask_title": "Which fruit?"}},
                "names": {"ko": {"kiwi": "키위"}},
            }
        )
    )
    wording = read_wording(tmp_path, "fruit")
    assert wording.title == "Orchard"
    assert wording.choose("en")("ask_title") == "Which fruit?"
    assert wording.choose("ko").name("kiwi") == "키위"
    assert wording.choose("ja").name("wild_kiwi") == "Wild kiwi"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "page.json: is not JSON .*; correct it"),
        ("[]", "its content must be an object"),
        ('{"titel": ""}', "titel is unknown: remove it"),
        ('{"texts": {"en": {"hello": ""}}}', "unknown text 'hello'"),
        ('{"title": 5}', "title must be a text of 1 to 255 characters"),
        ('{"texts": []}', "texts must be an object"),
        ('{"names": {"en": null}}', "names.en must be an object"),
        ('{"texts": {"en": {"time": "{count}"}}}', "'time' has placeholders that"),
        ('{"texts": {"en": {"time": "{"}}}', "'time' has placeholders that"),
        ('{"texts": {"en": {"time": "{milliseconds:.1f}"}}}', "'time' has placeholders that"),
    ],
)
def test_spoiled_page_json_is_told(tmp_path, content, message):
    (tmp_path / "page.json").write_text(content)
    with pytest.raises(CheckpointError, match=message):
        read_wording(tmp_path, "fruit")


def test_feedback_comes_back_as_a_dataset_without_place_and_time(tmp_path):
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1)
    with Image.open(photo) as image:
        exif = image.getexif()
        exif[0x0132] = "2026:11:24 10:00:00"
        image.save(photo, exif=exif, comment=b"at home, 12 Elm Street")
    feedback = Feedback(tmp_path / "kept")
    first = feedback.keep(str(photo), "Green Kiwi!")
    assert feedback.keep(str(photo), "green kiwi") == first
    feedback.keep(str(make_photo(tmp_path / "b.jpg", COLOURS["tomato"], seed=2)), "tomato")
    with Image.open(first) as kept:
        assert not kept.getexif()
        assert "comment" not in kept.info
    photos = find_photos(tmp_path / "kept")
    assert photos.classes == ("green_kiwi", "tomato")
    for label in ("../..", "", "x" * 61):
        with pytest.raises(PhotoError, match="is not a valid name"):
            feedback.keep(str(photo), label)


def test_feedback_has_the_models_own_names_of_its_classes(tmp_path):
    photo = str(make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1))
    feedback = Feedback(tmp_path / "kept")
    classes = ("Pad Thai", "hot-dog", "../..", "a/../b", "..", "C", "C++", "🍕", "x" * 80)
    for label, folder in (
        ("Pad Thai", "Pad Thai"),
        ("pad thai", "Pad Thai"),
        ("hot-dog", "hot-dog"),
        ("a/../b", "a_b"),
        ("Soup", "soup"),
        ("C++", "C++"),
        ("C", "C"),
        ("🍕", "🍕"),
        ("x" * 80, "x" * 80),
        ("Train", "train_"),
        ("ข้าว", "ข้าว"),
        ("ข่าว", "ข่าว"),
    ):
        path = feedback.keep(photo, label, classes)
        assert path.relative_to(tmp_path / "kept").parent.as_posix() == folder
    with pytest.raises(PhotoError, match="is not a valid name"):
        feedback.keep(photo, "..", classes)
    assert len(list((tmp_path / "kept").rglob("*.jpg"))) == 1  # the last word counts


def test_correction_that_cannot_be_kept_leaves_the_older_one(tmp_path):
    photo = str(make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1))
    feedback = Feedback(tmp_path / "kept")
    first = feedback.keep(photo, "kiwi")
    (tmp_path / "kept" / "tomato").touch()  # no folder can be made there
    with pytest.raises(FileExistsError):
        feedback.keep(photo, "tomato")
    assert first.exists()


def test_two_visitors_may_correct_an_example_at_once(tmp_path):
    photo = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    feedback = open_feedback(str(tmp_path / "kept"))
    with ThreadPoolExecutor(2) as visitors:
        for _ in range(20):
            list(visitors.map(lambda label: feedback.keep(photo, label), ["kiwi", "tomato"]))
            assert len(list((tmp_path / "kept").rglob("*.jpg"))) == 1


def test_feedback_that_cannot_be_kept_is_told_before_the_page_opens(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="cannot store visitors' corrections"):
        open_feedback(str(tmp_path / "file" / "kept"))


def test_answer_is_remembered_as_long_as_the_file_is_the_same(fruit_checkpoint, tmp_path):
    model = PageModel("fruit", foodvision.load(fruit_checkpoint))
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1)
    first = model.predict(str(photo))
    assert model.predict(str(photo)) is first
    make_photo(photo, COLOURS["tomato"], seed=2)
    assert model.predict(str(photo)).label == "tomato" != first.label
    photo.unlink()
    with pytest.raises(PhotoError, match=r"^a\.jpg is no longer available"):
        model.predict(str(photo))


@pytest.fixture
def orchard(fruit_checkpoint, tmp_path, monkeypatch):
    """A classifier with an example of each class, and how many photos it was run on, each time."""
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "orchard")
    for label, colour in COLOURS.items():
        make_photo(folder / "examples" / f"{label}.jpg", colour, seed=1)
    classifier, asked = foodvision.load(folder), []
    run = classifier.predict_pixels
    monkeypatch.setattr(
        classifier, "predict_pixels", lambda pixels: asked.append(len(pixels)) or run(pixels)
    )
    return classifier, asked


def test_examples_are_answered_before_the_first_visitor_comes(orchard):
    classifier, asked = orchard
    page = build_page(classifier)
    assert asked == []  # who imports `app` serves nothing yet
    launch_page(page, wait=False)
    page.services.examples.wait()
    assert asked == [1, 1, 1]
    (caption,) = (fn.fn for fn in page.fns.values() if fn.name == "caption")
    assert set(json.loads(caption("orchard", None))) == {f"{label}.jpg" for label in COLOURS}
    assert asked == [1, 1, 1]
    page.close(verbose=False)
    page.services.decoder.close()


def test_visitors_who_come_at_once_have_each_example_answered_once(orchard, tmp_path):
    classifier, asked = orchard
    model, visitors = PageModel("orchard", classifier), 8
    together = Barrier(visitors)

    def come(_):
        together.wait()
        return model.captions(model.words(None))

    with ThreadPoolExecutor(visitors) as threads:
        captions = list(threads.map(come, range(visitors)))
    assert captions == [captions[0]] * visitors
    assert asked == [1, 1, 1]
    (tmp_path / "copy").mkdir()
    copy = shutil.copy(model.examples["kiwi.jpg"], tmp_path / "copy")  # as Gradio gives it to them
    assert model.predict(str(copy)).label == "kiwi"
    assert asked == [1, 1, 1]
    own = make_photo(tmp_path / "copy" / "tomato.jpg", COLOURS["kiwi"], seed=9)  # only named so
    assert model.predict(str(own)).label == "kiwi"
    assert asked == [1, 1, 1, 1]


def test_answers_ahead_end_with_the_page(orchard):
    classifier, asked = orchard
    ahead = ExamplesAhead([PageModel("orchard", classifier)])
    ahead._is_ended.set()
    ahead.start()
    ahead.stop()
    assert len(asked) == 1


def test_correction_that_is_taken_back_leaves_no_empty_class(tmp_path):
    feedback = Feedback(tmp_path / "kept")
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1)
    feedback.keep(photo, "kiwi")
    feedback.keep(photo, "tomato")
    assert [path.name for path in feedback.folder.iterdir()] == ["tomato"]


def test_owner_may_want_corrections_of_known_classes_only(tmp_path):
    feedback = Feedback(tmp_path / "kept", only_classes=True)
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1)
    assert feedback.keep(photo, "Kiwi", ["kiwi", "tomato"]).parent.name == "kiwi"
    with pytest.raises(PhotoError, match="'grape' is not one of the model's classes"):
        feedback.keep(photo, "grape", ["kiwi", "tomato"])


def test_one_visitor_cannot_fill_the_disk_with_corrections(tmp_path):
    feedback = Feedback(tmp_path / "kept")
    assert [feedback.is_full("one") for _ in range(501)][-2:] == [False, True]
    assert not feedback.is_full("other")


def test_model_in_the_clients_cache_is_called_as_on_the_hub(tmp_path):
    assert name_of(tmp_path / "models--cook--fruit" / "snapshots" / "3f2a9c0d") == "cook/fruit"


def answer(label, *, known=True):
    return Prediction(
        label=label,
        confidence=0.9,
        top=(Guess(label, 0.9),),
        known=known,
        known_score=0.5,
        certainty="likely" if known else "not known",
        seconds=0.1,
    )


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "label", ["pho", "a_soup_of_everything_that_was_left_over_on_sunday", "x" * 99]
)
def test_thumbnail_shows_all_of_its_text(known, label, tmp_path):
    photo = load_image(make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1, size=(720, 300)))
    wording = read_wording(tmp_path, "fruit")
    shown = Image.open(io.BytesIO(draw_thumbnail(photo, answer(label, known=known), wording)))
    assert shown.size == (1200, 630)
    text = np.asarray(shown.convert("L"))[:, 640:]
    assert text.min() < 100
    assert text[:, -40:].min() > 200
    assert text[:40].min() > 200
    assert text[-40:].min() > 200


def test_thumbnail_of_names_without_letters_in_the_font_is_the_photo_alone(tmp_path):
    photo = Image.new("RGB", (300, 300), (20, 90, 20))
    wording = read_wording(tmp_path, "fruit")
    shown = Image.open(io.BytesIO(draw_thumbnail(photo, answer("비빔밥"), wording)))
    assert np.asarray(shown.convert("L")).max() < 100


def test_card_is_in_the_visitors_language(fruit_checkpoint, tmp_path):
    photo = str(make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1))
    page = build_page(foodvision.load(fruit_checkpoint))
    (draw,) = (fn.fn for fn in page.fns.values() if fn.name == "draw")
    (name,) = page.services.models
    korean = Request({"type": "http", "headers": [(b"accept-language", b"ko-KR")]})
    card = json.loads(draw(photo, name, korean))
    assert {"text": "kiwi", "isName": True} in card["headline"]
    said = "".join(part["text"] for part in card["headline"])
    assert re.search("[가-힣]", said)
    assert card["photo"].startswith("data:image/jpeg;base64,")
    page.close()


@pytest.fixture
def served(fruit_checkpoint):
    """A page that answers, and somebody who visits it."""
    page = build_page(foodvision.load(fruit_checkpoint))
    launch_page(page, wait=False)
    with httpx.Client(base_url=page.local_url, timeout=60) as visitor:
        yield page, visitor
    page.close(verbose=False)
    page.services.decoder.close()


def test_eight_visitors_are_answered_at_a_time(served, monkeypatch):
    page, visitor = served
    answer, asked, counts = PageModel.predict, [], []
    together = Barrier(8, action=lambda: counts.append(len(asked)), timeout=60)

    def answer_together(model, photo):
        asked.append(photo)
        together.wait()
        return answer(model, photo)

    monkeypatch.setattr(PageModel, "predict", answer_together)
    photo = as_uploaded(upload(visitor, EXAMPLES / "pizza.jpg"))
    with ThreadPoolExecutor(16) as visitors:
        answers = [
            visitors.submit(ask, visitor, named(page, "predict"), [photo, None]) for _ in range(16)
        ]
        assert all(answer.result()["success"] for answer in answers)
    assert counts == [8, 16]


def test_description_of_the_endpoints_names_inputs_and_outputs(fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    page = build_page({"orchard": classifier, "garden": classifier})
    launch_page(page, wait=False)
    info = httpx.get(f"{page.local_url}gradio_api/info", timeout=60).json()["named_endpoints"]
    page.close(verbose=False)
    page.services.decoder.close()
    labels = {
        name: [part["label"] for part in (*endpoint["parameters"], *endpoint["returns"])]
        for name, endpoint in info.items()
    }
    assert labels == {
        "/predict": ["Photo", "Model", "Prediction"],
        "/predict_many": ["Photos", "Model", "Prediction"],
    }


def test_last_photo_decides_where_the_page_shows_that_it_looked(fruit_checkpoint):
    page = build_page(foodvision.load(fruit_checkpoint))
    (shown,) = (fn for fn in page.fns.values() if fn.name == "show_where")
    assert shown.trigger_mode == "always_last"
    page.close()


@pytest.fixture
def forgetful(monkeypatch):
    monkeypatch.setattr(many, "_REMEMBERED_SECONDS", 0)


def test_filter_of_forgotten_answers_says_so(forgetful, served, tmp_path):
    page, visitor = served
    (start,) = (of["id"] for of in functions(page) if of["types"]["generator"])
    (show,) = (of["id"] for of in functions(page) if of["targets"][0][1] == "input")
    photo = upload(visitor, make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=1))
    assert ask(visitor, start, [[as_uploaded(photo)], None], "a visit")["success"]
    assert ask(visitor, show, [None, "kiwi", None], "a visit")["success"]
    page.state_holder.delete_all_expired_state()
    told = ask(visitor, show, [None, "kiwi", None], "a visit")
    assert "Results are kept for an hour" in told["output"]["error"]
    # The one choice that there is before anything was answered.
    assert ask(visitor, show, [None, "", None], "another visit")["success"]


def test_model_looks_at_the_food_beside_a_man():
    classifier = foodvision.load()
    heat = classifier.evidence(EXAMPLES / "pizza_dad.jpg", "pizza")
    assert heat.max() == pytest.approx(1)
    assert heat.min() >= 0
    half = len(heat) // 2
    assert heat[-half:].mean() > 1.5 * heat[:half].mean()  # the pizza is in the lower half
    photo = load_image(EXAMPLES / "pizza_dad.jpg")
    square, over = where_it_looked(photo, classifier.config.preprocess, heat)
    assert square.size == over.size == (SIDE, SIDE)
    row, column = (int(place * SIDE / len(heat)) for place in np.argwhere(heat == 1)[0] + 0.5)
    assert np.asarray(over)[row, column] == pytest.approx(colour_table()[255], abs=40)


def test_colours_of_the_map_are_matplotlibs_viridis():
    viridis = matplotlib.colormaps["viridis"](range(256))[:, :3]
    assert np.abs(colour_table() / 255 - viridis).max() < 0.025


def test_network_without_a_map_says_so(fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    assert classifier.evidence(EXAMPLES / "pizza.jpg", "kiwi") is None
    with pytest.raises(SettingsError, match="'pizza' is not one of the model's 3 classes"):
        classifier.evidence(EXAMPLES / "pizza.jpg", "pizza")


def test_photo_that_must_wait_fills_no_log_when_its_card_is_drawn(
    served, tmp_path, monkeypatch, capfd
):
    page, visitor = served
    photo = upload(visitor, make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=1))

    def wait(model, photo):
        raise BusyError("the photo must wait", "must_wait")

    monkeypatch.setattr(PageModel, "decoded", wait)
    number = {page.fns[of["id"]].name: of["id"] for of in functions(page)}
    told = ask(visitor, number["draw"], [as_uploaded(photo), None])
    assert told["output"]["error"].startswith("kiwi.jpg must wait for other large photos.")
    assert ask(visitor, number["show_where"], [as_uploaded(photo), None])["success"]
    assert "Traceback" not in capfd.readouterr().err
