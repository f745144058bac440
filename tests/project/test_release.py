"""The steps of a release (`make release`), as far as they go without a network."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

import pytest
from conftest import EXAMPLES, REPOSITORY

import foodvision

pytestmark = pytest.mark.slow


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """The sdist, and the wheel that is built from it, as `python -m build` makes them."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(REPOSITORY))
    return folder


def test_package_index_takes_what_was_built(dist):
    names = sorted(path.name for path in dist.iterdir())
    version = foodvision.__version__
    assert names == [f"foodvision-{version}-py3-none-any.whl", f"foodvision-{version}.tar.gz"]
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()))


def test_wheel_has_every_file_of_the_package(dist):
    listed = run("git", "ls-files", "foodvision", "examples", cwd=REPOSITORY).split()
    wanted = {name.replace("examples/", "foodvision/bundled/examples/", 1) for name in listed}
    [wheel] = dist.glob("*.whl")
    assert wanted <= set(zipfile.ZipFile(wheel).namelist())


def test_sdist_has_no_file_that_git_does_not_have(dist):
    listed = set(run("git", "ls-files", cwd=REPOSITORY).split())
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - listed <= {"PKG-INFO"}


def test_wheel_answers_in_an_environment_of_its_own(dist, tmp_path):
    home = tmp_path / "environment"
    venv.create(home, with_pip=False, symlinks=os.name != "nt")
    python = str(home / ("Scripts" if os.name == "nt" else "bin") / "python")
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    [wheel] = dist.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site)
    run(*pip, str(wheel))
    # What the wheel needs is taken from here, behind the wheel itself.
    code = f"import sys; sys.path.append({sysconfig.get_path('purelib')!r}); import runpy; "
    code += "import foodvision; print(foodvision.__file__); sys.argv[0] = 'foodvision'; "
    code += "runpy.run_module('foodvision', run_name='__main__')"
    said = run(python, "-c", code, "predict", str(EXAMPLES / "pizza.jpg"), cwd=tmp_path)
    assert said.startswith(site)
    assert "pizza" in said
