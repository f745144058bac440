"""Photos and answers in object stores: an S3 server and a Hub on loopback."""

import os
import subprocess
import sys
import tarfile

import pytest
from conftest import make_split
from loopback_hub import LoopbackHub
from pyarrow import parquet
from pyarrow.fs import S3FileSystem

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

KEYS = {"AWS_ACCESS_KEY_ID": "cook", "AWS_SECRET_ACCESS_KEY": "fruit", "AWS_DEFAULT_REGION": "x-1"}


def predict(environment, *given, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "foodvision", "predict", *map(str, given)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == status, done.stderr
    return done


@pytest.fixture(scope="module")
def expected(fruit_checkpoint, tmp_path_factory):
    """The photos, and one machine's label and confidence by place within their folder."""
    place = tmp_path_factory.mktemp("here")
    photos = make_split(place / "my photos 100%", 2)
    predict({}, photos, "--model", fruit_checkpoint, "--parquet", place / "here.parquet")
    rows = parquet.read_table(place / "here.parquet").to_pylist()
    return photos, {
        os.path.relpath(row["path"], photos): (row["label"], pytest.approx(row["confidence"]))
        for row in rows
    }


def answers(rows, base):
    assert {row["error"] for row in rows} == {None}
    return {row["path"].removeprefix(f"{base}/"): (row["label"], row["confidence"]) for row in rows}


@pytest.fixture(scope="module")
def s3():
    """The environment for a server with a bucket, and its file system."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in KEYS.items():
            patch.setenv(name, value)
        store = S3FileSystem(
            endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True
        )
        store.create_dir("food")
        yield KEYS | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}, store
    server.stop()


def test_s3_photos_and_shards_are_answered_into_s3(s3, expected, fruit_checkpoint, tmp_path):
    environment, store = s3
    photos, of_one_machine = expected
    shard = tmp_path / "shard.tar"
    with tarfile.open(shard, "w") as file:
        file.add(photos, ".")
    for path in (*sorted(photos.rglob("*.jpg")), shard):
        name = path.name if path == shard else f"my photos 100%/{path.relative_to(photos)}"
        with store.open_output_stream(f"food/{name}") as target:
            target.write(path.read_bytes())
    base, tar = "s3://food/my photos 100%", "s3://food/*.tar"
    to = ("--model", fruit_checkpoint, "--ray", "local", "--parquet", "s3://food/answers")
    predict(environment, base, tar, *to)
    rows = parquet.read_table("food/answers", filesystem=store).to_pylist()
    in_tar = [row for row in rows if "shard.tar" in row["path"]]
    assert answers([row for row in rows if row not in in_tar], base) == of_one_machine
    assert answers(in_tar, "s3://food/shard.tar") == of_one_machine
    predict(environment, base, tar, *to, "--resume")
    assert parquet.read_table("food/answers", filesystem=store).to_pylist() == rows


@pytest.mark.parametrize("address", ["s3://food/nothing", "s3://nobody/photos"])
def test_address_without_photos_is_one_line(s3, address, fruit_checkpoint, tmp_path):
    to = ("--ray", "local", "--parquet", tmp_path / "out")
    done = predict(s3[0], address, "--model", fruit_checkpoint, *to, status=2)
    assert done.stderr.startswith(f"foodvision: {address} cannot be read (")
    assert done.stderr.count("\n") == 1


def test_photos_of_a_dataset_on_the_hub(expected, fruit_checkpoint, tmp_path):
    photos, of_one_machine = expected
    files = {f"a/{path.relative_to(photos)}": path.read_bytes() for path in photos.rglob("*.jpg")}
    with LoopbackHub(tmp_path / "hub") as hub:
        hub.add("cook/photos", files, "dataset")
        base = "hf://datasets/cook/photos/a"
        to = ("--ray", "local", "--parquet", tmp_path / "out")
        environment = hub.environment(tmp_path / "home")
        predict(environment, base, "--model", fruit_checkpoint, *to)
    assert answers(parquet.read_table(tmp_path / "out").to_pylist(), base) == of_one_machine
