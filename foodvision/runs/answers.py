"""What a model said of test photos, one by one, and what is told of that."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from foodvision.data import LabelledPhoto
from foodvision.data.names import relative_name
from foodvision.graph.session import Answers

_MISTAKES = 12
_TYPICAL = 8


class JudgedPhoto(NamedTuple):
    """A row of `answers.csv`: a test photo by its path in the photos' folder, label and answer."""

    photo: str
    label: str
    answer: str
    confidence: float
    known_score: float

    @property
    def is_right(self) -> bool:
        """Whether the answer is the label."""
        return self.answer == self.label


def list_answers(
    root: Path, photos: Sequence[LabelledPhoto], classes: Sequence[str], answers: Answers
) -> list[JudgedPhoto]:
    """Return the answers photo by photo.

    root: the photos' folder. classes: in the order of the answers' probabilities.
    """
    best = answers.probabilities.argmax(axis=1)
    confidence = answers.probabilities.max(axis=1)
    return [
        JudgedPhoto(relative_name(photo.path, root), photo.label, classes[index], sure, score)
        for photo, index, sure, score in zip(
            photos,
            best,
            confidence.round(6).tolist(),
            answers.known_score.round(6).tolist(),
            strict=True,
        )
    ]


def find_mistakes(answers: Iterable[JudgedPhoto]) -> list[JudgedPhoto]:
    """Return the wrong answers that the model was surest of, the surest first."""
    wrong = [answer for answer in answers if not answer.is_right]
    return sorted(wrong, key=lambda answer: -answer.confidence)[:_MISTAKES]


def typical_answers(answers: Iterable[JudgedPhoto]) -> list[JudgedPhoto]:
    """Return answers that show what a model is like: of at most eight classes one right one each.

    Of a class's right answers it is the one of middle confidence, which flatters nobody; of many
    classes they are spread over the alphabet.
    """
    by_class: dict[str, list[JudgedPhoto]] = {}
    for answer in answers:
        if answer.is_right:
            by_class.setdefault(answer.label, []).append(answer)
    names = sorted(by_class)
    spread = names[:: max(1, -(-len(names) // _TYPICAL))]
    groups = [sorted(by_class[name], key=lambda answer: answer.confidence) for name in spread]
    return [group[len(group) // 2] for group in groups]


def confusion_counts(answers: Iterable[JudgedPhoto]) -> dict[str, dict[str, int]]:
    """Return how often each label got each answer, without what never happened."""
    counts = Counter((answer.label, answer.answer) for answer in answers)
    confusion: dict[str, dict[str, int]] = {}
    for (label, found), times in sorted(counts.items()):
        confusion.setdefault(label, {})[found] = times
    return confusion
