"""`foodvision predict` for thousands of photos: formats, order, resuming, sorting, flat memory."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from conftest import COLOURS, make_photo, make_split, run_foodvision, run_python
from pyarrow import parquet

import foodvision
from foodvision.classifier import Prediction
from foodvision.cli.answer_files import Written, columns_of, csv_file, read_written
from foodvision.cli.main import main
from foodvision.cli.many_photos import FoundPhoto
from foodvision.cli.sorting import NOT_KNOWN, Sorter, folder_names
from foodvision.data.photos import photo_files
from foodvision.errors import PhotoError, SettingsError
from foodvision.system.processes import processors


@pytest.fixture
def photos(tmp_path) -> Path:
    return make_split(tmp_path / "photos", 4)


@pytest.fixture
def predict(fruit_checkpoint):
    return lambda *given: main(["predict", *map(str, given), "--model", str(fruit_checkpoint)])


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def paths_of(file: Path) -> list[str]:
    return [row["path"] for row in rows_of(file)]


def names_in(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.rglob("*.jpg"))]


def command(*given, model: Path) -> list[str]:
    return [
        *(sys.executable, "-m", "foodvision", "predict", *map(str, given)),
        *("--model", str(model)),
    ]


def test_csv_has_a_row_a_photo_in_order(photos, predict, fruit_checkpoint, tmp_path):
    spoiled = photos / "kiwi" / "1.jpg"
    spoiled.write_text("no photo")
    assert predict(photos, "--csv", tmp_path / "a.csv", "--top", 2) == 1
    rows = rows_of(tmp_path / "a.csv")
    assert list(rows[0]) == columns_of(2)
    assert columns_of(2) == [
        *("path", "label", "confidence", "certainty", "known", "known_score"),
        *("top2", "top2_confidence", "error"),
    ]
    assert [row["path"] for row in rows] == names_in(photos)
    classifier = foodvision.load(fruit_checkpoint)
    for row in rows:
        if row["path"] == str(spoiled):
            assert "is not a readable photo" in row["error"]
            assert not any(row[name] for name in columns_of(2)[1:-1])
            continue
        expected = classifier.predict(row["path"], top=2)
        assert row["label"] == expected.label
        assert float(row["confidence"]) == pytest.approx(expected.confidence, abs=1e-6)
        assert row["known"] == str(expected.known).lower()
        assert row["top2"] == expected.top[1].label
        assert row["error"] == ""


def test_parquet_holds_the_same_as_csv(photos, predict, tmp_path):
    (photos / "kiwi" / "1.jpg").write_text("no photo")
    assert predict(photos, "--csv", tmp_path / "a.csv") == 1
    assert predict(photos, "--parquet", tmp_path / "a.parquet") == 1
    table = parquet.read_table(tmp_path / "a.parquet")
    rows = rows_of(tmp_path / "a.csv")
    assert table.column_names == list(rows[0])
    assert table["path"].to_pylist() == [row["path"] for row in rows]
    assert [name or "" for name in table["label"].to_pylist()] == [row["label"] for row in rows]
    assert [name or "" for name in table["error"].to_pylist()] == [row["error"] for row in rows]
    assert [str(known).lower() for known in table["known"].to_pylist() if known is not None] == [
        row["known"] for row in rows if row["known"]
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "a.parquet", "photos"]


def test_parquet_is_written_in_groups(photos, predict, tmp_path, monkeypatch):
    monkeypatch.setattr("foodvision.cli.answer_files._ROWS", 5)
    assert predict(photos, "--parquet", tmp_path / "a.parquet") == 0
    file = parquet.ParquetFile(tmp_path / "a.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [5, 5, 2]


def test_answers_are_the_same_lines_as_one_by_one(photos, predict, capsys):
    assert predict(photos) == 0
    together = capsys.readouterr().out
    for name in names_in(photos):
        assert predict(name) == 0
    assert capsys.readouterr().out == together


def test_pattern_in_quotes_is_sorted_as_a_shell_does(photos, predict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (photos / "kiwi" / ".hidden.jpg").touch()
    assert predict("photos/k*/*.jpg", "--csv", "a.csv") == 0
    assert paths_of(tmp_path / "a.csv") == [f"photos/kiwi/{index}.jpg" for index in range(4)]
    assert predict("photos/**/*.jpg", "--csv", "b.csv") == 0
    assert len(paths_of(tmp_path / "b.csv")) == 12
    assert predict("photos/**", "--csv", "c.csv") == 0
    assert paths_of(tmp_path / "c.csv") == paths_of(tmp_path / "b.csv")


def test_file_whose_name_looks_like_a_pattern_is_itself(predict, tmp_path):
    make_photo(tmp_path / "a[1].jpg", COLOURS["kiwi"], seed=1)
    make_photo(tmp_path / "a1.jpg", COLOURS["kiwi"], seed=2)
    assert predict(tmp_path / "a[1].jpg", "--csv", tmp_path / "a.csv") == 0
    assert paths_of(tmp_path / "a.csv") == [str(tmp_path / "a[1].jpg")]


def test_pattern_without_matches_is_one_line(predict, tmp_path, capsys):
    assert predict(tmp_path / "*.jpg") == 2
    assert capsys.readouterr().err == (
        f"foodvision: {tmp_path / '*.jpg'} matches no file: check the path\n"
    )


def test_list_on_standard_input(photos, fruit_checkpoint, tmp_path):
    names = names_in(photos)[::-1]
    listed = "\n".join([*names[:2], "", "missing.jpg", *names[2:]])
    done = subprocess.run(
        command("-", "--json", model=fruit_checkpoint),
        input=listed,
        capture_output=True,
        text=True,
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["path"] for answer in answers] == [*names[:2], "missing.jpg", *names[2:]]
    assert answers[2]["error"] == "missing.jpg does not exist: check the path"
    assert done.returncode == 1


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_empty_standard_input_is_one_line(content, tmp_path):
    table = tmp_path / "a.csv"
    done = run_foodvision("predict", "-", "--csv", table, input=content)
    assert done.returncode == 2
    assert done.stderr == "foodvision: standard input is empty: write one path per line to it\n"
    assert not table.exists()


def test_closed_standard_input_is_empty(photos, predict, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)  # as Python starts where it is closed
    assert predict("-") == 2
    assert capsys.readouterr().err.startswith("foodvision: standard input is empty")
    photo = photos / "kiwi" / "0.jpg"
    assert predict("-", photo) == 0
    assert capsys.readouterr().out.startswith(str(photo))


def test_archive_among_others_is_answered_by_its_names(photos, predict, tmp_path):
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "gztar", photos))
    first, last = names_in(photos)[0], names_in(photos)[-1]
    (tmp_path / "spoiled.zip").write_text("no archive")
    status = predict(first, packed, tmp_path / "spoiled.zip", last, "--csv", tmp_path / "a.csv")
    rows = rows_of(tmp_path / "a.csv")
    inside = [f"{packed}/{Path(name).relative_to(photos)}" for name in names_in(photos)]
    assert [row["path"] for row in rows] == [first, *inside, str(tmp_path / "spoiled.zip"), last]
    assert "cannot be unpacked" in rows[-2]["error"]
    assert status == 1


def test_error_in_an_archive_names_the_archive(predict, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("kiwi/1.jpg", "no photo")
    assert predict(tmp_path / "a.zip", "--json") == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["path"] == f"{tmp_path / 'a.zip'}/kiwi/1.jpg"
    assert answer["error"].startswith(f"{tmp_path / 'a.zip'}/kiwi/1.jpg is not a readable photo")


def test_formula_in_a_name_is_escaped_and_read_back(predict, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["=1+1.jpg", "a\nb.jpg", 'a",b.jpg', "'=1.jpg"]
    for seed, name in enumerate(names):
        make_photo(tmp_path / name, COLOURS["kiwi"], seed)
    assert predict(*names, "--csv", "a.csv") == 0
    assert paths_of(tmp_path / "a.csv") == ["'=1+1.jpg", names[1], names[2], "''=1.jpg"]
    before = (tmp_path / "a.csv").read_bytes()
    assert predict(*names, "--csv", "a.csv", "--resume") == 0
    assert (tmp_path / "a.csv").read_bytes() == before


def test_name_that_is_no_unicode_is_answered_once(photos, predict, tmp_path):
    odd = os.fsdecode(b"k\xff.jpg")
    shutil.copy(photos / "kiwi" / "0.jpg", photos / odd)
    assert predict(photos / odd, "--csv", tmp_path / "a.csv") == 0
    assert b"k\xff.jpg,kiwi" in (tmp_path / "a.csv").read_bytes()
    assert predict(photos / odd, "--csv", tmp_path / "a.csv", "--resume") == 0
    assert (tmp_path / "a.csv").read_bytes().count(b"\n") == 2
    assert predict(photos / odd, "--parquet", tmp_path / "a.parquet") == 0
    (path,) = parquet.read_table(tmp_path / "a.parquet")["path"].to_pylist()
    assert path.endswith("k\\udcff.jpg")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--csv", "there.csv"], "there.csv already exists: choose another file, or remove it"),
        (["--parquet", "there.csv"], "there.csv already exists: choose another file, or remove it"),
        (["--csv", "a.csv", "--json"], "--json, --csv and --parquet cannot be combined"),
        (["--parquet", "a.parquet", "--resume"], "--resume cannot continue a Parquet file"),
        (["--resume"], "--resume continues a CSV file: add --csv FILE"),
        (["--csv", "nowhere/a.csv"], "nowhere/a.csv cannot be written: "),
        (
            ["--csv", "there.csv", "--resume"],
            "there.csv was not written by foodvision predict --csv",
        ),
    ],
)
def test_wrong_options_are_one_line(
    options, message, photos, predict, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("path,label\n1.jpg,kiwi\n")
    assert predict("photos", *options) == 2
    out, error = capsys.readouterr()
    assert error.startswith(f"foodvision: {message}")
    assert error.count("\n") == 1
    assert out == ""
    assert Path("there.csv").read_text() == "path,label\n1.jpg,kiwi\n"
    assert not Path("a.csv").exists()


def test_parquet_without_pyarrow_says_what_to_install(photos, predict, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert predict(photos, "--parquet", photos / "a.parquet") == 2
    assert "pip install '.[datasets]'" in capsys.readouterr().err


def linked(folder: Path, count: int, photo: Path) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"{number:05}.jpg").hardlink_to(photo)
    return folder


def test_killed_process_is_resumed_with_every_photo_once(
    photos, predict, fruit_checkpoint, tmp_path
):
    many = linked(tmp_path / "many", 600, photos / "kiwi" / "0.jpg")
    table = tmp_path / "a.csv"
    options = [many, "--csv", table, "--sort-into", tmp_path / "sorted"]
    with subprocess.Popen(command(*options, model=fruit_checkpoint)) as process:
        wait_for_lines(table, 50, process)
        process.kill()
    assert 40 <= len(paths_of(table)) < 600
    with table.open("ab") as file:
        file.write(b'"' + str(many / "00599.jpg").encode())  # as if it was cut off in a row
    assert predict(*options, "--resume") == 0
    assert paths_of(table) == names_in(many)
    assert len(names_in(tmp_path / "sorted")) == 600


def wait_for_lines(file: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    while not file.exists() or file.read_bytes().count(b"\n") < count:
        assert process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_process_leaves_whole_rows(number, photos, fruit_checkpoint, tmp_path):
    many = linked(tmp_path / "many", 2000, photos / "kiwi" / "0.jpg")
    table = tmp_path / "a.csv"
    call = command(many, "--csv", table, model=fruit_checkpoint)
    with subprocess.Popen(call, stderr=subprocess.PIPE) as process:
        wait_for_lines(table, 30, process)
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode == 128 + number
    assert error == b""
    assert table.read_bytes().endswith(b"\n")
    assert paths_of(table) == names_in(many)[: len(paths_of(table))]
    assert len(paths_of(table)) < 2000


def test_interrupted_parquet_leaves_nothing(photos, fruit_checkpoint, tmp_path):
    many = linked(tmp_path / "many", 2000, photos / "kiwi" / "0.jpg")
    out = tmp_path / "out"
    out.mkdir()
    call = command(many, "--parquet", out / "a.parquet", model=fruit_checkpoint)
    with subprocess.Popen(call) as process:
        while not list(out.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert list(out.iterdir()) == []


def test_resuming_keeps_the_status_of_earlier_photos(photos, predict, tmp_path):
    (photos / "kiwi" / "1.jpg").write_text("no photo")
    assert predict(photos / "kiwi", "--csv", tmp_path / "a.csv") == 1
    assert predict(photos, "--csv", tmp_path / "a.csv", "--resume") == 1
    assert sorted(paths_of(tmp_path / "a.csv")) == names_in(photos)


def test_resuming_says_what_is_new_and_what_was_there(photos, predict, tmp_path, capsys):
    table, folder, count = tmp_path / "a.csv", photos / "kiwi", len(names_in(photos))
    inside = len(list(folder.iterdir()))
    said = [f"{inside} photos", f"{count - inside} new photos, {inside} already there"]
    said += [f"0 new photos, {count} already there"]
    for given, words in zip((folder, photos, photos), said, strict=True):
        assert predict(given, "--csv", table, "--resume") == 0
        assert capsys.readouterr().out == f"{table}: {words}\n"


def test_resuming_begins_where_nothing_was_written(photos, predict, tmp_path):
    assert predict(photos, "--csv", tmp_path / "a.csv", "--resume") == 0
    whole = (tmp_path / "a.csv").read_bytes()
    (tmp_path / "b.csv").write_bytes(whole[:20])
    assert predict(photos, "--csv", tmp_path / "b.csv", "--resume") == 0
    assert (tmp_path / "b.csv").read_bytes() == whole


def test_csv_cut_anywhere_is_read_up_to_its_last_whole_row(tmp_path):
    answer = PhotoError('no "photo",\nreally')
    with csv_file(tmp_path / "whole.csv", 2, Written()) as write:
        for name in ("a.jpg", "b\n.jpg", "=c.jpg"):
            write(name, answer)
    whole = (tmp_path / "whole.csv").read_bytes()
    ends = [read_written(tmp_path / "whole.csv", 2).end]
    for cut in range(len(whole)):
        (tmp_path / "cut.csv").write_bytes(whole[:cut])
        before = read_written(tmp_path / "cut.csv", 2)
        ends.append(before.end)
        assert before.end <= cut
        with csv_file(tmp_path / "cut.csv", 2, before) as write:
            for name in ("a.jpg", "b\n.jpg", "=c.jpg"):
                if before.lacks(name):
                    write(name, answer)
        assert (tmp_path / "cut.csv").read_bytes() == whole
    assert len(set(ends)) == 5


def prediction(label: str, *, known: bool = True) -> Prediction:
    return Prediction(label, 0.9, (), "sure", known, 1.0, 0.1)


HOSTILE = ["../../out", "/etc", "..", ".", "", "a/b", "a\\b", "a_b", "con", "A_B", "nul.txt"]
HOSTILE += ["not known", "x" * 400, "\u202egpj", "a\nb", "\0", "C:", "가" * 200, " .hidden. "]


def test_folders_of_hostile_labels_stay_inside_and_apart(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    sorter = Sorter(tmp_path / "in" / "sorted", HOSTILE)
    for label in HOSTILE:
        sorter.sort(
            FoundPhoto(tmp_path / "photo.jpg", str(tmp_path / "photo.jpg")), prediction(label)
        )
    found = list((tmp_path / "in" / "sorted").glob("*/photo.jpg"))
    assert len(found) == len(HOSTILE) == sorter.linked
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == (
        ["photo.jpg"] * (1 + len(HOSTILE))
    )
    names = [name.casefold() for name in folder_names(HOSTILE).values()]
    assert len({*names, NOT_KNOWN}) == len(HOSTILE) + 1


def test_link_in_the_place_of_a_folder_is_refused(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"photo")
    (tmp_path / "elsewhere").mkdir()
    sorter = Sorter(tmp_path / "sorted", ["kiwi"])
    (tmp_path / "sorted" / "kiwi").symlink_to(tmp_path / "elsewhere")
    photo = FoundPhoto(tmp_path / "photo.jpg", str(tmp_path / "photo.jpg"))
    with pytest.raises(SettingsError, match="kiwi is a link"):
        sorter.sort(photo, prediction("kiwi"))
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_names_that_collide_get_a_number(tmp_path):
    sorter = Sorter(tmp_path / "sorted", ["kiwi"])
    long = "x" * 251 + ".jpg"
    for number in range(4):
        for name in ("photo.jpg", long):
            photo = tmp_path / str(number) / name
            photo.parent.mkdir(exist_ok=True)
            photo.write_text(str(number))
            sorter.sort(FoundPhoto(photo, str(photo)), prediction("kiwi"))
    folder = tmp_path / "sorted" / "kiwi"
    assert [path.name for path in sorted(folder.glob("photo*"))] == [
        *("photo (2).jpg", "photo (3).jpg", "photo (4).jpg", "photo.jpg"),
    ]
    assert (folder / "photo (3).jpg").read_text() == "2"
    assert sorted(path.read_text() for path in folder.glob("x*")) == ["0", "1", "2", "3"]
    assert sorter.in_words() == f"{tmp_path / 'sorted'}: 8 linked"


def test_photos_are_sorted_as_links_and_those_of_archives_as_copies(
    photos, predict, tmp_path, capsys
):
    (photos / "kiwi" / "1.jpg").write_text("no photo")
    (photos / "link.jpg").symlink_to("kiwi/0.jpg")
    packed = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos, "tomato"))
    sorted_into = photos / "sorted"
    assert predict(photos, packed, "--sort-into", sorted_into, "--json") == 1
    out, error = capsys.readouterr()
    answers = [json.loads(line) for line in out.splitlines()]
    assert len(answers) == 13 + 4
    assert error == f"foodvision: {sorted_into}: 12 linked, 4 copied\n"
    folders = {path.parent.name for path in sorted_into.rglob("*.jpg")}
    assert folders == {a["label"] if a["known"] else NOT_KNOWN for a in answers if "label" in a}
    placed = [path for path in sorted_into.rglob("*") if path.is_file()]
    assert len(placed) == 16
    assert not any(path.is_symlink() for path in placed)
    assert sum(path.stat().st_nlink > 1 for path in placed) == 12
    # What was sorted is no photo of the folder the next time.
    assert predict(photos, "--sort-into", sorted_into, "--csv", tmp_path / "a.csv") == 1
    assert len(paths_of(tmp_path / "a.csv")) == 13


def test_photos_are_not_sorted_into_their_own_folder_or_a_file(photos, predict, tmp_path, capsys):
    before = names_in(photos)
    place = photos / "kiwi" / ".."
    assert predict(photos, "--sort-into", place) == 2
    assert "is the folder of the photos: choose another folder" in capsys.readouterr().err
    assert names_in(photos) == before
    file = tmp_path / "file"
    file.touch()
    for place in (file, file / "sorted"):
        assert predict(photos, "--sort-into", place) == 2
        said = f"foodvision: {place} cannot be written: {file} is not a writable folder\n"
        assert capsys.readouterr().err == said


PEAK = """
import resource, sys
from foodvision.cli.main import main
status = main(sys.argv[1:])
print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_stays_flat(photos, fruit_checkpoint, tmp_path):
    def peak(count: int) -> int:
        many = linked(tmp_path / f"{count}", count, photos / "kiwi" / "0.jpg")
        call = ["predict", many, "--csv", tmp_path / f"{count}.csv", "--model", fruit_checkpoint]
        done = run_python("-c", PEAK, *call, check=True)
        status, megabytes = done.stdout.split()[-2:]
        assert status == "0"
        assert len(paths_of(tmp_path / f"{count}.csv")) == count
        return int(megabytes)

    assert peak(3000) - peak(100) < 10


