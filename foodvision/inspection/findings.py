"""What an inspection says: findings of a few kinds, each with what to do about it."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["severe", "warning", "note"]


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    severity: "severe" spoils training or its figures, "warning" may, "note" is worth knowing.
    title: a few words, singular and plural alike.
    advice: what to do about it.
    """

    severity: Severity
    title: str
    advice: str


KINDS: Mapping[str, Kind] = {
    "leak": Kind(
        "severe",
        "The same photo in two splits",
        (
            "The test photos are then not new to the model, and its figures are too good. Keep the "
            "copy in test/ (or val/) and exclude the others."
        ),
    ),
    "conflict": Kind(
        "severe",
        "The same photo under two labels",
        (
            "One of the labels is wrong. Keep the copy in the right class and delete the other. "
            "Until then, exclude all copies from training."
        ),
    ),
    "unreadable": Kind(
        "severe",
        "Files that cannot be read",
        (
            "Copy or download them again, or exclude them. Training skips them, but stops if one "
            "is in test/."
        ),
    ),
    "duplicate": Kind(
        "severe",
        "The same photo twice",
        "A duplicate photo counts twice. Keep one of each.",
    ),
    "near_duplicate": Kind(
        "warning",
        "Nearly the same photo",
        "Slightly resized, recompressed, brightened, mirrored or cropped. Keep the largest.",
    ),
    "suspect": Kind(
        "warning",
        "Labels that look wrong",
        "Check each photo: move it to the class it shows, or leave it.",
    ),
    "missing_class": Kind(
        "warning",
        "Classes missing from a split",
        (
            "All splits need the same classes: add photos, or remove the class from the other "
            "splits."
        ),
    ),
    "imbalance": Kind(
        "warning",
        "Classes of very different size",
        "The model will favour the large classes. Add photos to the small ones.",
    ),
    "few_photos": Kind(
        "warning",
        "Classes with few photos",
        "Add photos: the model learns such a class poorly, and its figures are unreliable.",
    ),
    "blank": Kind(
        "warning",
        "Photos of a single colour",
        "They contain nothing to learn. Exclude them.",
    ),
    "extreme_size": Kind(
        "note",
        "Very small, very long or very large photos",
        (
            "Small photos are blurred, long ones are cropped to the middle, and large ones decode "
            "slowly. Replace, crop or reduce them."
        ),
    ),
    "greyscale": Kind(
        "note",
        "Photos without colour",
        (
            "They are fine if you will also classify such photos. If only one class has them, the "
            "model learns that grey means this class."
        ),
    ),
}
"""Every kind of finding, the worst first."""


@dataclass(frozen=True)
class Suspicion:
    """A label that looks wrong.

    given: the class folder it lies in.
    suggested: what photos like it are labelled.
    confidence: how sure of it, 0 to 1, a model is that never saw this photo.
    """

    given: str
    suggested: str
    confidence: float


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    kind: a key of `KINDS`.
    message: which photo or class, and what is wrong with it, in one line.
    photos: paths relative to the folder; empty where the finding is about classes.
    leave_out: those of the photos that training is better without; of a suspicion, if it is
        right.
    suspicion: only for a label that looks wrong.
    """

    kind: str
    message: str
    photos: tuple[str, ...] = ()
    leave_out: tuple[str, ...] = ()
    suspicion: Suspicion | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as JSON types, with its kind's severity and advice."""
        kind = KINDS[self.kind]
        return asdict(self) | {"severity": kind.severity, "advice": kind.advice}


@dataclass(frozen=True)
class Inspection:
    """What is in a folder of photos and what is wrong with it.

    counts: number of photos by split and class, those that cannot be read included.
    findings: the worst kind first, within a kind in order of names (suspects: surest first).
    left_out: files and folders that are not used, in one line.
    notes: what was not looked for, and why.
    tested: the photos of test/ that can be read.
    white: what is white in photos of more than eight bits, as `load_image` takes it.
    """

    counts: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    left_out: str
    notes: tuple[str, ...] = ()
    tested: frozenset[str] = frozenset()
    white: float | None = None

    @property
    def total(self) -> int:
        """Number of photos, those that cannot be read included."""
        return sum(sum(of_class.values()) for of_class in self.counts.values())

    @property
    def is_sound(self) -> bool:
        """Whether nothing severe was found."""
        return all(KINDS[finding.kind].severity != "severe" for finding in self.findings)

    def by_kind(self) -> dict[str, list[Finding]]:
        """Return the findings of each kind that has any, the worst kind first."""
        found = {
            name: [finding for finding in self.findings if finding.kind == name] for name in KINDS
        }
        return {name: findings for name, findings in found.items() if findings}

    def exclude(self, *, suspects: bool = False) -> dict[str, str]:
        """Return the photos that training is better without, each with the reason, by name.

        Of test/ only what cannot be read: figures are compared on the same photos.

        suspects: also those whose label only looks wrong.
        """
        chosen: dict[str, str] = {}
        for finding in self.findings:
            for name in finding.leave_out if suspects or not finding.suspicion else ():
                if name not in self.tested:
                    chosen.setdefault(name, finding.message)
        return dict(sorted(chosen.items()))

    def in_words(self) -> str:
        """Say in one line what is there and how much is wrong."""
        classes = len(next(iter(self.counts.values()), {}))
        photos = "photo" if self.total == 1 else "photos"
        there = f"{self.total:,} {photos} in {classes} {'class' if classes == 1 else 'classes'}"
        if not self.findings:
            return f"{there}: no problems found."
        numbers = Counter(KINDS[finding.kind].severity for finding in self.findings)
        words = {"severe": "severe", "warning": "warnings", "note": "notes"}
        parts = [
            f"{number:,} {words[severity] if number > 1 else severity}"
            for severity in ("severe", "warning", "note")
            if (number := numbers[severity])
        ]
        return f"{there}: {', '.join(parts)}."

    def to_dict(self, *, suspects: bool = False) -> dict[str, Any]:
        """Return the inspection as JSON types: sound, photos, counts, findings, exclude, ...

        suspects: whether "exclude" holds the photos whose label only looks wrong.
        """
        return {
            "sound": self.is_sound,
            "photos": self.total,
            "counts": {split: dict(of_class) for split, of_class in self.counts.items()},
            "findings": [finding.to_dict() for finding in self.findings],
            "exclude": list(self.exclude(suspects=suspects)),
            "suspects": [finding.photos[0] for finding in self.findings if finding.suspicion],
            "left_out": self.left_out,
            "notes": list(self.notes),
        }
