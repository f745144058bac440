"""An answer as HTML: headline, sentence and bars.

HTML is made by `Markup.format`, which escapes what is filled in and is not itself Markup.
"""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

from foodvision.classifier import Prediction
from foodvision.page.words import Words

EVEN = 0.5
"""Confidence below which two dishes are named instead of one.

Confidence is calibrated: below it a prediction is more often wrong than right. The other bounds are
the checkpoint's `sure_from` and `likely_from`, which were fitted on its validation photos.
"""

_ANSWER = Markup('<div class="answer {kind}"><h2>{headline}</h2><p>{sentence}</p>{more}</div>')
_NAME = Markup("<b>{}</b>")
_GUESSES = Markup('<ol class="guesses">{guesses}</ol>{again}')
_GUESS = Markup(
    '<li><span>{name}</span><span class="bar" aria-hidden="true"><span style="width:{width}">'
    "</span></span><span>{confidence}</span></li>"
)
_OFFERS, _LINE = Markup('<ul class="offers">{}</ul>'), Markup("<li>{}</li>")
_TIME = Markup('<span class="time">{}</span>')
_AGAIN = Markup('<a href="{link}">{text}</a>')


def answer_html(
    prediction: Prediction, words: Words, link: str = "", measured: Mapping[str, Any] | None = None
) -> Markup:
    """Return an answer.

    link: an address that shows it again, if it has one.
    measured: the checkpoint's figures `certainty`: how many test photos with each were right.
    """
    sentence = sentence_of(prediction, words, measured)
    # page.js and the page without a server leave it out of what they copy.
    time = _TIME.format(words("time", milliseconds=f"{1000 * prediction.seconds:.0f}"))
    guesses = Markup().join(
        _GUESS.format(
            name=words.name(guess.label),
            width=f"{100 * guess.confidence:.1f}%",
            confidence=percent(guess.confidence, words),
        )
        for guess in prediction.top
    )
    again = _AGAIN.format(link=link, text=words("example_link")) if link else ""
    parts = (
        _NAME.format(text) if is_name else escape(text)
        for text, is_name in headline_parts(prediction, words)
    )
    return _html(
        Markup().join(parts),
        Markup("{} {}").format(sentence, time).strip(),
        _GUESSES.format(guesses=guesses, again=again),
        "known" if prediction.known else "unknown",
    )


def statement_of(prediction: Prediction) -> str:
    """Return the key of the text that fits a prediction's confidence."""
    if not prediction.known:
        return "unknown"
    is_open = prediction.certainty == "perhaps" and prediction.confidence < EVEN
    return "between" if is_open and len(prediction.top) > 1 else prediction.certainty


def headline(prediction: Prediction, words: Words) -> str:
    """Return an answer in a few words: "Probably ramen, 90%"."""
    return "".join(text for text, _ in headline_parts(prediction, words))


def headline_parts(prediction: Prediction, words: Words) -> list[tuple[str, bool]]:
    """Return the headline in parts, each with whether it is the name of a class."""
    parts = words.parts(
        statement_of(prediction),
        name=words.in_sentence(prediction.label),
        other=words.in_sentence(prediction.top[1 % len(prediction.top)].label),
        confidence=percent(prediction.confidence, words),
    )
    return [(text, place in ("name", "other")) for text, place in parts]


def sentence_of(
    prediction: Prediction, words: Words, measured: Mapping[str, Any] | None = None
) -> str:
    """Return what stands below the headline: how often such an answer is right, or what is nearest.

    measured: as `answer_html` takes it.
    """
    if not prediction.known:
        confidence = percent(prediction.confidence, words)
        return words("nearest", name=words.in_sentence(prediction.label), confidence=confidence)
    of = (measured or {}).get(prediction.certainty)
    if not of or not of["n"]:
        return ""
    return words("measured", n=of["n"], share=percent(of["value"], words))


def failure_html(reason: str, words: Words) -> Markup:
    """Return what stands in place of an answer."""
    return _html(words("failed_title"), reason)


def empty_html(words: Words, *, refuses: bool) -> Markup:
    """Return what stands there before there is a photo.

    refuses: whether the model refuses photos of other things.
    """
    offers = ("offer_names", "offer_where", *(["offer_unknown"] if refuses else []))
    lines = Markup().join(_LINE.format(words(key)) for key in offers)
    return _html(words("ask_title"), words("ask_text"), _OFFERS.format(lines))


def percent(share: float, words: Words) -> str:
    """Return a confidence, 0 to 1, in words, not escaped: nobody is told 0% or 100%."""
    if share > 0.99:
        return words("over", percent=99)
    return words("under", percent=1) if share < 0.01 else f"{100 * share:.0f}%"


def _html(headline: str, sentence: str, more: Markup = Markup(), kind: str = "") -> Markup:
    return _ANSWER.format(kind=kind, headline=headline, sentence=sentence, more=more)
