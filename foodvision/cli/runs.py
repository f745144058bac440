"""The commands that list and compare runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from foodvision.cli.options import All, Switch
from foodvision.cli.places import check_place
from foodvision.errors import RunError
from foodvision.system.terminal import complain, say, say_json

if TYPE_CHECKING:
    from foodvision.runs.record import RunRecord


def runs(
    folder: Path = Path("runs"),
    /,
    *,
    sort: Literal["time", "top1"] = "time",
    json: Switch = False,
    dashboard: Switch = False,
    show_all: All = False,
) -> int:
    """List runs and their accuracy.

    Parameters
    ----------
    folder:
        The folder of the runs, or one run.
    sort:
        time lists the newest first, top1 the most accurate.
    json:
        Print one JSON object per line: name, folder, state, model, data, epochs, val_acc, n, top1,
        top1_interval, seconds, started.
    dashboard:
        Show the curves of runs tracked by tensorboard or trackio in the browser, until Ctrl-C.
    show_all:
        List all runs. By default, the first 30 are listed.
    """
    from foodvision.runs.dashboard import choose_dashboard, show_dashboard
    from foodvision.runs.reading import find_runs, sort_runs

    tried = [_try_run(path) for path in find_runs(folder)]
    records = sort_runs([record for record in tried if record], by=sort)
    if dashboard:
        show_dashboard(choose_dashboard(records), folder)
    elif json:
        for record in records:
            say_json(record.to_dict())
    else:
        from foodvision.cli.tables import SHOW_ALL, console, runs_table

        console().print(runs_table(records, None if show_all else SHOW_ALL))
    return 0 if all(tried) else 1


def compare(
    first: Path, second: Path, /, *, json: Switch = False, html: Path | None = None
) -> None:
    """Compare two runs on the same test photos.

    It also says whether the difference is significant.

    Parameters
    ----------
    first:
        A run folder.
    second:
        The run folder to compare it with.
    json:
        Print one JSON object: first, second, difference, interval, only_first, only_second,
        p_value, is_more_than_noise, in_words.
    html:
        Also write a report with both runs' curves to this file.
    """
    from foodvision.runs.compare import compare as compare_runs
    from foodvision.runs.reading import read_run

    check_place(html)
    records = read_run(first), read_run(second)
    comparison = compare_runs(*records)
    if html:
        from foodvision.reports.pages import write_comparison

        write_comparison(html, *records, comparison)
    if json:
        say_json(comparison.to_dict())
    else:
        from foodvision.cli.tables import comparison_table, console

        console().print(comparison_table(comparison))
        console().print(comparison.in_words(), soft_wrap=True)
        if html:
            say(f"Written: {html}")


def _try_run(folder: Path) -> "RunRecord | None":
    """Return a run; for one that cannot be read, print why and return None."""
    from foodvision.runs.reading import read_run

    try:
        return read_run(folder)
    except RunError as error:
        complain(error)
        return None
