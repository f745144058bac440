"""The drawings of a run and its `report.html`: one page that opens by itself."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from foodvision.data import LabelledPhoto
from foodvision.documents import data_uri, thumbnail, write_document
from foodvision.errors import RunError
from foodvision.evaluation import Figures
from foodvision.image import load_image
from foodvision.runs.compare import Comparison
from foodvision.runs.drawings import (
    count_answers,
    draw_confusion,
    draw_curves,
    draw_photos,
    draw_two_curves,
)
from foodvision.runs.reading import read_run
from foodvision.runs.record import RunAnswer, RunRecord, relative_name
from foodvision.runs.words import duration_in_words, interval_in_words, percent, points
from foodvision.storage import write_atomically

_MISTAKES = 12
_PAIRS = 10
_THUMBNAIL = 320  # twice its size on the page, for sharp screens

# What the templates say numbers with.
_WORDS = {
    "percent": percent,
    "points": points,
    "in_words": interval_in_words,
    "duration": duration_in_words,
}


class Pair(NamedTuple):
    """A confusion: so many of the n photos of a class got another class's name."""

    label: str
    answer: str
    times: int
    n: int


def write_report(
    folder: Path, root: Path, photos: Sequence[LabelledPhoto], sheet: Image.Image | None
) -> Path:
    """Write the drawings of a run and its `report.html`, whose path is returned.

    folder: of a run with metrics, answers and figures.
    root, photos: the photos' folder and the test photos that were answered.
    sheet: a photo as augmentation makes it, if there is any.

    Raises RunError for a run that lacks answers or figures.
    """
    run = read_run(folder)
    if run.figures is None or not run.answers:
        raise RunError(f"{folder} has no answers or no figures yet: a report tells of both")
    classes = sorted({name for answer in run.answers for name in (answer.label, answer.answer)})
    paths = {relative_name(photo.path, root): photo.path for photo in photos}
    mistakes = [(load_image(paths[it.photo]), it) for it in find_mistakes(run.answers)]
    drawings = {
        "curves.png": draw_curves(run.metrics) if run.metrics else None,
        "confusion.png": draw_confusion(run.answers, classes),
        "mistakes.jpg": draw_photos(mistakes) if mistakes else None,
        "augmentation.jpg": _jpeg(sheet) if sheet else None,
    }
    _write_drawings(folder, drawings)
    path = folder / "report.html"
    write_document(
        path,
        "run.html",
        run=run,
        story=tell(run.answers, run.figures),
        confusion=find_pairs(run.answers, classes),
        mistakes=[(thumbnail(image, _THUMBNAIL), answer) for image, answer in mistakes],
        **_uris(drawings),
        **_WORDS,
    )
    return path


def write_comparison(
    path: Path, first: RunRecord, second: RunRecord, comparison: Comparison
) -> None:
    """Write a page that puts two runs side by side: figures, curves, settings that differ."""
    sides = (comparison.first, comparison.second)
    curves = {sides[0].name: first.metrics, sides[1].name: second.metrics}
    names = sorted(first.settings.keys() | second.settings.keys())
    differing = [
        (name, first.settings.get(name), second.settings.get(name))
        for name in names
        if first.settings.get(name) != second.settings.get(name)
    ]
    write_document(
        path,
        "comparison.html",
        comparison=comparison,
        runs=(first, second),
        sides=sides,
        settings=differing,
        curves=data_uri(draw_two_curves(curves), "image/png") if all(curves.values()) else "",
        **_WORDS,
    )


def find_mistakes(answers: Sequence[RunAnswer]) -> list[RunAnswer]:
    """Return the wrong answers that the model was surest of, the surest first."""
    wrong = [answer for answer in answers if not answer.is_right]
    return sorted(wrong, key=lambda answer: -answer.confidence)[:_MISTAKES]


def find_pairs(answers: Sequence[RunAnswer], classes: Sequence[str]) -> list[Pair]:
    """Return the most frequent confusions, the most frequent first."""
    counts = count_answers(answers, classes)
    of_class = counts.sum(axis=1)
    np.fill_diagonal(counts, 0)
    pairs = [
        Pair(classes[row], classes[column], int(count), int(of_class[row]))
        for (row, column), count in np.ndenumerate(counts)
        if count
    ]
    return sorted(pairs, key=lambda pair: -pair.times)[:_PAIRS]


def tell(answers: Sequence[RunAnswer], figures: Figures) -> dict[str, Any]:
    """Return what the headline tells: right, n, low, high of 100, commonest class, classes."""
    labels = Counter(answer.label for answer in answers)
    ranked = sorted(figures.per_class.items(), key=lambda item: (item[1].recall, item[0]))
    return {
        "right": sum(answer.is_right for answer in answers),
        "n": len(answers),
        "low": round(100 * figures.top1_interval.low),
        "high": round(100 * figures.top1_interval.high),
        "commonest": labels.most_common(1)[0],
        "classes": ranked,
    }


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.convert("RGB").save(content, "JPEG", quality=88)
    return content.getvalue()


def _write_drawings(folder: Path, drawings: Mapping[str, bytes | None]) -> None:
    for name, content in drawings.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)  # of an earlier run in the same folder
        else:
            write_atomically(folder / name, content)


def _uris(drawings: Mapping[str, bytes | None]) -> dict[str, str]:
    kinds = {"png": "image/png", "jpg": "image/jpeg"}
    return {
        stem + "_drawing": data_uri(content, kinds[suffix]) if content else ""
        for name, content in drawings.items()
        for stem, suffix in [name.split(".")]
    }
