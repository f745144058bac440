"""The real huggingface_hub client over HTTP, against a Hub on loopback that keeps one model."""

import hashlib
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from foodvision.hub import is_repo_id

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class LoopbackHub(ThreadingHTTPServer):
    """Serves the files of one folder as the model repository cook/fruit."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.refusal = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        if self.server.refusal:
            self.answer(*self.server.refusal)
        elif self.path.startswith("/api/models/cook/fruit/revision/nowhere"):
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif self.path.startswith("/api/models/cook/fruit/tree/"):
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": self.etag(content)}
                for name, content in self.server.files.items()
            ]
            self.answer(200, json.dumps(entries).encode())
        elif self.path.startswith("/api/models/cook/fruit"):
            siblings = [{"rfilename": name} for name in self.server.files]
            info = {"id": "cook/fruit", "sha": COMMIT, "siblings": siblings, "tags": []}
            self.answer(200, json.dumps(info).encode())
        elif self.path.startswith(f"/cook/fruit/resolve/{COMMIT}/"):
            content = self.server.files[self.path.rpartition("/")[2]]
            self.answer(200, content, {"X-Repo-Commit": COMMIT, "ETag": f'"{self.etag(content)}"'})
        else:
            self.answer(401, b'{"error": "no"}', {"X-Error-Code": "RepoNotFound"})

    @staticmethod
    def etag(content):
        return hashlib.sha1(content).hexdigest()

    def answer(self, status, content=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub(fruit_checkpoint):
    server = LoopbackHub(fruit_checkpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def load(hub, tmp_path):
    """Load a model in a fresh process that knows this Hub alone; return what it says."""
    program = """
import sys, foodvision
try:
    classifier = foodvision.load(sys.argv[1], revision=sys.argv[2] or None)
    print(*classifier.classes)
except foodvision.FoodVisionError as error:
    print(type(error).__name__, error)
"""

    def loaded(name="cook/fruit", revision="", **environment):
        fresh = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        done = subprocess.run(
            [sys.executable, "-c", program, name, revision],
            env=os.environ | fresh | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return loaded


def test_model_comes_from_the_hub_and_then_from_the_cache(hub, load):
    assert load() == "blueberry kiwi tomato"
    assert load(HF_HUB_OFFLINE="1") == "blueberry kiwi tomato"


def test_only_what_serving_reads_is_downloaded(load, tmp_path):
    load()
    snapshot = next((tmp_path / "home").rglob(f"snapshots/{COMMIT}"))
    assert sorted(path.name for path in snapshot.iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
    ]


def test_repository_that_is_not_there_says_so(load):
    assert load("cook/nothing") == (
        "HubError cook/nothing is no folder here, and no public repository on the Hub: "
        "check the name, or `hf auth login` for a private one"
    )


def test_revision_that_is_not_there_says_so(load):
    assert load(revision="nowhere") == (
        "HubError cook/fruit at revision nowhere is not on the Hub: check the revision"
    )


def test_gated_repository_says_how_to_get_in(hub, load):
    hub.refusal = (403, b"{}", {"X-Error-Code": "GatedRepo"})
    assert load() == (
        "HubError cook/fruit is gated: ask for access on its page, then `hf auth login`"
    )


def test_hub_that_fails_says_so(hub, load):
    hub.refusal = (418, b'{"error": "teapot"}', {})
    assert load().startswith(
        "HubError cook/fruit is no folder here and not in the cache, "
        "and the Hub did not give it (Client error '418"
    )


def test_hub_out_of_reach_with_an_empty_cache_says_so(load):
    said = load(HF_HUB_OFFLINE="1")
    assert said.startswith(
        "HubError cook/fruit is no folder here and not in the cache, and the Hub"
    )
    assert said.endswith("): try again later")


def test_repository_without_a_checkpoint_says_so(hub, load):
    hub.files = {"README.md": b"# no model"}
    assert "holds no checkpoint: it has no config.json" in load()


def test_spoiled_download_is_refused(hub, load):
    hub.files["model.onnx"] += b"\0"
    assert "model.onnx is not the file that config.json was written for" in load()


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("user/name", True),
        ("a.b/c-d_e", True),
        ("name", False),
        ("a/b/c", False),
        ("a b/c", False),
        ("./a", False),
    ],
)
def test_names_of_repositories_are_told_from_others(name, is_one):
    assert is_repo_id(name) is is_one
