"""Food-101 as torchvision lays it out, and torchvision's own download against loopback."""

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from conftest import COLOURS, make_photo, run_python
from test_photos import fill

from foodvision.data import open_photos
from foodvision.errors import DataError
from foodvision.image import load_image

LISTS = {
    "train": {"apple_pie": ["apple_pie/1", "apple_pie/2"], "waffles": ["waffles/3"]},
    "test": {"apple_pie": ["apple_pie/4"], "waffles": ["waffles/5"]},
}


def make_food101(root):
    """A small tree in the format of the real one; with both folders torchvision is content."""
    names = [name for lists in LISTS.values() for of in lists.values() for name in of]
    fill(root / "food-101" / "images", *(f"{name}.jpg" for name in names))
    (root / "food-101" / "meta").mkdir()
    for split, lists in LISTS.items():
        (root / "food-101" / "meta" / f"{split}.json").write_text(json.dumps(lists))
    return root


class Archive(BaseHTTPRequestHandler):
    """Answers as a proxy for whatever is asked: a file that is not Food-101."""

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.server.asked.append((self.command, self.path))
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(b"wrong")


@pytest.fixture
def proxy():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    server.asked = []
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def read(source):
    with open_photos(source) as photos:
        return photos


def test_photos_and_labels_are_torchvisions(tmp_path):
    from torchvision.datasets import Food101

    photos = read(f"food101:{make_food101(tmp_path)}")
    for seed, path in enumerate(tmp_path.rglob("*.jpg")):
        make_photo(path, COLOURS["kiwi"], seed)
    for split in ("train", "test"):
        theirs = Food101(tmp_path, split, download=True)
        ours = photos.splits[split]
        assert len(ours) == len(theirs)
        for photo, (image, index) in zip(ours, theirs, strict=False):
            assert np.array_equal(load_image(photo.path), image)
            assert photo.label == theirs.classes[index]
        assert list(photos.classes) == theirs.classes


def test_root_is_data_if_none_is_named(tmp_path, monkeypatch):
    make_food101(tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert read("food101").counts("train") == {"apple_pie": 2, "waffles": 1}


def test_folder_of_that_name_is_a_folder(tmp_path, monkeypatch):
    fill(tmp_path, "food101/pizza/1.jpg")
    monkeypatch.chdir(tmp_path)
    assert read("food101").classes == ("pizza",)


def test_photos_that_are_there_are_listed_without_torch(tmp_path):
    program = """
import sys
from foodvision.data import open_photos
with open_photos(sys.argv[1]) as photos:
    assert "torch" not in sys.modules
"""
    call = [sys.executable, "-c", program, f"food101:{make_food101(tmp_path)}"]
    subprocess.run(call, check=True)


def test_unpacking_that_was_cut_is_not_used(tmp_path):
    root = make_food101(tmp_path) / "food-101"
    (root / "images" / "waffles" / "5.jpg").unlink()
    with pytest.raises(DataError) as caught:
        read(f"food101:{tmp_path}")
    assert str(caught.value) == (
        f"{root} lacks 1 of its 5 photos, the first images/waffles/5.jpg: "
        f"remove {root} and run again"
    )


@pytest.mark.parametrize("content", ["{", "[]", '{"waffles": 5}', None])
def test_damaged_list_says_so(content, tmp_path):
    root = make_food101(tmp_path) / "food-101"
    file = root / "meta" / "test.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(DataError, match=r"test\.json cannot be read \(.+\): remove .*food-101 and"):
        read(f"food101:{tmp_path}")


def test_download_is_torchvisions_and_a_wrong_file_is_told(tmp_path, proxy):
    program = """
import sys
from foodvision.data import open_photos
from foodvision.errors import DataError
try:
    open_photos(sys.argv[1]).__enter__()
except DataError as error:
    print(error)
"""
    address = f"http://127.0.0.1:{proxy.server_address[1]}"
    done = run_python(
        "-c",
        program,
        f"food101:{tmp_path / 'big disk'}",
        env=os.environ | {"http_proxy": address, "no_proxy": "", "NO_PROXY": ""},
        check=True,
    )
    url = "http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz"
    assert ("GET", url) in proxy.asked
    assert done.stdout == (
        f"could not download Food-101 to {tmp_path / 'big disk'} (File not found or "
        f"corrupted.): put {url} there yourself, or give its folder as food101:FOLDER\n"
    )
