import unicodedata

import pytest
from test_photos import fill

from foodvision.data import open_photos, split_photos
from foodvision.errors import DataError


def csv_of(folder, *lines, encoding="utf-8"):
    (folder / "photos.csv").write_text("\n".join(lines) + "\n", encoding=encoding)
    return folder / "photos.csv"


def read(file):
    with open_photos(file) as photos:
        return photos


def test_photos_of_a_list_are_one_heap(tmp_path):
    fill(tmp_path, "a.jpg", "deeper/b.jpg")
    photos = read(csv_of(tmp_path, "path,label", "a.jpg,pizza", "deeper/b.jpg,miso soup"))
    assert photos.root == tmp_path
    assert [(photos.name_of(photo.path), photo.label) for photo in photos.splits["all"]] == [
        ("a.jpg", "pizza"),
        ("deeper/b.jpg", "miso soup"),
    ]


def test_column_of_splits_takes_their_usual_names(tmp_path):
    fill(tmp_path, *(f"{number}.jpg" for number in range(5)))
    names = ("train", "val", "valid", "Validation", "test")
    rows = (f"{number}.jpg,pizza,{name}" for number, name in enumerate(names))
    photos = read(csv_of(tmp_path, "path,label,split", *rows))
    assert {split: len(of) for split, of in photos.splits.items()} == {
        "train": 1,
        "val": 3,
        "test": 1,
    }


def test_order_of_columns_others_quotes_and_a_byte_order_mark_do_not_matter(tmp_path):
    fill(tmp_path, "a, b.jpg")
    file = csv_of(tmp_path, "note,label,path", 'x, pâté ,"a, b.jpg"', "", encoding="utf-8-sig")
    (photo,) = read(file).splits["all"]
    assert (photo.path, photo.label) == (tmp_path / "a, b.jpg", "pâté")


def test_accents_apart_and_in_one_are_the_same_class(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    in_one, apart = (unicodedata.normalize(form, "pâté") for form in ("NFC", "NFD"))
    photos = read(csv_of(tmp_path, "path,label", f"a.jpg,{in_one}", f"b.jpg,{apart}"))
    assert photos.classes == (in_one,)


def test_photo_listed_twice_alike_counts_once(tmp_path):
    fill(tmp_path, "a.jpg")
    photos = read(csv_of(tmp_path, "path,label", "a.jpg,pizza", "./x/../a.jpg,pizza"))
    assert photos.in_words() == "1 classes, 1 photos. Left out: 1 listed twice (a.jpg)."


def test_photos_may_lie_elsewhere(tmp_path):
    fill(tmp_path, "a.jpg")
    (tmp_path / "lists").mkdir()
    rows = ("../a.jpg,pizza", f"{tmp_path / 'a.jpg'},pizza")
    photos = read(csv_of(tmp_path / "lists", "path,label", *rows))
    assert photos.left_out_in_words() == "Left out: 1 listed twice (../a.jpg)."


def test_list_can_be_split_for_training(tmp_path):
    names = [f"{number}.jpg" for number in range(20)]
    fill(tmp_path, *names)
    rows = (f"{name},{label}" for name, label in zip(names, ["a", "b"] * 10, strict=True))
    photos = split_photos(read(csv_of(tmp_path, "path,label", *rows)))
    assert photos.carved == ("test", "val")
    assert photos.counts("test") == {"a": 2, "b": 2}


def test_photos_of_a_list_are_the_same_however_its_path_is_written(tmp_path, monkeypatch):
    fill(tmp_path, "z/1.jpg", "lists/b/2.jpg")
    file = csv_of(tmp_path / "lists", "path,label", "../z/1.jpg,x", "b/2.jpg,x")
    monkeypatch.chdir(file.parent)
    assert read(file.name).fingerprint() == read(file).fingerprint()


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["path;label", "a.jpg;pizza"],
            "line 1 names no column path (it has path;label): "
            "it should be path,label or path,label,split",
        ),
        (["file,label"], "line 1 names no column path (it has file,label): it should be path,"),
        (["path,class"], "line 1 names no column label (it has path,class): it should be path,"),
        ([], "line 1 names no column path (it is empty): it should be path,label or path,label,"),
        (
            ["path,label"],
            " lists no photos: below path,label each line should name one",
        ),
        (["path,label", "a.jpg,"], "line 2 has no label: fill it in, or remove the line"),
        (["path,label", ",pizza"], "line 2 has no path: fill it in, or remove the line"),
        (
            ["path,label", "a.jpg,pizza", "c.jpg,pizza"],
            "/c.jpg: paths are relative to the folder of the CSV",
        ),
        (
            ["path,label", "a.jpg"],
            "line 2 has not as many fields as the header: put what holds a comma between quotes",
        ),
        (["path,label", "a.jpg,pizza,big"], "line 2 has not as many fields as the header: put"),
        (
            ["path,label,split", "a.jpg,pizza,exam"],
            "line 2: no split 'exam': it should be train, val or test",
        ),
        (
            ["path,label", "a.jpg,pizza", "b.jpg,pizza", "a.jpg,sushi"],
            "/a.jpg is both pizza and sushi: keep one of the lines",
        ),
        (
            ["path,label,split", "a.jpg,pizza,train", "a.jpg,pizza,test"],
            "/a.jpg is both in train and in test: keep one of the lines",
        ),
        (["path,label", '"a.jpg"x,pizza'], "line 2 is no CSV (',' expected after '\"'): check"),
    ],
)
def test_list_that_cannot_be_used_says_where_and_why(lines, message, tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(DataError) as caught:
        read(csv_of(tmp_path, *lines))
    assert str(caught.value).startswith(str(tmp_path / "photos.csv"))
    assert message in str(caught.value)


def test_line_and_file_are_both_named(tmp_path):
    fill(tmp_path, "a.jpg")
    rows = ("path,label", "a.jpg,pizza", "a.jpg,sushi")
    with pytest.raises(DataError, match=r"photos\.csv, lines 2 and 3: "):
        read(csv_of(tmp_path, *rows))


def test_list_that_is_no_text_says_so(tmp_path):
    fill(tmp_path, "a.jpg")
    with pytest.raises(DataError, match="is no text in UTF-8: save it again as CSV in UTF-8"):
        read(csv_of(tmp_path, "path,label", "a.jpg,pâté", encoding="latin-1"))


def test_list_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file$"):
        read(tmp_path / "nowhere.csv")
