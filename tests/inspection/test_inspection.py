"""Every fault is planted and found; in clean photos none is."""

import io
import json
import shutil
import zipfile
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from conftest import COLOURS, REPOSITORY, make_photo, make_split
from PIL import Image, ImageEnhance, ImageOps

from foodvision.classifier import load
from foodvision.cli.main import main
from foodvision.data import exclude, find_photos, open_photos
from foodvision.inspection.findings import KINDS, Finding, Inspection, Suspicion
from foodvision.inspection.inspect import inspect_photos
from foodvision.reports.inspection import write_exclude_list, write_inspection


@pytest.fixture(scope="module")
def classifier():
    return load()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory) -> Path:
    """A folder with every fault in it."""
    folder = tmp_path_factory.mktemp("faulty")
    make_split(folder / "train", 24)
    make_split(folder / "test", 5, first_seed=500)
    plant_spoiled_files(folder)
    plant_copies(folder)
    plant_odd_photos(folder)
    # A kiwi under tomato and the other way round.
    make_photo(folder / "train" / "tomato" / "kiwi_in_truth.jpg", COLOURS["kiwi"], seed=9001)
    make_photo(folder / "train" / "kiwi" / "tomato_in_truth.jpg", COLOURS["tomato"], seed=9002)
    # One class in train/ only, and small.
    for number in range(3):
        make_photo(folder / "train" / "plum" / f"{number}.jpg", (120, 40, 120), seed=9100 + number)
    return folder


