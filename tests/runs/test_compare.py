"""Two runs held against each other, and the commands that list and compare them."""

import json
import subprocess
import sys
from dataclasses import asdict, replace

import numpy as np
import pytest
from runs_made import COMMAND, make_run
from statsmodels.stats.contingency_tables import mcnemar

from foodvision.cli.main import main
from foodvision.errors import RunError
from foodvision.figures import wilson_interval
from foodvision.runs.answers import JudgedPhoto
from foodvision.runs.compare import compare, mcnemar_exact, paired_interval
from foodvision.runs.reading import read_run
from foodvision.runs.record import RunRecord, write_start
from foodvision.training.config import TrainConfig


@pytest.fixture
def runs(fruit, tmp_path):
    """A folder with two runs on the same photos: seven mistakes in one, none in the other."""
    make_run(tmp_path / "runs" / "old", fruit, wrong=7)
    make_run(tmp_path / "runs" / "new", fruit, wrong=0, config=TrainConfig(model="tinyvgg"))
    return tmp_path / "runs"


def record(folder, answers):
    return RunRecord(
        folder, "photos", "2026-11-24T10:00:00", (), "finished", 1, {}, {}, {}, (), None, answers
    )


@pytest.mark.parametrize(("b", "c"), [(0, 0), (0, 1), (3, 3), (1, 8), (9, 1), (30, 52), (0, 6)])
def test_p_value_is_that_of_statsmodels(b, c):
    expected = mcnemar([[40, b], [c, 11]], exact=True).pvalue
    assert mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-12)


def test_interval_is_the_published_one():
    # ci.prop.ps(.05, 12, 4, 26, 6) of the R package statpsych, by the author of the paper
    assert paired_interval(4, 26, 48) == pytest.approx((0.2548067, 0.6251933), abs=1e-7)


def test_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(5)
    cells = rng.multinomial(75, [0.05, 0.12, 0.83], size=4000)
    intervals = [paired_interval(int(b), int(c), 75) for b, c, _ in cells]
    covered = np.mean([low <= 0.07 <= high for low, high in intervals])
    assert 0.94 <= covered <= 0.97


def test_interval_of_runs_that_agree_is_no_point():
    low, high = paired_interval(0, 0, 75)
    assert low == -high
    assert 0.03 < high < 0.06


def test_comparison_turns_around_with_its_runs(runs):
    old, new = read_run(runs / "old"), read_run(runs / "new")
    there, back = compare(old, new), compare(new, old)
    assert there.difference == -back.difference == pytest.approx(7 / 15)
    assert there.interval == pytest.approx((-back.interval.high, -back.interval.low))
    assert there.p_value == back.p_value == pytest.approx(2 / 2**7)
    assert there.only_second == back.only_first
    assert len(there.only_second) == 7
    assert there.only_first == ()
    assert there.in_words() == back.in_words()


def test_more_than_noise_is_said_in_words(runs):
    comparison = compare(read_run(runs / "old"), read_run(runs / "new"))
    assert comparison.is_more_than_noise
    assert comparison.in_words() == (
        "new is 46.7 points more accurate than old (95% interval +12.7 to +69.7) on the "
        "same 15 photos: a significant difference (McNemar's exact test, p = 0.016)."
    )
    assert comparison.first.interval == wilson_interval(8, 15)


def test_noise_is_said_in_words(runs, fruit):
    make_run(runs / "other", fruit, wrong=5)
    comparison = compare(read_run(runs / "other"), read_run(runs / "old"))
    assert not comparison.is_more_than_noise
    assert comparison.in_words() == (
        "other is 13.3 points more accurate than old (95% interval -10.6 to +34.1) on the "
        "same 15 photos: no significant difference (McNemar's exact test, p = 0.500)."
    )


def test_interval_and_test_that_disagree_are_reconciled(tmp_path):
    one, two = (
        record(
            tmp_path / name,
            tuple(JudgedPhoto(str(n), "a", "b" if n < wrong else "a", 1, 1) for n in range(30)),
        )
        for name, wrong in (("one", 5), ("two", 0))
    )
    assert compare(one, two).in_words() == (
        "two is 16.7 points more accurate than one (95% interval +0.4 to +30.9) on the same 30 "
        "photos: no significant difference (McNemar's exact test, p = 0.062). The interval just "
        "excludes 0, but the exact test does not reject equal accuracy: there are too few photos "
        "to tell."
    )


def test_runs_that_are_equally_often_right_differ_in_which_photos(tmp_path):
    one = record(
        tmp_path / "one", (JudgedPhoto("1", "a", "a", 1, 1), JudgedPhoto("2", "a", "b", 1, 1))
    )
    two = record(
        tmp_path / "two", (JudgedPhoto("2", "a", "a", 1, 1), JudgedPhoto("1", "a", "b", 1, 1))
    )
    comparison = compare(one, two)
    assert comparison.only_first == ("1",)
    assert comparison.only_second == ("2",)
    assert comparison.p_value == 1
    assert comparison.in_words() == "one and two are equally accurate on the same 2 photos."


def test_runs_of_the_same_name_are_told_apart_by_their_folders(tmp_path):
    answers = (JudgedPhoto("1", "a", "a", 1, 1),)
    comparison = compare(
        record(tmp_path / "a" / "run", answers), record(tmp_path / "b" / "run", answers)
    )
    assert comparison.first.name == str(tmp_path / "a" / "run")


