"""What programs call: `/predict` and `/predict_many`."""

from typing import Any

import gradio as gr

from foodvision.errors import PhotoError
from foodvision.web.visit import Visit

_MOST_AT_ONCE = 500


def add_endpoints(visit: Visit, photo: gr.Image, photos: gr.File) -> None:
    """Add the endpoints to the page under construction; they take what its inputs take."""

    def predict(photo: str | None) -> dict[str, Any]:
        """Say what is in a photo.

        Returns label, confidence, certainty, known, known_score, seconds, and top: the likeliest
        classes as a list of label and confidence.
        """
        if photo is None:
            raise gr.Error("There is no photo: send one.", print_exception=False)
        try:
            return _answer(visit, photo)
        except PhotoError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def predict_many(photos: list[str] | None) -> list[dict[str, Any]]:
        """Say what is in each of up to 500 photos, in order.

        Returns for each what `predict` does, or, for what is no photo, error.
        """
        if len(photos or []) > _MOST_AT_ONCE:
            raise gr.Error(f"At most {_MOST_AT_ONCE} photos at once.", print_exception=False)
        return [_try(visit, photo) for photo in photos or []]

    # The page's own events answer in words and bars; programs get the numbers.
    for answer, given in ((predict, photo), (predict_many, photos)):
        gr.Button(visible=False).click(
            answer,
            given,
            gr.JSON(visible=False),
            api_name=answer.__name__,
            concurrency_id="answer",
        )


def _answer(visit: Visit, photo: str) -> dict[str, Any]:
    prediction = visit.predict(photo)
    return prediction.to_dict() | {"seconds": prediction.seconds}


def _try(visit: Visit, photo: str) -> dict[str, Any]:
    try:
        return _answer(visit, photo)
    except PhotoError as error:
        return {"error": str(error)}
