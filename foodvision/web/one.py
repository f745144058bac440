"""The tab for one photo: the answer first, then where the model looked, a card, and feedback."""

import json
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlencode

import gradio as gr
from markupsafe import escape

from foodvision.errors import PhotoError
from foodvision.page.models import PageModel, PageModels
from foodvision.page.pictures import where_it_looked
from foodvision.page.prediction_html import (
    answer_html,
    empty_html,
    failure_html,
    headline_parts,
    sentence_of,
)
from foodvision.reports.documents import thumbnail
from foodvision.web.choice import ModelChoice, changes_of
from foodvision.web.feedback import Feedback, feedback_form
from foodvision.web.looked import looked_html
from foodvision.web.uploads import photo_input

# page.js copies.
_COPY = "() => window.foodvision.copy()"

# page.js draws it, in the fonts of the visitor's device.
_SAVE = "(card) => card && window.foodvision.saveCard(JSON.parse(card))"

# The longest side of a photo on a card, in pixels; the card is 1080 wide.
_CARD_PHOTO = 1280

# By the time the greeting comes, a visitor who was quick has a photo and its answer.
_GREET = """(photo, ...greetings) =>
    greetings.map((greeting) => photo ? { __type__: "update" } : greeting)"""

# page.js writes them beside the pictures.
_CAPTION = "(captions) => window.foodvision.caption(JSON.parse(captions))"


def one_tab(
    models: PageModels,
    chosen: ModelChoice,
    i18n: gr.I18n,
    page: gr.Blocks,
    feedback: Feedback | None,
) -> gr.Image:
    """Lay out the tab, connect its events, and return where the photo goes in."""
    with gr.Row(equal_height=False, elem_id="one"):
        with gr.Column():
            photo = photo_input(
                label=i18n("photo_label"),
                sources=["upload", "webcam", "clipboard"],
                height=360,
                elem_id="photo",
            )
            _offer_examples(models, photo, i18n)
        with gr.Column():
            widgets = _lay_out_answer(models, i18n)
            if feedback:
                feedback_form(feedback, models, chosen, i18n, photo)
    _connect_answer(models, chosen, photo, widgets)
    _connect_buttons(models, chosen, photo, widgets)
    _follow_links(models, chosen, page, photo, widgets)
    _caption_examples(models, chosen, page)
    return photo


@dataclass(frozen=True)
class _PredictionWidgets:
    """Where the answer goes."""

    headline: gr.HTML
    copy: gr.Button
    card: gr.Button
    looked: gr.HTML

    @property
    def answered(self) -> list[gr.HTML | gr.Button]:
        """What an answer changes: its text, and the buttons that need one."""
        return [self.headline, self.copy, self.card]


def _lay_out_answer(models: PageModels, i18n: gr.I18n) -> _PredictionWidgets:
    first = next(iter(models.values()))
    headline = gr.HTML(
        empty_html(first.wording.choose(None), refuses=first.refuses), elem_id="answer"
    )
    with gr.Row(elem_id="take"):
        copy = gr.Button(i18n("copy_button"), size="sm", interactive=False, elem_id="copy")
        picture = gr.Button(i18n("card_button"), size="sm", interactive=False)
        gr.Button(i18n("copied"), visible="hidden", elem_id="copied")  # page.js takes its text
    with gr.Accordion(i18n("looked_label"), open=True):
        looked = gr.HTML(looked_html(first.wording.choose(None)), elem_id="looked")
    return _PredictionWidgets(headline, copy, picture, looked)


def _connect_answer(
    models: PageModels, chosen: ModelChoice, photo: gr.Image, widgets: _PredictionWidgets
) -> None:
    """Answer a photo when there is a new one, or another model is chosen."""

    def answer(photo: str | None, chosen: str, request: gr.Request) -> tuple[Any, ...]:
        model = models[chosen]
        words = model.words(request)
        nothing, something = gr.update(interactive=False), gr.update(interactive=True)
        if photo is None:
            return empty_html(words, refuses=model.refuses), nothing, nothing
        try:
            link = _link(models, model, photo)
            said = answer_html(model.predict(photo), words, link, model.measured)
        except PhotoError as error:
            return failure_html(words.fault(error, photo), words), nothing, nothing
        return said, something, something

    def show_where(photo: str | None, chosen: str, request: gr.Request) -> str:
        model = models[chosen]
        words = model.words(request)
        if photo is None:
            return looked_html(words)
        try:
            prediction, picture = model.predict(photo), model.decoded(photo).picture
        except PhotoError:
            return looked_html(words)
        if prediction.evidence is None:
            return looked_html(words, hint="looked_none")
        preprocess = model.classifier.config.preprocess
        return looked_html(words, where_it_looked(picture, preprocess, prediction.evidence))

    gr.on(
        changes_of(photo, chosen),
        answer,
        [photo, chosen],
        widgets.answered,
        show_progress="minimal",
        show_progress_on=widgets.headline,
        api_visibility="private",
        concurrency_id="answer",
    ).then(
        show_where,
        [photo, chosen],
        widgets.looked,
        trigger_mode="always_last",  # a `.then` else drops what comes while one is pending
        show_progress="hidden",
        api_visibility="private",
        concurrency_id="answer",
    )


