"""The tab for many photos: classified one by one, filtered, downloaded as CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup, escape

from foodvision.classifier import Prediction
from foodvision.errors import PhotoError
from foodvision.page.models import PageModel, PageModels
from foodvision.page.prediction_html import percent
from foodvision.page.words import Words
from foodvision.reports.documents import data_uri, thumbnail
from foodvision.safety.escaping import to_cell
from foodvision.web.choice import ModelChoice

_FIRST_SHOWN = 8

_REMEMBERED_SECONDS = 3600
_ALL, _UNKNOWN = "", "?"

_BAD = Markup("<p>{title}</p><ul>{failed}</ul>")
_LINK = Markup('<p><a class="button" download="answers.csv" href="{link}">{text}</a></p>{bad}')
_FIGURE = Markup(
    '<figure><img src="{picture}" alt="{name}"><figcaption><b>{said}</b> {confidence}<br>'
    "<small>{name}</small></figcaption></figure>"
)
_ROW = Markup("<tr><td>{name}</td><td>{said}</td><td>{confidence}</td></tr>")
_GALLERY = Markup(
    '<div class="answers">{figures}</div><details class="rows"><summary>{title}</summary>'
    "<table><tr>{head}</tr>{rows}</table></details>"
)


@dataclass(frozen=True)
class Answered:
    """A photo's name, its prediction or error, and its thumbnail."""

    name: str
    prediction: Prediction | None
    error: str = ""
    picture: str = ""

    @property
    def group(self) -> str | None:
        """The filter's group: the label, or `_UNKNOWN`, or None for a photo that is not read."""
        if self.prediction is None:
            return None
        return self.prediction.label if self.prediction.known else _UNKNOWN


class _Events:
    """The handlers of the tab's events."""

    def __init__(self, models: PageModels) -> None:
        self._models = models
        self._running: set[str | None] = set()  # sessions whose photos are being classified

    def answer_all(
        self, photos: list[str] | None, chosen: str, request: gr.Request
    ) -> Iterator[tuple[Any, ...]]:
        words = self._models[chosen].words(request)
        if not photos:
            # An error would lie over each of the four outputs besides.
            gr.Warning(escape(words("many_empty")), title=escape(words("many_tab")))
            yield tuple(gr.skip() for _ in range(4))
            return
        done: list[Answered] = []
        yield done, _count(done, photos, words), "", gr.update(choices=_choices(done, words))
        self._running.add(request.session_hash)
        try:
            for photo in photos:
                if request.session_hash not in self._running:
                    break
                done.append(answer_one(self._models[chosen], photo, words))
                if _is_shown(len(done)) and len(done) < len(photos):
                    yield done, *_outcome(done, photos, words)
                else:
                    yield done, _count(done, photos, words), gr.skip(), gr.skip()
        finally:
            self._running.discard(request.session_hash)
        yield done, *_outcome(done, photos, words)

    def stop(self, request: gr.Request) -> None:
        # Gradio's `cancels` would end the generator, and lose the results not shown yet.
        self._running.discard(request.session_hash)

    def show(self, done: list[Answered], group: str, chosen: str, request: gr.Request) -> Any:
        words = self._models[chosen].words(request)
        if not done and group == _ALL:  # nothing was answered yet
            return gr.skip()
        if not done:
            raise gr.Error(escape(words("many_forgotten")), print_exception=False)
        return _gallery([photo for photo in done if group in (_ALL, photo.group)], words)


def many_tab(models: PageModels, chosen: ModelChoice, i18n: gr.I18n) -> gr.File:
    """Lay out the tab, connect its events, and return where the photos go in."""
    events = _Events(models)
    done = gr.State([], time_to_live=_REMEMBERED_SECONDS)
    photos = gr.File(
        label=i18n("many_label"),
        file_count="multiple",
        height=180,
        elem_id="photos",  # page.js tells browsers which files to offer; Gradio would refuse others
    )
    with gr.Row():
        start = gr.Button(i18n("many_start"), variant="primary")
        stop = gr.Button(i18n("many_stop"))
    status = gr.HTML("", elem_id="status")
    group = gr.Dropdown([("", _ALL)], value=_ALL, label=i18n("filter_label"))
    gallery = gr.HTML("", elem_id="gallery")
    start.click(
        events.answer_all,
        [photos, chosen],
        [done, status, gallery, group],
        show_progress="minimal",
        api_visibility="private",
    )
    stop.click(events.stop, queue=False, api_visibility="private")
    group.input(
        events.show,
        [done, group, chosen],
        gallery,
        show_progress="hidden",  # an error would else lie over the pictures
        api_visibility="private",
    )
    return photos


