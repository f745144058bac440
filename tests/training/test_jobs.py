"""The script that trains on a machine of Hugging Face, and the command that sends it there.

The real client and the real script, against a Hub on loopback.
"""

import json
import os
import re
import shlex
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from threading import Thread

import pytest
from conftest import REPOSITORY
from huggingface_hub import HfApi
from loopback_hub import TOKEN
from loopback_hub import LoopbackHub as WholeHub
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import foodvision

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SCRIPT = REPOSITORY / "jobs" / "train_on_hub.py"


class LoopbackHub(ThreadingHTTPServer):
    """Takes jobs, and keeps what was sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.jobs = []

    @property
    def environment(self):
        return {
            "HF_ENDPOINT": f"http://127.0.0.1:{self.server_address[1]}",
            "HF_TOKEN": "hf_ours",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.answer({"name": "cook", "type": "user"})

    def do_POST(self):
        sent = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/jobs/cook":
            self.server.jobs.append(json.loads(sent))
            status = {"stage": "RUNNING", "message": None}
            owner = {"id": "1", "name": "cook", "type": "user"}
            self.answer({"id": "job-1", "status": status, "owner": owner})
        elif self.path.startswith("/api/buckets/cook/"):
            self.answer({"url": f"{self.server.environment['HF_ENDPOINT']}{self.path[4:]}"})
        else:
            self.answer({"warnings": [], "errors": []})

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def hub():
    server = LoopbackHub()
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(hub, tmp_path):
    """Run a program that knows this Hub alone."""

    def started(*command, **how):
        known = hub.environment | {"HF_HOME": str(tmp_path / "home")}
        done = run_with(known, *command, **how)
        assert done.returncode == 0, done.stderr
        return done

    return started


def run_with(environment, *command, **how):
    ours = {"PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        list(map(str, command)),
        env=os.environ | environment | ours,
        capture_output=True,
        text=True,
        check=False,
        **how,
    )


@pytest.fixture(scope="module")
def documented():
    """The command as docs/scaling.md tells it, with the client of this environment."""
    text = (REPOSITORY / "docs" / "scaling.md").read_text()
    (line,) = re.findall("^hf jobs uv run .*", text, re.MULTILINE)
    return [Path(sys.executable).with_name("hf"), *shlex.split(line)[1:]]


@pytest.fixture(scope="module")
def header():
    """What stands between `# /// script` and `# ///`, as PEP 723 reads it."""
    block = re.search(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$", SCRIPT.read_text())
    lines = block["content"].splitlines()
    return tomllib.loads("\n".join(line[2:] for line in lines))


def test_header_asks_for_extras_and_pythons_that_there_are(header):
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    (ours,) = map(Requirement, header["dependencies"])
    assert ours.name == project["name"]
    assert ours.url == "git+https://huggingface.co/spaces/you/foodvision"
    assert ours.extras == {"train", "datasets"} <= set(project["optional-dependencies"])
    # The script itself imports nothing that they do not bring.
    brought = [*project["dependencies"], *project["optional-dependencies"]["train"]]
    assert {"huggingface_hub", "torch"} <= {Requirement(line).name for line in brought}
    assert SpecifierSet(header["requires-python"]) == SpecifierSet(project["requires-python"])


def test_documented_command_stands_in_the_script_too(documented):
    words = " ".join(map(str, documented[1:]))
    assert words in " ".join(SCRIPT.read_text().replace("\\\n", " ").split())


def test_documented_command_is_understood_by_the_client(documented, start):
    options = [*documented[:4], "--dry-run", *documented[4:]]
    said = dict(
        line.split(maxsplit=1)
        for line in start(*options, cwd=REPOSITORY).stdout.splitlines()
        if line.startswith("  ")
    )
    labels = said.pop("labels")
    assert labels.startswith("name=train_on_hub-")
    assert said == {
        "script": "jobs/train_on_hub.py",
        "args": "hf://you/dishes you/dishes-model --preset best",
        "image": "ghcr.io/astral-sh/uv:python3.12-bookworm",
        "flavor": "l4x4",
        "timeout": "4h",
        "secrets": "HF_TOKEN=***",
    }


def test_job_is_sent_with_command_machine_and_token(documented, hub, start):
    # The script goes through a storage that a plain server cannot stand for; the rest is real.
    client = """
