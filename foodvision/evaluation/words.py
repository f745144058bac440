"""Numbers as people read them, the same in the terminal and on pages."""

from foodvision.figures import Interval


def percent(share: float) -> str:
    """Return a share in percent, as 94.7."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """Return the difference of two shares in points of percent, as +2.7."""
    return f"{100 * difference:+.1f}"


def interval_in_words(interval: Interval) -> str:
    """Return an interval in percent, as 88.9 to 98.6."""
    return f"{percent(interval.low)} to {percent(interval.high)}"


def duration_in_words(seconds: float) -> str:
    """Return a time as 42 s, 3 min 20 s or 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
