import pytest

from foodvision.classifier import Guess, Prediction
from foodvision.web.words import answer_html, bars, display_name, failure_html


def prediction(label="french_toast", confidence=0.62, known=True, seconds=0.0314):
    guesses = (Guess(label, confidence), Guess("waffles", 0.2))
    return Prediction(label, confidence, guesses, known, 0.7, seconds)


@pytest.mark.parametrize(
    ("label", "name"),
    [("french_toast", "French toast"), ("pho", "Pho"), ("hot-dog", "Hot dog"), ("김치", "김치")],
)
def test_folder_names_become_words(label, name):
    assert display_name(label) == name


def test_answer_says_dish_confidence_and_time():
    html = answer_html(prediction())
    assert "<h2>French toast</h2><p>62% sure, after 31 ms.</p>" in html


def test_near_certainty_is_not_called_certain():
    assert "<p>Over 99% sure, after 2.5 seconds.</p>" in answer_html(
        prediction(confidence=0.9999, seconds=2.5)
    )


def test_what_is_not_known_is_said_first():
    html = answer_html(prediction(known=False))
    assert "<h2>This does not look like a dish I know</h2>" in html
    assert "The nearest is French toast (62%)" in html


def test_names_cannot_bring_markup_into_the_page():
    assert "<script>" not in answer_html(prediction(label="<script>alert(1)</script>"))
    assert "<b>" not in failure_html("<b>.jpg is no photo")


def test_bars_are_names_and_confidences():
    assert bars(prediction()) == {"French toast": 0.62, "Waffles": 0.2}
