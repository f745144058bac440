import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import (
    COLOURS,
    EXAMPLES,
    REPOSITORY,
    make_photo,
    make_split,
    run_foodvision,
    run_python,
)
from datasets import ClassLabel
from test_hub_datasets import write_rows

import foodvision
from foodvision.cli.main import main


@pytest.fixture
def photo(fruit, tmp_path):
    return Path(shutil.copy(fruit / "train" / "kiwi" / "0.jpg", tmp_path / "kiwi.jpg"))


def test_prediction_is_one_json_object_a_line(photo, fruit_checkpoint, capsys):
    status = main(["predict", str(photo), "--model", str(fruit_checkpoint), "--json", "--top", "2"])
    answer = json.loads(capsys.readouterr().out)
    expected = foodvision.load(fruit_checkpoint).predict(photo, top=2)
    assert status == 0
    assert answer == {
        "path": str(photo),
        "label": expected.label,
        "confidence": expected.confidence,
        "certainty": expected.certainty,
        "known": expected.known,
        "known_score": expected.known_score,
        "top": [guess._asdict() for guess in expected.top],
    }


def test_prediction_for_people_is_a_line(photo, fruit_checkpoint, capsys):
    assert main(["predict", str(photo), "--model", str(fruit_checkpoint)]) == 0
    out = capsys.readouterr().out
    assert re.match(rf"{re.escape(str(photo))}: (likely|perhaps|sure): kiwi ", out)
    assert out.count("\n") == 1


def test_folder_is_answered_photo_by_photo(tmp_path, fruit_checkpoint, capsys):
    make_split(tmp_path / "heap", 2)
    (tmp_path / "heap" / "notes.txt").write_text("no photo")
    make_photo(tmp_path / "heap" / ".ipynb_checkpoints" / "1.jpg", COLOURS["kiwi"], seed=1)
    assert main(["predict", str(tmp_path), "--model", str(fruit_checkpoint), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 6
    assert [line["path"] for line in lines] == sorted(line["path"] for line in lines)


def test_photo_that_fails_is_named_and_the_others_are_answered(photo, fruit_checkpoint, capsys):
    spoiled = photo.with_name("spoiled.jpg")
    spoiled.write_text("no photo")
    missing = photo.with_name("missing.jpg")
    names = [str(spoiled), str(photo), str(missing)]
    assert main(["predict", *names, "--model", str(fruit_checkpoint), "--json"]) == 1
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["path"] for line in lines] == names
    assert set(lines[0]) == set(lines[2]) == {"path", "error"}
    assert "is not a readable photo" in lines[0]["error"]
    assert lines[1]["label"] == "kiwi"
    assert lines[2]["error"] == f"{missing} does not exist: check the path"


def test_folder_without_photos_among_others_is_named(photo, fruit_checkpoint, tmp_path, capsys):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "IMG_1.CR3").touch()
    given = ["predict", str(photo), str(tmp_path / "holiday"), "--model", str(fruit_checkpoint)]
    assert main(given) == 1
    out, error = capsys.readouterr()
    assert out.startswith(f"{photo}: ")
    assert error == f"foodvision: {tmp_path / 'holiday'} contains no photos\n"


def without_speed(out):
    """Figures from a JSON object, but for speed, and names that depend on the photos' folder."""
    return {k: v for k, v in json.loads(out).items() if k not in ("speed", "mistakes")}


