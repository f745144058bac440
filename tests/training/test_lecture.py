"""The lecture's run: the command of its page, and the program that its figures come from."""

import json
import re
import runpy
import shlex
from dataclasses import asdict

import pytest
from conftest import REPOSITORY, SHARED, run_python

from foodvision.cli.main import main

PAGE = REPOSITORY / "docs" / "lecture.md"
PROGRAM = REPOSITORY / "benchmarks" / "lecture.py"


@pytest.fixture(scope="module")
def benchmark():
    return runpy.run_path(str(PROGRAM))


@pytest.fixture(scope="module")
def page():
    return PAGE.read_text()


def between_markers(page, name):
    (table,) = re.findall(rf"<!-- {name} -->\n(.*?)\n<!-- end of {name} -->", page, re.DOTALL)
    return table.splitlines()


@pytest.mark.slow
def test_command_of_the_page_is_what_the_benchmark_trains(classic, page, benchmark, tmp_path):
    command = shlex.split(re.search(r"python train\.py (pizza.*)", page)[1])
    shorter = " ".join(command[1:]).replace("--epochs 10", "--epochs 1")
    status = main(
        ["train", str(classic), *shorter.split(), "--device", "cpu", "--output", str(tmp_path)]
    )
    assert status == 0
    settings = json.loads((tmp_path / "config.json").read_text())
    expected = asdict(benchmark["LECTURE"]) | {"epochs": 1}
    assert settings == {name: value for name, value in expected.items() if name != "output"}
    assert json.loads((tmp_path / "figures.json").read_text())["n"] == 75


def test_tables_of_the_page_have_the_rows_of_the_benchmark(page, benchmark):
    head, _, constant, *rows = between_markers(page, "figures")
    assert head.startswith("| recipe | training photos | epochs | validation | test, n = 5 x 75 |")
    assert constant.startswith("| always sushi | | | | 41.3 |")
    names = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    ladder = [recipe.name for recipe in benchmark["LADDER"]]
    assert names[: len(ladder) + 1] == ["the lecture's own loop", *ladder]
    assert len(between_markers(page, "steps")) == len(ladder) - 1 + 2 + 2
    assert len(between_markers(page, "counting")) == 5


def test_figures_and_drawing_of_the_page_are_there(page):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", page):
        assert (PAGE.parent / path).exists(), path


@pytest.mark.slow
def test_benchmark_runs_on_a_few_photos(classic):
    before = PAGE.read_bytes()
    done = run_python(PROGRAM, "--data", SHARED, "--smoke", check=True)
    assert "| the lecture's own loop | 18 | 1 |" in done.stdout
    assert PAGE.read_bytes() == before


def test_averages_over_batches_are_told_from_counts_of_photos(benchmark):
    by_photos, by_batches = benchmark["_both_ways"]([(0, 32), (20, 32), (11, 11)])
    assert by_photos == pytest.approx(31 / 75)
    assert by_batches == pytest.approx((0 + 20 / 32 + 1) / 3)
