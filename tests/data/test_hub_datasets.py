"""The real datasets library: against a Hub on loopback, and on files of this disk."""

import hashlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow.parquet
import pytest
from conftest import run_python
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image

from foodvision.data import open_photos
from foodvision.data.hub_datasets import shrink
from foodvision.errors import DataError
from foodvision.image import load_image

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CLASSES = ["kiwi", "tomato"]


def photo(seed, size=(80, 64), kind="JPEG"):
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def write_rows(file, photos, labels, label=None, **columns):
    """Write a parquet file as `push_to_hub` does, with the columns' types in it."""
    rows = {"image": [{"bytes": content, "path": None} for content in photos], "label": labels}
    types = {"image": ImageFeature(), "label": label or ClassLabel(names=CLASSES)}
    file.parent.mkdir(parents=True, exist_ok=True)
    more = {name: values for name, (values, _) in columns.items()}
    types |= {name: kind for name, (_, kind) in columns.items()}
    Dataset.from_dict(rows | more, Features(types)).to_parquet(file)
    return file


def write_shards(folder):
    """Three shards of train, one of validation, four photos each."""
    for split, count in (("train", 3), ("validation", 1)):
        for shard in range(count):
            photos = [photo(100 * len(split) + 10 * shard + index) for index in range(4)]
            file = folder / "data" / f"{split}-{shard:05}-of-{count:05}.parquet"
            write_rows(file, photos, [0, 1, 0, 1])
    return folder


def read(source):
    with open_photos(source) as photos:
        return photos


