"""Tables for the terminal: photos, findings, figures, runs and comparisons."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from foodvision.data import Photos
from foodvision.errors import CheckpointError, printable
from foodvision.evaluation.judge import Judgement
from foodvision.evaluation.words import duration_in_words, interval_in_words, percent, points
from foodvision.figures import Figures, Pair, Robustness, Share
from foodvision.inspection.findings import KINDS, Finding, Inspection
from foodvision.runs.compare import Comparison
from foodvision.runs.record import RunRecord

# Findings listed per kind; the page, the JSON object and --all have more.
_NAMED = 5

# Classes or runs per table; more would scroll the rest out of sight.
_ROWS = 30

SHOW_ALL = "--all shows all."
"""How to see the rest of a table, where the command has --all."""

# Another machine may sum in another order.
_ROUNDING = 1e-6


class _Console(Console):
    """A terminal that prints any text as one line; several lines are a `Group`."""

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(printable(text), **options)


def console() -> Console:
    """Return the terminal; names of files and classes are not taken for markup."""
    return _Console(markup=False, highlight=False, emoji=False)


def photos_table(photos: Photos, rest: str | None = None) -> RenderableType:
    """Return how many photos there are of every class and split.

    rest: how to see all classes, if at most 30 are shown.
    """
    counts = {split: photos.counts(split) for split in photos.splits}
    return _counts_table(counts, rest, photos.carved)


def print_inspection(
    inspection: Inspection, *, listed: bool = False, rest: str | None = None
) -> None:
    """Print what is in a folder of photos and what is wrong with it.

    listed: whether the photos to exclude are written to a file.
    rest: how to see all classes and findings, if only the first are shown.
    """
    terminal = console()
    terminal.print(_counts_table(inspection.counts, rest))
    terminal.print(inspection.left_out, *inspection.notes)
    if inspection.findings:
        terminal.print(findings_table(inspection, rest))
    terminal.print(inspection.in_words())
    if (spare := len(inspection.exclude())) and not listed:
        photos, them = ("photo is", "it") if spare == 1 else ("photos are", "them")
        terminal.print(
            f"{spare:,} {photos} best excluded from training: --write-exclude FILE lists {them}, "
            f"and train --exclude FILE leaves {them} out."
        )


def claims_table(claimed: Mapping[str, Any], found: Figures) -> tuple[Table, bool]:
    """Return a card's figures beside those measured now, and whether all of them hold.

    claimed: the figures in the checkpoint. One holds if it lies in the interval measured now.

    Raises CheckpointError if there are none.
    """
    if not claimed:
        raise CheckpointError("the card has no figures: there is nothing to verify")
    table = Table("", "card", f"measured on {found.n:,} photos", "confirmed")
    holds = []
    for title, key, interval in (
        ("top-1", "top1", found.top1_interval),
        ("top-5", "top5", found.top5_interval),
        ("macro F1", "macro_f1", found.macro_f1_interval),
        ("ECE", "ece", found.ece_interval),
    ):
        if interval is None or claimed.get(key) is None:
            continue
        holds.append(interval.low - _ROUNDING <= claimed[key] <= interval.high + _ROUNDING)
        now = f"{percent(getattr(found, key))} ({interval_in_words(interval)})"
        table.add_row(title, percent(claimed[key]), now, "yes" if holds[-1] else "no")
    return table, all(holds)


def findings_table(inspection: Inspection, rest: str | None = None) -> Table:
    """Return the findings by kind: how many, which, and what to do.

    rest: how to see all findings, if only the first of each kind are shown.
    """
    table = Table(show_lines=True)
    table.add_column(no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("finding", overflow="fold")
    for name, findings in inspection.by_kind().items():
        kind = KINDS[name]
        content = Group(f"{kind.title}.", *_first(findings, rest), kind.advice)
        table.add_row(kind.severity, f"{len(findings):,}", content)
    return table


def _first(findings: Sequence[Finding], rest: str | None) -> list[str]:
    named = _NAMED if rest else len(findings)
    lines = [f"- {finding.message}" for finding in findings[:named]]
    more = len(findings) - named
    return [*lines, f"- and {more:,} more. {rest}"] if more > 0 else lines


def _table(texts: Sequence[str], figures: Sequence[str], title: str | None = None) -> Table:
    """Return an empty table in which texts fold, so that figures stay whole in 80 columns."""
    table = Table(title=title)
    for heading in texts:
        table.add_column(heading, overflow="fold", min_width=len(heading))
    for heading in figures:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _counts_table(
    counts: Mapping[str, Mapping[str, int]], rest: str | None, carved: Sequence[str] = ()
) -> RenderableType:
    splits = [f"{split} (set aside)" if split in carved else f"{split}/" for split in counts]
    table = _table(["class folder"], splits)
    names = list(next(iter(counts.values()), {}))
    note = ""
    if rest and len(names) > _ROWS:
        note = f"The {_ROWS} smallest of {len(names)} classes. {rest}"
        names = sorted(names, key=lambda name: sum(of[name] for of in counts.values()))[:_ROWS]
    for name in names:
        table.add_row(name, *(str(of_split[name]) for of_split in counts.values()))
    table.add_section()
    table.add_row("all", *(str(sum(of_split.values())) for of_split in counts.values()))
    return Group(table, note) if note else table


def figures_table(figures: Figures, title: str, rest: str | None = None) -> RenderableType:
    """Return accuracy by class and overall, with n and Wilson's 95% interval.

    rest: how to see all classes, if only the 30 least accurate ones are shown.
    """
    columns = ("n", "accuracy", "95% interval", "precision", "F1")
    table = _table(["class"], columns, title)
    classes = list(figures.per_class.items())
    note = ""
    if rest and len(classes) > _ROWS:
        note = f"The {_ROWS} least accurate of {len(classes)} classes. {rest}"
        classes = sorted(classes, key=lambda item: item[1].recall)[:_ROWS]
    for name, of_class in classes:
        table.add_row(
            name,
            str(of_class.n),
            percent(of_class.recall),
            interval_in_words(of_class.recall_interval),
            "-" if of_class.answered == 0 else percent(of_class.precision),
            percent(of_class.f1),
        )
    table.add_section()
    overall = interval_in_words(figures.top1_interval)
    table.add_row(
        "all", str(figures.n), percent(figures.top1), overall, "", percent(figures.macro_f1)
    )
    return Group(table, note) if note else table


def judgement_tables(
    judgement: Judgement, title: str, rest: str | None = None
) -> Iterator[RenderableType]:
    """Yield all that was measured of a model: by class, overall, confusions, robustness.

    rest: how to see all classes, if only the 30 least accurate ones are shown.
    """
    yield figures_table(judgement.figures, title, rest)
    yield overall_table(judgement)
    if judgement.figures.confused:
        yield _confused_table(judgement.figures.confused)
    if judgement.robustness:
        yield _robustness_table(judgement.robustness)


def overall_table(judgement: Judgement) -> Table:
    """Return every figure of all photos together; shares in percent."""
    figures = judgement.figures
    table = _table(["measure"], ["figure", "95% interval"], f"All {figures.n:,} photos together")
    for name, value, interval in (
        ("top-1", figures.top1, figures.top1_interval),
        ("top-5", figures.top5, figures.top5_interval),
        ("macro F1", figures.macro_f1, figures.macro_f1_interval),
        ("calibration error (ECE)", figures.ece, figures.ece_interval),
        ("ECE of a perfectly calibrated model", figures.ece_by_chance, None),
    ):
        if value is not None and (name != "top-5" or len(figures.per_class) > 5):
            table.add_row(name, percent(value), interval_in_words(interval) if interval else "")
    if share := judgement.cross_validated:
        name = f"top-1, cross-validated ({share.n:,} photos)"
        table.add_row(name, percent(share.value), interval_in_words(share.interval))
    for name, value in (("negative log-likelihood", figures.nll), ("Brier score", figures.brier)):
        if value is not None:
            table.add_row(name, f"{value:.3f}", "")
    if judgement.speed:
        table.add_row("one photo, one thread", f"{judgement.speed.milliseconds:.1f} ms", "")
        table.add_row("graph", f"{judgement.speed.bytes / 1e6:.1f} MB", "")
    if judgement.certainty:
        _add_certainty(table, judgement.certainty)
    if known := judgement.known:
        table.add_section()
        low, high = known.auroc_interval
        table.add_row(
            "out-of-distribution: AUROC", f"{known.auroc:.4f}", f"{low:.4f} to {high:.4f}"
        )
        _add_share(table, "own classes accepted", known.kept)
        _add_share(table, "other things refused", known.refused)
        _add_share(table, "others refused if 95% accepted", known.refused_at_95)
    return table


def _add_certainty(table: Table, certainty: Mapping[str, Share]) -> None:
    table.add_section()
    if "sure" not in certainty:
        table.add_row("no prediction was sure", "", "")
    for word, share in certainty.items():
        _add_share(table, f"right when {word}", share)


def _add_share(table: Table, name: str, share: Share) -> None:
    words = interval_in_words(share.interval)
    table.add_row(f"{name} ({share.n:,} photos)", percent(share.value), words)


def _confused_table(pairs: Sequence[Pair]) -> Table:
    table = _table(["label", "prediction"], ["photos"], "Most common mistakes")
    for pair in pairs:
        table.add_row(pair.label, pair.answer, f"{pair.times} of {pair.n}")
    return table


def _robustness_table(robustness: Robustness) -> Table:
    untouched = robustness.untouched
    title = f"Accuracy on {untouched.n:,} corrupted photos"
    table = _table(["corruption", "strength"], ["right", "95% interval"], title)
    table.add_row("none", "", percent(untouched.value), interval_in_words(untouched.interval))
    for row in robustness.corrupted:
        words = interval_in_words(row.right.interval)
        table.add_row(row.corruption, row.strength, percent(row.right.value), words)
    return table


def runs_table(records: Sequence[RunRecord], rest: str | None = None) -> RenderableType:
    """Return the state of each run, and its top-1 with Wilson's 95% interval.

    rest: how to see all runs, if only the first 30 are shown.
    """
    # Default names are not broken: people copy them into the next command.
    table = _table(["run"], ("val acc", "top-1", "95% interval", "n"))
    table.show_lines = True
    note = ""
    if rest and len(records) > _ROWS:
        note = f"The first {_ROWS} of {len(records)} runs. {rest}"
        records = records[:_ROWS]
    for record in records:
        epochs = len(record.metrics)
        what = (
            record.state,
            printable(str(record.settings.get("model", ""))),
            f"{epochs} epoch" if epochs == 1 else f"{epochs} epochs",
            duration_in_words(record.seconds) if record.seconds else "",
            f"{datetime.fromisoformat(record.started):%Y-%m-%d %H:%M}",
        )
        figures = record.figures
        accuracy = record.last("val_acc")
        table.add_row(
            Group(record.name, ", ".join(filter(None, what))),
            "" if accuracy is None else percent(accuracy),
            percent(figures.top1) if figures else "",
            interval_in_words(figures.top1_interval) if figures else "",
            str(figures.n) if figures else "",
        )
    return Group(table, note) if note else table


def comparison_table(comparison: Comparison) -> Table:
    """Return two runs' figures on the same photos, side by side, and their paired difference."""
    table = Table("on the same test photos")
    sides = (comparison.first, comparison.second)
    for side in sides:
        # Folded, not cut: names may differ only at their end.
        table.add_column(side.name, justify="right", overflow="fold")
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
