import json

import pytest
from test_archives import make_zip
from test_photos import fill

from foodvision.data import exclude, find_photos, open_photos
from foodvision.errors import DataError


@pytest.fixture
def photos(tmp_path):
    names = ("train/pizza/1.jpg", "train/pizza/2.jpg", "test/pizza/3.jpg", "test/pizza/.hidden")
    return find_photos(fill(tmp_path / "photos", *names))


@pytest.fixture
def listed(tmp_path):
    def written(content):
        (tmp_path / "exclude.txt").write_text(content)
        return tmp_path / "exclude.txt"

    return written


def names_of(photos):
    return [photos.name_of(photo.path) for of in photos.splits.values() for photo in of]


def test_listed_photos_are_left_out(photos, listed):
    kept = exclude(photos, listed("# blurred\n\n train/pizza/2.jpg\ntest/pizza/3.jpg\n"))
    assert names_of(kept) == ["train/pizza/1.jpg"]
    said = kept.left_out_in_words()
    assert "(test/pizza/.hidden)" in said
    assert said.endswith("2 excluded (train/pizza/2.jpg, test/pizza/3.jpg).")


def test_name_that_begins_with_a_space_is_found(tmp_path, listed):
    fill(tmp_path, "train/ pizza/1.jpg", "train/pizza/1.jpg", "train/sushi/2\u2028.jpg")
    kept = exclude(find_photos(tmp_path), listed("train/ pizza/1.jpg\r\ntrain/sushi/2\u2028.jpg"))
    assert names_of(kept) == ["train/pizza/1.jpg"]


def test_photos_given_stay_as_they_are(photos, listed):
    before = names_of(photos)
    exclude(photos, listed("train/pizza/2.jpg"))
    assert names_of(photos) == before


def test_json_of_the_data_command_is_taken(photos, listed):
    content = json.dumps({"n": 3, "exclude": ["train/pizza/1.jpg"]}, indent=2)
    assert names_of(exclude(photos, listed(content))) == ["train/pizza/2.jpg", "test/pizza/3.jpg"]


def test_other_ways_to_write_a_path_are_taken(photos, listed):
    content = f"./train//pizza/1.jpg\n{photos.root}/train/pizza/2.jpg\n./train/pizza/1.jpg"
    assert names_of(exclude(photos, listed(content))) == ["test/pizza/3.jpg"]


def test_empty_list_leaves_nothing_out(photos, listed):
    assert exclude(photos, listed("")) == photos


def test_lines_of_photos_that_are_gone_are_counted_and_skipped(photos, listed):
    (photos.root / "train" / "pizza" / "2.jpg").unlink()
    file = listed("train/pizza/2.jpg\ntrain/pizza/1.jpg\n")
    kept = exclude(find_photos(photos.root), file)
    assert names_of(kept) == ["test/pizza/3.jpg"]
    assert kept.notes == (
        f"{file}: 1 of 2 lines names no photo (train/pizza/2.jpg). It is skipped.",
    )


def test_photos_of_a_list_are_named_from_its_folder(tmp_path, listed):
    fill(tmp_path, "photos/a.jpg", "photos/b.jpg")
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "photos.csv"
    file.write_text("path,label\n../photos/a.jpg,pizza\n../photos/b.jpg,sushi\n")
    with open_photos(file) as photos:
        kept = exclude(photos, listed("../photos/a.jpg"))
    assert kept.classes == ("sushi",)
    assert kept.left_out_in_words() == "Left out: 1 excluded (../photos/a.jpg)."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "# blurred\ntrain/piza/1.jpg",
            ", line 2: {root} has no photo train/piza/1.jpg: did you mean train/pizza/1.jpg?",
        ),
        ("zzz", ", line 1: {root} has no photo zzz: did you mean train/pizza/1.jpg?"),
        ("test/pizza/.hidden", ", line 1: {root} has no photo test/pizza/.hidden: did you mean"),
        (
            '{"exclude": ["2.jpg", "3.jpg"]}',
            ", entry 1 of exclude: {root} has no photo 2.jpg, nor any other that it lists: did",
        ),
        (
            '{"exclude": ',
            " is not valid JSON (Expecting value: line 1 column 13 (char 12)): write it",
        ),
        (
            '{"photos": []}',
            ' has no list of names under "exclude": write it again with foodvision data --json',
        ),
        (
            '{"exclude": [1]}',
            ' has no list of names under "exclude": write it again with foodvision data --json',
        ),
    ],
)
def test_list_that_cannot_be_used_says_why(content, message, photos, listed):
    file = listed(content)
    with pytest.raises(DataError) as caught:
        exclude(photos, file)
    assert f"{file}{message.format(root=photos.root)}" in str(caught.value)


def test_list_that_is_not_there_says_so(photos, tmp_path):
    with pytest.raises(DataError, match=r"cannot be read \(No such file or directory\): check"):
        exclude(photos, tmp_path / "nowhere.txt")


def test_wrong_line_names_the_archive_and_not_where_it_lay(tmp_path, listed):
    archive = make_zip(tmp_path / "a.zip", {"pizza/1.jpg": b"one", "sushi/2.jpg": b"two"})
    with pytest.raises(DataError) as caught, open_photos(archive) as photos:
        exclude(photos, listed("pizza/2.jpg"))
    assert f"{archive} has no photo pizza/2.jpg: did you mean" in str(caught.value)