def _connect_buttons(
    models: PageModels, chosen: ModelChoice, photo: gr.Image, widgets: _PredictionWidgets
) -> None:
    def draw(photo: str | None, chosen: str, request: gr.Request) -> str:
        model = models[chosen]
        words = model.words(request)
        if photo is None:
            raise gr.Error(escape(words("ask_text")), print_exception=False)
        try:
            prediction, picture = model.predict(photo), model.decoded(photo).picture
        except PhotoError as error:
            raise gr.Error(escape(words.fault(error, photo)), print_exception=False) from None
        card = {
            # Browsers cannot show every kind of photo that the model reads.
            "photo": thumbnail(picture, _CARD_PHOTO),
            "headline": [
                {"text": text, "isName": is_name}
                for text, is_name in headline_parts(prediction, words)
            ],
            "sentence": sentence_of(prediction, words, model.measured),
            "title": model.wording.title,
        }
        return json.dumps(card)

    widgets.copy.click(None, js=_COPY)
    drawn = gr.Textbox(visible=False)
    widgets.card.click(
        draw, [photo, chosen], drawn, api_visibility="private", concurrency_id="answer"
    ).success(None, drawn, js=_SAVE)


def _follow_links(
    models: PageModels,
    chosen: ModelChoice,
    page: gr.Blocks,
    photo: gr.Image,
    widgets: _PredictionWidgets,
) -> None:
    """Greet in the visitor's language, and show the example and model that the address names."""

    def greet(shown: str | None, request: gr.Request) -> tuple[str, Any, Any, Any]:
        if shown:  # who was quick has a photo already
            return "", gr.skip(), gr.skip(), gr.skip()
        asked = request.query_params
        model = models.get(asked.get("model", "")) or next(iter(models.values()))
        example = asked.get("example", "")
        known = example if example in model.examples else ""
        words = model.words(request)
        return known, model.name, empty_html(words, refuses=model.refuses), looked_html(words)

    def show(name: str, chosen: str) -> str | None:
        path = models[chosen].examples.get(name)
        return str(path) if path else None

    # By way of another component: the photo's own must not be updated with nothing, because Gradio
    # would build it anew, and what is no photo would no longer be told in our words.
    linked = gr.Textbox("", visible=False)
    at_once: dict[str, Any] = {
        "queue": False,
        "show_progress": "hidden",
        "api_visibility": "private",
    }
    greeting, hint = gr.HTML(visible=False), gr.HTML(visible=False)
    page.load(greet, photo, [linked, chosen, greeting, hint], **at_once).then(
        None, [photo, greeting, hint], [widgets.headline, widgets.looked], js=_GREET
    )
    linked.change(show, [linked, chosen], photo, **at_once)


def _caption_examples(models: PageModels, chosen: ModelChoice, page: gr.Blocks) -> None:
    """Say under each example what it shows, and which the chosen model gets wrong."""

    def caption(chosen: str, request: gr.Request) -> str:
        model = models[chosen]
        captions = model.captions(model.words(request))
        return json.dumps({name: asdict(of) for name, of in captions.items()})

    said = gr.Textbox(visible=False)
    events = [page.load, *([chosen.change] if isinstance(chosen, gr.Dropdown) else [])]
    for event in events:
        event(caption, chosen, said, show_progress="hidden", api_visibility="private").then(
            None, said, None, js=_CAPTION
        )


def _link(models: PageModels, model: PageModel, photo: str) -> str:
    """Return the address that shows an example again, or nothing for a visitor's own photo."""
    example = model.example(photo)
    if not example:
        return ""
    asked = {"example": example} | ({"model": model.name} if len(models) > 1 else {})
    return "?" + urlencode(asked)


def _offer_examples(models: PageModels, photo: gr.Image, i18n: gr.I18n) -> None:
    examples = {name: path for model in models.values() for name, path in model.examples.items()}
    if examples:
        gr.Examples(
            [[str(path)] for path in examples.values()],
            photo,
            label=i18n("examples_label"),
            cache_examples=False,  # the answer is what is remembered
            examples_per_page=12,
            elem_id="examples",
        )