def plant_spoiled_files(folder):
    whole = (folder / "train" / "kiwi" / "0.jpg").read_bytes()
    (folder / "train" / "kiwi" / "cut_off.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "train" / "kiwi" / "no_photo.jpg").write_text("a letter")
    (folder / "test" / "kiwi" / "nothing.png").touch()


def plant_copies(folder):
    train, test = folder / "train", folder / "test"
    shutil.copy(train / "tomato" / "1.jpg", train / "tomato" / "1_copy.jpg")
    shutil.copy(test / "tomato" / "2.jpg", train / "tomato" / "leaked.jpg")
    shutil.copy(train / "kiwi" / "3.jpg", train / "blueberry" / "also_kiwi.jpg")
    with Image.open(train / "blueberry" / "4.jpg") as image:
        image.resize((160, 128), Image.Resampling.BICUBIC).save(
            train / "blueberry" / "4_larger.jpg", quality=60
        )
    with Image.open(make_scene(test / "blueberry" / "scene.jpg")) as image:
        ImageOps.mirror(image).save(train / "blueberry" / "leaked_mirrored.jpg", quality=80)


def make_scene(path):
    """Large spots, as photos have them: a mirrored copy of mere noise is other noise."""
    spots = np.random.default_rng(9300).normal(COLOURS["blueberry"], 40, (8, 8, 3)).clip(0, 255)
    Image.fromarray(spots.astype(np.uint8)).resize((160, 128), Image.Resampling.BICUBIC).save(path)
    return path


def plant_odd_photos(folder):
    blueberry = folder / "train" / "blueberry"
    make_photo(blueberry / "tiny.jpg", COLOURS["blueberry"], seed=9200, size=(40, 30))
    make_photo(blueberry / "strip.jpg", COLOURS["blueberry"], seed=9201, size=(500, 80))
    with Image.open(blueberry / "5.jpg") as image:
        ImageOps.grayscale(image).rotate(90).save(blueberry / "grey.jpg")
    Image.new("RGB", (80, 64), (10, 20, 90)).save(blueberry / "blank.png")


@pytest.fixture(scope="module")
def inspection(faulty, classifier) -> Inspection:
    return inspect_photos(find_photos(faulty), classifier)


def messages(inspection, kind):
    return [finding.message for finding in inspection.findings if finding.kind == kind]


def test_every_kind_of_fault_is_found(inspection):
    assert list(inspection.by_kind()) == list(KINDS)
    assert not inspection.is_sound


def test_files_that_cannot_be_read_are_named_with_the_reason(inspection):
    cut_off, no_photo, nothing = messages(inspection, "unreadable")
    assert cut_off.startswith("train/kiwi/cut_off.jpg is truncated or damaged (")
    assert cut_off.endswith("): copy or download it again")
    assert no_photo.startswith("train/kiwi/no_photo.jpg is not a readable photo: use ")
    assert nothing.startswith("test/kiwi/nothing.png is not a readable photo: use ")


def test_copies_are_told_by_what_they_spoil(inspection):
    assert messages(inspection, "leak") == [
        "train/blueberry/leaked_mirrored.jpg: nearly the same photo as test/blueberry/scene.jpg, "
        "which is in test/",
        "train/tomato/leaked.jpg: the same photo as test/tomato/2.jpg, which is in test/",
    ]
    assert messages(inspection, "conflict") == [
        "train/kiwi/3.jpg: the same photo as train/blueberry/also_kiwi.jpg, "
        "under the labels blueberry and kiwi"
    ]
    assert messages(inspection, "duplicate") == [
        "train/tomato/1_copy.jpg: the same photo as train/tomato/1.jpg"
    ]
    assert messages(inspection, "near_duplicate") == [
        "train/blueberry/4.jpg: nearly the same photo as train/blueberry/4_larger.jpg"
    ]


def test_odd_photos_are_found(inspection):
    assert messages(inspection, "blank") == ["train/blueberry/blank.png has a single colour"]
    assert messages(inspection, "greyscale") == ["train/blueberry/grey.jpg is greyscale"]
    assert messages(inspection, "extreme_size") == [
        "train/blueberry/strip.jpg is 500 x 80 pixels: one side is over 4 times the other",
        "train/blueberry/tiny.jpg is 40 x 30 pixels: its short side is under 64",
    ]


def test_classes_out_of_balance_are_found(inspection):
    assert messages(inspection, "missing_class") == ["test/ has no photos of plum"]
    assert messages(inspection, "imbalance") == [
        "blueberry has 31 photos, plum 3: over 3 times as many"
    ]
    assert messages(inspection, "few_photos") == ["plum has 3 photos, under 20"]


def test_wrong_labels_are_found_and_nothing_else_is_suspected(inspection):
    suspects = [finding for finding in inspection.findings if finding.suspicion]
    assert {finding.photos[0]: finding.suspicion.suggested for finding in suspects} == {
        "train/tomato/kiwi_in_truth.jpg": "kiwi",
        "train/kiwi/tomato_in_truth.jpg": "tomato",
    }
    for finding in suspects:
        percent = f"{100 * finding.suspicion.confidence:.0f}%"
        said = f"labelled {finding.suspicion.given}, looks like {finding.suspicion.suggested}"
        assert finding.message == f"{finding.photos[0]}: {said} ({percent})"
    missing, few, unchecked = inspection.notes
    assert missing == "test/ has no photos of plum."
    assert few.startswith("With fewer than 29 validation photos (here 17), the model cannot refuse")
    assert unchecked == "Labels of plum were not checked: this needs at least 5 photos."


def test_list_to_leave_out_cures_what_it_can(faulty, inspection, classifier, tmp_path):
    listed = inspection.exclude()
    assert sorted(listed) == [
        "test/kiwi/nothing.png",
        "train/blueberry/4.jpg",
        "train/blueberry/also_kiwi.jpg",
        "train/blueberry/blank.png",
        "train/blueberry/leaked_mirrored.jpg",
        "train/kiwi/3.jpg",
        "train/kiwi/cut_off.jpg",
        "train/kiwi/no_photo.jpg",
        "train/tomato/1_copy.jpg",
        "train/tomato/leaked.jpg",
    ]
    cured = tmp_path / "cured"
    shutil.copytree(faulty, cured)
    for name in inspection.exclude(suspects=True):
        (cured / name).unlink()
    left = inspect_photos(find_photos(cured), classifier)
    assert left.is_sound
    assert set(left.by_kind()) == {
        *("missing_class", "imbalance", "few_photos", "extreme_size", "greyscale"),
    }


def test_list_keeps_what_can_be_read_of_the_test_photos(tmp_path, classifier):
    train, test = (
        make_split(tmp_path / "train", 6),
        make_split(tmp_path / "test", 6, first_seed=500),
    )
    for copy in (test / "kiwi" / "0_again.jpg", train / "kiwi" / "leaked.jpg"):
        shutil.copy(test / "kiwi" / "0.jpg", copy)
    shutil.copy(test / "kiwi" / "1.jpg", test / "kiwi" / "1_again.jpg")
    shutil.copy(test / "kiwi" / "2.jpg", train / "tomato" / "also_kiwi.jpg")
    Image.new("RGB", (80, 64)).save(test / "kiwi" / "blank.png")
    make_photo(test / "tomato" / "kiwi_in_truth.jpg", COLOURS["kiwi"], seed=9001)
    (test / "kiwi" / "no_photo.jpg").touch()
    found = inspect_photos(find_photos(tmp_path), classifier)
    kinds = {"leak", "conflict", "unreadable", "duplicate", "suspect", "blank", "few_photos"}
    assert set(found.by_kind()) == kinds
    # The page tells which to keep all the same.
    assert all(finding.leave_out for finding in found.by_kind()["duplicate"])
    assert list(found.exclude(suspects=True)) == [
        "test/kiwi/no_photo.jpg",
        "train/kiwi/leaked.jpg",
        "train/tomato/also_kiwi.jpg",
    ]


def test_nothing_is_found_in_clean_photos(fruit, classifier):
    inspection = inspect_photos(find_photos(fruit), classifier)
    assert inspection.findings == ()
    (few,) = inspection.notes
    assert few.startswith("With fewer than 29 validation photos (here 12), the model cannot refuse")
    assert inspection.is_sound
    assert inspection.in_words() == "75 photos in 3 classes: no problems found."


def test_no_file_is_changed(faulty, tmp_path, capsys):
    def state():
        files = sorted(path for path in faulty.rglob("*") if path.is_file())
        return [(str(path), path.stat().st_mtime_ns, path.read_bytes()) for path in files]

    before = state()
    options = ["--html", str(tmp_path / "page.html"), "--write-exclude", str(tmp_path / "list")]
    assert main(["data", str(faulty), *options]) == 1
    assert state() == before


def test_labels_are_not_checked_without_a_model(fruit):
    inspection = inspect_photos(find_photos(fruit), None)
    assert inspection.findings == ()
    assert inspection.notes[-1] == "Labels were not checked: this needs a model."


def test_labels_of_very_few_photos_are_not_checked(tmp_path, classifier):
    inspection = inspect_photos(find_photos(make_split(tmp_path, 4)), classifier)
    assert inspection.notes[1:] == (
        "Labels were not checked: this needs at least two classes with 5 photos.",
    )
    assert list(inspection.by_kind()) == ["few_photos"]


def test_folder_of_unreadable_files_is_told_not_raised(tmp_path, classifier):
    for name in ("a/1.jpg", "b/2.jpg"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no photo")
    inspection = inspect_photos(find_photos(tmp_path), classifier)
    assert list(inspection.exclude()) == ["a/1.jpg", "b/2.jpg"]


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image.resize((image.width // 3, image.height // 3)),
        lambda image: ImageEnhance.Brightness(image).enhance(1.25),
        lambda image: ImageEnhance.Contrast(image).enhance(1.3),
        lambda image: ImageOps.mirror(image),
        lambda image: ImageOps.crop(image, image.width // 33),
    ],
    ids=["smaller", "brighter", "contrast", "mirrored", "cropped"],
)
def test_changed_copies_of_real_photos_are_found(change, tmp_path, classifier):
    originals = sorted((REPOSITORY / "examples").glob("*.jpg"))
    for original in originals:
        (tmp_path / "train" / "food").mkdir(parents=True, exist_ok=True)
        (tmp_path / "test" / "food").mkdir(parents=True, exist_ok=True)
        shutil.copy(original, tmp_path / "test" / "food" / original.name)
        with Image.open(original) as image:
            change(image.convert("RGB")).save(tmp_path / "train" / "food" / original.name)
    inspection = inspect_photos(find_photos(tmp_path), classifier)
    leaks = inspection.by_kind()["leak"]
    expected = [(f"test/food/{path.name}", f"train/food/{path.name}") for path in originals]
    assert [finding.photos for finding in leaks] == expected
    assert [finding.leave_out for finding in leaks] == [(train,) for _, train in expected]


def test_copies_are_those_of_a_plain_loop(faulty, monkeypatch):
    """The blocks against every pair by imagehash's own distance."""
    from imagehash import phash

    from foodvision.image import load_image
    from foodvision.inspection import copies
    from foodvision.inspection.scan import scan_photos

    seen = scan_photos(find_photos(faulty), None)
    first = {look.pixels: look for look in reversed(seen.photos)}
    equal = {
        (first[look.pixels].place.name, look.place.name)
        for look in seen.photos
        if look is not first[look.pixels]
    }
    clear = [look for look in first.values() if look.contrast >= 3]
    shrunk = [
        load_image(faulty / look.place.name).resize((64, 64), Image.Resampling.BOX)
        for look in clear
    ]
    hashes = [phash(image) for image in shrunk]
    mirrored = [phash(ImageOps.mirror(image)) for image in shrunk]
    near = {
        (clear[one].place.name, clear[two].place.name)
        for one in range(len(clear))
        for two in range(one + 1, len(clear))
        if hashes[one] - hashes[two] <= 12 or mirrored[one] - hashes[two] <= 12
    }
    assert len(near) == 2
    monkeypatch.setattr(copies, "_PAIRS", 2)
    findings, _ = copies.find_copies(seen)
    assert {frozenset(finding.photos) for finding in findings} == grouped(equal | near)


def grouped(pairs):
    """Return pairs as groups: two that share a member are in one."""
    groups = set()
    for pair in map(frozenset, pairs):
        joined = {group for group in groups if group & pair}
        groups = groups - joined | {pair.union(*joined)}
    return groups


def test_many_copies_are_told_in_few_words(tmp_path):
    original = make_photo(tmp_path / "kiwi" / "0.jpg", COLOURS["kiwi"], seed=1)
    for number in range(1, 9):
        shutil.copy(original, tmp_path / "kiwi" / f"{number}.jpg")
    (finding,) = inspect_photos(find_photos(tmp_path), None).by_kind()["duplicate"]
    assert finding.message == (
        "kiwi/1.jpg, kiwi/2.jpg, kiwi/3.jpg and 5 more: the same photo as kiwi/0.jpg"
    )
    assert len(finding.leave_out) == 8


def test_photos_beyond_one_block_are_compared(tmp_path, monkeypatch):
    from foodvision.inspection import copies

    make_split(tmp_path, 4)
    shutil.copy(tmp_path / "blueberry" / "0.jpg", tmp_path / "blueberry" / "other.jpg")
    shutil.copy(tmp_path / "kiwi" / "0.jpg", tmp_path / "tomato" / "other.jpg")
    monkeypatch.setattr(copies, "_BLOCK", 2)
    inspection = inspect_photos(find_photos(tmp_path), None)
    assert list(inspection.by_kind()) == ["conflict", "duplicate", "few_photos"]


@pytest.mark.slow
def test_swapped_labels_of_the_classic_photos_are_found(classic, tmp_path, classifier):
    with zipfile.ZipFile(classic) as archive:
        archive.extractall(tmp_path)
    root = find_photos(tmp_path)
    # One steak, eaten on a round plate of many colours, looks like a pizza and is none; another,
    # sliced on a long plate, like sushi.
    found = inspect_photos(root, classifier).findings
    assert [finding.kind for finding in found] in ([], ["suspect"], ["suspect"] * 2)

    moved = {}
    for split, given, label in (("train", "pizza", "sushi"), ("train", "sushi", "steak")):
        members = [x.path for x in root.splits[split] if x.label == given][:3]
        for path in members:
            target = path.parents[1] / label / f"moved_{path.name}"
            path.rename(target)
            moved[target.relative_to(tmp_path).as_posix()] = given
    suspects = inspect_photos(find_photos(tmp_path), classifier).by_kind()["suspect"]
    found = {finding.photos[0]: finding.suspicion.suggested for finding in suspects}
    # One sushi among the steaks looks like neither: five in six is what the method gives.
    hits = [name for name in moved if found.get(name) == moved[name]]
    assert len(hits) >= 5
    assert len(found) <= len(moved) + 3


def test_command_prints_one_json_object(faulty, tmp_path):
    out = io.StringIO()
    with redirect_stdout(out):
        status = main(["data", str(faulty), "--json", "--exclude-suspects"])
    content = json.loads(out.getvalue())
    assert status == 1
    assert set(content) == {
        *("sound", "photos", "counts", "findings", "exclude", "suspects", "left_out", "notes"),
    }
    assert content["sound"] is False
    assert content["counts"]["test"] == {"blueberry": 6, "kiwi": 6, "plum": 0, "tomato": 5}
    assert set(content["suspects"]) < set(content["exclude"])
    assert len(content["exclude"]) == 12
    first = content["findings"][0]
    assert (first["kind"], first["severity"]) == ("leak", "severe")
    assert first["advice"] == KINDS["leak"].advice


def test_command_for_people_is_tables_and_status_zero_for_clean_photos(fruit, capsys):
    assert main(["data", str(fruit)]) == 0
    out = capsys.readouterr().out
    assert "class folder" in out
    assert "Left out: nothing." in out
    assert out.endswith("\n75 photos in 3 classes: no problems found.\n")


def test_command_for_people_names_what_is_wrong(faulty, capsys):
    assert main(["data", str(faulty)]) == 1
    out = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "- train/tomato/leaked.jpg: the same photo as test/tomato/2.jpg" in out
    assert KINDS["leak"].advice in out
    assert out.endswith(
        "105 photos in 4 classes: 7 severe, 7 warnings, 3 notes. 10 photos are best excluded from "
        "training: --write-exclude FILE lists them, and train --exclude FILE leaves them out."
    )


def test_one_photo_to_exclude_is_singular(tmp_path, capsys):
    folder = make_split(tmp_path, 6)
    min(folder.rglob("*.jpg")).write_text("no photo")
    assert main(["data", str(folder)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert out.endswith(
        "1 photo is best excluded from training: --write-exclude FILE lists it, and train "
        "--exclude FILE leaves it out."
    )


def test_warnings_alone_are_status_zero(tmp_path, capsys):
    assert main(["data", str(make_split(tmp_path, 6))]) == 0
    assert "18 photos in 3 classes: 3 warnings." in capsys.readouterr().out


def test_names_inside_of_an_archive_are_told(faulty, tmp_path, capsys):
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", faulty)
    page = tmp_path / "page.html"
    assert main(["data", archive, "--json", "--html", str(page)]) == 1
    out = capsys.readouterr().out
    assert "train/kiwi/no_photo.jpg is not a readable photo" in out
    assert "foodvision-" not in out
    assert "data:image/jpeg;base64," in page.read_text()


@pytest.mark.parametrize("count", [0, 1])
def test_archive_at_which_training_stops_is_called_by_its_own_name(count, fruit, tmp_path, capsys):
    for label, photos in (("kiwi", 5), ("tomato", count)):
        (tmp_path / "few" / label).mkdir(parents=True)
        for photo in find_photos(fruit).splits["train"][:photos]:
            shutil.copy(photo.path, tmp_path / "few" / label)
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", tmp_path / "few")
    main(["data", archive, "--json"])
    stopped = json.loads(capsys.readouterr().out)["notes"][0]
    assert stopped.startswith("Training stops: ")
    assert archive in stopped
    assert "foodvision-" not in stopped


def test_list_is_one_path_a_line_below_its_reason(tmp_path, inspection):
    write_exclude_list(tmp_path / "exclude.txt", inspection, suspects=True)
    lines = (tmp_path / "exclude.txt").read_text().splitlines()
    assert lines[0].startswith("# Photos that `foodvision train --exclude` leaves out")
    names = [line for line in lines if not line.startswith("#")]
    assert names == list(inspection.exclude(suspects=True))
    at = lines.index("train/tomato/1_copy.jpg")
    assert lines[at - 1] == "# train/tomato/1_copy.jpg: the same photo as train/tomato/1.jpg"


def test_page_shows_what_was_found_and_needs_nothing_else(faulty, inspection, tmp_path):
    write_inspection(tmp_path / "page.html", inspection, faulty, "faulty.zip")
    page = (tmp_path / "page.html").read_text()
    assert "<h1>7 problems to fix</h1>" in page
    for kind in inspection.by_kind():
        assert KINDS[kind].title in page
    assert 'src="http' not in page
    assert "<script" not in page
    assert page.count("<img") == page.count('src="data:image/jpeg;base64,')


def test_page_of_clean_photos_says_so(fruit, tmp_path):
    photos = find_photos(fruit)
    write_inspection(tmp_path / "page.html", inspect_photos(photos, None), photos.root, "fruit")
    assert "<h1>No problems found</h1>" in (tmp_path / "page.html").read_text()


def test_page_shows_sixty_of_a_kind_and_counts_the_others(fruit, tmp_path):
    names = [f"train/kiwi/{number % 20}.jpg" for number in range(70)]
    findings = tuple(Finding("greyscale", f"{name} is greyscale", (name,)) for name in names)
    inspection = Inspection({"train": {"kiwi": 70}}, findings, "Left out: nothing.")
    write_inspection(tmp_path / "page.html", inspection, fruit, "fruit")
    page = (tmp_path / "page.html").read_text()
    assert page.count("<img") == 60
    assert "and 10 more" in page


def test_names_on_the_page_are_no_markup(fruit, tmp_path):
    name = "train/<b>kiwi/1.jpg"
    suspicion = Suspicion("<b>kiwi", "tomato", 0.9)
    finding = Finding("suspect", f"{name}: wrong", (name,), (), suspicion)
    inspection = Inspection({"train": {"<b>kiwi": 1}}, (finding,), "Left out: nothing.")
    write_inspection(tmp_path / "page.html", inspection, fruit, "<b>title")
    page = (tmp_path / "page.html").read_text()
    assert "<b>kiwi/1.jpg" not in page
    assert "<b>title" not in page


def test_photos_that_a_list_finds_elsewhere_are_looked_at(tmp_path, capsys):
    make_split(tmp_path / "photos", 2)
    (tmp_path / "lists").mkdir()
    listed = tmp_path / "lists" / "photos.csv"
    lines = [f"../photos/{label}/{n}.jpg,{label}" for label in COLOURS for n in range(2)]
    listed.write_text("\n".join(["path,label", *lines, lines[0].replace("0.jpg", "9.jpg")]))
    first = tmp_path / "photos" / "blueberry" / "0.jpg"
    shutil.copy(first, first.with_name("9.jpg"))
    assert main(["data", str(listed), "--write-exclude", str(tmp_path / "exclude.txt")]) == 1
    with open_photos(listed) as photos:
        left = exclude(photos, tmp_path / "exclude.txt")
    assert sum(len(members) for members in left.splits.values()) == 6


def test_name_that_is_no_text_is_shown_by_its_numbers(fruit, tmp_path):
    finding = Finding(
        "unreadable", "train/kiwi/\udce9.jpg is not a readable photo", ("train/kiwi/\udce9.jpg",)
    )
    inspection = Inspection({"train": {"kiwi": 1}}, (finding,), "Left out: nothing.")
    write_inspection(tmp_path / "page.html", inspection, fruit, "caf\udce9.zip")
    assert "caf\\udce9.zip" in (tmp_path / "page.html").read_text("utf-8")


def test_names_that_begin_like_a_reason_are_left_out_all_the_same(tmp_path):
    for folder in ("#best", "worst"):
        make_photo(tmp_path / "photos" / folder / "1.jpg", COLOURS["kiwi"], seed=1)
    photos = find_photos(tmp_path / "photos")
    finding = Finding("conflict", "the same photo", ("#best/1.jpg",), ("#best/1.jpg",))
    write_exclude_list(tmp_path / "x.txt", Inspection({}, (finding,), "Left out: nothing."))
    assert len(exclude(photos, tmp_path / "x.txt").splits["all"]) == 1


@pytest.mark.parametrize("option", ["--html", "--write-exclude"])
def test_place_that_cannot_be_written_is_told_before_the_photos_are_looked_at(
    option, tmp_path, capsys
):
    assert main(["data", str(tmp_path / "nowhere"), option, str(tmp_path)]) == 2
    assert f"{tmp_path} is a folder: " in capsys.readouterr().err
