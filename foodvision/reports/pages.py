"""Self-contained pages: a run's report, a comparison of two runs, an evaluation."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from foodvision.data import LabelledPhoto
from foodvision.data.names import relative_name
from foodvision.errors import RunError
from foodvision.evaluation.judge import Judgement
from foodvision.evaluation.words import duration_in_words, interval_in_words, percent, points
from foodvision.figures import Figures
from foodvision.image import load_image
from foodvision.reports.documents import data_uri, jpeg, thumbnail, write_document
from foodvision.reports.drawings import (
    draw_confusion,
    draw_curves,
    draw_photos,
    draw_reliability,
    draw_two_curves,
)
from foodvision.runs.answers import JudgedPhoto, find_mistakes
from foodvision.runs.compare import Comparison
from foodvision.runs.reading import read_run
from foodvision.runs.record import RunRecord
from foodvision.runs.system import describe_system
from foodvision.system.storage import write_atomically

_THUMBNAIL = 320  # twice its size on the page, for sharp screens

# Functions by which the templates format numbers.
_WORDS = {
    "percent": percent,
    "points": points,
    "in_words": interval_in_words,
    "duration": duration_in_words,
}


def write_report(
    folder: Path,
    root: Path,
    photos: Sequence[LabelledPhoto],
    sheet: Image.Image | None,
    white: float | None = None,
    lines: Sequence[str] = (),
) -> Path:
    """Write the drawings of a run and its `report.html`, whose path is returned.

    folder: of a run with metrics, answers and figures.
    root, photos: the photos' folder and the test photos that were answered.
    sheet: a photo as augmentation makes it, if there is any. white: as `load_image` takes it.
    lines: what the summary says besides the figures, such as how many photos were used.

    Raises RunError for a run that lacks answers or figures.
    """
    run = read_run(folder)
    if run.figures is None or not run.answers:
        raise RunError(f"{folder} has no predictions or no figures yet: finish the run first")
    mistakes = _load_mistakes(run.answers, root, photos, white)
    drawings = {
        "curves.png": draw_curves(run.metrics) if run.metrics else None,
        **_draw_answers(run.answers, run.figures),
        "mistakes.jpg": draw_photos(mistakes) if mistakes else None,
        "augmentation.jpg": jpeg(sheet) if sheet else None,
    }
    _write_drawings(folder, drawings)
    path = folder / "report.html"
    write_document(
        path,
        "run.html",
        run=run,
        lines=lines,
        **_judged(run.answers, run.figures, mistakes),
        **_uris(drawings),
        **_WORDS,
    )
    return path


def write_judgement(
    path: Path,
    judgement: Judgement,
    answers: Sequence[JudgedPhoto],
    root: Path,
    photos: Sequence[LabelledPhoto],
    model: str,
    data: str,
    white: float | None = None,
) -> None:
    """Write the page of a model that was judged on photos.

    root, photos: the photos' folder and those that were answered; white: as `load_image` takes it.
    model, data: what the page calls the model and the photos.
    """
    mistakes = _load_mistakes(answers, root, photos, white)
    system = describe_system()
    write_document(
        path,
        "judgement.html",
        model=model,
        data=data,
        judgement=judgement,
        figures=judgement.figures,
        machine=f"{system['platform']}, {system['cpu_count']} processor cores",
        **_judged(answers, judgement.figures, mistakes),
        **_uris(_draw_answers(answers, judgement.figures)),
        **_WORDS,
    )


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


def _load_mistakes(
    answers: Sequence[JudgedPhoto],
    root: Path,
    photos: Sequence[LabelledPhoto],
    white: float | None,
) -> list[tuple[Image.Image, JudgedPhoto]]:
    paths = {relative_name(photo.path, root): photo.path for photo in photos}
    return [(load_image(paths[it.photo], white=white), it) for it in find_mistakes(answers)]


def _draw_answers(answers: Sequence[JudgedPhoto], figures: Figures) -> dict[str, bytes | None]:
    """Return the drawings that pages of a judged model share, by name of file."""
    classes = sorted({name for answer in answers for name in (answer.label, answer.answer)})
    return {
        "confusion.png": draw_confusion(answers, classes),
        "reliability.png": draw_reliability(figures.reliability) if figures.reliability else None,
    }


def _judged(
    answers: Sequence[JudgedPhoto],
    figures: Figures,
    mistakes: Sequence[tuple[Image.Image, JudgedPhoto]],
) -> dict[str, Any]:
    """Return what the templates of pages of a judged model share."""
    labels = Counter(answer.label for answer in answers)
    ranked = sorted(figures.per_class.items(), key=lambda item: (item[1].recall, item[0]))
    return {
        "story": {
            "right": sum(answer.is_right for answer in answers),
            "n": len(answers),
            "low": round(100 * figures.top1_interval.low),
            "high": round(100 * figures.top1_interval.high),
            "commonest": labels.most_common(1)[0],
            "classes": ranked,
        },
        "confusion": figures.confused,
        "mistakes": [(thumbnail(image, _THUMBNAIL), answer) for image, answer in mistakes],
    }


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
