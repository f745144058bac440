"""The tab with a camera, whose frames are classified several times a second."""

from collections.abc import Iterable
from pathlib import Path

import gradio as gr

from foodvision.errors import PhotoError
from foodvision.page.models import PageModels
from foodvision.page.prediction_html import answer_html, empty_html, failure_html
from foodvision.web.choice import ModelChoice
from foodvision.web.uploads import Uploads, photo_input

_SECONDS_BETWEEN = 0.3
_LONGEST_SECONDS = 120  # a camera holds one of few places; then it queues again

# Gradio turns a camera off when its component is removed, not when its tab is left.
_TAKE_AWAY = """() => {
    if (document.querySelector("#%s video")) return { __type__: "update", visible: false };
}"""
_BRING_BACK = """() => {
    if (!document.querySelector("#%s")) return { __type__: "update", visible: true };
}"""


def camera_tab(
    models: PageModels, chosen: ModelChoice, i18n: gr.I18n, uploads: Uploads
) -> gr.Image:
    """Lay out the tab, connect its events, and return the camera."""

    def answer(frame: str | None, chosen: str, request: gr.Request) -> str:
        model = models[chosen]
        words = model.words(request)
        if frame is None:
            return empty_html(words, refuses=model.refuses)
        try:
            return answer_html(model.predict(frame), words, measured=model.measured)
        except PhotoError as error:
            return failure_html(words.fault(error, frame), words)
        finally:
            uploads.delete(Path(frame))

    with gr.Row(equal_height=False):
        with gr.Column():
            camera = photo_input(
                label=i18n("camera_label"),
                sources="webcam",
                streaming=True,
                height=360,
                elem_id="camera",
            )
        with gr.Column():
            headline = gr.HTML("", elem_id="seen")
    camera.stream(
        answer,
        [camera, chosen],
        headline,
        stream_every=_SECONDS_BETWEEN,
        time_limit=_LONGEST_SECONDS,
        show_progress="hidden",
        api_visibility="private",
    )
    return camera


def turn_off_when_left(camera: gr.Image, tab: gr.Tab, others: Iterable[gr.Tab]) -> None:
    """Turn a camera off when another tab is chosen."""
    for other in others:
        other.select(None, None, camera, js=_TAKE_AWAY % camera.elem_id)
    tab.select(None, None, camera, js=_BRING_BACK % camera.elem_id)
