"""Tracking with the real trackers, each in a process of its own: they keep global state."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import asdict

import pytest
import yaml
from conftest import run_python
from runs_made import COMMAND, make_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from foodvision.cli.main import main
from foodvision.runs.record import write_start
from foodvision.training.config import TrainConfig

# A run of two epochs, with every way to another machine closed and warnings as errors. Trackers may
# talk to processes of their own, over loopback.
PROGRAM = """
import signal, socket, sys
from pathlib import Path

connect, look_up = socket.socket.connect, socket.getaddrinfo

def connect_here(self, address):
    if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1"):
        raise SystemExit(f"a call to the network: {address}")
    return connect(self, address)

def look_up_here(host, *arguments, **options):
    if host not in ("127.0.0.1", "::1", "localhost", None):
        raise SystemExit(f"a name was looked up: {host}")
    return look_up(host, *arguments, **options)

if __name__ == "__main__":
    socket.socket.connect, socket.getaddrinfo = connect_here, look_up_here

    from accelerate import PartialState
    from foodvision.training.tracking import open_tracker

    PartialState(cpu=True)  # as a training has it

    name, folder, ending, resume = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4]
    settings = {"model": "tinyvgg", "epochs": 2, "data": Path("x"), "learning_rate": None}
    tracker = open_tracker(name, folder, settings, resume=resume == "True")
    tracker.log({"epoch": 1, "stage": "head", "val_acc": 0.5, "val_loss": float("inf")}, 1)
    tracker.log({"epoch": 2, "stage": "head", "val_acc": 0.75, "val_loss": 0.25}, 2)
    if ending == "killed":
        signal.raise_signal(signal.SIGKILL)
    tracker.finish({"n": 15, "top1": 0.8, "per_class": {}} if ending == "finished" else {})
"""

# What trackio's own API says of its runs.
READER = """
import json, trackio
from trackio.sqlite_storage import SQLiteStorage

found = [
    {
        "name": run.name,
        "config": run.config,
        "logs": SQLiteStorage.get_logs("foodvision", run.name, run_id=run.id),
    }
    for run in trackio.Api().runs("foodvision")
]
print(json.dumps(found))
"""


@pytest.fixture
def environment(tmp_path):
    """A home of its own, and a token that a tracker might take to the Hub."""
    own = {"TRACKIO_DIR": str(tmp_path / "trackio"), "HF_TOKEN": "hf_not_a_token"}
    own |= {"HOME": str(tmp_path), "BROWSER": "true"}
    return os.environ | own


def track(name, folder, environment, ending="finished", *, resume=False):
    if not (folder / "run.json").exists():
        write_start(folder, asdict(TrainConfig()), "photos", COMMAND)
    program = folder / "program.py"  # a file, for trackers that start processes of their own
    program.write_text(PROGRAM)
    arguments = [name, str(folder), ending, str(resume)]
    command = [sys.executable, "-W", "error", str(program), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, cwd=folder)


def read_trackio(environment):
    done = run_python("-c", READER, env=environment, check=True)
    return json.loads(done.stdout)


def read_events(folder):
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {
        tag: [(event.step, event.value) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def plain(logs):
    return [{name: log[name] for name in log if name != "timestamp"} for log in logs]


def test_trackio_holds_epochs_figures_and_settings(tmp_path, environment):
    done = track("trackio", tmp_path / "one", environment)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    [run] = read_trackio(environment)
    assert run["name"] == "one"
    assert run["config"].items() >= {"model": "tinyvgg", "epochs": 2, "data": "x"}.items()
    assert plain(run["logs"]) == [
        {"step": 1, "val_acc": 0.5},
        {"step": 2, "val_acc": 0.75, "val_loss": 0.25},
        {"step": 2, "test_n": 15, "test_top1": 0.8},
    ]


@pytest.mark.slow
def test_trackio_tells_two_runs_of_one_name_apart(tmp_path, environment):
    track("trackio", tmp_path / "a" / "run", environment)
    track("trackio", tmp_path / "b" / "run", environment)
    assert [len(run["logs"]) for run in read_trackio(environment)] == [3, 3]


@pytest.mark.slow
def test_run_that_is_taken_up_again_goes_on_in_trackio(tmp_path, environment):
    track("trackio", tmp_path / "run", environment, "stopped")
    track("trackio", tmp_path / "run", environment, "finished", resume=True)
    assert [len(run["logs"]) for run in read_trackio(environment)] == [5]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="Windows has no such signal")
def test_run_that_is_killed_keeps_its_epochs_in_tensorboard(tmp_path, environment):
    done = track("tensorboard", tmp_path / "run", environment, "killed")
    assert done.returncode == -signal.SIGKILL
    assert read_events(tmp_path / "run")["val_acc"] == [(1, 0.5), (2, 0.75)]


def test_tensorboard_holds_epochs_figures_and_settings(tmp_path, environment):
    done = track("tensorboard", tmp_path / "one", environment)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert read_events(tmp_path / "one") == {
        "val_acc": [(1, 0.5), (2, 0.75)],
        "val_loss": [(2, 0.25)],
        "test_n": [(2, 15)],
        "test_top1": [(2, pytest.approx(0.8))],
    }
    [settings] = (tmp_path / "one" / "tensorboard").rglob("hparams.yml")
    assert yaml.safe_load(settings.read_text())["model"] == "tinyvgg"


@pytest.mark.slow
def test_wandb_writes_to_this_machine_alone_unless_its_own_settings_say_otherwise(
    tmp_path, environment
):
    done = track("wandb", tmp_path / "one", environment)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    [run] = (tmp_path / "one" / "wandb").glob("offline-run-*/run-*.wandb")
    assert b"tinyvgg" in run.read_bytes()

    online = track("wandb", tmp_path / "two", environment | {"WANDB_MODE": "online"})
    assert online.returncode != 0
    assert not list((tmp_path / "two").rglob("offline-run-*"))


def test_tracker_that_is_not_installed_is_named_by_the_command_line(
    fruit, tmp_path, monkeypatch, capsys
):
    run = make_run(tmp_path / "run", fruit)
    (run / "tensorboard").mkdir()
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    assert main(["runs", str(tmp_path), "--dashboard"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the package tensorboard: pip install '.[track]'" in line


def test_dashboard_without_tracked_runs_says_how_to_track(fruit, tmp_path, capsys):
    make_run(tmp_path / "run", fruit)
    assert main(["runs", str(tmp_path), "--dashboard"]) == 2
    assert capsys.readouterr().err == (
        "foodvision: no run was tracked: train with foodvision train PHOTOS --track trackio\n"
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no groups of processes")
@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_dashboard_answers_on_this_machine(name, tmp_path, environment):
    track(name, tmp_path / "runs" / "one", environment)
    settings = tmp_path / "runs" / "one" / "config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"track": name}))
    command = [
        sys.executable,
        "-u",
        "-m",
        "foodvision",
        "runs",
        str(tmp_path / "runs"),
        "--dashboard",
    ]
    with subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell starts what runs in the background deaf to Ctrl-C, and the tests may run there.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        start_new_session=True,  # so that Ctrl-C reaches it and its children, not the tests
    ) as shown:
        try:
            url = next(word for line in shown.stdout for word in line.split() if "http://" in word)
            url = url[url.index("http://") :].removesuffix("\033[0m")
            assert url.startswith(("http://127.0.0.1:", "http://localhost:"))
            with urllib.request.urlopen(url, timeout=30) as page:
                assert page.status == 200
        finally:
            os.killpg(shown.pid, signal.SIGINT)
            shown.communicate(timeout=30)
    assert shown.returncode in (0, 130)
