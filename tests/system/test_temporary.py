import os
import signal
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import run_python

from foodvision.system.temporary import TemporaryFolder

HOLD = """
import sys, time
from foodvision.system.temporary import TemporaryFolder, unwound_by_signals
with unwound_by_signals(), TemporaryFolder("test") as folder:
    (folder / "photo.jpg").write_bytes(b"photo")
    print(folder, flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders are locked on POSIX systems")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An own temporary folder of the system, also for processes that a test starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holding(program=HOLD):
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    return process, Path(process.stdout.readline().strip())


def end(process):
    process.stdin.close()
    process.stdout.close()
    return process.wait()


def test_folder_is_private_empty_and_removed(place):
    with TemporaryFolder("archive") as folder:
        assert list(folder.iterdir()) == []
        (outer,) = place.iterdir()
        assert outer.name.startswith("foodvision-archive-")
        assert folder.is_relative_to(outer)
        assert stat.S_IMODE(outer.stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "deep").mkdir()
        (folder / "deep" / "photo.jpg").write_bytes(b"photo")
    assert list(place.iterdir()) == []


def test_folder_can_be_removed_twice(place):
    folder = TemporaryFolder("uploads")
    folder.remove()
    folder.remove()
    assert list(place.iterdir()) == []


def test_folder_of_a_process_that_ends_without_removing_it_is_removed(place):
    program = (
        "from foodvision.system.temporary import TemporaryFolder; kept = TemporaryFolder('test')"
    )
    run_python("-c", program, check=True)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_removes_the_folder(number, place):
    process, _ = holding()
    process.send_signal(number)
    assert end(process) == 128 + number
    assert list(place.iterdir()) == []


def test_folder_of_a_killed_process_is_removed_by_the_next(place):
    process, folder = holding()
    process.kill()
    end(process)
    assert (folder / "photo.jpg").exists()
    with TemporaryFolder("other"):
        assert not folder.parent.exists()


def test_folder_of_a_living_process_stays(place):
    process, folder = holding()
    with TemporaryFolder("test") as first, TemporaryFolder("test") as second:
        assert (folder / "photo.jpg").exists()
        assert first.is_dir()
        assert second.is_dir()
    assert end(process) == 0


def test_folder_stays_when_a_forked_process_ends(place):
    with TemporaryFolder("test") as folder:
        child = run_python("-c", FORK, check=True)
        assert folder.is_dir()
    assert child.stdout == "there\n"


FORK = """
import os
from foodvision.system.temporary import TemporaryFolder
folder = TemporaryFolder("test")
if child := os.fork():
    os.waitpid(child, 0)
    print("there" if folder.path.is_dir() else "gone")
"""


def test_what_others_call_foodvision_stays(place):
    (place / "foodvision-photos").mkdir()
    (place / "foodvision-photos" / "mine.jpg").write_bytes(b"photo")
    (place / "foodvision-notes").write_text("mine")
    (place / "target").mkdir()
    (place / "target" / ".foodvision-lock").touch()
    (place / "foodvision-link").symlink_to(place / "target")
    before = sorted(place.rglob("*"))
    with TemporaryFolder("test"):
        pass
    assert sorted(place.rglob("*")) == before


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_leftover_of_another_user_stays(place):
    leftover = place / "foodvision-test-abcdefgh"
    leftover.mkdir()
    (leftover / ".foodvision-lock").touch()
    os.chown(leftover, 12345, 12345)
    with TemporaryFolder("test"):
        assert leftover.is_dir()


def test_leftover_that_lost_its_files_is_removed(place):
    leftover = place / "foodvision-test-abcdefgh"
    leftover.mkdir()
    (leftover / ".foodvision-lock").touch()
    with TemporaryFolder("test"):
        assert not leftover.exists()
