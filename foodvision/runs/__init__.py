"""What training leaves behind: the files of a run, comparisons, dashboards.

What draws it is `foodvision.reports`, which needs matplotlib.
"""

from foodvision.runs.answers import (
    JudgedPhoto,
    confusion_counts,
    find_mistakes,
    list_answers,
    typical_answers,
)
from foodvision.runs.reading import find_runs, read_run, sort_runs
from foodvision.runs.record import (
    Row,
    RunRecord,
    State,
    write_answers,
    write_figures,
    write_metrics,
    write_start,
    write_state,
)

__all__ = [
    "Row",
    "JudgedPhoto",
    "RunRecord",
    "State",
    "confusion_counts",
    "find_mistakes",
    "find_runs",
    "list_answers",
    "read_run",
    "sort_runs",
    "typical_answers",
    "write_answers",
    "write_figures",
    "write_metrics",
    "write_start",
    "write_state",
]
