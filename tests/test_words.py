import pytest

from foodvision.classifier import Guess, Prediction
from foodvision.web.words import answer_html, bars, display_name, failure_html


def prediction(label="french_toast", confidence=0.62, certainty="likely", seconds=0.0314):
    guesses = (Guess(label, confidence), Guess("waffles", 0.2))
    known = certainty != "not known"
    return Prediction(label, confidence, guesses, certainty, known, 0.7, seconds)


@pytest.mark.parametrize(
    ("label", "name"),
    [("french_toast", "French toast"), ("pho", "Pho"), ("hot-dog", "Hot dog"), ("김치", "김치")],
)
def test_folder_names_become_words(label, name):
    assert display_name(label) == name


@pytest.mark.parametrize(
    ("certainty", "sentence"),
    [
        ("sure", "I am sure of it (62%)."),
        ("likely", "Likely (62%)."),
        ("perhaps", "Perhaps: I am only 62% sure."),
    ],
)
def test_answer_says_dish_certainty_and_time(certainty, sentence):
    html = answer_html(prediction(certainty=certainty))
    assert f"<h2>French toast</h2><p>{sentence} Answered after 31 ms.</p>" in html


def test_near_certainty_is_not_called_certain():
    html = answer_html(prediction(confidence=0.9999, certainty="sure", seconds=2.5))
    assert "<p>I am sure of it (over 99%). Answered after 2.5 seconds.</p>" in html


def test_what_is_not_known_is_said_first():
    html = answer_html(prediction(certainty="not known"))
    assert "<h2>This does not look like a dish I know</h2>" in html
    assert "The nearest is French toast (62%)" in html


def test_names_cannot_bring_markup_into_the_page():
    assert "<script>" not in answer_html(prediction(label="<script>alert(1)</script>"))
    assert "<b>" not in failure_html("<b>.jpg is no photo")


def test_bars_are_names_and_confidences():
    assert bars(prediction()) == {"French toast": 0.62, "Waffles": 0.2}
