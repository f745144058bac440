"""Files of an inspection: a page with pictures, and a list for `train --exclude`."""

from collections.abc import Mapping
from pathlib import Path

from foodvision.data.names import file_named
from foodvision.errors import PhotoError
from foodvision.image import load_image
from foodvision.inspection.findings import KINDS, Inspection
from foodvision.reports.documents import thumbnail, write_document
from foodvision.system.storage import write_atomically

# Findings shown of each kind: with pictures of about 5 kB each, the page still opens fast.
_SHOWN = 60

# Copies of one photo that are shown; of the others, the number.
_SHOWN_OF_GROUP = 6


def write_exclude_list(path: Path, inspection: Inspection, *, suspects: bool = False) -> None:
    """Write the photos to exclude, one relative path per line, each below its reason.

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

    def thumbnail_of(name: str) -> str:
        try:
            path = (paths or {}).get(name) or file_named(name, root)
            return thumbnail(load_image(path, white=inspection.white))
        except PhotoError:
            return ""

    write_document(
        path,
        "data.html",
        title=title,
        inspection=inspection,
        headline=_headline(inspection),
        spare=len(inspection.exclude()),
        kinds=KINDS,
        thumbnail=thumbnail_of,
        most=_SHOWN,
        most_copies=_SHOWN_OF_GROUP,
    )


def _headline(inspection: Inspection) -> str:
    number = len(inspection.findings)
    if not number:
        return "No problems found"
    if inspection.is_sound:
        return "One warning or note" if number == 1 else f"{number:,} warnings and notes"
    severe = sum(KINDS[finding.kind].severity == "severe" for finding in inspection.findings)
    return "One problem to fix" if severe == 1 else f"{severe:,} problems to fix"
