"""Photos in shards: the same photos, splits, names and order as in a folder, nothing unpacked."""

import io
import json
import re
import tarfile

import pytest
from conftest import COLOURS, REPOSITORY, make_photo, make_split

from foodvision.data import (
    batches,
    check_source,
    drop_unreadable,
    exclude,
    find_photos,
    open_photos,
    split_photos,
    write_shards,
)
from foodvision.data.batches import Batches
from foodvision.data.loaders import photo_dataset
from foodvision.data.transforms import Square
from foodvision.errors import DataError, PhotoError
from foodvision.image import load_image
from foodvision.inspection.inspect import inspect_photos
from foodvision.preprocess import Preprocess
from foodvision.reports.inspection import write_exclude_list, write_inspection
from foodvision.system.storage import cache_folder

PAGE = (REPOSITORY / "docs" / "guides" / "shards.md").read_text("utf-8")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A folder of three classes, 12 photos each, and the same in shards of 10."""
    folder = make_split(tmp_path_factory.mktemp("plain") / "photos", 12)
    write_shards(find_photos(folder), folder.parent / "shards", 10)
    return folder, folder.parent / "shards"


@pytest.fixture(scope="module")
def jpeg(tmp_path_factory):
    return make_photo(tmp_path_factory.mktemp("one") / "1.jpg", COLOURS["kiwi"], 1).read_bytes()


def write_tar(path, files):
    """Write a tar: of each member its name, and its bytes or its header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, content in files:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
            file.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return path


def labelled(jpeg, *labels, ending="cls", folder=""):
    """Return members of a shard: photos 0.jpg, 1.jpg and so on, each with its label."""
    for number, label in enumerate(labels):
        yield f"{folder}{number}.jpg", jpeg
        if label is not None:
            yield (
                f"{folder}{number}.{ending}",
                label if isinstance(label, bytes) else label.encode(),
            )


def read(source):
    with open_photos(source) as photos:
        return photos


def told(source):
    with pytest.raises((DataError, PhotoError)) as caught, open_photos(source) as photos:
        split_photos(drop_unreadable(photos))
    message = str(caught.value)
    assert "\n" not in message
    return message


def as_bytes(image):
    """Return what tells one photo of a batch from another."""
    return image.numpy().tobytes()


def in_words(photos):
    return {
        split: [(photo.label, photo.path.name) for photo in of]
        for split, of in photos.splits.items()
    }


@pytest.mark.parametrize("has_splits", [False, True], ids=["carved", "named"])
def test_shards_give_the_photos_splits_and_order_of_the_folder(has_splits, plain, fruit, tmp_path):
    folder = fruit if has_splits else plain[0]
    with open_photos(folder) as photos:
        shards = write_shards(photos, tmp_path / "shards", 10)
    assert len(shards) == (6 + 2 if has_splits else 4)
    of_folder, of_shards = (
        split_photos(find_photos(folder)),
        split_photos(read(tmp_path / "shards")),
    )
    assert in_words(of_folder) == in_words(of_shards)
    assert of_folder.carved == of_shards.carved
    # So a run goes on with either.
    assert of_folder.fingerprint() == of_shards.fingerprint()
    for split, members in of_folder.splits.items():
        for one, other in zip(members, of_shards.splits[split], strict=True):
            assert load_image(one.path).tobytes() == load_image(other.path).tobytes()


