"""An answer as HTML: headline, sentence and bars."""

from html import escape

from foodvision.classifier import Prediction
from foodvision.web.words import Words


def answer_html(prediction: Prediction, words: Words, link: str = "") -> str:
    """Return an answer. link: an address that shows it again, if it has one."""
    confidence = percent(prediction.confidence, words)
    if prediction.known:
        headline = words.name(prediction.label)
        sentence = words(prediction.certainty, confidence=confidence)
    else:
        headline = words("unknown")
        sentence = words("nearest", name=words.name(prediction.label), confidence=confidence)
    time = words("time", milliseconds=f"{1000 * prediction.seconds:.0f}")
    guesses = "".join(
        f'<li><span>{escape(words.name(guess.label))}</span><span class="bar" aria-hidden="true">'
        f'<span style="width:{100 * guess.confidence:.1f}%"></span></span>'
        f"<span>{percent(guess.confidence, words)}</span></li>"
        for guess in prediction.top
    )
    again = f'<a href="{escape(link)}">{escape(words("example_link"))}</a>' if link else ""
    return _html(
        headline,
        f"{sentence} {time}",
        f'<ol class="guesses">{guesses}</ol>{again}',
        "known" if prediction.known else "unknown",
    )


def failure_html(reason: str, words: Words) -> str:
    """Return what stands in place of an answer."""
    return _html(words("failed_title"), reason)


def empty_html(words: Words) -> str:
    """Return what stands there before there is a photo."""
    return _html(words("ask_title"), words("ask_text"))


def percent(share: float, words: Words) -> str:
    """Return a confidence, 0 to 1, in words: nobody is told 0% or 100%."""
    if share > 0.99:
        return words("over", percent=99)
    return words("under", percent=1) if share < 0.01 else f"{100 * share:.0f}%"


def _html(headline: str, sentence: str, more: str = "", kind: str = "") -> str:
    return (
        f'<div class="answer {kind}"><h2>{escape(headline)}</h2>'
        f"<p>{escape(sentence)}</p>{more}</div>"
    )
