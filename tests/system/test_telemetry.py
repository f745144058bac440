"""Nothing is reported to anybody: no file in an empty home, no socket but loopback's, no name."""

import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
from conftest import EXAMPLES, REPOSITORY, make_split

from foodvision.system.telemetry import SWITCHES

PIZZA = EXAMPLES / "pizza.jpg"
PYTHON = [sys.executable, "-c"]
PROGRAMS = {
    "package": [*PYTHON, f"import foodvision; foodvision.load().predict({str(PIZZA)!r})"],
    "command line": [sys.executable, "-m", "foodvision", "predict", str(PIZZA)],
    "inspection": [sys.executable, "-m", "foodvision", "data", "photos"],
    "training": [
        *(sys.executable, "-m", "foodvision", "train", "photos", "--epochs", "1"),
        *("--output", "run"),
    ],
    "page": [sys.executable, "app.py"],
}


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("inspection", "training")))
        for name in PROGRAMS
    ],
)
def test_no_program_tells_anybody_that_it_runs(name, tmp_path):
    make_split(tmp_path / "photos", 6)
    home = tmp_path / "home"
    home.mkdir()
    trace = tmp_path / "trace"
    known = {key: value for key, value in os.environ.items() if key not in SWITCHES}
    environment = known | {
        "HOME": str(home),
        "PYTHONPATH": str(REPOSITORY),
        "FOODVISION_CACHE": str(tmp_path / "cache"),
        "MPLCONFIGDIR": str(tmp_path / "fonts"),  # a list of fonts is a cache, no report
        "PYTHONUNBUFFERED": "1",
    }
    environment.pop("XDG_CACHE_HOME", None)
    watched = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmmsg", "-o", str(trace)]
    with subprocess.Popen(
        [*watched, *PROGRAMS[name]],
        cwd=REPOSITORY if name == "page" else tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        if name == "page":
            assert any("Serving at" in line for line in program.stdout)
            subprocess.run(["pkill", "-TERM", "-P", str(program.pid)], check=True)
        program.communicate(timeout=300)
    assert program.returncode in (0, -signal.SIGTERM)
    assert [path for path in home.rglob("*") if path.is_file()] == []
    assert reached(trace.read_text()) == set()


def reached(trace: str) -> set[str]:
    """The addresses beyond this machine that a program turned to."""
    addresses = re.findall(r'sin6?_port=htons\((\d+)\).*?inet_(?:addr|pton)\(.*?"([^"]+)"', trace)
    return {f"{host}:{port}" for port, host in addresses if host not in ("127.0.0.1", "::1")}


def test_variable_that_the_user_set_stays():
    names = dict.fromkeys(SWITCHES, "0")
    code = f"import foodvision, os; print([os.environ[name] for name in {list(names)}])"
    done = subprocess.run(
        [*PYTHON, code], env=os.environ | names, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(["0"] * len(names))


def test_security_page_lists_every_switch():
    text = (REPOSITORY / "docs" / "security.md").read_text("utf-8")
    assert [name for name in SWITCHES if f"`{name}`" not in text] == []


def test_ray_is_told_to_report_nothing_before_it_is_imported():
    pytest.importorskip("ray")
    code = (
        "import sys, foodvision.cluster; from ray._common.usage import usage_lib; "
        "print(usage_lib.usage_stats_enabled(), 'torch' in sys.modules)"
    )
    known = {key: value for key, value in os.environ.items() if key not in SWITCHES}
    done = subprocess.run([*PYTHON, code], env=known, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