def test_walk_keeps_no_paths(tmp_path):
    make_photo(tmp_path / "b.jpg", COLOURS["kiwi"], seed=1)
    make_photo(tmp_path / "A.jpg", COLOURS["kiwi"], seed=1)
    make_photo(tmp_path / "a" / "1.jpg", COLOURS["kiwi"], seed=1)
    make_photo(tmp_path / "without" / "1.jpg", COLOURS["kiwi"], seed=1)
    found = photo_files(tmp_path, without=tmp_path / "without")
    assert iter(found) is found
    assert [str(path.relative_to(tmp_path)) for path in found] == ["A.jpg", "a/1.jpg", "b.jpg"]


@pytest.mark.parametrize(
    ("start", "given", "expected"),
    [
        ("", ".", ["a/b/1.jpg"]),
        ("a", ".", ["b/1.jpg"]),
        ("a/b", ".", ["1.jpg"]),
        ("a/b", "..", ["../b/1.jpg"]),
        ("a", "./b/../.", ["b/../b/1.jpg"]),
    ],
)
def test_walk_begins_in_this_folder_too(start, given, expected, tmp_path, monkeypatch):
    make_photo(tmp_path / "a" / "b" / "1.jpg", COLOURS["kiwi"], seed=1)
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / start)
    assert [str(path) for path in photo_files(Path(given))] == expected


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "100000 100000\n", "a/b/cpu.max": "max 100000\n"}, 1),
        (
            "4:cpu,cpuacct:/docker/1\n0::/\n",
            {"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        ("4:memory:/x\n", {"memory/x/cpu.max": "100000 100000\n"}, None),
        ("4:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("", {}, None),
    ],
)
def test_processors_are_those_of_the_quota(groups, files, expected, tmp_path):
    for name, content in {"proc/self/cgroup": groups}.items():
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(content)
    for name, content in files.items():
        (tmp_path / "sys/fs/cgroup" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys/fs/cgroup" / name).write_text(content)
    allowed = len(os.sched_getaffinity(0))
    assert processors(tmp_path) == min(allowed, expected or allowed)
