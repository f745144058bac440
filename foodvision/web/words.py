"""What the page says of an answer."""

from html import escape

from foodvision.classifier import Certainty, Prediction

_SENTENCES: dict[Certainty, str] = {
    "sure": "I am sure of it ({}).",
    "likely": "Likely ({}).",
    "perhaps": "Perhaps: I am only {} sure.",
}


def display_name(label: str) -> str:
    """Return a class name as people write it: "french_toast" as "French toast"."""
    words = label.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def answer_html(prediction: Prediction) -> str:
    """Return an answer's headline and sentence."""
    confidence = _percent_in_words(prediction.confidence)
    name = display_name(prediction.label)
    time = _time_in_words(prediction.seconds)
    if prediction.known:
        sentence = _SENTENCES[prediction.certainty].format(confidence)
        return _html(name, f"{sentence} Answered after {time}.")
    return _html(
        "This does not look like a dish I know",
        f"The nearest is {name} ({confidence}). Answered after {time}.",
    )


def failure_html(reason: str) -> str:
    """Return what the page says in place of an answer."""
    return _html("That I cannot read", reason)


def bars(prediction: Prediction) -> dict[str, float]:
    """Return the likeliest classes for Gradio's Label: name and confidence, 0 to 1."""
    return {display_name(guess.label): guess.confidence for guess in prediction.top}


def _html(headline: str, sentence: str) -> str:
    return f'<div class="answer"><h2>{escape(headline)}</h2><p>{escape(sentence)}</p></div>'


def _percent_in_words(share: float) -> str:
    return "over 99%" if share > 0.99 else f"{100 * share:.0f}%"


def _time_in_words(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} seconds"


EMPTY = _html("Which dish is it?", "Upload a photo, take one, paste one, or choose an example.")
"""What the page says before there is a photo."""
