import os
import unicodedata
from collections import Counter

import pytest
from conftest import make_photo, make_split
from hypothesis import given, settings
from hypothesis import strategies as st

from foodvision.data import LabelledPhoto, carve, find_photos, split_photos
from foodvision.errors import DataError


def fill(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"a photo, by its name")
    return folder


def test_splits_and_classes_come_from_the_folders(tmp_path):
    fill(
        tmp_path,
        "train/pizza/1.jpg",
        "train/sushi/1.JPEG",
        "valid/pizza/2.png",
        "test/sushi/3.heic",
    )
    photos = find_photos(tmp_path)
    assert {split: len(members) for split, members in photos.splits.items()} == {
        "train": 2,
        "val": 1,
        "test": 1,
    }
    assert photos.classes == ("pizza", "sushi")
    assert photos.counts("test") == {"pizza": 0, "sushi": 1}


def test_class_folders_alone_are_one_heap(tmp_path):
    fill(tmp_path, "pizza/1.jpg", "sushi/1.jpg", "sushi/deeper/2.jpg", ".DS_Store")
    photos = find_photos(tmp_path)
    assert photos.left_out_in_words() == "Left out: 1 hidden or system files (.DS_Store)."
    assert set(photos.splits) == {"all"}
    assert photos.counts("all") == {"pizza": 1, "sushi": 2}


def test_folder_around_the_folders_does_not_matter(tmp_path):
    fill(tmp_path, "data/food/train/pizza/1.jpg", "data/food/train/sushi/1.jpg", "__MACOSX/x")
    (tmp_path / "data" / "food" / "README.md").touch()
    photos = find_photos(tmp_path)
    assert photos.counts("train") == {"pizza": 1, "sushi": 1}
    assert photos.left_out_in_words() == (
        "Left out: 1 hidden or system files (__MACOSX), 1 beside the splits (data/food/README.md)."
    )


def test_two_folders_for_one_split_are_an_error(tmp_path):
    fill(tmp_path, "train/pizza/1.jpg", "val/pizza/1.jpg", "valid/pizza/2.jpg")
    with pytest.raises(DataError, match="valid and val are both the split val: keep one of them"):
        find_photos(tmp_path)


def test_file_name_that_is_no_text_has_a_fingerprint(tmp_path):
    fill(tmp_path, "pizza/\udcff.jpg", "sushi/1.jpg")
    assert len(find_photos(tmp_path).fingerprint()) == 64


def test_class_name_that_is_no_text_can_be_carved_from(tmp_path):
    photos = [LabelledPhoto(tmp_path / f"{number}.jpg", "caf\udce9") for number in range(5)]
    stays, taken = carve(photos, 0.2, "seed")
    assert (len(stays), len(taken)) == (4, 1)


def test_what_is_left_out_is_told_in_one_line(tmp_path):
    fill(
        tmp_path,
        *("train/pizza/1.jpg", "train/pizza/.DS_Store", "train/pizza/notes.txt"),
        *("train/.ipynb_checkpoints/1.jpg", "__MACOSX/train/pizza/1.jpg", "train/sushi/1.jpg"),
        *("readme.md", "extra/1.jpg", "train/stray.jpg"),
    )
    (tmp_path / "train" / "steak").mkdir()
    photos = find_photos(tmp_path)
    assert photos.classes == ("pizza", "sushi")
    assert photos.left_out_in_words() == (
        "Left out: 3 hidden or system files (__MACOSX, train/.ipynb_checkpoints, "
        "train/pizza/.DS_Store), 2 beside the splits (extra, readme.md), 1 beside the class "
        "folders (train/stray.jpg), 1 not a photo (train/pizza/notes.txt), 1 empty class "
        "folder (train/steak)."
    )


def test_nothing_left_out_is_said_too(tmp_path):
    photos = find_photos(make_split(tmp_path, 1))
    assert photos.in_words() == "3 classes, 3 photos. Left out: nothing."


def test_folder_without_photos_says_how_it_should_look(tmp_path):
    fill(tmp_path, "photo.jpg")
    with pytest.raises(DataError, match="contains no photos in class folders: arrange them as"):
        find_photos(tmp_path)


def test_missing_splits_are_carved_from_every_class_by_seed(tmp_path):
    photos = find_photos(make_split(tmp_path, 10))
    one, same, other = (split_photos(photos, seed=seed) for seed in (1, 1, 2))
    assert one.carved == ("test", "val")
    assert {split: set(one.counts(split).values()) for split in one.splits} == {
        "train": {6},
        "val": {2},
        "test": {2},
    }
    assert one == same
    assert one.splits["test"] != other.splits["test"]
    everything = [photo for members in one.splits.values() for photo in members]
    assert sorted(everything) == sorted(photos.splits["all"])


