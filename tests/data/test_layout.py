"""Folders as people have them: which become splits, which classes, and what is asked instead."""

import unicodedata

import pytest
from conftest import COLOURS, make_photo
from test_photos import fill

import foodvision
from foodvision.data import find_photos, split_photos
from foodvision.errors import DataError

TWO = ("pizza/1.jpg", "sushi/2.jpg")


def under(*folders):
    return [f"{folder}/{name}" for folder in folders for name in TWO]


def turned(*splits):
    return [f"{name}/{split}/1.jpg" for split in splits for name in ("pizza", "sushi")]


def splits_of(folder):
    photos = find_photos(folder)
    return {split: sorted({photo.label for photo in of}) for split, of in photos.splits.items()}


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("training_set", "dev", "test_set"),
        ("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"),
        ("train_data", "eval_data", "test_data"),
        ("Train_Images", "Validation_Images", "Test_Images"),
        ("train set", "validate", "test set"),
        ("TRAINING", "Valid", "Testing"),
        ("trainset", "valset", "testset"),
        ("train/train", "val/val", "test/test"),
        ("archive/data/train-images", "archive/data/val-images", "archive/data/test-images"),
        ("train/images", "val/images", "test/images"),
        ("data/split/trn", "data/split/evaluation", "data/split/holdout"),
        ("Train-Set", "cv", "hold-out"),
        ("학습용", "검증용", "테스트"),
        (unicodedata.normalize("NFD", "훈련데이터"), "검증 데이터", "시험"),
        ("学習用データ", "検証", "テスト画像"),
        ("训练集", "验证集", "测试集"),
    ],
)
def test_splits_are_known_by_their_usual_names(train, val, test, tmp_path):
    fill(tmp_path, *under(train, val, test))
    both = ["pizza", "sushi"]
    assert splits_of(tmp_path) == {"train": both, "val": both, "test": both}
    said = find_photos(tmp_path).in_words()
    assert ("Splits: " in said) is ((train, val, test) != ("train", "val", "test"))


def test_it_is_said_which_folder_became_which_split(tmp_path):
    fill(tmp_path, *under("seg_train/seg_train", "seg_test/seg_test"), "seg_pred/seg_pred/1.jpg")
    assert find_photos(tmp_path).in_words() == (
        "2 classes, 4 photos. Splits: train is seg_train/seg_train/, test is seg_test/seg_test/. "
        "Left out: 1 beside the splits (seg_pred)."
    )


@pytest.mark.parametrize("names", [("train", "test"), ("Training", "validation", "test_set")])
def test_splits_inside_of_classes_are_understood(names, tmp_path):
    fill(tmp_path, *(f"food/{c}/{n}/{c}.jpg" for c in ("pizza", "sushi") for n in names))
    found = splits_of(tmp_path)
    assert len(found) == len(names)
    assert all(classes == ["pizza", "sushi"] for classes in found.values())
    assert "The splits are inside the class folders." in find_photos(tmp_path).in_words()


def test_class_that_is_called_like_a_split_is_a_class_among_others(tmp_path):
    fill(tmp_path, "bus/1.jpg", "car/1.jpg", "train/1.jpg")
    assert splits_of(tmp_path) == {"all": ["bus", "car", "train"]}
    assert "train is read as a class, not as a split." in find_photos(tmp_path).in_words()


