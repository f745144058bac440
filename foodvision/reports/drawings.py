"""Curves, confusion and reliability as PNG, drawn without any state that others share.

Colours are of Okabe and Ito's palette and of cividis: told apart by colour-blind eyes, and in grey.
Narrow and tall, so that they are read on a phone, too.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from PIL import Image
from sklearn.metrics import confusion_matrix

from foodvision.figures import ReliabilityBin
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.record import Row

_BLUE, _ORANGE, _GREY = "#0072b2", "#d55e00", "#767676"

# With more classes, numbers in the cells, or names beside them, are too small to read.
_MOST_NUMBERED = 15
_MOST_NAMED = 50

# Longer names would leave no room for the matrix.
_LONGEST = 24

_PANELS = {
    "loss": (("train_loss", "training photos", _BLUE), ("val_loss", "validation photos", _ORANGE)),
    "accuracy": (
        ("train_acc", "training photos", _BLUE),
        ("val_acc", "validation photos", _ORANGE),
    ),
    "learning rate": (("learning_rate", "learning rate", _GREY),),
}


def draw_curves(rows: Sequence[Row]) -> bytes:
    """Return loss, accuracy and learning rate by epoch, as PNG; a change of stage is marked."""
    panels = {
        title: lines
        for title, lines in _PANELS.items()
        if any(_points(rows, name)[0] for name, *_ in lines)
    }
    figure, all_axes = _stack([3 if title != "learning rate" else 1.2 for title in panels])
    for axes, (title, lines) in zip(all_axes, panels.items(), strict=True):
        for name, label, colour in lines:
            axes.plot(*_points(rows, name), ".-", color=colour, label=label)
        _mark_stages(axes, rows)
        _label(axes, title)
        if len(lines) > 1:
            axes.legend(frameon=False)
    return _file(figure, "png")


def draw_rates(rates: Sequence[float], losses: Sequence[float], suggestion: float) -> bytes:
    """Return the loss against the learning rate, the suggested one marked, as PNG."""
    figure, (axes,) = _stack([4])
    axes.semilogx(rates, losses, color=_BLUE)
    axes.axvline(suggestion, color=_ORANGE, linestyle="--", label=f"suggested: {suggestion:.2g}")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("loss, smoothed")
    axes.legend(frameon=False)
    return _file(figure, "png")


def draw_two_curves(runs: Mapping[str, Sequence[Row]]) -> bytes:
    """Return validation loss and accuracy of two runs in the same drawing, as PNG."""
    figure, all_axes = _stack([3, 3])
    for axes, (title, column) in zip(
        all_axes, (("loss", "val_loss"), ("accuracy", "val_acc")), strict=True
    ):
        for (name, rows), style in zip(runs.items(), ("o-", "s--"), strict=True):
            colour = _BLUE if style == "o-" else _ORANGE
            axes.plot(*_points(rows, column), style, color=colour, label=name, markersize=4)
        _label(axes, title, "validation ")
        for text in axes.legend(frameon=False).get_texts():
            text.set_parse_math(False)
    return _file(figure, "png")


def draw_confusion(answers: Sequence[JudgedPhoto], classes: Sequence[str]) -> bytes:
    """Return how often each class (rows) got each answer (columns), as PNG.

    The colour is the share of the class's photos. Many classes are drawn without numbers, and very
    many without names.
    """
    counts = count_answers(answers, classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(6.5, 2.8 + 0.3 * len(classes))
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.add_subplot()
    picture = axes.imshow(shares, cmap="cividis", vmin=0, vmax=1)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(f"{len(answers):,} photos", fontsize=10)
    _name_classes(axes, classes)
    if len(classes) <= _MOST_NUMBERED:
        _write_counts(axes, counts, shares)
    bar = figure.colorbar(picture, ax=axes, shrink=0.7, format=PercentFormatter(1))
    bar.set_label("share of the class's photos")
    return _file(figure, "png")


def draw_reliability(bins: Sequence[ReliabilityBin]) -> bytes:
    """Return how often answers of each confidence are right, and how many there are, as PNG."""
    figure = Figure(figsize=(5.6, 5.2), layout="constrained")
    above, below = figure.subplots(2, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
    confidence = [part.confidence for part in bins]
    accuracy = [part.accuracy for part in bins]
    reach = [
        [part.accuracy - part.interval.low for part in bins],
        [part.interval.high - part.accuracy for part in bins],
    ]
    above.plot([0, 1], [0, 1], "--", color=_GREY, label="perfectly calibrated")
    above.errorbar(
        confidence, accuracy, np.maximum(reach, 0), fmt="o", color=_BLUE, label="95% interval"
    )
    _label(above, "accuracy")
    above.set_ylabel("share right")
    above.set_ylim(-0.02, 1.02)
    above.legend(frameon=False, loc="upper left")
    widths = [part.high - part.low for part in bins]
    below.bar(
        [part.low for part in bins],
        [part.n for part in bins],
        widths,
        align="edge",
        color=_BLUE,
        edgecolor="white",
    )
    _label(below, "photos")
    below.set_axisbelow(True)
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.set_xlim(0, 1.02)
    below.set_xlabel("confidence")
    below.xaxis.set_major_formatter(PercentFormatter(1))
    return _file(figure, "png")


def draw_photos(photos: Sequence[tuple[Image.Image, JudgedPhoto]]) -> bytes:
    """Return photos with label, answer and confidence, as JPEG; at least one."""
    columns = min(4, len(photos))
    rows = -(-len(photos) // columns)
    figure = Figure(figsize=(2.6 * columns, 3.0 * rows), layout="constrained")
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in places:
        axes.set_axis_off()
    for axes, (image, answer) in zip(places, photos, strict=False):
        axes.imshow(image)
        title = (
            f"{answer.label}, predicted {answer.answer}\n{100 * answer.confidence:.1f}% confidence"
        )
        axes.set_title(title, fontsize=8, parse_math=False)
    return _file(figure, "jpeg")


def count_answers(answers: Sequence[JudgedPhoto], classes: Sequence[str]) -> np.ndarray:
    """Return the confusion matrix: (classes, classes) int, a row a label, a column an answer."""
    labels = [answer.label for answer in answers]
    found = [answer.answer for answer in answers]
    counts: np.ndarray = confusion_matrix(labels, found, labels=list(classes))
    return counts


def _stack(heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(5.6, 0.4 + sum(heights)), layout="constrained")
    grid = figure.subplots(
        len(heights), sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    all_axes = [row[0] for row in grid]
    all_axes[-1].set_xlabel("epoch")
    all_axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, all_axes


def _points(rows: Sequence[Row], name: str) -> tuple[list[int], list[float]]:
    """Return epochs and values; counted through, as each stage may begin at 1 again."""
    found = [(at, row.get(name)) for at, row in enumerate(rows, start=1)]
    known = [(at, float(value)) for at, value in found if isinstance(value, (int, float))]
    return [at for at, _ in known], [value for _, value in known]


def _label(axes: Axes, title: str, prefix: str = "") -> None:
    axes.set_ylabel(prefix + title)
    axes.grid(color="#e2e2e2")
    axes.spines[["top", "right"]].set_visible(False)
    if title == "accuracy":
        axes.yaxis.set_major_formatter(PercentFormatter(1))
    if title == "learning rate":
        axes.set_ylim(bottom=0)


def _mark_stages(axes: Axes, rows: Sequence[Row]) -> None:
    """Draw a line where training goes on with another part of the network."""
    for at, (before, after) in enumerate(pairwise(rows), start=1):
        if before.get("stage") != after.get("stage"):
            axes.axvline(at + 0.5, color=_GREY, linestyle=":")
            axes.annotate(
                f"{after.get('stage')} from here",
                (at + 0.5, 1),
                xycoords=axes.get_xaxis_transform(),
                xytext=(4, -10),
                textcoords="offset points",
                color=_GREY,
                fontsize=8,
            )


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    if len(classes) > _MOST_NAMED:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_ylabel("true class (sorted by name)")
        return
    numbers = range(len(classes))
    size = 9 if len(classes) <= _MOST_NUMBERED else 5
    names = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…" for name in classes]
    axes.set_xticks(numbers, names, rotation=90, fontsize=size)
    axes.set_yticks(numbers, names, fontsize=size)
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)  # a class may have dollars in its name


def _write_counts(axes: Axes, counts: np.ndarray, shares: np.ndarray) -> None:
    for (row, column), count in np.ndenumerate(counts):
        if count:
            colour = "black" if shares[row, column] > 0.5 else "white"
            axes.text(column, row, str(count), ha="center", va="center", color=colour)


def _file(figure: Figure, kind: str) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Letters that the font lacks are drawn as boxes; the tables show them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(content, format=kind, dpi=150)
    return content.getvalue()
