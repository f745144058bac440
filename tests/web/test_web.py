"""What the page is made of, without a browser: words, feedback, where the model looked."""

import io
import json
import re
import string
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from conftest import COLOURS, EXAMPLES, make_photo
from PIL import Image

import foodvision
from foodvision.classifier import Guess, Prediction
from foodvision.data import find_photos
from foodvision.errors import CheckpointError, PhotoError, SettingsError
from foodvision.image import SUFFIXES, load_image
from foodvision.page.colours import colour_table
from foodvision.page.models import PageModel, name_of
from foodvision.page.pictures import SIDE, draw_card, where_it_looked
from foodvision.page.words import LANGUAGES, read_wording
from foodvision.web import build_page, many
from foodvision.web.feedback import Feedback, open_feedback
from foodvision.web.many import Answered
from foodvision.web.theme import SCRIPT


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


@pytest.mark.parametrize("known", [True, False])
def test_card_to_share_shows_all_of_its_text(known, tmp_path):
    label = "a_soup_of_everything_that_was_left_over_on_sunday"
    prediction = Prediction(
        label=label,
        confidence=0.9,
        top=(Guess(label, 0.9),),
        known=known,
        known_score=0.5,
        certainty="likely" if known else "not known",
        seconds=0.1,
    )
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1, size=(720, 300))
    card = draw_card(load_image(photo), prediction, read_wording(tmp_path, "fruit"))
    text = np.asarray(Image.open(io.BytesIO(card)).convert("L"))[310:]
    assert text[:, 36:-36].min() < 100
    assert text[:, -30:].min() > 200


def test_eight_visitors_are_answered_at_a_time(fruit_checkpoint):
    page = build_page(foodvision.load(fruit_checkpoint))
    for function in page.fns.values():
        page._queue.create_event_queue_for_fn(function)
    assert page._queue.event_queue_per_concurrency_id["answer"].concurrency_limit == 8
    page.close()


def test_last_photo_decides_where_the_page_shows_that_it_looked(fruit_checkpoint):
    page = build_page(foodvision.load(fruit_checkpoint))
    (shown,) = (fn for fn in page.fns.values() if fn.name == "show_where")
    assert shown.trigger_mode == "always_last"
    page.close()


def test_script_of_the_page_knows_every_suffix_of_a_photo():
    (pattern,) = re.findall(r"const photo = /(.+)/i;", SCRIPT.read_text("utf-8"))
    assert [suffix for suffix in SUFFIXES if not re.search(pattern, suffix)] == []


def test_filter_of_forgotten_answers_says_so(fruit_checkpoint, monkeypatch):
    monkeypatch.setattr(many, "_REMEMBERED_SECONDS", 0)
    page = build_page(foodvision.load(fruit_checkpoint))
    (show,) = (fn for fn in page.fns.values() if "many_tab.<locals>.show" in repr(fn.fn))
    done = show.inputs[0]._id
    page.state_holder.set_blocks(page)
    page.state_holder["visitor"][done] = [Answered("kiwi.jpg", None)]
    page.state_holder.delete_all_expired_state()
    with pytest.raises(many.gr.Error, match="Results are kept for an hour"):
        show.fn(page.state_holder["visitor"][done], "kiwi", page.title, None)
    # The one choice that there is before anything was answered.
    assert show.fn([], "", page.title, None) == many.gr.skip()
    page.close()


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
