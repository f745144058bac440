"""The model card, written from what was measured, and its pictures."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from foodvision.checkpoint import Checkpoint
from foodvision.evaluation import Figures, Interval
from foodvision.runs.answers import RunAnswer
from foodvision.runs.drawings import draw_confusion, draw_reliability
from foodvision.runs.words import interval_in_words, percent


def write_card(
    checkpoint: Checkpoint, name: str, command: str, template: Path | None = None
) -> str:
    """Return a card, in Markdown, of a checkpoint whose figures are measured.

    command: what repeats the training.
    template: one that extends this package's `card.md`; that one if None.
    """
    folder = [FileSystemLoader(template.parent.parent)] if template else []
    environment = Environment(  # noqa: S701 (Markdown, of our own figures)
        loader=ChoiceLoader([PackageLoader("foodvision", "documents"), *folder]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    chosen = f"{template.parent.name}/{template.name}" if template else "card.md"
    config = checkpoint.config
    return environment.get_template(chosen).render(
        {"known": None} | config.figures,
        name=name,
        classes=config.classes,
        architecture=config.architecture,
        bytes=len(checkpoint.graph),
        data=config.data,
        command=command,
        share=lambda of: _figure(of["value"], of["interval"]),
        figure=_figure,
    )


def draw_pictures(figures: Figures, answers: Sequence[RunAnswer]) -> dict[str, bytes]:
    """Return the pictures that the card shows, by their place in the checkpoint."""
    return {
        "pictures/reliability.png": draw_reliability(figures.reliability),
        "pictures/confusion.png": draw_confusion(answers, list(figures.per_class)),
    }


def _figure(value: float, interval: Sequence[float]) -> str:
    return f"{percent(value)} ({interval_in_words(Interval(*interval))})"
