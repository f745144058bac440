"""docs/guides/formats.md is true: every row of its tables is a case here, and every case a row."""

import csv
import re
import tarfile
import zipfile
from importlib.util import find_spec

import numpy as np
import pytest
from conftest import COLOURS, REPOSITORY, make_photo
from test_depth import make_set, save_colour, save_float, save_png
from test_photos import fill

from foodvision.data import find_photos, find_white, open_photos, split_photos
from foodvision.errors import DataError

PAGE = (REPOSITORY / "docs" / "guides" / "formats.md").read_text("utf-8")
TWO = ("pizza/1.jpg", "pizza/2.jpg", "pizza/3.jpg", "sushi/1.jpg", "sushi/2.jpg", "sushi/3.jpg")


def rows_of(page):
    """Return first and second cell of every row of the tables, without heads."""
    lines = re.findall(r"^\|(.+)\|$", page, re.MULTILINE)
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)] for line in lines]
    ruled = [number for number, row in enumerate(rows) if set(row[0]) == {"-"}]
    heads = {number - 1 for number in ruled} | set(ruled)
    return {row[0]: row[1] for number, row in enumerate(rows) if number not in heads}


ROWS = rows_of(PAGE)
CASES = {}


def case(row):
    """Name the row of the page that a check stands for."""

    def take(check):
        CASES[row] = check
        return check

    return take


def names(row, column=0):
    """Return what a row has in code."""
    return re.findall(r"`([^`]+)`", (row, ROWS[row])[column])


def under(folder, files=TWO):
    return [f"{folder.rstrip('/')}/{name}" for name in files]


def read(source):
    with open_photos(source) as photos:
        return {split: len(of) for split, of in split_photos(photos).splits.items()}, photos


def told(source):
    with pytest.raises(DataError) as caught, open_photos(source) as photos:
        split_photos(find_white(photos))
    return str(caught.value)


def test_every_row_of_the_page_is_a_case_and_every_case_a_row():
    assert list(CASES) == list(ROWS)


@case("`pizza/`, `steak/`")
def classes_alone(row, folder):
    fill(folder, *(f"{name}{number}.jpg" for name in names(row) for number in range(5)))
    found, photos = read(folder)
    assert found == {"train": 6, "val": 2, "test": 2}
    assert photos.classes == ("pizza", "steak")


@case("`train/pizza/`, `test/pizza/`")
def splits_above(row, folder):
    usual = names(row, 1)
    assert len(usual) == 6
    for number, name in enumerate(("train/", "test/", *usual)):
        other = "test" if "train" in name.lower() else "train"
        fill(folder / str(number), *under(name.upper()), *under(other))
        assert set(find_photos(folder / str(number)).splits) >= {"train"}


@case("`학습용/`, `검증/`, `테스트/`, `训练集/`, `测试集/`, `学習/`, `テスト画像/`")
def splits_in_other_languages(row, folder):
    korean, chinese, japanese = names(row)[:3], names(row)[3:5], names(row)[5:]
    for number, folders in enumerate((korean, chinese, japanese)):
        fill(folder / str(number), *(file for name in folders for file in under(name)))
        found = find_photos(folder / str(number)).splits
        assert "train" in found
        assert len(found) == len(folders) > 1


@case("`data/food/train/`, `train/train/pizza/`, `seg_train/seg_train/`")
def splits_in_wrapping_folders(row, folder):
    for number, name in enumerate(names(row)):
        name = name.removesuffix("pizza/")
        files = [*under(name), *under(name.replace("train", "test"))]
        fill(folder / str(number), *files)
        assert set(find_photos(folder / str(number)).splits) == {"train", "test"}


@case("`pizza/train/`, `pizza/test/`")
def splits_inside_of_classes(row, folder):
    fill(folder, *(f"{c}/{s}/{c}{s}{n}.jpg" for c in "ab" for s in ("train", "test") for n in "12"))
    found, photos = read(folder)
    assert (found["test"], photos.classes) == (4, ("a", "b"))


@case("`bus/`, `car/`, `train/`, all with photos in them")
def class_called_like_a_split(row, folder):
    fill(folder, *(f"{name}{number}.jpg" for name in names(row) for number in range(3)))
    assert read(folder)[1].classes == ("bus", "car", "train")


@case("`seg_pred/` beside `seg_train/` and `seg_test/`")
def unlabelled_beside(row, folder):
    pred, train, test = names(row)
    fill(folder, f"{pred}1.jpg", *under(train), *under(test))
    assert "Left out: 1 beside the splits (seg_pred)" in find_photos(folder).in_words()