def test_run_is_not_compared_with_itself(tmp_path):
    one = record(tmp_path / "run", ())
    with pytest.raises(RunError, match="is the same run: compare it with another"):
        compare(one, replace(one, folder=tmp_path / "x" / ".." / "run"))


def test_runs_on_other_photos_are_not_compared(tmp_path):
    one = record(tmp_path / "one", tuple(JudgedPhoto(str(n), "a", "a", 1, 1) for n in range(5)))
    two = record(tmp_path / "two", tuple(JudgedPhoto(str(n), "a", "a", 1, 1) for n in range(3, 7)))
    with pytest.raises(RunError) as caught:
        compare(one, two)
    assert str(caught.value) == (
        "one and two have different test photos (5 and 4, 2 in common): compare runs with "
        "the same photos, seed and test-share, and with the same --exclude list and files"
    )


def test_runs_by_other_labels_are_not_compared(tmp_path):
    one = record(tmp_path / "one", (JudgedPhoto("x/1.jpg", "a", "a", 1, 1),))
    two = record(tmp_path / "two", (JudgedPhoto("x/1.jpg", "b", "a", 1, 1),))
    with pytest.raises(
        RunError, match=r"different labels \(x/1\.jpg is a in one and b in the other"
    ):
        compare(one, two)


def test_run_that_goes_on_is_not_compared(runs):
    write_start(runs / "going", asdict(TrainConfig()), "photos", COMMAND)
    with pytest.raises(RunError) as caught:
        compare(read_run(runs / "old"), read_run(runs / "going"))
    assert str(caught.value) == (
        f"{runs / 'going'} has no predictions for test photos (it is running): compare "
        "finished runs"
    )


def test_compare_prints_both_sides_and_the_verdict(runs, capsys):
    assert main(["compare", str(runs / "old"), str(runs / "new")]) == 0
    out = capsys.readouterr().out
    assert "30.1 to 75.2" in out
    assert "+12.7 to +69.7" in out
    assert out.endswith("a significant difference (McNemar's exact test, p = 0.016).\n")


def test_compare_is_one_json_object(runs, capsys):
    assert main(["compare", str(runs / "old"), str(runs / "new"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["first"]["name"] == "old"
    assert found["first"]["right"] == 8
    assert found["second"]["top1"] == 1
    assert found["p_value"] == pytest.approx(0.015625)
    assert found["is_more_than_noise"] is True
    assert len(found["only_second"]) == 7


def test_compare_writes_a_page(runs, tmp_path, capsys):
    page = tmp_path / "pages" / "compare.html"
    assert main(["compare", str(runs / "old"), str(runs / "new"), "--html", str(page)]) == 0
    assert "Significant difference" in page.read_text()


def test_runs_lists_the_newest_first(runs, capsys):
    write_start(runs / "going", asdict(TrainConfig(model="resnet18")), "photos", COMMAND)
    restart(runs / "going", "2100-01-01T00:00:00+00:00")
    assert main(["runs", str(runs), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] | {"seconds": 0} == {
        "name": "going",
        "folder": str(runs / "going"),
        "state": "running",
        "model": "resnet18",
        "data": "photos",
        "epochs": 0,
        "val_acc": None,
        "n": None,
        "top1": None,
        "top1_interval": None,
        "seconds": 0,
        "started": "2100-01-01T00:00:00+00:00",
    }


def test_runs_lists_the_best_first(runs, capsys):
    write_start(runs / "going", asdict(TrainConfig()), "photos", COMMAND)
    assert main(["runs", str(runs), "--sort", "top1", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["name"] for line in lines] == ["new", "old", "going"]
    assert lines[1]["top1_interval"] == list(wilson_interval(8, 15))


def test_runs_for_people_are_a_table(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (runs / "old").rename(runs / "20261126-175103-foodvision_101")
    assert main(["runs", str(runs)]) == 0
    lines = iter(capsys.readouterr().out.splitlines())
    row = next(line for line in lines if "foodvision_101" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells == ["20261126-175103-foodvision_101", "90.0", "53.3", "30.1 to 75.2", "15"]
    assert "finished, efficientnet_lite0, 6" in next(lines)


def test_spoiled_run_does_not_hide_the_others(runs, capsys):
    (runs / "old" / "run.json").write_text("{")
    assert main(["runs", str(runs), "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["name"] == "new"
    assert captured.err.startswith(f"foodvision: {runs / 'old' / 'run.json'}: is not JSON")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        ("run.json", "seconds", float("nan")),
        ("run.json", "seconds", 1e400),
        ("run.json", "started", "0001-01-01T00:00:00"),
        ("figures.json", "top1", "high"),
    ],
)
def test_run_with_a_strange_value_does_not_hide_the_others(file, name, value, runs, capsys):
    path = runs / "old" / file
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: value}))
    assert main(["runs", str(runs)]) == 1
    captured = capsys.readouterr()
    assert "new" in captured.out
    assert captured.err.startswith(f"foodvision: {path}: ")


def test_folder_without_runs_is_one_line(tmp_path, capsys):
    assert main(["runs", str(tmp_path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"foodvision: {tmp_path} contains no runs: ")


def test_runs_and_comparisons_load_no_torch(runs):
    program = f"""
import subprocess
import sys
from foodvision.cli.main import main
assert main(["runs", {str(runs)!r}]) == 0
assert main(["compare", {str(runs / "old")!r}, {str(runs / "new")!r}, "--html", "x.html"]) == 0
assert not {{"torch", "gradio", "trackio", "tensorboard", "matplotlib.pyplot"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, cwd=runs)


def restart(folder, moment):
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "started": moment}))
