"""Predictions on a Ray cluster: equal to one machine's, whatever dies in the middle."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pyarrow
import pytest
from conftest import COLOURS, EXAMPLES, REPOSITORY, free_port, make_photo, make_split
from pyarrow import parquet

import foodvision
from foodvision.reports.rows import columns_of

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "foodvision"]


@contextmanager
def running_cluster():
    """Two nodes of a processor each; gives their address and what kills one of them."""
    program = [sys.executable, str(Path(__file__).with_name("ray_cluster.py"))]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(
        program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as cluster:
        try:
            address = cluster.stdout.readline().strip()
            assert address.startswith("127.0.0.2:")

            def kill(what):
                print(what, file=cluster.stdin, flush=True)
                assert cluster.stdout.readline() == "killed\n"

            yield address, kill
        finally:
            cluster.stdin.close()
            cluster.wait(60)


@pytest.fixture(scope="module")
def address():
    with running_cluster() as (address, _):
        yield address


def predict(*given, status=0):
    done = subprocess.run(
        [*COMMAND, "predict", *map(str, given)], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done


def rows_of(place: Path) -> dict[str, dict[str, object]]:
    rows = parquet.read_table(place).to_pylist()
    assert len({row["path"] for row in rows}) == len(rows)  # none twice
    return {row["path"]: row for row in rows}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for path, row in expected.items():
        for name, value in row.items():
            same = pytest.approx(value, abs=1e-5) if isinstance(value, float) else value
            assert found[path][name] == same, (path, name)


def pack(folder: Path, target: Path) -> Path:
    with tarfile.open(target, "w") as file:
        for path in sorted(folder.rglob("*.jpg")):
            file.add(path, path.relative_to(folder))
    return target


def test_answers_are_those_of_one_machine_row_by_row(address, fruit_checkpoint, tmp_path):
    photos = make_split(tmp_path / "photos", 40)
    (photos / "kiwi" / "1.jpg").write_text("no photo")
    (tmp_path / "empty").mkdir()
    pack(make_split(tmp_path / "more", 4, first_seed=50), tmp_path / "shard.tar")
    pattern = f"{photos}/tomato/*.jpg"
    given = [photos / "kiwi", photos / "blueberry", pattern, tmp_path / "missing.jpg"]
    given += [tmp_path / "empty", tmp_path / "shard.tar", "--model", fruit_checkpoint, "--top", 2]
    predict(*given, "--parquet", tmp_path / "one.parquet", status=1)
    done = predict(*given, "--parquet", tmp_path / "many", "--ray", address, status=1)
    expected = rows_of(tmp_path / "one.parquet")
    assert len(expected) == 134
    assert_same(rows_of(tmp_path / "many"), expected)
    assert done.stdout == f"{tmp_path / 'many'}: 134 photos, 3 unreadable\n"
    parts = sorted((tmp_path / "many").iterdir())
    assert len(parts) > 2
    assert [parquet.read_schema(part).names for part in parts] == [columns_of(2)] * len(parts)


@pytest.mark.parametrize("kind", ["bytes", "paths", "hub's images", "bytes without names"])
def test_parquet_of_bytes_or_paths(kind, address, fruit_checkpoint, tmp_path):
    names = sorted(make_split(tmp_path / "photos", 3).rglob("*.jpg"))
    contents = [path.read_bytes() for path in names]
    paths = [str(path) for path in names]
    table = {
        "bytes": {"image": contents, "path": paths},
        "paths": {"path": paths, "image_id": list(range(9))},
        "hub's images": {"image": [{"bytes": of, "path": "1.jpg"} for of in contents]},
        "bytes without names": {"jpg": contents, "label": [1] * 9},
    }[kind]
    parquet.write_table(pyarrow.table(table), tmp_path / "in.parquet", row_group_size=4)
    place = tmp_path / "out"
    given = [tmp_path / "in.parquet", "--model", fruit_checkpoint, "--ray", address]
    predict(*given, "--parquet", place)
    found = rows_of(place)
    classifier = foodvision.load(fruit_checkpoint)
    assert sorted(row["label"] for row in found.values()) == sorted(
        classifier.predict(path).label for path in paths
    )
    if kind in ("bytes", "paths"):
        assert sorted(found) == paths
    else:
        assert all(name.startswith(f"{tmp_path / 'in.parquet'}#") for name in found)
    predict(*given, "--parquet", place, "--resume")
    assert rows_of(place) == found


def test_addresses_are_read_as_folders_patterns_and_files(address, fruit_checkpoint, tmp_path):
    photos = make_split(tmp_path / "my photos 100%", 2)
    base = f"file://{photos}"
    given = [f"{base}/kiwi", f"{base}/tom*/*.jpg", f"{base}/blueberry/0.jpg"]
    out = tmp_path / "out"
    predict(*given, "--model", fruit_checkpoint, "--ray", address, "--parquet", f"file://{out}")
    expected = [
        f"{base}/blueberry/0.jpg",
        *(f"{base}/{of}/{n}.jpg" for of in ("kiwi", "tomato") for n in (0, 1)),
    ]
    assert sorted(rows_of(out)) == expected
    assert {row["error"] for row in rows_of(out).values()} == {None}


@pytest.mark.parametrize("what", ["worker", "node"])
def test_what_dies_in_the_middle_loses_nothing_and_doubles_nothing(what, tmp_path):
    photos = many_photos(tmp_path / "photos", 500)
    given = [photos, "--parquet", tmp_path / "one.parquet"]
    predict(*given)
    out = tmp_path / "many"
    with running_cluster() as (address, kill):
        command = [*COMMAND, "predict", photos, "--parquet", out, "--ray", address]
        with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE) as run:
            wait_for_a_part(out, run)
            kill(what)
            assert run.poll() is None
            assert run.wait(300) == 0
    assert_same(rows_of(out), rows_of(tmp_path / "one.parquet"))


def test_run_that_was_killed_is_resumed(address, tmp_path):
    photos = many_photos(tmp_path / "photos", 500)
    out = tmp_path / "many"
    given = [photos, "--parquet", out, "--ray", address]
    with subprocess.Popen(list(map(str, [*COMMAND, "predict", *given]))) as run:
        wait_for_a_part(out, run)
        run.kill()
    before = {part: part.read_bytes() for part in out.iterdir() if is_whole(part)}
    (out / f"{'0' * 32}_000000-0.parquet").write_bytes(b"PAR1 cut off")
    assert "already exists" in predict(*given, status=2).stderr
    assert "with this --top" in predict(*given, "--resume", "--top", 1, status=2).stderr
    predict(*given, "--resume")
    assert len(rows_of(out)) == 500
    assert before
    assert {part: part.read_bytes() for part in before} == before


def many_photos(folder: Path, count: int) -> Path:
    """Photos of many names, enough to take seconds."""
    folder.mkdir()
    examples = sorted(EXAMPLES.glob("*.jpg"))
    for number in range(count):
        (folder / f"{number:04}.jpg").symlink_to(examples[number % len(examples)])
    return folder


def wait_for_a_part(out: Path, run: subprocess.Popen) -> None:
    """Wait for a part that is whole: one that is still being written would be removed."""
    while not any(map(is_whole, out.glob("*.parquet"))):
        assert run.poll() is None
        with suppress(subprocess.TimeoutExpired):
            run.wait(0.02)


def is_whole(part: Path) -> bool:
    try:
        return parquet.read_metadata(part).num_rows > 0
    except pyarrow.ArrowInvalid:
        return False


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--csv", "a.csv"], "--csv cannot be used with --ray"),
        ([], "add --parquet DIR"),
        (["--parquet", "out"], "--ray 127.0.0.1:1: no Ray cluster found there"),
        (["--parquet", "out", "--ray", "local", "--ray-cpus", "9999"], "--ray-cpus 9999 exceeds"),
    ],
)
def test_wrong_call_is_one_line(options, said, tmp_path):
    photo = make_photo(tmp_path / "a.jpg", COLOURS["kiwi"], seed=1)
    given = [] if "--ray" in options else ["--ray", "127.0.0.1:1"]
    done = predict(photo, *given, *options, status=2)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_zip_is_refused_and_a_damaged_shard_is_named(address, tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK")
    (tmp_path / "a.parquet").write_text("no table")
    for name, said in (
        ("a.zip", "pack the photos as .tar"),
        ("a.parquet", "is not a Parquet file"),
    ):
        done = predict(tmp_path / name, "--ray", address, "--parquet", tmp_path / "out", status=2)
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


@contextmanager
def serving(*options, **environment):
    port = free_port()
    command = [*COMMAND, "serve", "--port", str(port), *map(str, options)]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert "Serving the API at" in server.stdout.readline()
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                yield client
        finally:
            server.send_signal(signal.SIGTERM)
        assert server.wait(60) == 0


def answers(client, fruit):
    """What a server says to photos, good and bad, and to wrong requests."""
    kiwi = make_photo(fruit / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    tomato = make_photo(fruit / "tomato.png", COLOURS["tomato"], seed=2).read_bytes()
    files = [("photo", ("k.png", kiwi)), ("photo", ("no.txt", b"no")), ("photo", ("t.png", tomato))]
    ask = client.post
    for response in (
        ask("/api/predict", content=kiwi, params={"top": 2}),
        ask("/api/predict", content=kiwi, params={"map": "true"}),
        ask("/api/predict", files=files),
        ask("/api/predict", content=b""),
        ask("/api/predict", content=b"no photo"),
        ask("/api/predict", content=kiwi, params={"top": "0"}),
        ask("/api/predict", content=kiwi, params={"model": "none"}),
        ask("/api/predict", content=kiwi, headers={"Origin": "https://evil.example"}),
        client.get("/api/predict"),
        client.get("/api/health"),
        client.get("/api/ready"),
        client.get("/api/health", headers={"Host": "evil.example"}),
        client.get("/api/openapi.json"),
    ):
        is_json = response.headers["content-type"] == "application/json"
        yield response.status_code, rounded(response.json() if is_json else response.text)


def rounded(content):
    return json.loads(json.dumps(content), parse_float=lambda digits: round(float(digits), 4))


def test_ray_serve_keeps_the_contract_of_the_api(address, fruit_checkpoint, tmp_path):
    options = ["--model", fruit_checkpoint, "--quiet"]
    with serving(*options) as plain, serving(*options, "--ray", address) as on_ray:
        assert list(answers(on_ray, tmp_path)) == list(answers(plain, tmp_path))


def test_photos_that_come_together_each_get_their_own_answer(address, fruit_checkpoint, tmp_path):
    labels = list(COLOURS) * 8
    photos = [make_photo(tmp_path / f"{n}.png", COLOURS[of], n) for n, of in enumerate(labels)]
    classifier = foodvision.load(fruit_checkpoint)
    with serving("--model", fruit_checkpoint, "--quiet", "--ray", address) as client:

        def ask(number):
            content, top = photos[number].read_bytes(), 1 + number % 3
            (answer,) = client.post("/api/predict", content=content, params={"top": top}).json()[
                "predictions"
            ]
            assert len(answer["top"]) == top
            return answer

        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(ask, range(len(photos))))
    for photo, answer in zip(photos, found, strict=True):
        expected = classifier.predict(photo)
        assert answer["label"] == expected.label
        assert answer["confidence"] == pytest.approx(expected.confidence, abs=1e-4)


def test_keys_keep_others_out_of_ray_too(address, fruit_checkpoint):
    options = ["--model", fruit_checkpoint, "--quiet", "--ray", address]
    with serving(*options, FOODVISION_API_KEYS="secret") as client:
        assert client.post("/api/predict", content=b"x").status_code == 401
        headers = {"Authorization": "Bearer secret"}
        assert client.post("/api/predict", content=b"x", headers=headers).status_code == 422
