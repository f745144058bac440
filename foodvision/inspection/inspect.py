"""The inspection from first to last: look, check, gather."""

from foodvision.classifier import Classifier
from foodvision.data import Photos
from foodvision.inspection.checks import check_classes, check_photos
from foodvision.inspection.copies import find_copies
from foodvision.inspection.findings import KINDS, Finding, Inspection
from foodvision.inspection.labels import find_suspects
from foodvision.inspection.scan import Seen, look_at


def inspect_photos(photos: Photos, classifier: Classifier | None) -> Inspection:
    """Look at every photo once and say what is wrong; no file is changed.

    classifier: what it sees of the photos tells crops and wrong labels; its classes do not
        matter. Without one labels are not checked.
    """
    seen = look_at(photos, classifier)
    singles = list(check_photos(seen))
    copies, spare = find_copies(seen)
    suspects, note = find_suspects(seen, _worth_asking(seen, singles, spare))
    order = list(KINDS)
    findings = [*copies, *singles, *suspects, *check_classes(photos)]
    return Inspection(
        counts={split: photos.counts(split) for split in photos.splits},
        # Stable: within a kind the order of the check stays.
        findings=tuple(sorted(findings, key=lambda finding: order.index(finding.kind))),
        left_out=photos.left_out_in_words(),
        notes=(note,) if note else (),
        tested=frozenset(look.place.name for look in seen.looks if look.place.split == "test"),
    )


def _worth_asking(seen: Seen, singles: list[Finding], spare: set[int]) -> list[int]:
    """Rows of photos whose label can be checked: no copies, nothing blank."""
    unfit = {name for finding in singles for name in finding.leave_out}
    return [
        row
        for row, look in enumerate(seen.looks)
        if row not in spare and look.place.name not in unfit
    ]
