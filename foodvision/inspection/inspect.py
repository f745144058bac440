"""The inspection from first to last: scan, check, gather."""

from foodvision.classifier import Classifier
from foodvision.data import Photos, find_white, split_photos
from foodvision.errors import DataError
from foodvision.evaluation.calibration import few_photos_in_words
from foodvision.inspection.checks import check_classes, check_photos
from foodvision.inspection.copies import find_copies
from foodvision.inspection.findings import KINDS, Finding, Inspection
from foodvision.inspection.labels import find_suspects
from foodvision.inspection.scan import ScanResult, scan_photos


def inspect_photos(photos: Photos, classifier: Classifier | None) -> Inspection:
    """Look at every photo once and say what is wrong; no file is changed.

    classifier: what it sees of the photos tells crops and wrong labels; its classes do not
        matter. Without one labels are not checked.
    """
    photos, split, notes = _as_trained_on(photos)
    scan = scan_photos(photos, classifier)
    singles = list(check_photos(scan))
    copies, spare = find_copies(scan)
    suspects, note = find_suspects(scan, _worth_asking(scan, singles, spare))
    order = list(KINDS)
    findings = [*copies, *singles, *suspects, *check_classes(photos)]
    return Inspection(
        counts={split: photos.counts(split) for split in photos.splits},
        # Stable: within a kind the order of the check stays.
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        left_out=split.left_out_in_words(),
        notes=(*notes, *([note] if note else [])),
        tested=frozenset(photo.place.name for photo in scan.photos if photo.place.split == "test"),
        white=photos.white,
    )


def _as_trained_on(photos: Photos) -> tuple[Photos, Photos, tuple[str, ...]]:
    """Return the photos with their white, as training splits them, and what it says or stops at."""
    try:
        photos = find_white(photos)
        split = split_photos(photos)
    except DataError as error:
        return photos, photos, (*photos.notes, f"Training stops: {error}.")
    return photos, split, (*split.notes, *few_photos_in_words(len(split.splits["val"])))


def _worth_asking(scan: ScanResult, singles: list[Finding], spare: set[int]) -> list[int]:
    """Rows of photos whose label can be checked: no copies, nothing blank."""
    unfit = {name for finding in singles for name in finding.leave_out}
    return [
        row
        for row, photo in enumerate(scan.photos)
        if row not in spare and photo.place.name not in unfit
    ]
