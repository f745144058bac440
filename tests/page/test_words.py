import json
import re

import pytest
from conftest import REPOSITORY
from markupsafe import escape

from foodvision.checkpoint import BUNDLED
from foodvision.classifier import Guess, Prediction
from foodvision.page.examples import Caption, caption
from foodvision.page.prediction_html import (
    EVEN,
    answer_html,
    empty_html,
    failure_html,
    headline,
)
from foodvision.page.words import LANGUAGES, Words, display_name, introduce, read_wording

WORDS = read_wording(BUNDLED, "foodvision").languages["en"]


def prediction(label="french_toast", confidence=0.62, certainty="likely", seconds=0.0314):
    guesses = (Guess(label, confidence), Guess("waffles", 0.2), Guess("pho", 0.001))
    known = certainty != "not known"
    return Prediction(label, confidence, guesses, certainty, known, 0.7, seconds)


@pytest.mark.parametrize(
    ("label", "name"),
    [("french_toast", "French toast"), ("pho", "Pho"), ("hot-dog", "Hot dog"), ("김치", "김치")],
)
def test_folder_names_become_words(label, name):
    assert display_name(label) == name


@pytest.mark.parametrize(
    ("language", "listed"),
    [
        ("en", "Kiwi, Fig or Yuzu"),
        ("ko", "Kiwi, Fig 또는 Yuzu"),
        ("ja", "Kiwi、FigまたはYuzu"),
    ],
)
def test_classes_are_listed_as_in_the_language(language, listed, tmp_path):
    words = read_wording(tmp_path, "fruit").languages[language]
    assert listed in introduce(["kiwi", "fig", "yuzu"], words)


@pytest.mark.parametrize(
    ("certainty", "confidence", "said"),
    [
        ("sure", 0.97, "Almost certainly <b>French toast</b>, 97%"),
        ("likely", 0.62, "Probably <b>French toast</b>, 62%"),
        ("perhaps", EVEN, "Maybe <b>French toast</b>, 50%"),
        ("perhaps", EVEN - 0.01, "Not sure: <b>French toast</b> or <b>waffles</b>"),
    ],
)
def test_answer_says_dish_certainty_and_time(certainty, confidence, said):
    html = answer_html(prediction(certainty=certainty, confidence=confidence), WORDS)
    assert f'<h2>{said}</h2><p><span class="time">Answered in 31 ms.</span></p>' in html


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("ko", ("아마 프렌치토스트, 62%", "확실하지 않음: 프렌치토스트 또는 와플")),
        ("ja", ("おそらくフレンチトースト、62%", "フレンチトーストかワッフルか、はっきりしません")),
    ],
)
def test_answer_fits_its_confidence_in_every_language(language, said):
    words = read_wording(BUNDLED, "foodvision").languages[language]
    likely, torn = prediction(), prediction(certainty="perhaps", confidence=0.3)
    assert (headline(likely, words), headline(torn, words)) == said


def test_answer_says_how_often_such_answers_were_right():
    measured = {"likely": {"n": 268, "value": 0.832}, "sure": {"n": 0, "value": 0}}
    html = answer_html(prediction(), WORDS, measured=measured)
    assert "<p>Of 268 test photos answered this way, 83% were right. <span" in html
    html = answer_html(prediction(certainty="sure"), WORDS, measured=measured)
    assert '<p><span class="time">Answered in 31 ms.</span></p>' in html


@pytest.mark.parametrize("kind", ["page", "browser"])
@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_languages_have_the_same_texts_and_the_same_places_to_fill_in(kind, language):
    folder = REPOSITORY / "foodvision" / kind / "texts"
    english, other = (
        json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("en", language)
    )
    places = re.compile(r"\{\w*\}")
    assert {key: sorted(places.findall(text)) for key, text in other.items()} == {
        key: sorted(places.findall(text)) for key, text in english.items()
    }


def test_texts_of_both_pages_are_written_once():
    page, browser = (
        json.loads((REPOSITORY / "foodvision" / kind / "texts" / "en.json").read_text("utf-8"))
        for kind in ("page", "browser")
    )
    assert page.keys() & browser.keys() == set()


def test_near_certainty_is_not_called_certain():
    html = answer_html(prediction(confidence=0.9999, certainty="sure"), WORDS)
    assert "Almost certainly <b>French toast</b>, over 99%" in html
    assert "<span>Pho</span>" in html
    assert "under 1%" in html


def test_what_is_not_known_is_said_first():
    html = answer_html(prediction(certainty="not known"), WORDS)
    assert "<h2>I see no dish that I know</h2>" in html
    assert "The closest match is French toast (62%)" in html


def test_names_cannot_bring_markup_into_the_page():
    assert "<script>" not in answer_html(prediction(label="<script>alert(1)</script>"), WORDS)
    assert "<b>" not in failure_html("<b>.jpg is not a readable photo", WORDS)


def test_answer_that_has_an_address_links_to_it():
    assert 'href="?example=a%20b.jpg"' in answer_html(prediction(), WORDS, "?example=a%20b.jpg")


def test_what_stands_before_a_photo_promises_only_what_the_model_can_do():
    offer = str(escape(WORDS("offer_unknown")))
    assert offer in empty_html(WORDS, refuses=True)
    assert offer not in empty_html(WORDS, refuses=False)


@pytest.mark.parametrize(
    ("stem", "label", "certainty", "expected"),
    [
        ("steak", "steak", "sure", Caption("Steak")),
        ("Steak 2", "steak", "sure", Caption("Steak 2")),
        ("steak", "pho", "perhaps", Caption("Steak", "Mistaken for pho")),
        ("steak", "steak", "not known", Caption("Steak", "Not recognised")),
        ("steak-tartare", "steak", "sure", Caption("Steak Tartare", "Mistaken for steak")),
        ("not_a_steak", "steak", "sure", Caption("Not a steak", "Mistaken for steak")),
        ("not_a_steak", "steak", "not known", Caption("Not a steak")),
        ("holiday", "steak", "sure", Caption("Holiday")),
    ],
)
def test_caption_says_what_an_example_shows_and_if_the_model_errs(stem, label, certainty, expected):
    classes = ("pho", "steak", "Steak-Tartare")
    said = prediction(label=label, certainty=certainty)
    assert caption(stem, said, Words(WORDS.texts, {}), classes) == expected
    assert caption(stem, None, Words(WORDS.texts, {}), classes) == Caption(expected.title)
