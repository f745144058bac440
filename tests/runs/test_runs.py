"""What a run leaves behind, and how it is read back."""

import csv
import json
import math
import platform
import shutil
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from runs_made import CLASSES, COMMAND, ROWS, make_run, some_answers

import foodvision
from foodvision.data import find_photos
from foodvision.errors import RunError
from foodvision.evaluation.figures import measure
from foodvision.graph.session import Answers
from foodvision.runs.answers import JudgedPhoto, list_answers, typical_answers
from foodvision.runs.reading import find_runs, read_run
from foodvision.runs.record import write_answers, write_metrics, write_start
from foodvision.training.config import TrainConfig


@pytest.fixture
def run(fruit, tmp_path) -> Path:
    return make_run(tmp_path / "runs" / "fruit", fruit)


def test_run_is_read_back_as_it_was_written(run, fruit):
    record = read_run(run)
    photos = find_photos(fruit).splits["test"]
    answers, labels = some_answers(photos)
    assert record.name == "fruit"
    assert record.data == str(fruit)
    assert record.state == "finished"
    assert record.seconds == 15.25
    assert list(record.metrics) == ROWS
    assert record.figures == measure(answers.probabilities, labels, CLASSES)
    assert [answer.photo for answer in record.answers] == [
        photo.path.relative_to(fruit).as_posix() for photo in photos
    ]
    assert [answer.is_right for answer in record.answers] == [False] * 2 + [True] * 13
    assert record.answers[0].confidence == pytest.approx(0.92)
    assert record.answers[0].known_score == pytest.approx(0.9)


def test_settings_are_those_of_the_configuration_but_the_folder(run):
    settings = json.loads((run / "config.json").read_text())
    assert TrainConfig(**settings) == TrainConfig(model="efficientnet_lite0", epochs=3)
    assert "output" not in settings


def test_command_is_what_one_types(run):
    assert read_run(run).command_line == "foodvision train 'my photos' --epochs 3"


def test_system_and_versions_are_those_of_this_machine(run):
    record = read_run(run)
    assert record.system["python"] == platform.python_version()
    assert record.system["accelerator"] == "none"
    assert record.system["cpu_count"] >= 1
    assert record.system["memory_gb"] > 0
    assert record.versions["foodvision"] == foodvision.__version__
    assert record.versions["numpy"] == np.__version__


def test_metrics_are_a_table_for_every_program(run):
    with (run / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(ROWS[0])
    assert [float(row["val_loss"]) for row in rows] == [row["val_loss"] for row in ROWS]
    assert json.loads((run / "metrics.json").read_text()) == ROWS


def test_what_is_no_finite_number_is_left_out_of_the_metrics(run):
    write_metrics(run, [{"epoch": 1, "val_loss": math.inf}, {"epoch": 2, "val_acc": 0.5}])
    assert (run / "metrics.csv").read_text() == "epoch,val_loss,val_acc\n1,,\n2,,0.5\n"
    assert read_run(run).metrics[1] == {"epoch": 2, "val_loss": None, "val_acc": 0.5}


def test_run_that_goes_on_has_no_figures_yet(tmp_path):
    write_start(tmp_path / "new", asdict(TrainConfig()), "photos", COMMAND)
    record = read_run(tmp_path / "new")
    assert record.state == "running"
    assert record.figures is None
    assert record.judgement is None
    assert record.metrics == record.answers == ()


def test_figures_of_an_older_version_are_read(run):
    path = run / "figures.json"
    raw = json.loads(path.read_text())
    old = {name: raw[name] for name in ("n", "top1", "top1_interval", "top5", "macro_f1")}
    names = ("n", "precision", "recall", "f1")
    per_class = {
        label: {name: of[name] for name in names} for label, of in raw["per_class"].items()
    }
    path.write_text(json.dumps(old | {"per_class": per_class}))
    figures = read_run(run).figures
    assert figures.top1 == raw["top1"]
    assert figures.top1_interval == tuple(raw["top1_interval"])
    assert figures.ece is figures.macro_f1_interval is None
    assert figures.reliability == figures.confused == ()
    assert figures.per_class["kiwi"].precision_interval is None
    assert figures.per_class["kiwi"].recall_interval == tuple(
        raw["per_class"]["kiwi"]["recall_interval"]
    )


def test_odd_names_of_photos_and_classes_come_back(tmp_path):
    names = ['a,"b"/1.jpg', "crème brûlée/2\n.jpg", "寿司/3.jpg", "caf\udce9/4.jpg"]
    for name in names:
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True)
        path.touch()
    photos = find_photos(tmp_path / "photos").splits["all"]
    classes = sorted({photo.label for photo in photos})
    answers = Answers(np.eye(4, dtype=np.float32), np.ones(4, np.float32), np.ones((4, 1)))
    write_start(tmp_path, asdict(TrainConfig()), "photos", COMMAND)
    write_answers(tmp_path, list_answers(tmp_path / "photos", photos, classes, answers))
    found = read_run(tmp_path).answers
    assert sorted(answer.photo for answer in found) == sorted(names)
    assert all(answer.is_right for answer in found)


