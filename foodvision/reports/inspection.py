"""What an inspection leaves on paper: a page with pictures, a list for `train --exclude`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from foodvision.data.names import file_named
from foodvision.errors import PhotoError
from foodvision.image import load_image
from foodvision.inspection.findings import KINDS, Finding, Inspection, Kind
from foodvision.reports.documents import thumbnail, write_document
from foodvision.system.storage import write_atomically

# A page with this many pictures of every kind still opens at once: about 5 kB each.
_SHOWN = 60

# Copies of one photo; the others are told by name.
_SHOWN_OF_GROUP = 6

_Find: TypeAlias = Callable[[str], Path]


@dataclass(frozen=True)
class _Picture:
    """A photo on the page: its name, a data URI (none where it cannot be read), kept or not."""

    name: str
    source: str | None
    leave_out: bool


@dataclass(frozen=True)
class _Card:
    message: str
    finding: Finding
    pictures: Sequence[_Picture]


@dataclass(frozen=True)
class _Section:
    name: str
    kind: Kind
    total: int
    cards: Sequence[_Card]


@dataclass(frozen=True)
class _Bar:
    """Photos of a class in a split; share is of the largest class of the split, 0 to 100."""

    label: str
    count: int
    share: float


def write_exclude_list(path: Path, inspection: Inspection, *, suspects: bool = False) -> None:
    """Write the photos to leave out, one relative path a line, each below its reason.

    suspects: also those whose label only looks wrong.
    """
    lines = ["# Photos that `foodvision train --exclude` leaves out, by `foodvision data`."]
    for name, reason in inspection.exclude(suspects=suspects).items():
        # A line that begins with # is passed over, and "./" changes nothing.
        lines += [f"# {reason}", f"./{name}" if name.startswith("#") else name]
    content = "\n".join(lines) + "\n"
    # A name may hold bytes that are no text; it must come back as it was.
    write_atomically(path, content.encode(errors="surrogateescape"))


def write_inspection(
    path: Path,
    inspection: Inspection,
    root: Path,
    title: str,
    paths: Mapping[str, Path] | None = None,
) -> None:
    """Write the page: one HTML file that opens without a network.

    root: the folder that the photos' names are relative to. title: what the page calls it.
    paths: of the photos by their names, where these are not relative to the root, as in shards.
    """

    def find(name: str) -> Path:
        return (paths or {}).get(name) or file_named(name, root)

    sections = [
        _section(find, name, findings, inspection.white)
        for name, findings in inspection.by_kind().items()
    ]
    write_document(
        path,
        "data.html",
        title=title,
        inspection=inspection,
        headline=_headline(inspection),
        sections=sections,
        bars={split: _bars(of_class) for split, of_class in inspection.counts.items()},
        spare=len(inspection.exclude()),
    )


def _headline(inspection: Inspection) -> str:
    number = len(inspection.findings)
    if not number:
        return "No problems found"
    if inspection.is_sound:
        return "One warning or note" if number == 1 else f"{number:,} warnings and notes"
    severe = sum(KINDS[finding.kind].severity == "severe" for finding in inspection.findings)
    return "One problem to fix" if severe == 1 else f"{severe:,} problems to fix"


def _section(find: _Find, name: str, findings: Sequence[Finding], white: float | None) -> _Section:
    cards = [_card(find, finding, white) for finding in findings[:_SHOWN]]
    return _Section(name, KINDS[name], len(findings), cards)


def _card(find: _Find, finding: Finding, white: float | None) -> _Card:
    leave_out = () if finding.suspicion else finding.leave_out
    pictures = [
        _Picture(name, _thumbnail(find(name), white), name in leave_out)
        for name in finding.photos[:_SHOWN_OF_GROUP]
    ]
    return _Card(finding.message, finding, pictures)


def _thumbnail(path: Path, white: float | None) -> str | None:
    try:
        return thumbnail(load_image(path, white=white))
    except PhotoError:
        return None


def _bars(counts: Mapping[str, int]) -> list[_Bar]:
    largest = max(counts.values(), default=0) or 1
    return [_Bar(label, count, 100 * count / largest) for label, count in counts.items()]