@case("`my_training/`, `our_test/`")
def words_of_splits_among_others(row, folder):
    fill(folder, *(f"{name}{number}.jpg" for name in names(row) for number in range(3)))
    assert "Rename splits to train, val and test" in told(folder)


@case("`train2017/`, `val2017/`, `trainA/`, `foodtest/` and no other folders")
def words_of_splits_with_more_to_them(row, folder):
    fill(folder, *(file for name in names(row) for file in under(name)))
    assert "Rename splits to train, val and test" in told(folder)


@case("`pizza/train/` and `pizza/test/` beside `ramen/` without them")
def splits_inside_of_some_classes(row, folder):
    fill(folder, *(f"{name}1.jpg" for name in names(row)))
    assert "Arrange all photos as" in told(folder)


@case("folders with the same subfolders: `prueba/pizza/`, `entrenamiento/pizza/`")
def same_folders_in_all_classes(row, folder):
    fill(folder, *(file for name in names(row) for file in under(name.partition("/")[0])))
    photos = read(folder)[1]
    assert photos.classes == ("entrenamiento", "prueba")
    assert "All classes contain the same folders (pizza, sushi)" in photos.in_words()


@case("a `test/` that lacks a class, or has one that `train/` lacks")
def splits_that_do_not_agree(row, folder):
    fill(folder, *under("train"), "test/pizza/4.jpg", "test/kimchi/5.jpg")
    with open_photos(folder) as photos:
        words = split_photos(photos).in_words()
    assert "test/ has no photos of sushi." in words
    assert "1 of a class that train/ lacks (test/kimchi/5.jpg)" in words


@case("greyscale, 16 bits of which 8, 10, 12 or 14 are used")
def depth_of_a_set(row, folder):
    for bits in (8, 10, 12, 14):
        photos = find_white(find_photos(make_set(folder / str(bits), save_png, 2**bits - 1)))
        assert photos.white == 2**bits - 1


@case("greyscale, all 16 bits used")
def full_depth(row, folder):
    photos = find_photos(make_set(folder, save_png, 65535))
    assert find_white(photos) == photos


@case("floating point (TIFF)")
def floats(row, folder):
    for white in (1, 255, 1023, 4095, 16383, 65535):
        made = make_set(folder / str(white), save_float, white, ".tif", count=1)
        assert find_white(find_photos(made)).white == white


@case("greyscale in which zero is white (TIFF)")
def inverted(row, folder):
    from test_depth import test_inverted_greys_are_turned_round as check

    check(np.uint16, folder)


@case("colour, 16 bits of which the set uses at most 14")
def dark_colours(row, folder):
    assert "Save them with 8 bits" in told(make_set(folder, save_colour, 16383))


@case("floating point beside 16-bit integers")
def mixed_depths(row, folder):
    make_set(folder, save_png, 4095)
    save_float(folder / "rings" / "float.tif", np.eye(8), 1)
    assert "Save them with 8 bits" in told(folder)


@case("DICOM")
def medical(row, folder):
    fill(folder, "lung/1.txt")
    (folder / "lung" / "1.txt").rename(folder / "lung" / "1.dcm")
    (folder / "lung" / "1.dcm").write_bytes(bytes(128) + b"DICM")
    assert "convert it to PNG first" in told(folder)


def photos_in(folder):
    for number, name in enumerate(TWO):
        make_photo(folder / name, COLOURS["kiwi"], number)
    return [folder / name for name in TWO]


def zip_of(folder, name="photos.zip", method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(folder / name, "w", method) as archive:
        for path in photos_in(folder / "in"):
            archive.write(path, path.relative_to(folder / "in"))
    return folder / name


@case("`.zip`")
def zipped(row, folder):
    assert read(zip_of(folder))[0] == {"train": 2, "val": 2, "test": 2}


@case("`.tar`, `.tar.gz`, `.tgz`, `.tar.bz2`, `.tbz2`, `.tar.xz`, `.txz`")
def tarred(row, folder):
    paths = photos_in(folder / "in")
    for name in names(row):
        how = next((how for how in ("gz", "bz2", "xz") if how[:2] in name), "")
        with tarfile.open(folder / f"photos{name}", f"w:{how}") as archive:
            for path in paths:
                archive.add(path, path.relative_to(folder / "in"))
        assert read(folder / f"photos{name}")[0]["test"] == 2


@case("`.tar.zst`, `.tzst`, `.zst`")
def zstandard(row, folder):
    for name in names(row):
        (folder / f"photos{name}").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
        said = told(folder / f"photos{name}")
        can = find_spec("compression.zstd") if find_spec("compression") else find_spec("zstandard")
        assert ("again as .tar.gz" in said) is not bool(can)


@case("encrypted `.zip`, `.zip` with Deflate64 or another method than deflate")
def zipped_otherwise(row, folder):
    content = bytearray(zip_of(folder, "locked.zip").read_bytes())
    for mark, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(mark), bytes(content)):
            content[found.start() + flags] |= 1
    (folder / "locked.zip").write_bytes(content)
    assert "unpack it with its password" in told(folder / "locked.zip")
    bzip2 = zip_of(folder, "bzip2.zip", zipfile.ZIP_BZIP2)
    assert "instead of deflate: unpack it and give the unpacked folder" in told(bzip2)