def test_runs_are_found_in_their_folder(run):
    write_start(run.parent / "another", asdict(TrainConfig()), "photos", COMMAND)
    (run.parent / "no run").mkdir()
    assert find_runs(run.parent) == [run.parent / "another", run]
    assert find_runs(run) == [run]


def test_folder_without_runs_says_how_to_make_one(tmp_path):
    with pytest.raises(RunError) as caught:
        find_runs(tmp_path)
    assert (
        str(caught.value) == f"{tmp_path} contains no runs: start one with foodvision train PHOTOS"
    )


def test_missing_folder_and_folder_that_is_no_run_are_told_apart(tmp_path):
    with pytest.raises(RunError, match=r"nowhere does not exist: foodvision runs lists your runs$"):
        read_run(tmp_path / "nowhere")
    with pytest.raises(RunError, match=r"is not a run: it has no run\.json$"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("run.json", "{", "is not JSON (EOF while parsing an object at line 1 column 1)"),
        ("run.json", "[]", "its content must be"),
        ("run.json", "{}", "data is missing"),
        (
            "run.json",
            {"state": "lost"},
            "state must be 'running', 'finished', 'stopped' or 'failed'",
        ),
        ("run.json", {"started": "today"}, "started must be a date and time, as 2026-11-30T10:00"),
        ("run.json", {"seconds": 10**400}, "seconds must be a number"),
        ("config.json", None, "cannot be read (No such file or directory)"),
        ("config.json", '{"model": []}', "model must be a text, a number, true, false or null"),
        ("metrics.json", "[1]", "0 must be an object"),
        ("metrics.json", '[{"val_acc": "all"}]', "0.val_acc must be a number from 0 to 1"),
        ("figures.json", '{"n": 1}', "top1 is missing"),
        ("answers.csv", "photo\n1.jpg\n", "not enough values"),
        ("answers.csv", "a,b,c,d,e\n1.jpg,a,b,much,0\n", "could not convert string to float"),
        ("answers.csv", "a,b,c,d,e\n1.jpg,a,b,2,0\n", "2.0 is not a confidence from 0 to 1"),
        ("answers.csv", "a,b,c,d,e\n1.jpg,a,b,1,nan\n", "nan is not finite"),
    ],
)
def test_spoiled_file_is_named_with_the_reason(run, name, content, reason):
    path = run / name
    if content is None:
        path.unlink()
    elif isinstance(content, dict):
        path.write_text(json.dumps(json.loads(path.read_text()) | content))
    else:
        path.write_text(content)
    with pytest.raises(RunError) as caught:
        read_run(run)
    message = str(caught.value)
    assert message.startswith(f"{path}: {reason}")
    assert message.endswith(f"; restore it, or delete {run}")
    assert "\n" not in message


def test_run_folder_stands_for_its_checkpoint(run, fruit_checkpoint):
    shutil.copytree(fruit_checkpoint, run / "checkpoint")
    assert foodvision.load(run).classes == CLASSES


def test_typical_answers_are_right_ones_of_middle_confidence_from_all_over_the_classes():
    answers = [
        JudgedPhoto(f"{label}/{at}.jpg", label, label if at else "other", at / 10, 0.0)
        for label in ("wrong", *(f"class {number:02}" for number in range(20)))
        for at in ((0,) if label == "wrong" else (0, 9, 5, 7))
    ]
    chosen = typical_answers(answers)
    assert [answer.confidence for answer in chosen] == [0.7] * 7
    assert [answer.label for answer in chosen] == [f"class {at:02}" for at in range(0, 20, 3)]
    assert typical_answers([]) == []
