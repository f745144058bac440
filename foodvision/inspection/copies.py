"""Photos that show the same: exactly, or but for size, compression, light, mirroring, a crop."""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from foodvision.data.names import a_few
from foodvision.inspection.findings import Finding
from foodvision.inspection.scan import ScannedPhoto, ScanResult

# Hamming distance of 64-bit perceptual hashes and correlation of the small copies. Measured on 512
# Food-101 photos: JPEG quality 30, a quarter of the size, or 1.25 times the brightness lie within
# 8 bits and correlate by 0.98 and more; of 16.6 million pairs of unlike photos none within 12
# bits correlates by more than 0.84.
_NEAR_BITS = 12
_NEAR_CORRELATION = 0.9

# A little crop or shift moves more bits; there the model's embeddings must agree too, by cosine.
# It finds 4 in 5 of the crops that take 5% from each side. Of the Food-101 photos one pair of
# unlike ones with this correlation, 20 bits apart, has a cosine over 0.85, and none over 0.9.
_CROP_BITS = 16
_CROP_CORRELATION = 0.6
_CROP_COSINE = 0.9

# Below this standard deviation of the grey values a photo is a single colour; the darkest of the
# Food-101 photos has 11. The hash of nothing says nothing.
BLANK_CONTRAST = 3.0

# Rows compared with all others at once: 100 MB with 50,000 photos. Pairs looked at closer at once.
_BLOCK = 256
_PAIRS = 10_000

# Which copy stays: one that judges a model before one that it learns from.
_WORTH = {"test": 0, "val": 1, "train": 2, "all": 2}


def find_copies(scan: ScanResult) -> tuple[list[Finding], set[int]]:
    """Return a finding for each group of photos that show the same, and the rows to leave out."""
    findings: list[Finding] = []
    spare: set[int] = set()
    for rows in _groups(scan):
        finding, left_out = _judge(scan.photos, rows)
        findings.append(finding)
        spare.update(left_out)
    return findings, spare


def _judge(photos: Sequence[ScannedPhoto], rows: list[int]) -> tuple[Finding, list[int]]:
    kept, *others = sorted(rows, key=lambda row: _worth(photos[row]))
    names = [photos[row].place.name for row in (kept, *others)]
    labels = sorted({photos[row].place.label for row in rows})
    splits = {photos[row].place.split for row in rows}
    same = len({photos[row].pixels for row in rows}) == 1
    how = "the same photo" if same else "nearly the same photo"
    message = f"{a_few(names[1:])}: {how} as {names[0]}"
    left_out = others
    if len(labels) > 1:
        kind, left_out = "conflict", [kept, *others]
        message += f", under the labels {' and '.join(labels)}"
    elif len(splits) > 1:
        kind = "leak"
        message += f", which is in {photos[kept].place.split}/"
    else:
        kind = "duplicate" if same else "near_duplicate"
    spare = tuple(photos[row].place.name for row in left_out)
    return Finding(kind, message, tuple(names), spare), left_out


def _worth(photo: ScannedPhoto) -> tuple[int, int, str]:
    return _WORTH[photo.place.split], -photo.width * photo.height, photo.place.name


def _groups(scan: ScanResult) -> Iterator[list[int]]:
    """Yield the rows of photos that show the same, in groups of two and more."""
    count = len(scan.photos)
    equal = _equal_pairs(scan.photos)
    # Of equal ones the first stands for all.
    different = np.setdiff1d(np.arange(count), equal[:, 1])
    pairs = np.concatenate([equal, *_near_pairs(scan, different)])
    links = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), (count, count))
    _, group = connected_components(links, directed=False)
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(np.bincount(group, minlength=1)[group] > 1).tolist():
        members.setdefault(int(group[row]), []).append(row)
    yield from members.values()


def _equal_pairs(photos: Sequence[ScannedPhoto]) -> np.ndarray:
    """Return pairs of rows with the same pixels, (k, 2): each with the first that has them."""
    first: dict[bytes, int] = {}
    pairs = [(first.setdefault(photo.pixels, row), row) for row, photo in enumerate(photos)]
    return np.array([pair for pair in pairs if pair[0] != pair[1]], int).reshape(-1, 2)


def _near_pairs(scan: ScanResult, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield pairs of rows of photos that look alike, (k, 2), block by block.

    rows: (n,) those to compare.
    """
    rows = rows[[scan.photos[row].contrast >= BLANK_CONTRAST for row in rows]]
    if not len(rows):
        return
    photos = [scan.photos[row] for row in rows]
    hashes = np.array([photo.hashes for photo in photos], np.uint64)
    small = np.stack([photo.small for photo in photos])
    embeddings = None if scan.embeddings is None else _unit(scan.embeddings[rows])
    plain, turned = _standardised(small), _standardised(small[:, :, ::-1])
    for start in range(0, len(rows), _BLOCK):
        for side, copies in ((0, plain), (1, turned)):
            block = hashes[start : start + _BLOCK, side]
            bits = np.bitwise_count(block[:, None] ^ hashes[None, start:, 0])
            one, two = np.nonzero(bits <= _CROP_BITS)
            distance = bits[one, two]
            for part in range(0, len(one), _PAIRS):
                piece = slice(part, part + _PAIRS)
                ones, twos = one[piece] + start, two[piece] + start
                correlation = np.einsum("kd,kd->k", copies[ones], plain[twos])
                alike = (distance[piece] <= _NEAR_BITS) & (correlation >= _NEAR_CORRELATION)
                if embeddings is not None:
                    cosine = np.einsum("kd,kd->k", embeddings[ones], embeddings[twos])
                    alike |= (cosine >= _CROP_COSINE) & (correlation >= _CROP_CORRELATION)
                alike &= ones < twos
                yield np.stack([rows[ones[alike]], rows[twos[alike]]], axis=1)


def _standardised(small: np.ndarray) -> np.ndarray:
    """Return small copies, (n, 16, 16, 3) uint8, as unit vectors without each channel's mean.

    The product of two is their correlation; that two photos are both blue does not make it high.
    """
    centred = small.astype(np.float32) - small.mean(axis=(1, 2), keepdims=True, dtype=np.float32)
    return _unit(centred.reshape(len(small), -1))


def _unit(rows: np.ndarray) -> np.ndarray:
    """Return rows, (n, d), scaled to length 1; those of length 0 stay."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: np.ndarray = rows / np.maximum(lengths, 1e-12)
    return scaled
