"""The inspection from first to last: scan, check, gather."""

from collections.abc import Iterator
from pathlib import Path

from foodvision.classifier import Classifier
from foodvision.data import Photos, find_white, split_photos
from foodvision.errors import DataError, printable, renamed
from foodvision.evaluation.calibration import few_photos_in_words
from foodvision.inspection.copies import BLANK_CONTRAST, find_copies
from foodvision.inspection.findings import KINDS, Finding, Inspection
from foodvision.inspection.labels import find_suspects
from foodvision.inspection.scan import ScannedPhoto, ScanResult, scan_photos

# The smallest network here, the lecture's, sees 64 pixels; a photo with less is blown up.
_SHORTEST = 64
_LONGEST_ASPECT = 4
_MOST_PIXELS = 40_000_000

# Largest spread of the channels: a grey JPEG has 0 to 2, the least colourful of the Food-101
# photos, a dark cheesecake, has 10.
_GREY = 4.0

_LARGEST_RATIO = 3
_FEWEST = 20


def inspect_photos(
    photos: Photos, classifier: Classifier | None, source: str | None = None
) -> Inspection:
    """Look at every photo once and say what is wrong; no file is changed.

    classifier: what it sees of the photos tells crops and wrong labels; its classes do not
        matter. Without one labels are not checked.
    source: what people call the photos, if they lie in another folder, as those of an archive.
    """
    photos, split, notes = _as_trained_on(photos, source)
    scan = scan_photos(photos, classifier)
    singles = list(_check_photos(scan))
    copies, spare = find_copies(scan)
    suspects, note = find_suspects(scan, _worth_asking(scan, singles, spare))
    order = list(KINDS)
    findings = [*copies, *singles, *suspects, *_check_classes(photos)]
    return Inspection(
        counts={split: photos.counts(split) for split in photos.splits},
        # Stable: within a kind the order of the check stays.
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        left_out=split.left_out_in_words(),
        notes=(*notes, *([note] if note else [])),
        tested=frozenset(photo.place.name for photo in scan.photos if photo.place.split == "test"),
        white=photos.white,
    )


def _as_trained_on(photos: Photos, source: str | None) -> tuple[Photos, Photos, tuple[str, ...]]:
    """Return the photos with their white, as training splits them, and what it says or stops at."""
    try:
        photos = find_white(photos)
        split = split_photos(photos)
    except DataError as error:
        is_elsewhere = source and not Path(source).resolve().is_relative_to(photos.root.resolve())
        fault = renamed(error, photos.root, printable(source)) if is_elsewhere else error
        return photos, photos, (*photos.notes, f"Training stops: {fault}.")
    return photos, split, (*split.notes, *few_photos_in_words(len(split.splits["val"])))


def _worth_asking(scan: ScanResult, singles: list[Finding], spare: set[int]) -> list[int]:
    """Return the rows of photos whose label can be checked: no copies, nothing blank."""
    unfit = {name for finding in singles for name in finding.leave_out}
    return [
        row
        for row, photo in enumerate(scan.photos)
        if row not in spare and photo.place.name not in unfit
    ]


def _check_photos(scan: ScanResult) -> Iterator[Finding]:
    """Find what cannot be read, is blank, grey, or of extreme size."""
    for item in scan.unreadable:
        yield Finding("unreadable", item.reason, (item.place.name,), (item.place.name,))
    for photo in scan.photos:
        name = photo.place.name
        if photo.contrast < BLANK_CONTRAST:
            yield Finding("blank", f"{name} has a single colour", (name,), (name,))
        elif photo.colour <= _GREY:
            yield Finding("greyscale", f"{name} is greyscale", (name,))
        if fault := _fault_of_size(photo):
            message = f"{name} is {photo.width} x {photo.height} pixels: {fault}"
            yield Finding("extreme_size", message, (name,))


def _fault_of_size(photo: ScannedPhoto) -> str | None:
    short, long = sorted((photo.width, photo.height))
    if short < _SHORTEST:
        return f"its short side is under {_SHORTEST}"
    if long > _LONGEST_ASPECT * short:
        return f"one side is over {_LONGEST_ASPECT} times the other"
    if short * long > _MOST_PIXELS:
        return f"that is over {_MOST_PIXELS // 1_000_000} megapixels"
    return None


def _check_classes(photos: Photos) -> Iterator[Finding]:
    """Find classes that a split lacks, and large and small ones in what is learned from.

    The rule: the largest class has over 3 times the photos of the smallest; a class has under 20.
    """
    for split in photos.splits:
        for label, count in photos.counts(split).items():
            if not count:
                yield Finding("missing_class", f"{split}/ has no photos of {label}")
    learned = next(split for split in ("train", "all", *photos.splits) if split in photos.splits)
    counts = {label: count for label, count in photos.counts(learned).items() if count}
    if not counts:
        return
    small, large = min(counts, key=counts.__getitem__), max(counts, key=counts.__getitem__)
    if counts[large] > _LARGEST_RATIO * counts[small]:
        yield Finding(
            "imbalance",
            f"{large} has {counts[large]:,} photos, {small} {counts[small]:,}: "
            f"over {_LARGEST_RATIO} times as many",
        )
    for label, count in counts.items():
        if count < _FEWEST:
            amount = f"{count} photo{'s' if count > 1 else ''}"
            yield Finding("few_photos", f"{label} has {amount}, under {_FEWEST}")
