"""The tab with a camera that answers several times a second."""

import gradio as gr
from PIL import Image

from foodvision.web.answers import answer_html, empty_html
from foodvision.web.models import ModelChoice, PageModels

_SECONDS_BETWEEN = 0.3
_LONGEST_SECONDS = 120  # then a visitor starts again: each camera keeps a place in the queue


def camera_tab(models: PageModels, chosen: ModelChoice, i18n: gr.I18n) -> None:
    """Lay out the tab and connect its events."""

    def answer(frame: Image.Image | None, chosen: str, request: gr.Request) -> str:
        model = models[chosen]
        words = model.words(request)
        if frame is None:
            return empty_html(words)
        return answer_html(model.classifier.predict(frame), words)

    with gr.Row(equal_height=False):
        with gr.Column():
            camera = gr.Image(
                label=i18n("camera_label"),
                sources="webcam",
                streaming=True,
                type="pil",
                height=360,
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