def test_splits_that_are_there_are_left_alone(fruit):
    photos = find_photos(fruit)
    split = split_photos(photos)
    assert split.carved == ("val",)
    assert split.splits["test"] == photos.splits["test"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["train/a/1.jpg", "train/b/1.jpg", "test/c/1.jpg"], "test/ has none of the classes of"),
        (["train/a/1.jpg"], "has one class, a: at least two classes are required"),
        (["test/a/1.jpg", "test/b/1.jpg"], "has no photos in train/: add training photos"),
        (
            ["a/1.jpg", "b/1.jpg", "b/2.jpg"],
            "class a has too few photos: training, validation and",
        ),
    ],
)
def test_folder_that_cannot_be_trained_on_says_why(names, message, tmp_path):
    fill(tmp_path, *names)
    with pytest.raises(DataError, match=message):
        split_photos(find_photos(tmp_path))


def test_fingerprint_changes_with_the_photos_and_not_with_the_place(tmp_path):
    one = find_photos(make_split(tmp_path / "one", 2)).fingerprint()
    assert find_photos(make_split(tmp_path / "two", 2)).fingerprint() == one
    assert find_photos(make_split(tmp_path / "three", 3)).fingerprint() != one


@settings(max_examples=50)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(2, 40), min_size=1),
    st.floats(0.01, 0.99),
)
def test_carving_keeps_every_photo_and_leaves_some_of_each_class(sizes, share):
    from pathlib import Path

    photos = [
        LabelledPhoto(Path(f"{label}{index}"), label)
        for label, size in sizes.items()
        for index in range(size)
    ]
    stays, taken = carve(photos, share, "seed")
    assert sorted([*stays, *taken]) == sorted(photos)
    for label, size in sizes.items():
        count = Counter(photo.label for photo in taken)[label]
        assert 1 <= count <= size - 1
        assert abs(count - share * size) <= 1


def test_class_whose_name_is_no_text_is_told_before_it_is_learnt(tmp_path):
    make_split(tmp_path / "photos", 3)
    make_photo(tmp_path / "photos" / os.fsdecode(b"pi\xff") / "0.jpg", (9, 9, 9), seed=1)
    with pytest.raises(DataError, match=r"the name of the class 'pi\\udcff' is not UTF-8"):
        split_photos(find_photos(tmp_path / "photos"))


def test_links_that_lead_around_are_left_out(tmp_path):
    fill(tmp_path, "a/1.jpg", "b/2.jpg")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "over").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "around").symlink_to(tmp_path)
    photos = find_photos(tmp_path)
    names = [(photos.name_of(photo.path), photo.label) for photo in photos.splits["all"]]
    assert names == [
        ("a/1.jpg", "a"),
        ("a/over/2.jpg", "a"),
        ("b/2.jpg", "b"),
        ("b/back/1.jpg", "b"),
    ]
    assert "a folder that a link leads back to (a/over/back" in photos.in_words()


def test_many_links_to_the_same_folders_are_followed_once(tmp_path):
    fill(tmp_path, "pizza/0/1.jpg", "sushi/1.jpg")
    for number in range(1, 60):
        folder = tmp_path / "more" / str(number)
        folder.mkdir(parents=True)
        before = tmp_path / "more" / str(number - 1) if number > 1 else tmp_path / "pizza" / "0"
        for name in ("a", "b"):
            (folder / name).symlink_to(before)
    (tmp_path / "pizza" / "more").symlink_to(tmp_path / "more" / "59")
    assert find_photos(tmp_path).counts("all")["pizza"] == 1


@pytest.mark.parametrize("beside", ["sushi/1.jpg", "notes.txt"])
def test_photos_that_lie_too_deep_are_told(beside, tmp_path):
    fill(tmp_path, "pizza/" * 66 + "1.jpg", beside)
    with pytest.raises(DataError, match=r"/pizza is 65 folders deep, which is too deep: move"):
        find_photos(tmp_path)


def test_accents_of_a_mac_are_the_same_class(tmp_path):
    for split, form in (("Training", "NFC"), ("Testing", "NFD")):
        for name in (unicodedata.normalize(form, "crème"), "pho"):
            fill(tmp_path / split / name, "1.jpg", "2.jpg")
    assert split_photos(find_photos(tmp_path), val_share=0.5).classes == ("crème", "pho")
