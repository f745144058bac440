"""Runs as training leaves them, made without training."""

from dataclasses import asdict
from pathlib import Path

import numpy as np

from foodvision.classifier import Answers
from foodvision.data import find_photos
from foodvision.evaluation.figures import measure
from foodvision.evaluation.judge import Judgement
from foodvision.runs.answers import list_answers
from foodvision.runs.record import (
    write_answers,
    write_figures,
    write_metrics,
    write_start,
    write_state,
)
from foodvision.training.config import TrainConfig

CLASSES = ("blueberry", "kiwi", "tomato")
COMMAND = ["foodvision", "train", "my photos", "--epochs", "3"]
ROWS = [
    {
        "epoch": epoch,
        "stage": "head" if epoch < 4 else "network",
        "train_loss": 1 / epoch,
        "train_acc": 1 - 0.5 / epoch,
        "val_loss": 1.1 / epoch,
        "val_acc": 1 - 0.6 / epoch,
        "learning_rate": 0.01 / epoch,
        "seconds": 2.5,
    }
    for epoch in range(1, 7)
]


def some_answers(photos, wrong=2):
    """Answers, and labels, that are the same but for the first photos: these get the next class."""
    labels = np.array([CLASSES.index(photo.label) for photo in photos])
    best = labels.copy()
    best[:wrong] = (best[:wrong] + 1) % len(CLASSES)
    rest = np.linspace(0.04, 0.3, len(photos), dtype=np.float32)
    probabilities = np.repeat(rest[:, None], len(CLASSES), axis=1)
    probabilities[np.arange(len(photos)), best] = 1 - 2 * rest
    known_score = np.linspace(0.9, 0.5, len(photos), dtype=np.float32)
    return Answers(probabilities, known_score, np.zeros((len(photos), 2), np.float32)), labels


def make_run(
    folder: Path,
    fruit: Path,
    *,
    wrong=2,
    config=TrainConfig(model="efficientnet_lite0", epochs=3),
    command=COMMAND,
) -> Path:
    """Write a run on the fruit, without a checkpoint; so many of its 15 answers are wrong."""
    photos = find_photos(fruit)
    answers, labels = some_answers(photos.splits["test"], wrong)
    write_start(folder, asdict(config), str(fruit), command, {"accelerator": "none"})
    write_metrics(folder, ROWS)
    write_answers(folder, list_answers(photos.root, photos.splits["test"], CLASSES, answers))
    write_figures(folder, Judgement(measure(answers.probabilities, labels, CLASSES)))
    write_state(folder, "finished", 15.25)
    return folder