import sys
from huggingface_hub import HfApi
from huggingface_hub.cli.hf import main
HfApi.batch_bucket_files = lambda _, add, **how: print(*(name for _, name in add))
sys.exit(main())
"""
    options = [*documented[1:4], "--detach", *documented[4:]]
    done = start(sys.executable, "-c", client, *options, cwd=REPOSITORY)
    (job,) = hub.jobs
    assert job["command"] == [
        *("uv", "run", "/data/train_on_hub.py", "hf://you/dishes", "you/dishes-model"),
        *("--preset", "best"),
    ]
    assert job["dockerImage"] == "ghcr.io/astral-sh/uv:python3.12-bookworm"
    assert job["flavor"] == "l4x4"
    assert job["secrets"] == {"HF_TOKEN": "hf_ours"}
    assert job["timeoutSeconds"] == 4 * 3600
    (volume,) = job["volumes"]
    assert (volume["type"], volume["mountPath"]) == ("bucket", "/data")
    assert f"{volume['path']}/train_on_hub.py" in done.stdout


@pytest.mark.slow
def test_script_trains_and_uploads_checkpoint_and_run(fruit, whole_hub, tmp_path):
    whole_hub.create("cook/fruit").private = True
    earlier = {"run/state/a": b"old", "run/run.json": b"{}"}
    whole_hub.add("cook/fruit", earlier)
    options = ("--model", "tinyvgg", "--image-size", "32", "--epochs", "1", "--device", "cpu")
    done = train_on(whole_hub, tmp_path, fruit, "cook/fruit", *options)
    assert done.returncode == 0, done.stderr
    repository = whole_hub.repo("cook/fruit")
    files = set(repository.head.files)
    checkpoint = {"README.md", "config.json", "model.onnx", "model.safetensors"}
    run = {"config.json", "run.json", "metrics.csv", "figures.json", "answers.csv", "report.html"}
    assert checkpoint | {f"run/{name}" for name in run} <= files
    assert "run/state/a" not in files
    assert not any("checkpoint" in name or ".lock" in name for name in files)
    downloaded = repository.checkout(tmp_path / "downloaded")
    assert foodvision.load(downloaded).classes == ("blueberry", "kiwi", "tomato")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"config.json": b'{"model_type": "vit"}'}, "cook/fruit contains other files"),
        ({}, "cook/fruit already exists and is public"),
    ],
)
def test_what_a_job_would_overwrite_or_show_is_told_before_the_training(
    whole_hub, tmp_path, files, line
):
    whole_hub.create("cook/fruit").private = bool(files)
    head = whole_hub.add("cook/fruit", files).head.oid if files else None
    done = train_on(whole_hub, tmp_path, "hf://you/dishes", "cook/fruit")
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert head in (None, whole_hub.repo("cook/fruit").head.oid)
    assert not whole_hub.asked("POST|PUT")


@pytest.fixture
def whole_hub(tmp_path):
    with WholeHub(tmp_path / "hub") as hub:
        yield hub


def train_on(hub, folder, *arguments):
    known = hub.environment(folder / "home")
    return run_with(known, sys.executable, SCRIPT, *arguments, cwd=folder)


@pytest.fixture
def script():
    spec = spec_from_file_location("train_on_hub", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_nothing_of_an_earlier_run_stays_beside_the_new_one(
    script, whole_hub, tmp_path, monkeypatch
):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run" / "checkpoint").mkdir(parents=True)
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "checkpoint" / "config.json").write_text("{}")
    of_earlier = {"model.safetensors": b"old", "examples/a.jpg": b"old", "run/state/a": b"old"}
    whole_hub.add("cook/fruit", {"config.json": b"{}", "run/run.json": b"1", **of_earlier})
    script.keep(HfApi(whole_hub.url, token=TOKEN), "cook/fruit")
    kept = whole_hub.repo("cook/fruit").head.files
    assert set(kept) == {".gitattributes", "config.json", "run/run.json"}


def test_name_that_is_none_is_told_before_the_training(script, capsys):
    assert script.main(["hf://you/dishes", "you/dishes/model"]) == 2
    assert "'you/dishes/model' is not a valid repository name" in capsys.readouterr().err


def test_script_starts_a_process_a_device(script):
    assert script.program(0) == script.program(1) == [sys.executable, "-m", "foodvision"]
    assert script.program(4) == [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "4"),
        *("-m", "foodvision"),
    ]
    assert script.main(["hf://you/dishes"]) == 2
