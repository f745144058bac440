import unicodedata

import pytest
from test_photos import fill

from foodvision.data import check_source, open_photos, split_photos
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
            ["path|label", "a.jpg|pizza"],
            (
                "line 1 has no column path (it has path|label): name the columns path,label, "
                "or choose one with photos.csv?path=COLUMN"
            ),
        ),
        (
            ["photo id;label", "a.jpg;pizza"],
            (
                "line 1 has no column path (it has photo id;label): name the columns "
                "path;label, or choose one with photos.csv?path=COLUMN"
            ),
        ),
        (
            ["path,dish", "a.jpg,pizza"],
            (
                "line 1 has no column label (it has path,dish): name the columns path,label, "
                "or choose one with photos.csv?label=COLUMN"
            ),
        ),
        (["path"], "line 1 has no column label (it has path): name the columns path,label, or"),
        (
            ["path,dish,is_dark,is_small", "a.jpg,pizza,0,1", "b.jpg,sushi,1,0"],
            "line 1 has no column label (it has path,dish,is_dark,is_small): ",
        ),
        (["path,hotdog", "a.jpg,1", "b.jpg,0"], "line 1 has no column label (it has path,hotdog"),
        (
            ["image,file,label", "a.jpg,a.jpg,pizza"],
            (
                " has 2 columns that may be the path (image, file): choose one with "
                "photos.csv?path=image"
            ),
        ),
        (
            ["path,label,label", "a.jpg,pizza,sushi"],
            " has 2 columns that may be the label (label, label): rename all but one",
        ),
        (
            ["a.jpg,pizza", "b.jpg,sushi"],
            "line 1 is a photo (a.jpg,pizza), not the column names: add a first line path,label",
        ),
        (
            ["", "pizza;train;deep\\A.JPG"],
            "line 2 is a photo (pizza;train;deep\\A.JPG), not the column names: "
            "add a first line label;split;path",
        ),
        (
            ["a.jpg", "b.jpg"],
            (
                " lists photos without labels: write each line as path,label, and add a first "
                "line path,label"
            ),
        ),
        ([], " is empty: its first line should be path,label or path,label,split"),
        (
            ["path,pizza,sushi", "a.jpg,1,0", "b.jpg,1,1"],
            (
                "line 3 has a 1 under pizza, sushi: give the photo one class, or choose the "
                "label column with photos.csv?label=COLUMN"
            ),
        ),
        (["path,pizza,sushi", "a.jpg,0,0"], "line 2 has no 1 under any class: give the photo one"),
        (
            ["path,label,fold", "a.jpg,pizza,train", "b.jpg,pizza,3"],
            "line 3: unknown split '3': write train, val or test",
        ),
        (
            ["path,label"],
            " lists no photos: below path,label, add one line per photo",
        ),
        (["path,label", "a.jpg,"], "line 2 has no label: fill it in, or remove the line"),
        (["path,label", "a.jpg,NaN"], "line 2 has no label: fill it in, or remove the line"),
        (["path,label", ",pizza"], "line 2 has no path: fill it in, or remove the line"),
        (
            ["path,label", "a.jpg,pizza", "c.jpg,pizza"],
            "/c.jpg does not exist: paths are relative to the folder of the CSV",
        ),
        (
            ["path,label", "a.jpg"],
            (
                "line 2 has a different number of fields from the first line: quote values that "
                "contain a comma"
            ),
        ),
        (["path,label", "a.jpg,pizza,big"], "line 2 has a different number of fields"),
        (
            ["path,label,split", "a.jpg,pizza,exam"],
            "line 2: unknown split 'exam': write train, val or test",
        ),
        (
            ["path,label", "a.jpg,pizza", "b.jpg,pizza", "a.jpg,sushi"],
            "/a.jpg has two labels, pizza and sushi: keep one of the lines",
        ),
        (
            ["path,label,split", "a.jpg,pizza,train", "a.jpg,pizza,test"],
            "/a.jpg is in two splits, train and test: keep one of the lines",
        ),
        (
            ["path,label", '"a.jpg"x,pizza'],
            "line 2 is not valid CSV (',' expected after '\"'): check",
        ),
    ],
)
def test_list_that_cannot_be_used_says_where_and_why(lines, message, tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(DataError) as caught:
        read(csv_of(tmp_path, *lines))
    assert str(caught.value).startswith(str(tmp_path / "photos.csv"))
    assert message in str(caught.value)


SEVERAL = (
    "has several labels in one cell ({}): keep one label per photo; if it is one name, write it "
    "without , ; | and brackets"
)


@pytest.mark.parametrize(
    ("labels", "several"),
    [
        (["pizza|food"], "pizza|food"),
        (["pizza", '"pizza,food"', "food"], "pizza,food"),
        (["food", "pizza", "pizza; food"], "pizza; food"),
        (['"pizza,food"', '"sushi,food"', "miso"], "pizza,food"),
        (["pizza;food", "sushi;raw", "sushi;raw"], "pizza;food"),
        (["\"['pizza', 'food']\"", "a", "b"], "['pizza', 'food']"),
    ],
)
def test_several_labels_in_a_cell_are_told(labels, several, tmp_path):
    names = [f"{number}.jpg" for number in range(len(labels))]
    fill(tmp_path, *names)
    rows = (f"{name},{label}" for name, label in zip(names, labels, strict=True))
    with pytest.raises(DataError) as caught:
        read(csv_of(tmp_path, "path,label", *rows))
    assert str(caught.value).endswith(SEVERAL.format(several))


def test_comma_in_the_name_of_a_class_is_no_list(tmp_path):
    fill(tmp_path, "1.jpg", "2.jpg", "3.jpg")
    rows = ('1.jpg,"rice, fried"', "2.jpg,rice", "3.jpg,mac;cheese")
    photos = read(csv_of(tmp_path, "path,label", *rows))
    assert photos.classes == ("mac;cheese", "rice", "rice, fried")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("path", "label", "split"),
    [
        ("path", "label", "split"),
        (" Path", "LABEL ", "Split"),
        ("Image Path", "Class-Name", "subset"),
        ("filename", "class", "set"),
        ("file_name", "category", "fold"),
        *((name, "target", "split") for name in ("image", "file", "filepath", "img")),
    ],
)
def test_separators_and_usual_names_of_columns_are_understood(
    separator, path, label, split, tmp_path
):
    fill(tmp_path, "a, b.jpg", "c.jpg")
    rows = (
        ["note", path, split, label],
        ["x", '"a, b.jpg"', "train", "pizza"],
        ["", "c.jpg", "test", "sushi"],
        ["", "", "", ""],
    )
    photos = read(csv_of(tmp_path, *(separator.join(row) for row in rows)))
    assert {split: [photo.label for photo in of] for split, of in photos.splits.items()} == {
        "train": ["pizza"],
        "test": ["sushi"],
    }


