"""Tables fit a terminal of 80 columns, whatever classes are called, and stop after 30 of them."""

import io
from pathlib import Path

import numpy as np
import pytest
from conftest import make_photo
from rich.cells import cell_len

from foodvision.classifier import load
from foodvision.cli.main import main
from foodvision.cli.tables import (
    SHOW_ALL,
    comparison_table,
    console,
    figures_table,
    judgement_tables,
    photos_table,
    runs_table,
)
from foodvision.data import LabelledPhoto, Photos
from foodvision.evaluation.figures import measure
from foodvision.evaluation.judge import Judgement
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.compare import compare
from foodvision.runs.record import RunRecord

NAMES = (
    "a_very_long_class_name_of_a_dish_without_any_space_{:03}",
    "아주긴이름을가진한국음식의분류이름이여기에있습니다 {:03}",
    "🍕🍣🥩 pizza and sushi and steak on one plate 🍰 {:03}",
    "とても長い日本語の料理の名前がここに書いてあります{:03}",
    "short {:03}",
)
CLASSES = [NAMES[number % 5].format(number) for number in range(101)]


@pytest.fixture(scope="module")
def figures():
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(101), 2)
    probabilities = rng.dirichlet(np.ones(101), 202).astype(np.float32)
    probabilities[labels >= 40, labels[labels >= 40]] += 1  # the first 40 classes are hard
    return measure(probabilities / probabilities.sum(axis=1, keepdims=True), labels, CLASSES)


@pytest.fixture(autouse=True)
def in_terminal_of_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def show(table):
    """Return what the terminal shows of a table, and its lines."""
    terminal = console()
    terminal.file = io.StringIO()
    terminal.print(table)
    text = terminal.file.getvalue()
    assert max(map(cell_len, text.splitlines())) <= 80
    assert "…" not in text
    return text


def classes_in(text):
    """Which classes a table has: their numbers stay whole where their names fold."""
    return [number for number in range(101) if f"{number:03}" in text]


def test_figures_of_many_classes_are_of_the_least_accurate(figures):
    text = show(figures_table(figures, "run", SHOW_ALL))
    shown = classes_in(text)
    assert len(shown) == 30
    recalls = [of.recall for of in figures.per_class.values()]
    hidden = set(range(101)) - set(shown)
    assert max(recalls[n] for n in shown) <= min(recalls[n] for n in hidden)
    assert "The 30 least accurate of 101 classes. --all shows all.\n" in text
    assert "│ all " in text
    assert classes_in(show(figures_table(figures, "run"))) == list(range(101))


def test_all_that_was_judged_fits(figures):
    judgement = Judgement(figures)
    for table in judgement_tables(judgement, f"run on {'folder/' * 20}", SHOW_ALL):
        show(table)


def test_counts_of_many_classes_are_of_the_smallest():
    photos = tuple(
        LabelledPhoto(Path(f"{number}/{index}.jpg"), name)
        for number, name in enumerate(CLASSES)
        for index in range(1 + number)
    )
    found = Photos(Path(), {"train": photos, "val": photos, "test": photos}, carved=("val", "test"))
    text = show(photos_table(found, SHOW_ALL))
    assert classes_in(text) == list(range(30))
    assert "The 30 smallest of 101 classes. --all shows all.\n" in text
    assert "15453" not in text
    assert str(len(photos)) in text
    assert classes_in(show(photos_table(found))) == list(range(101))


def run_called(name, right=3):
    answers = tuple(
        JudgedPhoto(f"{number}.jpg", "pizza", "pizza" if number < right else "sushi", 0.9, 0.9)
        for number in range(9)
    )
    start = (Path("runs") / name, "photos", "2026-11-24T10:00:00", (), "finished", 3725, {})
    return RunRecord(*start, {}, {}, (), None, answers)


def test_runs_stop_after_30_of_them():
    records = [run_called(f"{NAMES[number % 4].format(number)}") for number in range(40)]
    text = show(runs_table(records, SHOW_ALL))
    assert classes_in(text) == list(range(30))
    assert "The first 30 of 40 runs. --all shows all.\n" in text
    assert classes_in(show(runs_table(records))) == list(range(40))
    assert "--all" not in show(runs_table(records[:30], SHOW_ALL))


@pytest.mark.parametrize("name", NAMES)
def test_comparison_shows_where_long_names_differ(name):
    text = show(comparison_table(compare(run_called(name.format(17)), run_called(name.format(88)))))
    heading = text.partition("│ n ")[0]
    assert {"7", "8"} <= set(heading)


def test_data_and_its_option_for_all(tmp_path, capsys):
    for number in range(31):
        make_photo(tmp_path / f"class {number:03}" / "1.jpg", (9 * number, 99, 50), seed=number)
    assert main(["data", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "The 30 smallest of 31 classes. --all shows all.\n" in out
    assert "- and 26 more. --all shows all." in out
    assert main(["data", str(tmp_path), "--all"]) == 0
    out = capsys.readouterr().out
    assert "shows all" not in out
    assert classes_in(out) == list(range(31))


@pytest.mark.slow
@pytest.mark.thorough
def test_evaluate_names_its_option_for_all(tmp_path, capsys):
    for number, name in enumerate(load().classes[:31]):
        make_photo(tmp_path / name / "1.jpg", (9 * number, 99, 50), seed=number, size=(32, 32))
    assert main(["evaluate", str(tmp_path)]) == 0
    assert "The 30 least accurate of 31 classes. --all shows all.\n" in capsys.readouterr().out
