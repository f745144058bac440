"""The lecture retold in a notebook, in English and in Korean."""

import subprocess
import sys

import nbformat
import pytest
from conftest import REPOSITORY

NOTEBOOKS = [REPOSITORY / "docs" / name for name in ("lecture.ipynb", "lecture.ko.ipynb")]


def cells(path, kind):
    notebook = nbformat.read(path, as_version=4)
    return [(cell.id, cell.source) for cell in notebook.cells if cell.cell_type == kind]


def test_notebooks_have_the_same_code_in_both_languages():
    english, korean = (cells(path, "code") for path in NOTEBOOKS)
    assert english == korean
    english, korean = (nbformat.read(path, as_version=4).metadata for path in NOTEBOOKS)
    assert english == korean
    ids = [[name for name, _ in cells(path, "markdown")] for path in NOTEBOOKS]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_says_how_to_install_and_open_it_as_its_page_does(path):
    lines = (REPOSITORY / "docs" / "lecture.md").read_text().splitlines()
    install = next(line for line in lines if line.startswith("pip install"))
    _, first = cells(path, "markdown")[0]
    assert "jupyterlab" in install.split()
    assert f"`{install}`" in first
    assert f"`jupyter lab docs/{path.name}`" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebook_is_stored_small_and_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert path.stat().st_size < 30_000


@pytest.mark.slow
def test_notebook_runs_from_top_to_bottom(classic):
    """The English one: the other has the same code."""
    program = [sys.executable, "-m", "pytest", "--nbmake", "--nbmake-timeout=900"]
    done = subprocess.run(
        [*program, "-p", "no:cacheprovider", str(NOTEBOOKS[0])],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