def names_of(photos):
    return {
        split: sorted((photos.name_of(photo.path), photo.label) for photo in of)
        for split, of in photos.splits.items()
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class LoopbackHub(ThreadingHTTPServer):
    """Serves the files of one folder as the dataset cook/fruit, and cook/secret to nobody."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        self.held = None
        self.reached, self.released = Event(), Event()

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
        path = unquote(urlsplit(self.path).path)
        api, files = "/api/datasets/cook/fruit", f"/datasets/cook/fruit/resolve/{COMMIT}/"
        if path == f"{api}/revision/nowhere":
            self.answer(404, b"{}", {"X-Error-Code": "RevisionNotFound"})
        elif path.startswith(f"{api}/tree/{COMMIT}"):
            self.list_folder(path.removeprefix(f"{api}/tree/{COMMIT}").strip("/"))
        elif path.startswith((api, "/api/datasets/cook/secret")):
            self.answer(200, json.dumps({"id": path[14:], "sha": COMMIT, "siblings": []}).encode())
        elif path.startswith(files):
            self.give(path.removeprefix(files))
        elif path.startswith("/datasets/cook/secret"):
            self.answer(403, b"{}", {"X-Error-Code": "GatedRepo"})
        else:
            self.answer(401, b'{"error": "no"}', {"X-Error-Code": "RepoNotFound"})

    def list_folder(self, folder):
        inside = [name for name in self.server.files if name.startswith(f"{folder}/".lstrip("/"))]
        entries = [
            {"type": "file", "path": name, "size": len(self.server.files[name]), "oid": "0" * 40}
            for name in inside
        ]
        folders = {name.rpartition("/")[0] for name in inside} - {"", folder}
        entries += [{"type": "directory", "path": name, "oid": "0" * 40} for name in folders]
        missing = {} if entries else {"X-Error-Code": "EntryNotFound"}
        self.answer(200 if entries else 404, json.dumps(entries).encode(), missing)

    def give(self, name):
        if self.server.held and self.server.held in name:
            self.server.reached.set()
            self.server.released.wait()
        content = self.server.files.get(name)
        if content is None:
            self.answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})
            return
        headers = {"X-Repo-Commit": COMMIT, "ETag": hashlib.sha1(content).hexdigest()}
        if wanted := self.headers.get("Range"):
            first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            self.answer(206, content[first : last + 1], headers)
        else:
            self.answer(200, content, headers)

    def answer(self, status, content=b"", headers=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def hub(repository):
    server = LoopbackHub(repository)
    Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(hub, tmp_path):
    """Read sources in a fresh process that knows this Hub alone; it says a line for each."""
    program = """
import sys
from foodvision.data import open_photos
from foodvision.errors import FoodVisionError
for source in sys.argv[1:]:
    try:
        with open_photos(source) as photos:
            print(photos.in_words())
    except FoodVisionError as error:
        print(type(error).__name__, error)
"""

    def started(*sources, **environment):
        fresh = {
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        }
        return subprocess.Popen(
            [sys.executable, "-c", program, *sources],
            env=os.environ | fresh | environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    return started


@pytest.fixture
def say(start):
    def said(*sources, **environment):
        with start(*sources, **environment) as process:
            return process.stdout.read().splitlines()

    return said


def test_dataset_comes_from_the_hub_and_then_from_this_disk(hub, say, repository, cache):
    assert say("hf://cook/fruit") == ["2 classes, 16 photos. Left out: nothing."]
    hub.files = {}
    assert say("hf://cook/fruit", HF_HUB_OFFLINE="1") == [
        "2 classes, 16 photos. Left out: nothing."
    ]
    kept = read("hf://cook/fruit")
    assert kept.counts("train") == {"kiwi": 6, "tomato": 6}
    assert kept.counts("val") == {"kiwi": 2, "tomato": 2}
    assert kept.root.is_relative_to(cache)
    table = Dataset.from_parquet(str(repository / "data" / "train-00000-of-00003.parquet"))
    published = table.cast_column("image", ImageFeature(decode=False))[1]["image"]["bytes"]
    assert (kept.root / "train" / "tomato" / "00000-000001.jpeg").read_bytes() == published


@pytest.mark.slow
def test_download_that_was_killed_goes_on_and_is_not_used_before(hub, start, say):
    hub.held = "train-00001"
    with start("hf://cook/fruit") as process:
        assert hub.reached.wait(60)
        process.send_signal(signal.SIGKILL)
    (said,) = say("hf://cook/fruit", HF_HUB_OFFLINE="1")
    assert said.startswith("HubError hf://cook/fruit could not be downloaded (")
    (begun,) = (path for path in Path(os.environ["FOODVISION_CACHE"]).glob("*/*/train"))
    before = {path: path.stat().st_mtime_ns for path in begun.rglob("*.jpeg")}
    assert len(before) == 4
    hub.held = None
    hub.released.set()
    assert say("hf://cook/fruit") == ["2 classes, 16 photos. Left out: nothing."]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_dataset_that_the_hub_does_not_give_says_why(hub, say):
    hub.files["fruit.py"] = b"raise SystemExit"
    answers = say(
        "hf://cook/nothing", "hf://cook/fruit@nowhere", "hf://cook/secret", "hf://cook/fruit"
    )
    said = (
        "HubError hf://cook/nothing is not a public dataset on the Hub: ",
        "HubError hf://cook/fruit@nowhere has no such revision on the Hub: check the part after @",
        "HubError hf://cook/secret is gated: ",
        "DataError hf://cook/fruit cannot be read (Dataset scripts are no longer supported, "
        "but found fruit.py): try its Parquet files, at ",
    )
    assert all(map(str.startswith, answers, said)), answers
    assert len(answers) == len(said)


def test_hub_out_of_reach_says_so(say):
    (said,) = say("hf://cook/fruit", HF_ENDPOINT="http://127.0.0.1:9")
    assert said == (
        "HubError hf://cook/fruit could not be downloaded ([Errno 111] Connection refused): "
        "run the command again later, and it will continue"
    )


def test_folder_of_parquet_files_is_a_dataset_too(repository, monkeypatch):
    monkeypatch.chdir(repository)
    photos = read("hf://./data")
    assert {split: len(of) for split, of in photos.splits.items()} == {"train": 12, "val": 4}
    assert read(f"hf://{repository}/data") == photos


def test_photos_are_shrunk_on_the_way_if_a_side_is_given(tmp_path):
    photos = [photo(1, (200, 100)), photo(2, (100, 200), "PNG"), photo(3, (50, 40)), b"no photo"]
    file = write_rows(tmp_path / "rows" / "train.parquet", photos, [0, 0, 1, 1])
    kept = read(f"hf://{file.parent}?side=64").root / "train"
    assert load_image(kept / "kiwi" / "00000-000000.jpeg").size == (128, 64)
    assert load_image(kept / "kiwi" / "00000-000001.jpeg").size == (64, 128)
    assert (kept / "tomato" / "00000-000002.jpeg").read_bytes() == photos[2]
    assert (kept / "tomato" / "00000-000003.jpg").read_bytes() == b"no photo"
    whole = read(f"hf://{file.parent}").root / "train"
    assert (whole / "kiwi" / "00000-000000.jpeg").read_bytes() == photos[0]
    assert (whole / "kiwi" / "00000-000001.png").read_bytes() == photos[1]


def test_large_jpeg_is_shrunk_though_its_half_is_no_larger():
    small = shrink(photo(1, (1920, 1280)), 640)
    assert load_image(small).size == Image.open(io.BytesIO(small)).size == (960, 640)


def test_labels_may_be_texts_and_no_names_of_folders(tmp_path):
    labels = ["../mac/cheese", "pâté", "..", "x" * 300]
    content = [photo(seed) for seed in range(4)]
    file = write_rows(tmp_path / "rows" / "train.parquet", content, labels, Value("string"))
    photos = read(f"hf://{file.parent}")
    assert [photo.label for photo in photos.splits["train"]] == labels
    assert [
        photo.path.parent.relative_to(photos.root).as_posix() for photo in photos.splits["train"]
    ] == [
        "train/_mac_cheese",
        "train/pâté",
        "train/_",
        "train/" + "x" * 60,
    ]


def test_rows_without_photo_or_label_are_left_out(tmp_path):
    rows = Dataset.from_dict(
        {
            "image": [{"bytes": photo(1), "path": None}, None, {"bytes": photo(2), "path": None}],
            "label": [0, 1, -1],
        },
        Features({"image": ImageFeature(), "label": ClassLabel(names=CLASSES)}),
    )
    (tmp_path / "rows").mkdir()
    rows.to_parquet(tmp_path / "rows" / "train.parquet")
    write_rows(tmp_path / "rows" / "test.parquet", [photo(3)], [-1])
    photos = read(f"hf://{tmp_path / 'rows'}")
    assert names_of(photos) == {"train": [("train/kiwi/00000-000000.jpeg", "kiwi")]}
    assert photos.left_out_in_words() == (
        "Left out: 1 without a photo of its own (train/00000-000001), "
        "2 without a label (train/00000-000002, test/00000-000000)."
    )


def test_row_that_names_a_file_elsewhere_is_left_out(tmp_path):
    (tmp_path / "rows").mkdir()
    (tmp_path / "own.jpg").write_bytes(photo(1))
    (tmp_path / "rows" / "inside.jpg").write_bytes(photo(2))
    paths = [tmp_path / "own.jpg", tmp_path / "rows" / ".." / "own.jpg"]
    paths += [f"file://{tmp_path}/own.jpg::{tmp_path}/rows/inside.jpg", "http://127.0.0.1:9/a.jpg"]
    paths += [tmp_path / "rows" / "inside.jpg"]
    rows = {"image": [str(path) for path in paths], "label": [0] * len(paths)}
    types = Features({"image": ImageFeature(), "label": ClassLabel(names=CLASSES)})
    # The library's own to_parquet would go and look at the files.
    table = Dataset.from_dict(rows, types).data.table
    pyarrow.parquet.write_table(table, tmp_path / "rows" / "train.parquet")
    photos = read(f"hf://{tmp_path / 'rows'}")
    assert len(photos.left_out) == 4
    assert [photo.path.read_bytes() for photo in photos.splits["train"]] == [photo(2)]


def test_dataset_of_plain_files_is_read_too(tmp_path):
    files = {f"train/{label}/{index}.jpg": photo(index) for label in CLASSES for index in (1, 2)}
    for name, content in files.items():
        path = tmp_path / "rows" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    photos = read(f"hf://{tmp_path / 'rows'}")
    assert photos.counts("train") == {"kiwi": 2, "tomato": 2}
    assert {photo.path.read_bytes() for photo in photos.splits["train"]} == set(files.values())


def test_folder_that_changed_is_read_anew(tmp_path):
    file = write_rows(tmp_path / "rows" / "train.parquet", [photo(1), photo(2)], [0, 1])
    assert len(read(f"hf://{file.parent}").splits["train"]) == 2
    write_rows(file, [photo(3)], [0])
    (only,) = read(f"hf://{file.parent}").splits["train"]
    assert only.path.read_bytes() == photo(3)
    assert list(only.path.parents[2].rglob("*.jpeg")) == [only.path]


@pytest.mark.parametrize("damage", ["photo gone", "photo cut", "part spoiled", "plan spoiled"])
def test_cache_that_was_damaged_is_mended(damage, tmp_path):
    source = write_rows(tmp_path / "rows" / "train.parquet", [photo(1), photo(2)], [0, 1]).parent
    before = read(f"hf://{source}")
    if damage == "photo gone":
        before.splits["train"][0].path.unlink()
    elif damage == "photo cut":
        before.splits["train"][0].path.write_bytes(photo(1)[:100])
    elif damage == "part spoiled":
        (before.root / "parts" / "train-00000.json").write_text("{}")
    else:
        (before.root / "plan.json").write_text("[")
    after = read(f"hf://{source}")
    assert after == before
    assert [photo.path.read_bytes() for photo in after.splits["train"]] == [photo(1), photo(2)]


def test_columns_can_be_named(tmp_path):
    file = write_rows(
        tmp_path / "rows" / "train.parquet",
        [photo(1), photo(2)],
        [0, 1],
        thumbnail=([photo(3), photo(4)], ImageFeature()),
        cuisine=(["nordic", "thai"], Value("string")),
        stars=([4, 5], Value("int64")),
    )
    kept = read(f"hf://{file.parent}?image=thumbnail&label=cuisine")
    assert kept.classes == ("nordic", "thai")
    assert kept.splits["train"][0].path.read_bytes() == photo(3)
    assert read(f"hf://{file.parent}?label=stars").classes == ("4", "5")
    assert read(f"hf://{file.parent}").classes == ("kiwi", "tomato")


def test_split_of_another_name_is_one_heap_or_left_out(tmp_path):
    write_rows(tmp_path / "data" / "everything-00000-of-00001.parquet", [photo(1)], [0])
    assert set(read(f"hf://{tmp_path}").splits) == {"all"}
    write_rows(tmp_path / "data" / "train-00000-of-00001.parquet", [photo(2)], [0])
    photos = read(f"hf://{tmp_path}")
    assert set(photos.splits) == {"train"}
    assert photos.left_out_in_words() == "Left out: 1 beside the splits (everything)."


def test_configuration_is_chosen_by_its_name(repository, tmp_path):
    folder = shutil.copytree(repository, tmp_path / "rows")
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: small\n  data_files: data/train-00000*\n"
        "- config_name: big\n  data_files: data/train-*\n---\n"
    )
    assert len(read(f"hf://{folder}?config=small").splits["train"]) == 4
    assert len(read(f"hf://{folder}?config=big").splits["train"]) == 12
    with pytest.raises(DataError) as caught:
        read(f"hf://{folder}")
    assert str(caught.value).startswith(
        f"hf://{folder} cannot be read (Config name is missing. Please pick one among the "
        "available configs: ['small', 'big']): "
    )


def make_odd(folder, kind):
    if kind == "two splits":
        for split in ("apples", "pears"):
            write_rows(folder / "data" / f"{split}-00000-of-00001.parquet", [photo(1)], [0])
    elif kind == "no columns":
        rows = Dataset.from_dict({"text": ["a"], "label": [0.5]})
        rows.to_parquet(folder / "train.parquet")
    elif kind == "no label":
        write_rows(folder / "train.parquet", [photo(1)], [0.5], Value("float64"))
    elif kind == "two labels":
        more = {name: ([0], ClassLabel(names=CLASSES)) for name in ("fine", "coarse")}
        write_rows(folder / "train.parquet", [photo(1)], ["x"], Value("string"), **more)
    elif kind == "no rows":
        write_rows(folder / "train.parquet", [photo(1)], [-1])
    elif kind == "damaged":
        (folder / "train.parquet").write_bytes(b"PAR1 is how it begins, but no more")


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (
            "two splits",
            "",
            (
                " has the splits apples, pears, but no train, val or test: choose another "
                "configuration with ?config=NAME"
            ),
        ),
        (
            "no columns",
            "",
            " has no image column; its columns are text, label: choose one with ?image=",
        ),
        (
            "no label",
            "",
            " has no label column; its columns are image, label: choose one with ?label=",
        ),
        ("no label", "?label=label", " has no label column label: its columns are image, label"),
        ("no label", "?image=photo", " has no image column photo: its columns are image, label"),
        (
            "two labels",
            "",
            " has 2 label columns; its columns are image, label, fine, coarse: choose one with ?",
        ),
        (
            "no rows",
            "",
            (
                " has no row with both a photo and a label: choose its columns with "
                "?image=COLUMN&label=COLUMN. Left out: 1 without a label (train/00000-000000)."
            ),
        ),
        ("damaged", "", " has a damaged file (Parquet magic bytes not found in footer. Either the"),
        ("empty", "", " contains nothing that the datasets library can read (The directory at"),
        (
            "no label",
            "?config=x",
            (
                " cannot be read (BuilderConfig 'x' not found. Available: ['default']): choose "
                "a configuration with ?config=NAME, or its Parquet files at "
                "@refs/convert/parquet"
            ),
        ),
    ],
)
def test_dataset_that_cannot_be_used_says_why(kind, options, message, tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    make_odd(folder, kind)
    source = f"hf://{folder}{options}"
    with pytest.raises(DataError) as caught:
        read(source)
    assert f"{source}{message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf://", " is not a dataset name: write hf://user/dataset"),
        ("hf://fruit", " is not a dataset name: write hf://user/dataset"),
        ("hf://cook/fruit/data", " is not a dataset name: write hf://user/dataset"),
        ("hf://./nowhere", ": the folder does not exist"),
        ("hf://./@main", " is a folder and has no revisions: leave out @main"),
        ("hf://cook/fruit?sid=320", ": unknown option 'sid': did you mean side?"),
        ("hf://cook/fruit?x=1", ": unknown option 'x': use config, side, image, label"),
        ("hf://cook/fruit?side=9", ": side 9 is out of range: 32 to 640 pixels"),
        ("hf://cook/fruit?side=", ": side  is out of range: 32 to 640 pixels"),
        ("hf://cook/fruit?side=big", ": side big is out of range: 32 to 640 pixels"),
    ],
)
def test_name_that_is_none_says_how_it_should_be(source, message):
    with pytest.raises(DataError) as caught:
        read(source)
    assert str(caught.value) == f"{source}{message}"


def test_disk_that_takes_no_more_says_the_ways_out(tmp_path, cache):
    source = write_rows(tmp_path / "rows" / "train.parquet", [photo(1, (400, 400))], [0]).parent
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(DataError) as caught:
            read(f"hf://{source}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (folder,) = (path for path in (cache / "datasets").iterdir() if path.is_dir())
    assert str(caught.value) == (
        f"hf://{source} cannot be stored in {folder} (File too large): free some space "
        "there, reduce the photos with ?side=320, or set FOODVISION_CACHE to another folder"
    )
    assert len(read(f"hf://{source}").splits["train"]) == 1


def test_what_is_kept_needs_neither_library_nor_client(tmp_path):
    source = write_rows(tmp_path / "rows" / "train.parquet", [photo(1)], [0]).parent
    read(f"hf://{source}")
    program = """
import sys
from foodvision.data import open_photos
with open_photos(sys.argv[1]) as photos:
    assert not {"datasets", "huggingface_hub", "pyarrow", "torch"} & set(sys.modules)
"""
    run_python("-c", program, f"hf://{source}", check=True)
