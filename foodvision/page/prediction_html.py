"""An answer as HTML: headline, sentence and bars.

HTML is made by `Markup.format`, which escapes what is filled in and is not itself Markup.
"""

from markupsafe import Markup

from foodvision.classifier import Prediction
from foodvision.page.words import Words

_ANSWER = Markup('<div class="answer {kind}"><h2>{headline}</h2><p>{sentence}</p>{more}</div>')
_GUESSES = Markup('<ol class="guesses">{guesses}</ol>{again}')
_GUESS = Markup(
    '<li><span>{name}</span><span class="bar" aria-hidden="true"><span style="width:{width}">'
    "</span></span><span>{confidence}</span></li>"
)
_AGAIN = Markup('<a href="{link}">{text}</a>')


def answer_html(prediction: Prediction, words: Words, link: str = "") -> Markup:
    """Return an answer. link: an address that shows it again, if it has one."""
    confidence = percent(prediction.confidence, words)
    if prediction.known:
        headline = words.name(prediction.label)
        sentence = words(prediction.certainty, confidence=confidence)
    else:
        headline = words("unknown")
        sentence = words("nearest", name=words.name(prediction.label), confidence=confidence)
    time = words("time", milliseconds=f"{1000 * prediction.seconds:.0f}")
    guesses = Markup().join(
        _GUESS.format(
            name=words.name(guess.label),
            width=f"{100 * guess.confidence:.1f}%",
            confidence=percent(guess.confidence, words),
        )
        for guess in prediction.top
    )
    again = _AGAIN.format(link=link, text=words("example_link")) if link else ""
    return _html(
        headline,
        f"{sentence} {time}",
        _GUESSES.format(guesses=guesses, again=again),
        "known" if prediction.known else "unknown",
    )


def failure_html(reason: str, words: Words) -> Markup:
    """Return what stands in place of an answer."""
    return _html(words("failed_title"), reason)


def empty_html(words: Words) -> Markup:
    """Return what stands there before there is a photo."""
    return _html(words("ask_title"), words("ask_text"))


def percent(share: float, words: Words) -> str:
    """Return a confidence, 0 to 1, in words, not escaped: nobody is told 0% or 100%."""
    if share > 0.99:
        return words("over", percent=99)
    return words("under", percent=1) if share < 0.01 else f"{100 * share:.0f}%"


def _html(headline: str, sentence: str, more: Markup = Markup(), kind: str = "") -> Markup:
    return _ANSWER.format(kind=kind, headline=headline, sentence=sentence, more=more)
