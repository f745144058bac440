"""What the project says of itself in several places is the same in all of them."""

import re
import subprocess
import sys
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


@pytest.fixture(scope="module")
def front_matter(readme):
    return yaml.safe_load(readme.split("---\n")[1])


def test_requirements_are_what_the_package_needs(project):
    listed = requirements((REPOSITORY / "requirements.txt").read_text().splitlines())
    assert listed == requirements(project["dependencies"])


def test_newest_entry_of_the_changelog_is_this_version():
    headings = re.findall(r"^## (\S+)", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == foodvision.__version__


def test_front_matter_is_a_spaces(front_matter):
    assert front_matter["sdk"] == "gradio"
    assert front_matter["app_file"] == "app.py"
    assert front_matter["python_version"] == "3.12"
    assert front_matter["license"] == "apache-2.0"
    assert len(front_matter["short_description"]) <= 60
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}
    assert {front_matter["colorFrom"], front_matter["colorTo"]} <= colours


def test_requirements_admit_the_spaces_gradio(front_matter, project):
    gradio = requirements(project["dependencies"])["gradio"]
    assert gradio.specifier.contains(str(front_matter["sdk_version"]))


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


def test_every_path_and_command_of_the_readme_is_there(readme):
    for path in re.findall(r"\]\((?!http)([^)#]+)\)", readme):
        assert (REPOSITORY / path).exists(), path
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"`?make ([a-z]+)", readme):
        assert f"\n{target}:" in makefile, target


def in_percent(figures, name):
    low, high = (100 * bound for bound in figures[f"{name}_interval"])
    return f"{100 * figures[name]:.1f} ({low:.1f} to {high:.1f})"


def test_figures_of_the_readme_are_the_checkpoints(readme):
    figures = read_checkpoint(Path(foodvision.__file__).parent / "bundled").config.figures
    for part in ("test_well_shown", "test_others"):
        of = figures[part]
        assert f"| {of['n']} | {in_percent(of, 'top1')} | {in_percent(of, 'top5')} |" in readme
    said = " ".join(readme.split())
    known, strange = figures["known"], figures["known_other_food"]
    for words, share in (
        ("{} of those called sure were right", figures["certainty"]["sure"]),
        ("{} of those called likely", figures["certainty"]["likely"]),
        ("{} of those called perhaps", figures["certainty"]["perhaps"]),
        ("It keeps {} of them as known", known["kept"]),
        ("refuses {} of 300 photos without food", known["refused"]),
        ("of 100 other dishes it refuses {}:", strange["refused"]),
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
