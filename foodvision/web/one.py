"""The tab for one photo: the answer first, then where the model looked, a card, and feedback."""

from html import escape
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from PIL import Image

from foodvision.errors import PhotoError
from foodvision.web.answers import answer_html, empty_html, failure_html, percent
from foodvision.web.feedback import Feedback, feedback_form
from foodvision.web.pictures import card, where_it_looked
from foodvision.web.visit import Visit
from foodvision.web.words import Words

_COPY = """() => navigator.clipboard.writeText(
    document.querySelector("#answer .answer").innerText)"""


def one_tab(visit: Visit, i18n: gr.I18n, page: gr.Blocks, feedback: Feedback | None) -> gr.Image:
    """Lay out the tab, connect its events, and return where the photo goes in."""

    def answer(photo: str | None, request: gr.Request) -> str:
        words = visit.words(request)
        if photo is None:
            return empty_html(words)
        try:
            return answer_html(visit.predict(photo), words, visit.example(photo))
        except PhotoError as error:
            return failure_html(str(error), words)

    def show_more(
        photo: str | None, request: gr.Request
    ) -> tuple[tuple[Image.Image, Image.Image] | None, str, str]:
        words = visit.words(request)
        try:
            prediction = visit.predict(photo) if photo else None
        except PhotoError:
            prediction = None
        if photo is None or prediction is None:
            return None, "", ""
        english = visit.wording.choose(None)
        confidence = percent(prediction.confidence, english)
        headline = english.name(prediction.label) if prediction.known else english("unknown")
        sentence = english(prediction.certainty, confidence=confidence) if prediction.known else ""
        picture = card(photo, headline, sentence, visit.wording.title)
        looked = where_it_looked(visit.classifier, photo, prediction.label)
        return looked, words("looked_text" if looked else "looked_none"), _link(picture, words)

    with gr.Row(equal_height=False, elem_id="one"):
        with gr.Column():
            photo = _photo_input(i18n)
            if visit.examples:
                gr.Examples(
                    [[str(path)] for path in visit.examples.values()],
                    photo,
                    label=i18n("examples_label"),
                    cache_examples=False,  # the answer is what is remembered
                    examples_per_page=12,
                    elem_id="examples",
                )
        with gr.Column():
            headline = gr.HTML(empty_html(visit.wording.choose(None)), elem_id="answer")
            with gr.Row():
                copy = gr.Button(i18n("copy_button"), size="sm")
                picture = gr.HTML("", elem_classes="beside")
            with gr.Accordion(i18n("looked_label"), open=True):
                looked_text = gr.HTML("", elem_classes="soft")
                looked = gr.ImageSlider(
                    show_label=False,
                    interactive=False,
                    height=360,
                    buttons=["fullscreen"],
                    elem_id="looked",
                )
            if feedback:
                feedback_form(feedback, visit, i18n, photo)
    copy.click(None, js=_COPY)
    _follow_links(visit, page, photo, headline)
    photo.change(
        answer,
        photo,
        headline,
        show_progress="minimal",
        api_visibility="private",
        concurrency_id="answer",
        concurrency_limit=2,
    ).then(
        show_more,
        photo,
        [looked, looked_text, picture],
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="answer",
    )
    return photo


def _follow_links(visit: Visit, page: gr.Blocks, photo: gr.Image, headline: gr.HTML) -> None:
    """Greet in the visitor's language, and show the example that the address names."""

    def greet(shown: str | None, request: gr.Request) -> tuple[str, Any]:
        if shown:  # who was quick has a photo already
            return "", gr.skip()
        name = request.query_params.get("example", "")
        return (name if name in visit.examples else ""), empty_html(visit.words(request))

    def show(name: str) -> str | None:
        return str(visit.examples[name]) if name in visit.examples else None

    # By way of another component: the photo's own must not be updated with nothing, because Gradio
    # would build it anew, and what is no photo would no longer be told in our words.
    linked = gr.Textbox("", visible=False)
    page.load(greet, photo, [linked, headline], queue=False, api_visibility="private")
    linked.change(show, linked, photo, queue=False, api_visibility="private")


def _link(picture: str, words: Words) -> str:
    text = escape(words("card_button"))
    return f'<a class="button" download="answer.jpg" href="{picture}">{text}</a>'


def _photo_input(i18n: gr.I18n) -> gr.Image:
    photo = gr.Image(
        label=i18n("photo_label"),
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        height=360,
    )
    opened_by_gradio = photo.preprocess

    def as_it_is(payload: ImageData | None) -> Any:
        if payload is None or payload.path is None:
            return opened_by_gradio(payload)
        return payload.path

    # Gradio would open the file before our function sees it, and answer what is no photo with an
    # error that says nothing. (A subclass would do the same, but Gradio writes a stub file beside
    # the module of each subclass.)
    photo.preprocess = as_it_is  # type: ignore[method-assign]
    return photo
