"""What the page says of an answer."""

from html import escape

from foodvision.classifier import Prediction

HINT = "Upload a photo, take one, paste one, or choose an example."


def display_name(label: str) -> str:
    """Return a class name as people write it: "french_toast" as "French toast"."""
    words = label.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def answer_html(prediction: Prediction | None) -> str:
    """Return the answer's headline and sentence; what to do, if there is no answer yet."""
    if prediction is None:
        return _answer("Which dish is it?", HINT)
    confidence = f"{100 * prediction.confidence:.0f}%"
    name = display_name(prediction.label)
    if prediction.known:
        return _answer(name, f"{confidence} sure, after {_time_in_words(prediction.seconds)}.")
    return _answer(
        "This does not look like a dish I know",
        f"The nearest is {name} ({confidence}). Answered in {_time_in_words(prediction.seconds)}.",
    )


def bars(prediction: Prediction | None) -> dict[str, float] | None:
    """Return the likeliest classes for Gradio's Label: name and confidence, 0 to 1."""
    if prediction is None:
        return None
    return {display_name(guess.label): guess.confidence for guess in prediction.top}


def _answer(headline: str, sentence: str) -> str:
    return (
        f'<div class="answer" aria-live="polite"><h2>{escape(headline)}</h2>'
        f"<p>{escape(sentence)}</p></div>"
    )


def _time_in_words(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} seconds"
