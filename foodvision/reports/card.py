"""The model card, written from what was measured, and its pictures."""

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from foodvision.checkpoint import Checkpoint
from foodvision.data.photos import used_in_words
from foodvision.evaluation.calibration import FEWEST_TO_REFUSE
from foodvision.evaluation.words import interval_in_words, percent
from foodvision.figures import Figures, Interval
from foodvision.reports.drawings import draw_confusion, draw_reliability
from foodvision.runs.answers import JudgedPhoto
from foodvision.safety.escaping import markdown


class _Code(str):
    """What stands in a card as it is."""

    __slots__ = ()


def write_card(
    checkpoint: Checkpoint, name: str, command: str, template: Path | None = None
) -> str:
    """Return a card, in Markdown, of a checkpoint whose figures are measured.

    command: what repeats the training.
    template: one that extends this package's `card.md`; that one if None.
    """
    folder = [FileSystemLoader(template.parent.parent)] if template else []
    environment = Environment(  # noqa: S701 (Markdown, of our own figures)
        loader=ChoiceLoader([PackageLoader("foodvision", "reports/templates"), *folder]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_escaped,
    )
    chosen = f"{template.parent.name}/{template.name}" if template else "card.md"
    config = checkpoint.config
    return environment.get_template(chosen).render(
        {"known": None, "cross_validated": None} | config.figures,
        name=name,
        classes=config.classes,
        refuses=config.refuses,
        fewest_to_refuse=FEWEST_TO_REFUSE,
        architecture=config.architecture,
        bytes=len(checkpoint.graph),
        data=config.data,
        used=_Code(used_in_words(config.data)),
        command=_Code(command),
        fence=_Code(_fence(command)),
        share=lambda of: _figure(of["value"], of["interval"]),
        figure=_figure,
        mean=fmean,
    )


def draw_pictures(figures: Figures, answers: Sequence[JudgedPhoto]) -> dict[str, bytes]:
    """Return the pictures that the card shows, by their place in the checkpoint."""
    return {
        "pictures/reliability.png": draw_reliability(figures.reliability),
        "pictures/confusion.png": draw_confusion(answers, list(figures.per_class)),
    }


def _escaped(value: object) -> object:
    """Escape whatever a template fills in, but for code."""
    return markdown(value) if isinstance(value, str) and not isinstance(value, _Code) else value


def _fence(code: str) -> str:
    """Return a line that begins and ends code, as no line of the code does."""
    return max(["```", *(f"{ticks}`" for ticks in re.findall("`{3,}", code))], key=len)


def _figure(value: float, interval: Sequence[float]) -> str:
    return f"{percent(value)} ({interval_in_words(Interval(*interval))})"
