"""Names and words of others do not reach the terminal as they are, whichever command shows them."""

import http.server
import io
import json
import os
import shutil
import subprocess
import sys
import threading

import pytest
from conftest import COLOURS, REPOSITORY, make_photo, make_split
from rich.console import Console
from rich.table import Table

from foodvision.cli.main import main
from foodvision.cli.tables import console
from foodvision.errors import UNPRINTABLE, DataError, FoodVisionWarning, printable
from foodvision.system.terminal import guard_terminal

TITLE = "\x1b]0;title\x07"
HOSTILE = f"a{TITLE}\x1b[31m\nfoodvision: all is well\r\x9b2J\u202egnp\u2066\u200f[red]b[/red]"
ESCAPED = (
    r"a\x1b]0;title\x07\x1b[31m\nfoodvision: all is well\r\x9b2J\u202egnp\u2066\u200f[red]b[/red]"
)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such file names")


def run(*arguments, **environment):
    """Run the real command line; nothing that it prints may harm a terminal or forge a line."""
    done = subprocess.run(
        [sys.executable, "-m", "foodvision", *map(str, arguments)],
        cwd=REPOSITORY,
        env=os.environ | environment,
        capture_output=True,
    )
    return harmless(done.stdout.decode(), done.stderr.decode())


def harmless(out, error):
    for line in (*out.split("\n"), *error.split("\n")):
        assert not UNPRINTABLE.search(line)
        assert not line.startswith("foodvision: all is well")
    return out, error


@pytest.fixture
def run_here(capsys):
    """Run the command line as `run` does, but in this process: it takes no start."""

    def ran(*arguments):
        main(list(map(str, arguments)))
        return harmless(*capsys.readouterr())

    return ran


def test_characters_that_are_escaped_and_those_that_stay():
    assert printable(HOSTILE) == ESCAPED
    for name in ("김치찌개", "crème brûlée", "👨\u200d👩\u200d👧", "क्\u200dष", "a\u3000b\\n"):
        assert printable(name) == name
    assert printable("\udcff\u2028\u200b") == r"\udcff\u2028\u200b"


@pytest.mark.parametrize("kind", [DataError, FoodVisionWarning])
def test_errors_and_warnings_are_one_line(kind):
    assert str(kind(f"{HOSTILE} is odd")) == f"{ESCAPED} is odd"


def test_photos_names_are_escaped(tmp_path, fruit_checkpoint):
    photo = make_photo(tmp_path / f"{HOSTILE.replace('/', '')} 김치.jpg", COLOURS["kiwi"], seed=1)
    (tmp_path / f"spoiled\x1b[2J\n{TITLE}.jpg").write_text("no photo")
    out, error = run("predict", tmp_path, "--model", fruit_checkpoint)
    assert out.startswith(f"{printable(photo)}: ")
    assert out.count("\n") == error.count("\n") == 1
    out, error = run("predict", tmp_path, "--model", fruit_checkpoint, "--json")
    first, second = map(json.loads, out.splitlines())
    assert first["path"] == str(photo)
    assert "김치" in out
    assert second["error"].startswith(rf"{tmp_path}/spoiled\x1b[2J\n")
    assert error == ""


def test_json_is_json_where_the_output_is_not_utf8(tmp_path, fruit_checkpoint):
    photo = make_photo(tmp_path / "café\u202e 김치.jpg", COLOURS["kiwi"], seed=1)
    out, _ = run(
        "predict", photo, "--model", fruit_checkpoint, "--json", PYTHONIOENCODING="latin-1"
    )
    assert json.loads(out)["path"] == str(photo)