@case("`.rar`, `.7z`, `.alz`, `.egg`, parts of a split archive (`.z01`, `.zip.001`)")
def packed_by_others(row, folder):
    begins = {".rar": b"Rar!\x1a\x07\x01\0", ".7z": b"7z\xbc\xaf\x27\x1c", ".alz": b"ALZ\x01"}
    begins[".egg"] = b"EGGA"
    for name in names(row):
        (folder / f"photos{name}").write_bytes(begins.get(name, b"PK") + bytes(40))
        assert re.search(
            "unpack it and give the folder|unpacked folder", told(folder / f"photos{name}")
        )


@case("an archive that contains only other archives")
def archives_in_archives(row, folder):
    inner = zip_of(folder)
    with zipfile.ZipFile(folder / "outer.zip", "w") as archive:
        archive.write(inner, "photos.zip")
    assert "unpack it first" in told(folder / "outer.zip")


def list_of(folder, *rows, files=("pizza/1.jpg", "sushi/2.jpg")):
    fill(folder, *files)
    with (folder / "photos.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder / "photos.csv"


def labels_of(source):
    with open_photos(source) as photos:
        return [photo.label for of in photos.splits.values() for photo in of]


@case("path")
def columns_of_paths(row, folder):
    assert len(names(row, 1)) == 12
    for name in names(row, 1):
        rows = (("label", name.upper()), ("pizza", "pizza/1.jpg"))
        assert labels_of(list_of(folder / name, *rows)) == ["pizza"]


@case("label")
def columns_of_labels(row, folder):
    assert len(names(row, 1)) == 5
    for name in names(row, 1):
        rows = (("path", f" {name} "), ("pizza/1.jpg", "pizza"))
        assert labels_of(list_of(folder / name, *rows)) == ["pizza"]


@case("split (optional)")
def columns_of_splits(row, folder):
    for name in names(row, 1):
        rows = (("path", "label", name), ("pizza/1.jpg", "pizza", "test"))
        with open_photos(list_of(folder / name, *rows)) as photos:
            assert set(photos.splits) == {"test"}


@case("`pizza/1.jpg`")
def path_in_a_list(row, folder):
    assert labels_of(list_of(folder, ("path", "label"), ("pizza/1.jpg", "x"))) == ["x"]


@case("`pizza\\1.jpg`, `1.jpg`, `pizza/1`, `1`")
def path_that_ends_so(row, folder):
    for number, name in enumerate(names(row)):
        rows = (("path", "label"), (name, "x"))
        assert labels_of(list_of(folder / str(number), *rows)) == ["x"]
        told(list_of(folder / f"two {number}", *rows, files=("a/pizza/1.jpg", "b/pizza/1.jpg")))


@case('`"rice, fried"`')
def comma_in_a_label(row, folder):
    rows = (("path", "label"), ("pizza/1.jpg", "rice, fried"), ("sushi/2.jpg", "sushi"))
    assert labels_of(list_of(folder, *rows)) == ["rice, fried", "sushi"]


@case("`pizza\\|food`, or `pizza;food` where both are labels too")
def several_labels(row, folder):
    for sign in "|;":
        files = [f"{number}.jpg" for number in range(3)]
        labels = ("pizza", "food", f"pizza{sign}food")
        rows = (("path", "label"), *zip(files, labels, strict=True))
        assert "several labels in one cell" in told(
            list_of(folder / str(ord(sign)), *rows, files=files)
        )


@case("one column of 0 and 1 per class instead of a label")
def one_hot(row, folder):
    rows = (("path", "pizza", "sushi"), ("pizza/1.jpg", 1, 0), ("sushi/2.jpg", 0, 1))
    assert labels_of(list_of(folder / "one", *rows)) == ["pizza", "sushi"]
    told(list_of(folder / "both", *rows[:2], ("sushi/2.jpg", 1, 1)))


@case("no line of column names")
def no_head(row, folder):
    assert "path,label" in told(list_of(folder, ("pizza/1.jpg", "pizza"), ("sushi/2.jpg", "sushi")))


@pytest.mark.parametrize("row", [*CASES])
def test_page_is_true(row, tmp_path):
    CASES[row](row, tmp_path)