def test_such_a_class_inside_of_splits_stays_a_class(tmp_path):
    fill(tmp_path, *(f"{s}/{c}/1.jpg" for s in ("train", "test") for c in ("bus", "train", "test")))
    both = ["bus", "test", "train"]
    assert splits_of(tmp_path) == {"train": both, "test": both}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["my_training_stuff/1.jpg", "our test/1.jpg"], "which would become classes but look like"),
        (
            ["cropped train/a/1.jpg", "cropped test/a/1.jpg"],
            "which would become classes but look like",
        ),
        (under("train2017", "val2017"), "which would become classes but look like"),
        (under("trainA", "testB"), "which would become classes but look like"),
        (under("foodtrain", "foodtest"), "which would become classes but look like"),
        (
            ["train/steam/1.jpg", "bus/1.jpg", "car/1.jpg"],
            "train contains folders, and so it may be",
        ),
        (under("train", "bus", "car"), "train contains folders, and so it may be"),
        ([*turned("train", "test"), "ramen/1.jpg"], "pizza contains test, train, which look like"),
        (turned("train/images", "test/images"), "pizza contains test, train, which look like"),
        (turned("train2017", "val2017"), "pizza contains train2017, val2017, which look like"),
        (["train/1.jpg", "test/1.jpg"], "contains no photos in class folders"),
        (
            ["scans/1.dcm", "scans/2.dcm", "a/3.txt"],
            "There are 2 files with the ending .dcm and 1 fil",
        ),
    ],
)
def test_what_may_mean_two_things_is_asked(names, said, tmp_path):
    fill(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        find_photos(tmp_path)


def test_same_folders_in_all_classes_are_told(tmp_path):
    fill(tmp_path, *under("entrenamiento", "prueba"))
    assert "All classes contain the same folders (pizza, sushi)" in find_photos(tmp_path).in_words()


def test_links_to_nowhere_or_to_themselves_are_no_folders(tmp_path):
    fill(tmp_path, *TWO)
    (tmp_path / "pizza" / "loop").symlink_to("loop")
    (tmp_path / "sushi" / "gone").symlink_to("nowhere")
    (tmp_path / "ramen").symlink_to("nowhere")
    found = find_photos(tmp_path)
    assert found.classes == ("pizza", "sushi")
    assert "2 not a photo (pizza/loop, sushi/gone)" in found.in_words()


def test_other_folders_in_classes_are_not_told(tmp_path):
    fill(tmp_path, "pizza/a/1.jpg", "pizza/b/1.jpg", "sushi/a/1.jpg", "sushi/c/1.jpg")
    assert find_photos(tmp_path).notes == ()


def test_split_that_lacks_a_class_or_has_another_goes_on_and_says_so(tmp_path):
    fill(tmp_path, *(f"train/{name}/{n}.jpg" for name in "abc" for n in range(5)))
    fill(tmp_path, "test/a/1.jpg", "test/b/1.jpg", "test/new/1.jpg")
    photos = split_photos(find_photos(tmp_path))
    assert photos.counts("test") == {"a": 1, "b": 1, "c": 0}
    assert "test/ has no photos of c." in photos.in_words()
    assert "1 of a class that train/ lacks (test/new/1.jpg)" in photos.in_words()


@pytest.mark.slow
def test_training_goes_on_where_the_test_photos_lack_a_class(fruit, tmp_path):
    import shutil

    folder = shutil.copytree(fruit, tmp_path / "photos")
    shutil.rmtree(folder / "test" / "kiwi")
    settings = {"model": "tinyvgg", "image_size": 32, "epochs": 2}
    run = foodvision.train(folder, **settings, output=tmp_path / "run")
    assert run.figures.n == 10
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("ending", ["", ".jpeg_large", ".jfif", ".JPE", ".txt", ".ppm", ".pnm"])
def test_photos_are_known_by_their_content_whatever_their_names_end_in(ending, tmp_path):
    for number, name in enumerate(COLOURS):
        photo = make_photo(tmp_path / "made.png", COLOURS[name], seed=number)
        if ending in (".ppm", ".pnm"):
            from PIL import Image

            Image.open(photo).save(tmp_path / "made.ppm")
            photo.unlink()
            photo = tmp_path / "made.ppm"
        (tmp_path / "photos" / name).mkdir(parents=True)
        photo.rename(tmp_path / "photos" / name / f"1{ending}")
    (tmp_path / "photos" / "kiwi" / "notes").write_text("P. S. no photo")
    photos = find_photos(tmp_path / "photos")
    assert photos.counts("all") == dict.fromkeys(COLOURS, 1)
    assert photos.left_out_in_words() == "Left out: 1 not a photo (kiwi/notes)."
    for photo in photos.splits["all"]:
        assert foodvision.image.load_image(photo.path).mode == "RGB"