def answer_one(model: PageModel, photo: str, words: Words) -> Answered:
    """Return a photo's prediction, or in the visitor's words why there is none."""
    name = Path(photo).name
    try:
        prediction, picture = model.predict(photo), model.decoded(photo).picture
    except PhotoError as error:
        return Answered(name, None, words.fault(error, photo))
    return Answered(name, prediction, picture=thumbnail(picture, 240))


def _is_shown(count: int) -> bool:
    """Whether to show the pictures now: at 8, 16, 32..., because each time all are sent."""
    return count >= _FIRST_SHOWN and count & (count - 1) == 0


def _outcome(
    done: Sequence[Answered], photos: Sequence[str], words: Words
) -> tuple[Markup, Markup, dict[str, Any]]:
    """Return what the status, the gallery and the filter show."""
    choices = gr.update(choices=_choices(done, words), value=_ALL)
    return _count(done, photos, words) + _download_link(done, words), _gallery(done, words), choices


def _choices(done: Sequence[Answered], words: Words) -> list[tuple[str, str]]:
    groups = {photo.group for photo in done if photo.group}
    named = sorted((words.name(group), group) for group in groups - {_UNKNOWN})
    unknown = [(words("unknown_short"), _UNKNOWN)] if _UNKNOWN in groups else []
    return [(words("filter_all"), _ALL), *named, *unknown]


def _count(done: Sequence[Answered], photos: Sequence[str], words: Words) -> Markup:
    bad = sum(photo.prediction is None for photo in done)
    key = "answered_unread" if bad else "answered_count"
    said = words(key, done=len(done) - bad, bad=bad, all=len(photos))
    return Markup("<p>{}</p>").format(said)


def _download_link(done: Sequence[Answered], words: Words) -> Markup:
    """Return the download link, and the files that could not be read."""
    failed = [Markup("<li>{}</li>").format(photo.error) for photo in done if photo.error]
    bad = _BAD.format(title=words("bad_files"), failed=Markup().join(failed)) if failed else ""
    # Spreadsheets ask for the BOM.
    link = data_uri(answers_csv(done).encode("utf-8-sig"), "text/csv")
    return _LINK.format(link=link, text=words("csv_button"), bad=bad)


def _gallery(done: Sequence[Answered], words: Words) -> Markup:
    figures, rows = [], []
    for photo in done:
        said, confidence = _said(photo.prediction, words)
        shown = {"name": photo.name, "said": said, "confidence": confidence}
        if photo.prediction:
            figures.append(_FIGURE.format(picture=photo.picture, **shown))
        rows.append(_ROW.format(**shown))
    if not rows:
        return Markup()
    columns = (words(key) for key in ("photo_label", "answer_label", "confidence_label"))
    return _GALLERY.format(
        figures=Markup().join(figures),
        title=words("table_label"),
        head=Markup().join(Markup("<th>{}</th>").format(column) for column in columns),
        rows=Markup().join(rows),
    )


def _said(prediction: Prediction | None, words: Words) -> tuple[str, str]:
    if prediction is None:
        return words("unread_short"), ""
    if not prediction.known:
        return words("unknown_short"), ""
    return words.name(prediction.label), percent(prediction.confidence, words)


def answers_csv(done: Sequence[Answered]) -> str:
    """Return the answers as CSV whose cells no spreadsheet takes for formulas."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["photo", "label", "confidence", "certainty", "error"])
    for photo in done:
        said = photo.prediction
        answer = [said.label, f"{said.confidence:.4f}", said.certainty] if said else ["", "", ""]
        writer.writerow(map(to_cell, [photo.name, *answer, photo.error]))
    return text.getvalue()
