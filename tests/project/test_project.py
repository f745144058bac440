"""What the project says of itself in several places is the same in all of them."""

import re
import subprocess
import sys
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import foodvision
from foodvision.checkpoint import read_checkpoint

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def requirements(lines):
    bare = (line.split("#")[0].strip() for line in lines)
    return {canonicalize_name(Requirement(line).name): Requirement(line) for line in bare if line}


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def readme():
    return (REPOSITORY / "README.md").read_text()


def test_requirements_are_what_the_package_needs(project):
    listed = requirements((REPOSITORY / "requirements.txt").read_text().splitlines())
    assert listed == requirements(project["dependencies"])


def test_newest_entry_of_the_changelog_is_this_version():
    headings = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == foodvision.__version__


def test_constraints_satisfy_every_range(project):
    pinned = requirements((REPOSITORY / "constraints.txt").read_text().splitlines())
    extras = project["optional-dependencies"]
    wanted = requirements([*project["dependencies"], *chain.from_iterable(extras.values())])
    for name, requirement in wanted.items():
        # The constraints are CI's, which runs Python 3.11.
        applies = requirement.marker is None or requirement.marker.evaluate(
            {"python_version": "3.11"}
        )
        if applies and name != "foodvision":
            (version,) = pinned[name].specifier
            assert requirement.specifier.contains(version.version), name


PAGES = [
    *REPOSITORY.glob("*.md"),
    *(REPOSITORY / "docs").rglob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_link_of_a_page_leads_somewhere(page):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
        assert (page.parent / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_every_command_of_a_page_is_there(page):
    text = page.read_text()
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE):
        assert f"\n{target}:" in makefile, target
    for line in re.findall(r"^(?:foodvision|python app\.py) [^#\n]*", text, re.MULTILINE):
        _, *words = line.replace("python app.py", "foodvision demo").split()
        command = next(word for word in words if not word.startswith("-"))
        for option in (word for word in words if word.startswith("--")):
            assert option.partition("=")[0] in help_of(command), line


@cache
def help_of(command):
    call = [sys.executable, "-m", "foodvision", command, "--help"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("korean", [False, True])
def test_readme_is_short(korean):
    lines = (REPOSITORY / ("README.ko.md" if korean else "README.md")).read_text().splitlines()
    assert len(lines) <= 105


def in_percent(figures, name):
    low, high = (100 * bound for bound in figures[f"{name}_interval"])
    return f"{100 * figures[name]:.1f} ({low:.1f} to {high:.1f})"


def test_figures_of_the_readme_are_the_checkpoints(readme):
    figures = read_checkpoint(Path(foodvision.__file__).parent / "bundled").config.figures
    for part in ("test_well_shown", "test_others"):
        of = figures[part]
        assert f"| {of['n']} | {in_percent(of, 'top1')} | {in_percent(of, 'top5')} |" in readme
    said = " ".join(readme.split())
    for words, share in (
        ('When it says "sure", it is right in {} of the cases', figures["certainty"]["sure"]),
        ("It recognises {} of 300 photos without food", figures["known"]["refused"]),
    ):
        percent = f"{100 * share['value']:.1f}%".replace(".0%", "%")
        assert words.format(percent) in said


def test_make_alone_lists_the_commands():
    done = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for command in ("demo", "test", "lint", "model"):
        assert re.search(rf"^{command} +\w", done.stdout, re.MULTILINE)


def test_no_file_is_larger_than_the_repository_takes():
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    paths = [REPOSITORY / name for name in listed.stdout.split("\0") if name]
    assert max(path.stat().st_size for path in paths if path.exists()) < 20_000_000


WORKFLOWS = sorted((REPOSITORY / ".github" / "workflows").iterdir())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_uses_actions_by_commit_and_names_its_permissions(workflow):
    text = workflow.read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        assert re.search(r"@[0-9a-f]{40}$", action), action
        assert re.match(r" # v\d", comment), action
    assert yaml.safe_load(text)["permissions"] == {"contents": "read"}


def test_commands_of_the_workflows_are_there():
    makefile = (REPOSITORY / "Makefile").read_text()
    for workflow in WORKFLOWS:
        for target in re.findall(r"make ([a-z-]+)", workflow.read_text()):
            assert f"\n{target}:" in makefile, target
