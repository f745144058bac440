"""What the terminal shows: photos, figures, runs and comparisons as tables."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table

from foodvision.data import Photos
from foodvision.evaluation import Figures
from foodvision.runs import RunRecord
from foodvision.runs.compare import Comparison
from foodvision.runs.words import duration_in_words, percent, points
from foodvision.runs.words import interval_in_words as interval_in_words


def console() -> Console:
    """Return the terminal; names of files and classes are shown as they are, not as markup."""
    return Console(markup=False, highlight=False, emoji=False)


def photos_table(photos: Photos) -> Table:
    """Return the walk through a folder: photos of every class and split."""
    table = Table("class folder")
    counts = {split: photos.counts(split) for split in photos.splits}
    for split in counts:
        table.add_column(
            f"{split} (set aside)" if split in photos.carved else f"{split}/", justify="right"
        )
    for name in photos.classes:
        table.add_row(name, *(str(counts[split][name]) for split in counts))
    table.add_section()
    table.add_row("all", *(str(sum(of_split.values())) for of_split in counts.values()))
    return table


def figures_table(figures: Figures, title: str) -> Table:
    """Return accuracy by class and overall, with n and Wilson's 95% interval."""
    table = Table("class", title=title)
    for name in ("n", "accuracy", "95% interval", "precision", "F1"):
        table.add_column(name, justify="right")
    for name, of_class in figures.per_class.items():
        table.add_row(
            name,
            str(of_class.n),
            percent(of_class.recall),
            interval_in_words(of_class.recall_interval),
            percent(of_class.precision),
            percent(of_class.f1),
        )
    table.add_section()
    overall = interval_in_words(figures.top1_interval)
    table.add_row(
        "all", str(figures.n), percent(figures.top1), overall, "", percent(figures.macro_f1)
    )
    return table


def runs_table(records: Sequence[RunRecord]) -> Table:
    """Return a line a run: where it stands, and its top-1 with Wilson's 95% interval."""
    table = Table("run", "state", "model")
    for name in ("epochs", "val acc", "top-1", "95% interval", "n", "time"):
        table.add_column(name, justify="right")
    table.add_column("began")
    for record in records:
        figures = record.figures
        accuracy = record.last("val_acc")
        table.add_row(
            record.name,
            record.state,
            str(record.settings.get("model", "")),
            str(len(record.metrics)),
            "" if accuracy is None else percent(accuracy),
            percent(figures.top1) if figures else "",
            interval_in_words(figures.top1_interval) if figures else "",
            str(figures.n) if figures else "",
            duration_in_words(record.seconds) if record.seconds else "",
            f"{datetime.fromisoformat(record.started):%Y-%m-%d %H:%M}",
        )
    return table


def comparison_table(comparison: Comparison) -> Table:
    """Return two runs' figures on the same photos, side by side, and their paired difference."""
    table = Table("on the same test photos")
    sides = (comparison.first, comparison.second)
    for side in sides:
        table.add_column(side.name, justify="right")
    table.add_column("difference", justify="right")
    low, high = comparison.interval
    table.add_row("n", *(str(side.n) for side in sides), "")
    table.add_row("right", *(str(side.right) for side in sides), "")
    table.add_row("top-1", *(percent(side.top1) for side in sides), points(comparison.difference))
    intervals = (interval_in_words(side.interval) for side in sides)
    table.add_row("95% interval", *intervals, f"{points(low)} to {points(high)}")
    alone = (len(comparison.only_first), len(comparison.only_second))
    table.add_row("right where the other is wrong", *map(str, alone), "")
    return table
