"""The endpoints for programs: `/predict` and `/predict_many`."""

from typing import Any

import gradio as gr
from gradio.i18n import I18nData

from foodvision.errors import PhotoError
from foodvision.page.models import PageModel, PageModels
from foodvision.page.words import Words
from foodvision.web.choice import ModelChoice

_MOST_AT_ONCE = 500


def add_endpoints(
    models: PageModels, chosen: ModelChoice, photo: gr.Image, photos: gr.File
) -> None:
    """Add the endpoints to the page; they take the same inputs.

    With several models, the last argument chooses one.
    """

    def predict(photo: str | None, model: str) -> dict[str, Any]:
        """Say what is in a photo.

        Returns label, confidence, certainty, known, known_score, seconds, and top: the likeliest
        classes as a list of label and confidence.
        """
        if photo is None:
            raise gr.Error("The request contains no photo: send one.", print_exception=False)
        try:
            return _answer(models[model], photo)
        except PhotoError as error:
            raise gr.Error(str(error), print_exception=False) from None

    def predict_many(photos: list[str] | None, model: str) -> list[dict[str, Any]]:
        """Say what is in each of up to 500 photos, in order.

        Returns for each what `predict` does, or, for what is no photo, error.
        """
        if len(photos or []) > _MOST_AT_ONCE:
            raise gr.Error(
                f"Too many photos: send at most {_MOST_AT_ONCE} at once.", print_exception=False
            )
        return [_try(models[model], photo) for photo in photos or []]

    # The page's own events return HTML; programs get numbers.
    for answer, given in ((predict, photo), (predict_many, photos)):
        gr.Button(visible=False).click(
            answer,
            [given, chosen],
            gr.JSON(visible=False, label="Prediction"),
            api_name=answer.__name__,
            concurrency_id="answer",
        )


def name_inputs(page: gr.Blocks, words: Words) -> None:
    """Have the description of the endpoints name their inputs; Gradio gives the keys of the texts.

    words: the English ones, as the rest of the description.
    """
    describe = page.get_api_info

    def describe_named(**options: Any) -> Any:
        info = describe(**options)
        for endpoint in info["named_endpoints"].values():
            for part in (*endpoint["parameters"], *endpoint["returns"]):
                if isinstance(part["label"], I18nData):
                    part["label"] = words(part["label"].key)
        return info

    page.get_api_info = describe_named  # type: ignore[method-assign, assignment]


def refuse_addresses_of_assistants(page: gr.Blocks) -> None:
    """Refuse addresses sent by the Model Context Protocol: photos must come as data."""
    if page.mcp_server_obj is None:
        return
    read_by_gradio = page.mcp_server_obj.convert_strings_to_filedata

    def read(arguments: dict[str, Any], places: list[list[str | int]]) -> Any:
        given = [one for value in arguments.values() for one in _listed(value)]
        if any(isinstance(one, str) and one.startswith("http") for one in given):
            raise ValueError("send the photo itself, as a data: URL with base64")
        return read_by_gradio(arguments, places)

    page.mcp_server_obj.convert_strings_to_filedata = read  # type: ignore[method-assign, assignment]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _answer(model: PageModel, photo: str) -> dict[str, Any]:
    prediction = model.predict(photo)
    return prediction.to_dict() | {"seconds": prediction.seconds}


def _try(model: PageModel, photo: str) -> dict[str, Any]:
    try:
        return _answer(model, photo)
    except PhotoError as error:
        return {"error": str(error)}
