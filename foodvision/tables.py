"""What the terminal shows: photos, findings and figures as tables."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from foodvision.data import Photos
from foodvision.evaluation import Figures, Interval
from foodvision.inspection import KINDS, Finding, Inspection

# Findings of a kind that the terminal names; the page and the JSON object have more.
_NAMED = 5


def console() -> Console:
    """Return the terminal; names of files and classes are shown as they are, not as markup."""
    return Console(markup=False, highlight=False, emoji=False)


def photos_table(photos: Photos) -> Table:
    """Return the walk through a folder: photos of every class and split."""
    counts = {split: photos.counts(split) for split in photos.splits}
    return _counts_table(counts, photos.carved)


def print_inspection(inspection: Inspection) -> None:
    """Print what is in a folder of photos and what is wrong with it."""
    terminal = console()
    terminal.print(_counts_table(inspection.counts))
    terminal.print(inspection.left_out, *inspection.notes)
    if inspection.findings:
        terminal.print(findings_table(inspection))
    terminal.print(inspection.in_words())
    if spare := len(inspection.exclude()):
        terminal.print(
            f"Training is better without {spare:,} of the photos: "
            "--write-exclude FILE lists them, and train --exclude FILE leaves them out."
        )


def findings_table(inspection: Inspection) -> Table:
    """Return what was found, kind by kind: how many, the first of them, what to do."""
    table = Table("", "n", "what was found", show_lines=True)
    table.columns[1].justify = "right"
    for name, findings in inspection.by_kind().items():
        kind = KINDS[name]
        content = "\n".join([f"{kind.title}.", *_first(findings), kind.advice])
        table.add_row(kind.severity, f"{len(findings):,}", content)
    return table


def _first(findings: Sequence[Finding]) -> list[str]:
    lines = [f"- {finding.message}" for finding in findings[:_NAMED]]
    more = len(findings) - _NAMED
    return [*lines, f"- and {more:,} more"] if more > 0 else lines


def _counts_table(counts: Mapping[str, Mapping[str, int]], carved: Sequence[str] = ()) -> Table:
    table = Table("class folder")
    for split in counts:
        table.add_column(
            f"{split} (set aside)" if split in carved else f"{split}/", justify="right"
        )
    for name in next(iter(counts.values()), {}):
        table.add_row(name, *(str(of_split[name]) for of_split in counts.values()))
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
