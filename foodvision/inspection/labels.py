"""Labels that look wrong: confident learning on answers of models that never saw the photo.

Northcutt, Jiang, Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70,
2021, in their own library, cleanlab.
"""

from collections import Counter

import numpy as np
from cleanlab.filter import find_label_issues

from foodvision.data.names import a_few
from foodvision.evaluation.cross_validation import unseen_probabilities
from foodvision.inspection.findings import Finding, Suspicion
from foodvision.inspection.scan import ScannedPhoto, ScanResult

# Every fold of the cross-validation needs a photo of every class.
_FOLDS = 5

# The classic 300 photos: none suspected as they are; of 90 labels swapped in ten seeds, 9 at a
# time, 72 found among 90 suspected.
_SUREST = 0.5


def find_suspects(scan: ScanResult, rows: list[int]) -> tuple[list[Finding], str]:
    """Return the labels that look wrong, surest first, and in words what was not looked at.

    rows: the photos to look at; a copy among them would vote for its own label.
    """
    if scan.embeddings is None:
        return [], "Labels were not checked: this needs a model."
    counts = Counter(scan.photos[row].place.label for row in rows)
    small = sorted(label for label, count in counts.items() if count < _FOLDS)
    if len(counts) - len(small) < 2:
        return [], f"Labels were not checked: this needs at least two classes with {_FOLDS} photos."
    chosen = [row for row in rows if scan.photos[row].place.label not in small]
    note = f"Labels of {a_few(small, 5)} were not checked: this needs at least {_FOLDS} photos."
    found = _suspicions([scan.photos[row] for row in chosen], scan.embeddings[chosen])
    return found, note if small else ""


def _suspicions(photos: list[ScannedPhoto], embeddings: np.ndarray) -> list[Finding]:
    """Return the labels that look wrong, surest first; embeddings: (n, d) of the photos."""
    classes, labels = np.unique([photo.place.label for photo in photos], return_inverse=True)
    probabilities = unseen_probabilities(embeddings, labels)
    wrong = find_label_issues(labels, probabilities, n_jobs=1)
    best = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    sure = (confidence >= _SUREST) & (best != labels)
    found = [
        (photos[row], str(classes[best[row]]), float(confidence[row]))
        for row in np.flatnonzero(wrong & sure)
    ]
    return [
        _finding(*each) for each in sorted(found, key=lambda each: (-each[2], each[0].place.name))
    ]


def _finding(photo: ScannedPhoto, suggested: str, confidence: float) -> Finding:
    name, given = photo.place.name, photo.place.label
    message = f"{name}: labelled {given}, looks like {suggested} ({100 * confidence:.0f}%)"
    return Finding("suspect", message, (name,), (name,), Suspicion(given, suggested, confidence))
