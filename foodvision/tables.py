"""What the terminal shows: photos and figures as tables."""

from rich.console import Console
from rich.table import Table

from foodvision.data import Photos
from foodvision.evaluation import Figures, Interval


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
            _percent(of_class.recall),
            interval_in_words(of_class.recall_interval),
            _percent(of_class.precision),
            _percent(of_class.f1),
        )
    table.add_section()
    overall = interval_in_words(figures.top1_interval)
    table.add_row(
        "all", str(figures.n), _percent(figures.top1), overall, "", _percent(figures.macro_f1)
    )
    return table


def interval_in_words(interval: Interval) -> str:
    """Return an interval in percent, as 88.9 to 98.6."""
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