def test_first_usual_name_wins_and_folds_by_number_are_no_splits(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    rows = ("class,label,image,path,fold,subset", "x,pizza,no,a.jpg,0,", "x,pie,no,b.jpg,1,")
    photos = read(csv_of(tmp_path, *rows))
    assert [photo.label for photo in photos.splits["all"]] == ["pizza", "pie"]


@pytest.mark.parametrize("name", ["data set", "Usage", "구분"])
def test_column_of_nothing_but_splits_is_one_whatever_its_name(name, tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    photos = read(csv_of(tmp_path, f"path,label,{name}", "a.jpg,x,Training", "b.jpg,y,TEST"))
    assert photos.splits.keys() == {"train", "test"}
    assert photos.notes == ()


def test_columns_that_are_not_used_are_told(tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    rows = (",path,label,Usage,is_train", "0,a.jpg,x,Training,1", "1,b.jpg,y,PublicTest,0")
    assert "Columns not used: Usage, is_train." in read(csv_of(tmp_path, *rows)).in_words()


def test_columns_can_be_chosen(tmp_path):
    fill(tmp_path, "images/0a.jpg", "images/1b.png")
    rows = ("image_id,label,dish,Part of", "0a,1,pizza,train", "1b,2,sushi,test")
    file = csv_of(tmp_path, *rows)
    for options in (
        "path=image_id&label=dish&split=part+of",
        "path=image_id&label=dish&split=Part%20of",
    ):
        source = f"{file}?{options}"
        check_source(source)
        photos = read(source)
        assert photos.classes == ("pizza", "sushi")
        assert set(photos.splits) == {"train", "test"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("path=dish_id", "photos.csv has no column 'dish_id': its columns are path,label"),
        ("lable=label", "photos.csv?lable=label: unknown option 'lable': did you mean label?"),
        ("x=label", "photos.csv?x=label: unknown option 'x': use path, label, split"),
        ("label=", "photos.csv?label=: write the column as ?label=COLUMN"),
        ("split=label", "photos.csv, line 2: unknown split 'pizza': write train, val or test"),
    ],
)
def test_choice_that_cannot_be_made_says_so(options, message, tmp_path):
    fill(tmp_path, "a.jpg")
    with pytest.raises(DataError) as caught:
        read(f"{csv_of(tmp_path, 'path,label', 'a.jpg,pizza')}?{options}")
    assert str(caught.value) == f"{tmp_path}/{message}"


def test_list_of_a_source_is_looked_for_before_anything_takes_long(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist: check the path$"):
        check_source(f"{tmp_path / 'nowhere.csv'}?path=image")
    with pytest.raises(DataError, match="unknown option 'paht': did you mean path"):
        check_source(f"{csv_of(tmp_path, 'path,label')}?paht=image")


def test_folder_that_is_named_like_a_list_says_so(tmp_path):
    (tmp_path / "photos.csv").mkdir()
    with pytest.raises(DataError, match=r"photos\.csv cannot be read \(Is a directory\)"):
        read(tmp_path / "photos.csv")


@pytest.mark.parametrize(
    "name",
    [
        *(
            "images/deep/0a1b.jpg",
            "images\\deep\\0a1b.jpg",
            ".\\images\\deep\\0a1b",
            "deep/0a1b.jpg",
        ),
        *("deep\\0a1b", "0a1b.jpg", "0a1b", "0A1B.JPG", "images/../images/deep/0a1b.jpg"),
    ],
)
def test_photo_is_found_without_its_folder_or_ending(name, tmp_path):
    fill(tmp_path, "images/deep/0a1b.jpg", "images/0a1c.jpg", ".hidden/0a1b.jpg")
    (photo,) = read(csv_of(tmp_path, "path,label", f"{name},pizza")).splits["all"]
    assert photo.path == tmp_path / "images" / "deep" / "0a1b.jpg"


def test_photo_with_accents_is_found_however_they_are_written(tmp_path):
    in_one, apart = (unicodedata.normalize(form, "pâté") for form in ("NFC", "NFD"))
    fill(tmp_path, f"{apart}.jpg")
    (photo,) = read(csv_of(tmp_path, "path,label", f"{in_one}.jpg,pizza")).splits["all"]
    assert photo.path == tmp_path / f"{apart}.jpg"


def test_file_with_a_backslash_in_its_name_is_itself(tmp_path):
    fill(tmp_path, "a\\b.jpg", "a/b.jpg")
    (photo,) = read(csv_of(tmp_path, "path,label", "a\\b.jpg,pizza")).splits["all"]
    assert photo.path == tmp_path / "a\\b.jpg"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1", "line 2: 1 matches test/1.jpg and train/1.jpg and 1 more: write the whole path"),
        ("1.jpg", "line 2: 1.jpg matches test/1.jpg and train/1.jpg: write the whole path"),
        ("val/1.jpg", "/val/1.jpg does not exist: paths are relative to the folder of the CSV"),
        ("../2.jpg", "/2.jpg does not exist: paths are relative to the folder of the CSV"),
        ("/2.jpg", "/2.jpg does not exist: paths are relative to the folder of the CSV"),
        ("2.png", "/2.png does not exist: paths are relative to the folder of the CSV"),
        ("train", "/train does not exist: paths are relative to the folder of the CSV"),
        (".", " does not exist: paths are relative to the folder of the CSV"),
    ],
)
def test_photo_that_is_not_there_or_more_than_one_is_told(name, message, tmp_path):
    fill(tmp_path, "train/1.jpg", "test/1.jpg", "x/1.png", "x/2.jpg")
    with pytest.raises(DataError) as caught:
        read(csv_of(tmp_path, "path,label", f"{name},pizza"))
    assert str(caught.value).endswith(message)


def test_links_in_circles_end(tmp_path):
    fill(tmp_path, "a/1.jpg")
    (tmp_path / "a" / "again").symlink_to(tmp_path)
    (photo,) = read(csv_of(tmp_path, "path,label", "1,pizza")).splits["all"]
    assert photo.path == tmp_path / "a" / "1.jpg"


@pytest.mark.parametrize(("zero", "one"), [("0", "1"), ("0.0", "1.0"), ("False", "True")])
def test_one_hot_table_names_its_classes_by_its_columns(zero, one, tmp_path):
    fill(tmp_path, "a.jpg", "b.jpg")
    rows = (
        ",image,split,Miso Soup,pizza",
        f"0,a.jpg,train,{zero},{one}",
        f"5,b.jpg,test,{one},{zero}",
    )
    photos = read(csv_of(tmp_path, *rows))
    assert {split: of[0].label for split, of in photos.splits.items()} == {
        "train": "pizza",
        "test": "Miso Soup",
    }


def test_list_with_tabs_may_end_in_tsv(tmp_path):
    fill(tmp_path, "a.jpg")
    csv_of(tmp_path, "path\tlabel", "a.jpg\tpizza").rename(tmp_path / "photos.TSV")
    assert read(tmp_path / "photos.TSV").classes == ("pizza",)


def test_line_and_file_are_both_named(tmp_path):
    fill(tmp_path, "a.jpg")
    rows = ("path,label", "a.jpg,pizza", "a.jpg,sushi")
    with pytest.raises(DataError, match=r"photos\.csv, lines 2 and 3: "):
        read(csv_of(tmp_path, *rows))


def test_list_that_is_no_text_says_so(tmp_path):
    fill(tmp_path, "a.jpg")
    with pytest.raises(DataError, match="is not UTF-8 text: save it as CSV in UTF-8"):
        read(csv_of(tmp_path, "path,label", "a.jpg,pâté", encoding="latin-1"))


def test_list_that_is_not_there_says_so(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.csv does not exist: check the path$"):
        read(tmp_path / "nowhere.csv")