def test_class_folders_names_are_escaped(tmp_path, fruit_checkpoint, run_here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    photos = make_split(tmp_path / "photos", 3)
    name = HOSTILE.replace("/", "")
    (photos / "kiwi").rename(photos / name)
    (photos / "tomato" / f"note\x1b{TITLE}\n.txt").touch()
    out, _ = run_here("data", photos)
    assert printable(name) in out
    assert r"note\x1b\x1b]0;title\x07\n.txt" in out
    _, error = run_here("evaluate", photos, "--model", fruit_checkpoint)
    assert r"\u202egnp" in error


def test_classes_of_a_checkpoint_are_escaped(tmp_path, fruit_checkpoint, run_here):
    shutil.copytree(fruit_checkpoint, tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace("kiwi", json.dumps(HOSTILE)[1:-1]))
    photo = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    for more in ((), ("--json",)):
        out, error = run_here("predict", photo, "--model", tmp_path / "model", *more)
        assert bool(out) != bool(error)


def test_names_in_settings_and_calls_are_escaped(tmp_path, run_here):
    name = HOSTILE.replace("/", "")
    (tmp_path / "settings.json").write_text(json.dumps({name: 1}))
    for call in (
        ("predict", tmp_path / name),
        ("train", tmp_path, "--config", tmp_path / "settings.json"),
        ("runs", tmp_path / name),
        ("evaluate", "hf://user/dataset@" + HOSTILE, "--split", name),
        (name,),
    ):
        out, error = run_here(*call)
        assert out == ""
        assert error.count("\n") == 1


@pytest.fixture
def hostile_hub():
    """The address of a Hub that refuses everything, with what it says."""

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            content = json.dumps({"error": HOSTILE}).encode()
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-HF-Warning", f"topic; {TITLE}")
            self.end_headers()
            self.wfile.write(content)

        do_HEAD = do_POST = do_GET

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_words_of_the_hub_are_escaped(hostile_hub, tmp_path):
    photo = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    _, error = run(
        *("predict", photo, "--model", "user/model"),
        HF_ENDPOINT=hostile_hub,
        HF_HOME=str(tmp_path / "home"),
        HF_TOKEN="hf_none",
    )
    *_, refusal = error.splitlines()  # the Hub's client may warn before it
    assert refusal.startswith(r"foodvision: user/model was refused by the Hub (a\x1b]0;title")


def test_tables_show_names_as_they_are_in_one_line():
    table = Table(HOSTILE, title=HOSTILE)
    table.add_row(HOSTILE)
    terminal = console()
    terminal.file, terminal.width = io.StringIO(), 200
    terminal.print(table, HOSTILE)
    assert terminal.file.getvalue().count(ESCAPED) == 4
    assert isinstance(terminal, Console)


PACKAGE = f"""
import logging, sys, warnings
from tqdm import tqdm
from foodvision.cli import main as cli
from foodvision.system.terminal import guard_terminal
cli.main(["predict"])
guard_terminal()
warnings.warn({HOSTILE!r})
logging.warning({HOSTILE!r})
sys.stderr.writelines([{HOSTILE!r}])
with tqdm([1], file=sys.stderr, desc="photos") as bar:
    bar.update()
print("\\x1b[1mbold\\x1b[0m", sys.stdout.isatty(), sys.stdout.encoding)
raise ValueError({HOSTILE!r})
"""


def test_other_packages_keep_colours_and_bars_and_nothing_else():
    done = subprocess.run([sys.executable, "-c", PACKAGE], cwd=REPOSITORY, capture_output=True)
    assert done.stdout.decode().lower() == "\x1b[1mbold\x1b[0m false utf-8\n"
    error = done.stderr.decode()
    assert "UserWarning: " + ESCAPED in error  # a warning is one line
    assert "\rphotos: 100%" in error
    assert error.count(r"a\x1b]0;title\x07") == 4
    for harm in ("\x1b]", "\x07", "\x9b", "\u202e", "\u2066", "\u200f"):
        assert harm not in error


def test_streams_are_guarded_once(capsys):
    guard_terminal()
    guarded = sys.stdout
    guard_terminal()
    assert sys.stdout is guarded
    print(f"{TITLE}shown")
    assert capsys.readouterr().out == r"\x1b]0;title\x07shown" + "\n"
