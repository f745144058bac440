"""`foodvision ... | head -1`: who reads may stop reading, and that is no error."""

import os
import subprocess
import sys

import pytest
from conftest import REPOSITORY, make_photo
from runs_made import make_run

from foodvision.cli.main import main
from foodvision.cli.progress import print_event
from foodvision.system.terminal import OutputClosed, guard_terminal
from foodvision.training.events import ClassesKnown


@pytest.fixture
def unread():
    """A pipe whose reader is gone. Tests set it themselves: pytest's own comes after fixtures."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


@pytest.mark.parametrize("arguments", [[], ["--help"]])
def test_process_ends_without_an_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    call = [sys.executable, "-m", "foodvision", *arguments]
    try:
        done = subprocess.run(call, cwd=REPOSITORY, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version"],
        ["train", "--help"],
        ["predict", "FOOD"],
        ["predict", "FOOD", "--json"],
        ["evaluate", "FOOD"],
        ["evaluate", "FOOD", "--json"],
        ["data", "FOOD"],
        ["data", "FOOD", "--json"],
        ["runs", "RUNS"],
        ["runs", "RUNS", "--json"],
        ["compare", "RUNS/old", "RUNS/new"],
        ["compare", "RUNS/old", "RUNS/new", "--json"],
    ],
    ids=" ".join,
)
def test_commands_that_print_much_end_quietly(
    arguments, fruit, tmp_path, unread, monkeypatch, capsys
):
    make_photo(tmp_path / "food" / "pizza" / "1.jpg", (200, 60, 40), seed=1)
    make_photo(tmp_path / "food" / "sushi" / "1.jpg", (240, 240, 240), seed=2)
    make_run(tmp_path / "runs" / "old", fruit, wrong=7)
    make_run(tmp_path / "runs" / "new", fruit, wrong=0)
    for name in ("FOOD", "RUNS"):
        place = str(tmp_path / name.lower())
        arguments = [argument.replace(name, place) for argument in arguments]
    monkeypatch.setattr(sys, "stdout", unread)
    with pytest.raises(OutputClosed) as ended:
        main(arguments)
    assert ended.value.code == 0
    assert "rror" not in capsys.readouterr().err
    print("this goes nowhere", flush=True)


def test_training_goes_on(unread, monkeypatch):
    monkeypatch.setattr(sys, "stdout", unread)
    guard_terminal()
    print_event(ClassesKnown("tinyvgg", ("kiwi",)))
    print("this goes nowhere", flush=True)


def test_closed_standard_error_does_not_stop_the_work(tmp_path, unread, monkeypatch):
    make_photo(tmp_path / "pizza.jpg", (200, 60, 40), seed=1)
    monkeypatch.setattr(sys, "stderr", unread)
    table = tmp_path / "predictions.csv"
    assert main(["predict", str(tmp_path), "nowhere.jpg", "--csv", str(table)]) == 1
    assert len(table.read_text().splitlines()) == 3
