"""What single photos and the counts of classes show by themselves."""

from collections.abc import Iterator

from foodvision.data import Photos
from foodvision.inspection.copies import BLANK_CONTRAST
from foodvision.inspection.findings import Finding
from foodvision.inspection.scan import ScannedPhoto, ScanResult

# The smallest network here, the lecture's, sees 64 pixels; a photo with less is blown up.
_SHORTEST = 64
_LONGEST_ASPECT = 4
_MOST_PIXELS = 40_000_000

# Largest spread of the channels: a grey JPEG has 0 to 2, the least colourful of the Food-101
# photos, a dark cheesecake, has 10.
_GREY = 4.0

_LARGEST_RATIO = 3
_FEWEST = 20


def check_photos(scan: ScanResult) -> Iterator[Finding]:
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


def check_classes(photos: Photos) -> Iterator[Finding]:
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