def test_photos_are_mixed_over_shards_and_nothing_is_unpacked(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    _, shards = plain
    photos = read(shards)
    by_shard = {}
    for photo in photos.splits["all"]:
        shard, name = photos.name_of(photo.path).split("/", 1)
        by_shard.setdefault(shard, set()).add(photo.label)
        assert re.fullmatch(rf"{photo.label}/\d+\.jpg", name)
    assert len(by_shard) == 4
    assert by_shard["photos-00000.tar"] == set(COLOURS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("source", "count"),
    [("", 36), ("/*.tar", 36), ("/photos-{00001..00002}.tar", 20), ("/photos-00003.tar", 6)],
)
def test_folder_pattern_braces_and_one_shard(source, count, plain):
    name = f"{plain[1]}{source}"
    check_source(name)
    photos = read(name)
    assert len(photos.splits["all"]) == count
    assert "labels from .cls, classes.txt" in photos.in_words()


@pytest.mark.parametrize(
    "names",
    [
        ("food-train-0.tar", "food-train-1.tar", "food-validation-0.tar"),
        ("train/0.tar", "train/1.tar", "val/0.tar"),
        ("train-00000-of-00002.tar", "train-00001-of-00002.tar", "dev.tar"),
    ],
)
def test_splits_are_told_by_names_of_shards_or_folders(names, jpeg, tmp_path):
    for name in names:
        write_tar(tmp_path / name, labelled(jpeg, "kiwi", "tomato"))
    splits = read(tmp_path).splits
    assert {split: len(of) for split, of in splits.items()} == {"train": 4, "val": 2}


@pytest.mark.parametrize(
    ("members", "names"),
    [
        (("cls", ["1", "0"]), "classes.txt"),
        (("cls", ["1", "0"]), "dataset_info.json"),
        (("cls", ["tomato", "kiwi"]), None),
        (("txt", ["tomato\n", "kiwi\n"]), None),
        (("json", ['{"label": 1, "width": 5}', '{"label": 0}']), "classes.txt"),
        (("json", ['{"label": 1, "label_name": "tomato"}', '{"class": "kiwi"}']), None),
    ],
)
def test_labels_of_every_kind(members, names, jpeg, tmp_path):
    ending, labels = members
    write_tar(tmp_path / "0.tar", labelled(jpeg, *labels, ending=ending))
    if names == "classes.txt":
        (tmp_path / names).write_text("kiwi\ntomato\n")
    if names == "dataset_info.json":
        of_label = {"names": ["kiwi", "tomato"], "_type": "ClassLabel"}
        info = {"features": {"image": {"_type": "Image"}, "label": of_label}}
        (tmp_path / names).write_text(json.dumps(info))
    photos = read(tmp_path).splits["all"]
    assert [(photo.label, photo.path.name) for photo in photos] == [
        ("kiwi", "1.jpg"),
        ("tomato", "0.jpg"),
    ]


def test_folders_are_labels_where_no_file_is(jpeg, tmp_path):
    files = [("./kiwi/1.jpg", jpeg), ("tomato/1.PNG", jpeg), ("tomato/1.depth.npy", b"no photo")]
    write_tar(tmp_path / "0.tar", files)
    photos = read(tmp_path)
    assert in_words(photos) == {"all": [("kiwi", "1.jpg"), ("tomato", "1.PNG")]}
    assert "labels from folders" in photos.in_words()


def test_numbers_without_names_are_told(jpeg, tmp_path):
    write_tar(tmp_path / "0.tar", labelled(jpeg, "1", "0"))
    assert read(tmp_path).classes == ("0", "1")
    assert "no classes.txt with names for their numbers" in read(tmp_path).in_words()


def test_what_is_not_used_is_told(jpeg, tmp_path):
    files = [*labelled(jpeg, "kiwi", "tomato", None, "-1", ""), ("0.mask.png", jpeg)]
    write_tar(tmp_path / "train-0.tar", [*files, ("._0.jpg", b"a Mac's")])
    write_tar(tmp_path / "extra.tar", labelled(jpeg, "kiwi"))
    (tmp_path / "README.md").touch()
    photos = read(tmp_path)
    assert in_words(photos) == {"train": [("kiwi", "0.jpg"), ("tomato", "1.jpg")]}
    words = photos.left_out_in_words()
    assert "3 without a label (train-0.tar/2.jpg, train-0.tar/3.jpg, train-0.tar/4.jpg)" in words
    assert "1 beside another photo of the same key (train-0.tar/0.mask.png)" in words
    assert "1 hidden or system files (train-0.tar/._0.jpg)" in words
    assert "1 beside the splits (extra.tar)" in words
    assert "1 beside the shards (README.md)" in words


def test_tar_beside_class_folders_and_tar_of_class_folders_are_no_shards(plain, jpeg, tmp_path):
    make_split(tmp_path / "photos", 2)
    write_tar(tmp_path / "photos" / "old.tar", labelled(jpeg, "kiwi"))
    photos = read(tmp_path / "photos")
    assert len(photos.splits["all"]) == 6
    assert "old.tar" in photos.left_out_in_words()
    files = [(f"{label}/1.jpg", jpeg) for label in COLOURS]
    write_tar(tmp_path / "archive.tar", [*files, ("kiwi/1.txt", b"a sour fruit")])
    with open_photos(tmp_path / "archive.tar") as photos:
        assert photos.classes == tuple(sorted(COLOURS))
        assert not str(photos.root).startswith(str(tmp_path))  # it was unpacked


def link(kind):
    info = tarfile.TarInfo("0.jpg")
    info.type, info.linkname = kind, "/etc/passwd"
    return info


def pax(name, **headers):
    info = tarfile.TarInfo(name)
    info.pax_headers = headers
    return info


# What a shard holds, after two good photos, and what is said of it.
FAULTS = {
    "symbolic link": (
        [("0.jpg", link(tarfile.SYMTYPE))],
        "0.tar contains a link or device, '0.jpg'",
    ),
    "hard link": ([("0.jpg", link(tarfile.LNKTYPE))], "0.tar contains a link or device, '0.jpg'"),
    "device": ([("0.jpg", link(tarfile.CHRTYPE))], "0.tar contains a link or device, '0.jpg'"),
    "outside": ([("../2.jpg", b"")], "0.tar contains a path outside the archive, '../2.jpg'"),
    "absolute": ([("/etc/2.jpg", b"")], "0.tar contains a path outside the archive, '/etc/2.jpg'"),
    "too long": ([("x" * 300 + ".jpg", b"")], "0.tar contains a path that is too long"),
    "twice": ([("0.jpg", b"other")], "0.tar contains '0.jpg' twice: write the shard again"),
    "no text": (
        [("2.jpg", b""), ("2.cls", b"\xff\xfe")],
        "0.tar contains '2.cls', which cannot be read (",
    ),
    "no json": (
        [("2.jpg", b""), ("2.json", b"{")],
        "0.tar contains '2.json', which cannot be read (",
    ),
    "deep json": (
        [("2.jpg", b""), ("2.json", b"[" * 60_000)],
        "0.tar contains '2.json', which cannot be read (",
    ),
    "long label": (
        [("2.jpg", b""), ("2.cls", b"x" * 300)],
        "0.tar contains 2.cls, which is text but not a label",
    ),
    "no such class": (
        [("2.jpg", b""), ("2.cls", b"2")],
        "0.tar: 2.jpg has the label 2, but line 3 of {folder}/classes.txt is empty or missing",
    ),
    "backwards": ([("2.jpg", pax("2.jpg", size="-2048"))], "0.tar is damaged ("),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_hostile_or_odd_shard_is_one_line(fault, jpeg, tmp_path):
    members, words = FAULTS[fault]
    write_tar(tmp_path / "0.tar", [*labelled(jpeg, "0", "1"), *members])
    (tmp_path / "classes.txt").write_text("kiwi\ntomato\n")
    assert words.format(folder=tmp_path) in told(tmp_path)


def cut(shard):
    shard.write_bytes(shard.read_bytes()[:-12_000])


def begun_twice(shard):
    shard.write_bytes(shard.read_bytes() * 2)


def spoilt(shard):
    content = bytearray(shard.read_bytes())
    content[148:156] = b"0000000\0"  # the first header's checksum
    shard.write_bytes(content)


@pytest.mark.parametrize("spoil", [cut, begun_twice, spoilt])
def test_damaged_shard_is_one_line(spoil, jpeg, tmp_path):
    shard = write_tar(tmp_path / "0.tar", labelled(jpeg, *["kiwi", "tomato"] * 4))
    spoil(shard)
    assert f"{shard} is damaged (" in told(tmp_path)
    assert told(tmp_path).endswith("): copy or download it again")


def test_sparse_file_is_refused():
    sparse = REPOSITORY.parent / "shared" / "cases" / "archives" / "sparse.tar"
    assert "contains a link or device" in told(f"{sparse.parent}/spars*.tar")


def test_source_that_is_no_shards_says_what_would_be(jpeg, tmp_path):
    assert told(f"{tmp_path}/*.tar") == f"{tmp_path}/*.tar: no file matches this pattern"
    with pytest.raises(DataError, match="no file matches this pattern"):
        check_source(f"{tmp_path}/*.tar")
    write_tar(tmp_path / "a" / "0.tar", [("1.npy", b"no photo")])
    assert "the shards contain no photos: name each photo key.jpg" in told(tmp_path / "a")
    write_tar(tmp_path / "b" / "0.tar", [("1.jpg", jpeg)])
    assert "0.tar contains 1.jpg without a label: write its class into 1.cls" in told(
        tmp_path / "b"
    )
    write_tar(tmp_path / "c" / "0.tar", [("train/kiwi/1.jpg", jpeg)])
    assert "use this file alone as the source, which unpacks it" in told(tmp_path / "c")
    write_tar(tmp_path / "d" / "train-test.tar", labelled(jpeg, "kiwi"))
    assert "names more than one split, test and train: rename it" in told(tmp_path / "d")
    with tarfile.open(tmp_path / "e.tar.gz", "w:gz"):
        pass
    assert "but is not a shard" in told(f"{tmp_path}/e*")
    (tmp_path / "f").mkdir()
    (tmp_path / "e.tar.gz").rename(tmp_path / "f" / "0.tar.gz")
    assert "write shards as plain .tar" in told(tmp_path / "f")
    (tmp_path / "g" / "data").mkdir(parents=True)
    (tmp_path / "g" / "data" / "train-0.parquet").touch()
    for source in ("g", "g/data", "g/data/*", "g/data/train-0.parquet"):
        said = told(f"{tmp_path}/{source}")
        assert said.startswith(f"{tmp_path}/g/data/train-0.parquet is Parquet, ")
        assert f"use hf://{tmp_path}/g/data, which copies them to the cache" in said
    (tmp_path / "f" / "0.tar.gz").rename(tmp_path / "f" / "0.tar")
    assert "0.tar is compressed" in told(tmp_path / "f")
    assert "does not exist, but" in told(f"{tmp_path}/x-{{0..3}}.tar")
    assert "expands to over 100,000 shards" in told(f"{tmp_path}/{{0..9999999999}}.tar")


def test_damaged_photo_is_left_out_by_its_name_and_a_test_photo_stops(jpeg, tmp_path):
    good = list(labelled(jpeg, *["kiwi", "tomato"] * 3))
    write_tar(tmp_path / "train-0.tar", [*good, ("bad.jpg", jpeg[:900]), ("bad.cls", b"kiwi")])
    photos = drop_unreadable(read(tmp_path))
    assert "1 unreadable (train-0.tar/bad.jpg)" in photos.left_out_in_words()
    write_tar(tmp_path / "test-0.tar", [("bad.jpg", jpeg[:900]), ("bad.cls", b"kiwi")])
    assert told(tmp_path).startswith(f"{tmp_path}/test-0.tar/bad.jpg is truncated or damaged (")


def test_shard_that_shrinks_meanwhile_is_one_line(plain, tmp_path):
    write_shards(find_photos(plain[0]), tmp_path / "shards", 100)
    photos = read(tmp_path / "shards").splits["all"]
    shard = tmp_path / "shards" / "photos-00000.tar"
    shard.write_bytes(shard.read_bytes()[:512])
    with pytest.raises(PhotoError, match="has changed since it was listed: start again"):
        load_image(photos[0].path)
    shard.unlink()
    with pytest.raises(PhotoError, match=r"photos-00000\.tar/blueberry/0\.jpg does not exist"):
        load_image(photos[0].path)


def test_index_is_kept_until_the_shard_changes(jpeg, tmp_path, monkeypatch):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "cache"))
    shard = write_tar(tmp_path / "0" / "0.tar", labelled(jpeg, "kiwi", "tomato"))
    before = read(shard.parent)
    (kept,) = (cache_folder() / "shards").iterdir()
    kept.write_text(kept.read_text().replace("kiwi", "lime"))
    assert read(shard.parent).classes == ("lime", "tomato")  # the index was read, not the shard
    kept.write_text("{")
    assert read(shard.parent) == before
    write_tar(shard, labelled(jpeg, "kiwi", "tomato", "plum"))
    assert read(shard.parent).classes == ("kiwi", "plum", "tomato")