def test_figures_are_one_json_object(fruit, fruit_checkpoint, capsys):
    model = ["--model", str(fruit_checkpoint)]
    assert main(["evaluate", str(fruit), *model, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures) == {
        *("n", "top1", "top1_interval", "top5", "top5_interval", "macro_f1", "macro_f1_interval"),
        *("nll", "brier", "ece", "ece_interval", "ece_by_chance", "reliability", "per_class"),
        *("confused", "confusion", "mistakes", "robustness", "speed", "certainty"),
    }
    assert figures["n"] == sum(sum(row.values()) for row in figures["confusion"].values()) == 15
    assert main(["evaluate", str(fruit / "test"), *model, "--json"]) == 0
    assert without_speed(capsys.readouterr().out) == without_speed(json.dumps(figures))
    assert main(["evaluate", str(fruit), *model, "--split", "train", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 60


def test_figures_for_people_are_a_table(fruit, fruit_checkpoint, capsys):
    assert main(["evaluate", str(fruit), "--model", str(fruit_checkpoint)]) == 0
    out = capsys.readouterr().out
    assert "95% interval" in out
    assert "blueberry" in out


def test_photos_of_other_things_are_judged_in_folders_and_archives(
    fruit, fruit_checkpoint, tmp_path, capsys
):
    call = ["evaluate", str(fruit), "--model", str(fruit_checkpoint), "--json", "--unknown"]
    assert main([*call, str(EXAMPLES)]) == 0
    known = json.loads(capsys.readouterr().out)["known"]
    assert set(known) == {
        *("auroc", "auroc_interval", "refused_at_95", "threshold", "kept", "refused"),
    }
    assert (known["kept"]["n"], known["refused"]["n"]) == (15, 8)
    archive = shutil.make_archive(str(tmp_path / "others"), "zip", EXAMPLES)
    assert main([*call, archive]) == 0
    assert json.loads(capsys.readouterr().out)["known"] == known


def test_page_is_written_besides_the_table(fruit, fruit_checkpoint, tmp_path, capsys):
    page = tmp_path / "pages" / "page.html"
    call = ["evaluate", str(fruit), "--model", str(fruit_checkpoint), "--html", str(page)]
    assert main([*call, "--unknown", str(EXAMPLES)]) == 0
    out = capsys.readouterr().out
    for words in (
        "top-1",
        "macro F1",
        "Brier score",
        "Accuracy on 15 corrupted photos",
        "AUROC",
        "graph",
    ):
        assert words in out
    assert "of 15 photos right" in page.read_text()


def test_page_that_cannot_be_written_is_told_before_the_work(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["evaluate", "nowhere", "--html", str(tmp_path / "file" / "page.html")]) == 2
    assert capsys.readouterr().err == (
        f"foodvision: {tmp_path / 'file' / 'page.html'} cannot be written: "
        f"{tmp_path / 'file'} is not a writable folder\n"
    )
    for call in (
        ["evaluate", "nowhere", "--html"],
        ["compare", "nowhere", "nowhere", "--html"],
        ["find-lr", "nowhere", "--plot"],
    ):
        assert main([*call, str(tmp_path)]) == 2
        assert "is a folder: give a file, such as" in capsys.readouterr().err


def test_evaluation_needs_no_torch(fruit, fruit_checkpoint, tmp_path):
    program = f"""
import sys
from foodvision.cli.main import main
call = ["evaluate", {str(fruit)!r}, "--model", {str(fruit_checkpoint)!r}, "--json"]
assert main([*call, "--unknown", {str(EXAMPLES)!r}, "--html", {str(tmp_path / "p.html")!r}]) == 0
heavy = {{"torch", "torchvision", "torchmetrics", "timm"}} & set(sys.modules)
assert not heavy, heavy
"""
    run_python("-c", program, check=True)


def test_photos_may_come_from_a_list(fruit, fruit_checkpoint, tmp_path, capsys):
    lines = [f"{path},{path.parent.name},test" for path in sorted(fruit.glob("test/*/*.jpg"))]
    (tmp_path / "fruit.csv").write_text("\n".join(["path,label,split", *lines]))
    model = ["--model", str(fruit_checkpoint)]
    assert main(["evaluate", str(tmp_path / "fruit.csv"), *model, "--json"]) == 0
    listed = capsys.readouterr().out
    assert main(["evaluate", str(fruit), *model, "--json"]) == 0
    assert without_speed(listed) == without_speed(capsys.readouterr().out)


def test_photos_may_come_from_a_dataset(fruit, fruit_checkpoint, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "cache"))
    paths = sorted(fruit.glob("test/*/*.jpg"))
    labels = [sorted(COLOURS).index(path.parent.name) for path in paths]
    photos = [path.read_bytes() for path in paths]
    names = ClassLabel(names=sorted(COLOURS))
    file = write_rows(tmp_path / "fruit" / "test.parquet", photos, labels, names)
    model = ["--model", str(fruit_checkpoint)]
    assert main(["evaluate", f"hf://{file.parent}", *model, "--json"]) == 0
    streamed = capsys.readouterr().out
    assert main(["evaluate", str(fruit), *model, "--json"]) == 0
    assert without_speed(streamed) == without_speed(capsys.readouterr().out)


def test_part_of_the_models_classes_can_be_judged(fruit, fruit_checkpoint, tmp_path, capsys):
    (tmp_path / "kiwi").symlink_to(fruit / "test" / "kiwi")
    (tmp_path / "tomato").symlink_to(fruit / "test" / "tomato")
    assert main(["evaluate", str(tmp_path), "--model", str(fruit_checkpoint), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["n"] == 10
    assert list(figures["per_class"]) == ["kiwi", "tomato"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["predict"], "give a photo or a folder of photos"),
        (["predict", "nowhere.jpg"], "nowhere.jpg does not exist: check the path"),
        (
            ["predict", "app.py", "--modle", "x"],
            'Unknown option: "--modle". Did you mean "--model"?',
        ),
        (["predict", "app.py", "--top", "0"], "--top 0 is out of range: at least 1"),
        (["predict", "app.py", "--top", "many"], '--top needs a whole number, not "many"'),
        (
            ["predict", "app.py", "--model", "nowhere"],
            "nowhere does not exist: give a checkpoint or run folder",
        ),
        (["evaluate", "nowhere"], "nowhere does not exist: check the path"),
        (["evaluate", "nowhere.csv"], "nowhere.csv does not exist: check the path"),
        (["evaluate", "hf://nowhere"], "hf://nowhere is not a dataset name: write hf://user/"),
        (["train", "nowhere"], "nowhere does not exist: check the path"),
        (
            ["predict", "https://example.org/a.jpg?large=1"],
            "https://example.org/a.jpg?large=1 is a web address: download the photo first",
        ),
        *(
            ([command, address], f"{address} is {kind}: download the photos first")
            for command in ("train", "data", "evaluate")
            for address, kind in (
                ("https://example.org/photos.zip", "a web address"),
                ("http://example.org/photos.csv", "a web address"),
                ("s3://bucket/photos", "an address"),
            )
        ),
        (
            ["train", "nowhere", "--epochs", "0"],
            "settings out of range: epochs 0: 1 to 1,000,000,000",
        ),
        (
            ["train", "examples", "--model", "tinyvg"],
            "unknown model 'tinyvg': did you mean tinyvgg",
        ),
        (["train", "examples", "--image-size", "4"], "image-size 4: 8 to 2048"),
        (["train"], "train requires DATA, as in: foodvision train photos/"),
        (["demo", "--model", "nowhere"], "nowhere does not exist: give a checkpoint or run folder"),
        (["demo", "--port", "99999"], "--port 99999 is out of range: at most 65535"),
        (["predct"], 'Did you mean "predict"?'),
    ],
)
def test_wrong_call_is_one_line_and_status_two(call, message, capsys, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    assert main(call) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("foodvision: ")
    assert captured.err.count("\n") == 1
    assert message.replace('"', "") in captured.err.replace('"', "")


def test_name_that_the_terminal_cannot_show_is_no_error(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", errors="strict")
    monkeypatch.setattr("sys.stderr", terminal)
    assert main(["predict", "피자.jpg"]) == 2
    terminal.flush()
    assert b"\\ud53c\\uc790.jpg does not exist" in terminal.buffer.getvalue()


@pytest.mark.parametrize(
    ("command", "extra"), [("train", "train"), ("find-lr", "train"), ("data", "inspect")]
)
def test_command_of_an_extra_says_what_to_install(command, extra):
    program = """
import sys
class Serving:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "accelerate", "scipy", "sklearn", "matplotlib", "tqdm", "jinja2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Serving())
from foodvision.cli.main import main
sys.exit(main([sys.argv[1], "examples"]))
"""
    call = [sys.executable, "-c", program, command]
    done = subprocess.run(call, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("foodvision: this command needs the package ")
    assert done.stderr.endswith(f": pip install '.[{extra}]' in foodvision's folder\n")


def test_tracker_that_is_missing_is_told_before_there_is_a_run(
    fruit, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, "trackio", None)
    call = ["train", str(fruit), "--model", "tinyvgg", "--track", "trackio"]
    assert main([*call, "--output", str(tmp_path / "run")]) == 2
    said = "foodvision: track trackio: the package is not installed; pip install trackio\n"
    assert capsys.readouterr().err == said
    assert not (tmp_path / "run" / "run.json").exists()


def test_dataset_without_the_library_says_what_to_install(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path))
    for name in [name for name in sys.modules if name.partition(".")[0] == "datasets"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert main(["evaluate", "hf://cook/fruit"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the package datasets: pip install '.[datasets]'" in line


def test_food101_without_torchvision_says_what_to_install(monkeypatch, capsys, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    assert main(["evaluate", f"food101:{tmp_path}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "needs the package torchvision: pip install '.[train]'" in line


def test_model_comes_from_the_environment_where_no_option_names_one(photo, fruit_checkpoint):
    environment = os.environ | {"FOODVISION_MODEL": str(fruit_checkpoint)}
    done = run_foodvision("predict", photo, env=environment, check=True)
    assert ": kiwi " in done.stdout


def test_split_that_there_never_is_is_told(capsys):
    assert main(["evaluate", str(EXAMPLES), "--split", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err


def test_photos_behind_a_link_to_a_folder_are_answered(fruit_checkpoint, tmp_path, capsys):
    make_photo(tmp_path / "elsewhere" / "kiwi.jpg", (60, 190, 60), seed=5)
    make_photo(tmp_path / "photos" / ".hidden" / "kiwi.jpg", (60, 190, 60), seed=5)
    (tmp_path / "photos" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "around").symlink_to(tmp_path / "photos")
    assert main(["predict", str(tmp_path / "photos"), "--model", str(fruit_checkpoint)]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(str(tmp_path / "photos" / "linked" / "kiwi.jpg"))


def test_page_takes_several_models_from_the_environment(fruit_checkpoint, monkeypatch, capsys):
    monkeypatch.setenv("FOODVISION_MODEL", f"{fruit_checkpoint}{os.pathsep}nowhere")
    assert main(["demo"]) == 2
    assert capsys.readouterr().err.startswith("foodvision: nowhere does not exist")


@pytest.mark.slow
def test_train_py_is_the_train_command(fruit, tmp_path):
    done = run_python(
        *("train.py", fruit, "--model", "tinyvgg", "--image-size", "32", "--epochs", "1"),
        *("--output", tmp_path / "run"),
        cwd=REPOSITORY,
        check=True,
    )
    assert "95% interval" in done.stdout
    assert "blueberry" in done.stdout
    assert f"Checkpoint: {tmp_path / 'run' / 'checkpoint'}" in done.stdout
    assert foodvision.load(tmp_path / "run").classes == ("blueberry", "kiwi", "tomato")


def test_help_loads_nothing_heavy():
    program = """
import sys
from foodvision.cli.main import main
main(["train", "--help"])
heavy = {"torch", "gradio", "onnxruntime", "numpy", "matplotlib"} & set(sys.modules)
assert not heavy, heavy
"""
    done = run_python("-c", program, check=True)
    assert "--epochs" in done.stdout


def test_examples_are_answered_by_the_model_that_ships(capsys):
    assert main(["predict", str(EXAMPLES), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    answers = {Path(line["path"]).name: (line["label"], line["certainty"]) for line in lines}
    shares = {Path(line["path"]).name: 100 * line["confidence"] for line in lines}
    for page in ("README.md", "README.ko.md", "docs/guides/predict.md"):
        text = (REPOSITORY / page).read_text()
        for name, share in re.findall(r"examples/(\w+\.jpg): [^\n%]* ([\d.]+)%", text):
            assert shares[name] == pytest.approx(float(share), abs=0.2), page
    # As examples/SOURCES.md says.
    assert answers.pop("steak.jpg") == ("bibimbap", "perhaps")
    assert answers.pop("french_toast.jpg") == ("grilled_cheese_sandwich", "perhaps")
    assert answers.pop("not_food_cat.jpg")[1] == "not known"
    assert answers.pop("pizza_dad.jpg")[0] == "pizza"
    assert {f"{label}.jpg" for label, _ in answers.values()} == set(answers)
    assert len(answers) == 4


def test_folder_that_cannot_be_written_is_one_line(fruit, tmp_path, capsys):
    (tmp_path / "file").touch()
    call = ["train", str(fruit), "--model", "tinyvgg", "--image-size", "16", "--epochs", "1"]
    assert main([*call, "--output", str(tmp_path / "file" / "run")]) == 2
    error = capsys.readouterr().err
    folder = tmp_path / "file" / "run" / "checkpoint"
    assert error == (
        f"foodvision: {folder} cannot be written: {tmp_path / 'file'} is not a writable folder\n"
    )


def test_folder_without_photos_says_so(tmp_path, capsys):
    assert main(["predict", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"foodvision: {tmp_path} contains no photos\n"