def test_names_find_photos_again(plain, tmp_path):
    photos = read(plain[1])
    inspection = inspect_photos(photos, None)
    page = tmp_path / "page.html"
    write_inspection(page, inspection, photos.root, "shards", photos.paths())
    write_exclude_list(tmp_path / "exclude.txt", inspection, suspects=True)
    name = photos.name_of(photos.splits["all"][3].path)
    (tmp_path / "exclude.txt").write_text(f"{name}\n")
    left = exclude(photos, tmp_path / "exclude.txt")
    assert len(left.splits["all"]) == len(photos.splits["all"]) - 1
    assert f"1 excluded ({name})" in left.left_out_in_words()
    (tmp_path / "exclude.txt").write_text("photos-00000.tar/kiwi/99.jpg\n")
    with pytest.raises(DataError, match=r"has no photo .*: did you mean photos-0000\d\.tar/kiwi"):
        exclude(photos, tmp_path / "exclude.txt")


@pytest.fixture
def small_windows(monkeypatch):
    monkeypatch.setattr(batches, "_STRETCH", 4)
    monkeypatch.setattr(batches, "_WINDOW", 12)


@pytest.mark.parametrize("weights", [None, [1.0, 2.0, 3.0] * 12], ids=["in turn", "drawn"])
def test_large_sets_are_drawn_stretch_by_stretch_the_same_again(weights, plain, small_windows):
    photos = split_photos(read(plain[1]), val_share=0.1, test_share=0.1)
    dataset = photo_dataset(photos, "train", Square(Preprocess(size=8)))
    count = len(dataset)
    item_of = {as_bytes(image): item for item, (image, _) in enumerate(dataset)}
    of_items = weights and batches.torch.tensor(weights[:count])

    def made():
        return Batches(dataset, 5, seed=1, weights=of_items, transform_of=None)

    def drawn(loader):
        return [item_of[as_bytes(image)] for images, _ in loader for image in images]

    loader = made()
    first = drawn(loader)
    assert drawn(made()) == first
    assert drawn(loader) != first  # its second epoch
    if weights is None:
        assert sorted(first) == list(range(count))
    # Twelve draws in a row are of the five stretches of four that they can touch at most.
    as_they_lie = sorted(range(count), key=lambda item: dataset.samples[item][0])
    stretch = {item: place // 4 for place, item in enumerate(as_they_lie)}
    if weights is None:
        for start in range(0, count, 12):
            assert len({stretch[item] for item in first[start : start + 12]}) <= 5
    resumed = made()
    resumed.load_state_dict({"epoch": 0, "batch": 2})
    assert drawn(resumed) == first[10:]


def test_small_sets_are_drawn_as_from_a_folder(plain):
    folder, shards = (
        photo_dataset(read(source), "all", Square(Preprocess(size=8))) for source in plain
    )
    orders = [
        [as_bytes(image) for images, _ in Batches(dataset, 5, seed=1) for image in images]
        for dataset in (folder, shards)
    ]
    assert len(set(orders[0])) == 35  # no photo is like another
    assert orders[0] == orders[1]


def test_writing_shards(plain, jpeg, tmp_path):
    folder = tmp_path / "photos"
    for name in ("kiwi/a.b.jpg", "kiwi/a_b.jpg", "kiwi/a_b.JPG", "kiwi/phone", "tomato/1.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(jpeg)
    write_shards(find_photos(folder), tmp_path / "shards")
    photos = read(tmp_path / "shards")
    assert len(photos.splits["all"]) == 5
    assert photos.left_out == ()
    with pytest.raises(DataError, match="shards is not empty: choose another folder"):
        write_shards(find_photos(folder), tmp_path / "shards")


def test_page_is_true(plain, tmp_path, monkeypatch):
    (tmp_path / "photos").symlink_to(plain[0])
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    exec(block, {})  # the page's own lines
    assert len(read("shards").splits["all"]) == 36
