"""Where settings come from, and which of them win."""

import dataclasses
import json
import re

import pytest
from conftest import make_split

from foodvision.cli.main import main
from foodvision.errors import SettingsError
from foodvision.safety.files import FileError, parse_json
from foodvision.safety.schema import Training
from foodvision.training.config import PRESETS, TrainConfig


@pytest.fixture
def configs(monkeypatch):
    """The settings that `train` would run with, instead of the run."""
    seen = []
    monkeypatch.setattr(
        "foodvision.training.run.run_training",
        lambda data, config, console, resume: seen.append(config),
    )
    return seen


def test_every_field_has_a_flag_and_a_reason(capsys):
    assert main(["train", "--help"]) == 0
    words = capsys.readouterr().out
    text = " ".join(re.sub(r"[│╭╰╮╯─]", " ", words).split())
    of_recipes = {"half_storage", "low_resolution", "start_size"}
    for field in dataclasses.fields(TrainConfig):
        is_there = re.search(rf"--{field.name.replace('_', '-')}\b", text)
        assert bool(is_there) is (field.name not in of_recipes), field.name
    for group in ("Model", "Epochs", "Optimiser", "Augmentation", "Loss", "Photos", "Run"):
        assert group in text


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_flags_win_over_the_file_and_the_file_over_the_preset(suffix, configs, tmp_path, capsys):
    file = tmp_path / f"settings.{suffix}"
    values = {"epochs": 7, "views": 9, "learning_rate": 1e-05, "freeze": True}
    lines = "\n".join(f"{name}: {json.dumps(value)}" for name, value in values.items())
    file.write_text(json.dumps(values) if suffix == "json" else lines)
    call = ["train", "food101", "--config", str(file), "--epochs", "3", "--preset", "best"]
    assert main(call) == 0
    expected = {**PRESETS["best"], **values, "epochs": 3}
    assert configs == [TrainConfig(**expected)]
    assert "Preset best: epochs 20, views " in capsys.readouterr().out


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_settings(name, configs):
    assert main(["train", "food101", "--preset", name]) == 0
    assert configs == [TrainConfig(**PRESETS[name])]


def test_balanced_is_the_default():
    assert TrainConfig(**PRESETS["balanced"]) == TrainConfig()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml does not exist: check the path of --config"),
        (["--preset", "fast"], "fast"),
        (["--resume", "nowhere"], "nowhere does not exist: foodvision runs"),
        (["--resume", "nowhere", "--epochs", "3"], "the run's settings: leave out --epochs"),
        (
            ["--resume", "nowhere", "--preset", "best", "--config", "x.yaml"],
            "the run's settings: leave out --config, --preset",
        ),
        (["--layer-decay", "2"], "layer-decay 2.0: above 0, at most 1"),
        (["--mixup", "-1", "--clip", "0"], "clip 0.0: above 0"),
        (["--warmup-epochs", "inf"], "warmup-epochs inf: finite"),
        (["--seed", str(2**63)], "seed 9223372036854775808: 0 to 2**63 - 1"),
        (
            ["--preset", "best", "--finetune-epochs", "1"],
            "warmup-epochs 1.0 is not below finetune-epochs 1: training would end during",
        ),
        (
            ["--no-freeze", "--epochs", "2", "--warmup-epochs", "2.5"],
            "warmup-epochs 2.5 is not below epochs 2",
        ),
        (
            ["--teacher", "x", "--mixup", "1"],
            "--mixup, --teacher: no effect on a frozen backbone; add --finetune-epochs 5",
        ),
        (["--optimizer", "adagrad"], "adagrad"),
    ],
)
def test_wrong_settings_are_one_line(call, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "photos", *call]) == 2
    error = capsys.readouterr().err
    assert error.startswith("foodvision: ")
    assert error.count("\n") == 1
    assert message in error


def test_unknown_setting_in_a_file_names_the_near_one(tmp_path, capsys):
    file = tmp_path / "settings.yaml"
    for name, near in (
        ("epoch", "epochs"),
        ("lr", "learning_rate"),
        ("fine-tune", "finetune_epochs"),
    ):
        file.write_text(f"{name}: 3\n")
        assert main(["train", "photos", "--config", str(file)]) == 2
        said = f'foodvision: Unknown setting "{name}" in {file}. Did you mean "{near}"?\n'
        assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "settings.yaml",
            "views: 1\nepochs: 5: 6\n",
            "settings.yaml: line 2 cannot be read (mapping values",
        ),
        ("settings.yaml", "- epochs\n", "settings.yaml: its content must be"),
        ("settings.yaml", "a: &a 1\nb: *a\n", "line 2 is not NAME: VALUE"),
        ("settings.yaml", "a: [1, 2]\n", "line 1 is not NAME: VALUE"),
        ("settings.yaml", "epochs: 1" + "0" * 400, "epochs must be a number"),
        ("settings.yaml", "epochs: 1" + "0" * 5000, "settings.yaml: cannot be read (Exceeds"),
        ("settings.yaml", "clip: .nan\n", "settings.yaml: cannot be read (Out of range float"),
        ("settings.yaml", "started: 2026-11-30\n", "settings.yaml: cannot be read (Object of type"),
        ("settings.json", '{"epochs": 5', "settings.json: is not JSON (EOF while parsing"),
        ("settings.json", '{"clip": [1]}', "clip must be a text, a number, true, false or null"),
        ("settings.json", "[" * 100_000, "settings.json: is not JSON (recursion limit exceeded"),
        ("settings.yaml", "123: 4\n", 'Unknown setting "123" in'),
        ("settings.yaml", "resume: runs/x\n", "settings.yaml: unknown setting resume: remove it"),
        ("settings.json", "\xff", "settings.json: is not JSON ("),
    ],
)
def test_file_that_cannot_be_read_says_where_and_why(name, content, message, tmp_path, capsys):
    (tmp_path / name).write_text(content, encoding="latin-1")
    assert main(["train", "photos", "--config", str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error


WHOLE = [
    field.name
    for field in dataclasses.fields(TrainConfig)
    if "int" in str(field.type).split(",")[0]
]


@pytest.mark.parametrize("name", WHOLE)
def test_setting_that_counts_takes_no_fraction(name, tmp_path, capsys):
    option = f"--{name.replace('_', '-')}"
    assert main(["train", "photos", option, "3.5"]) == 2
    assert capsys.readouterr().err == f'foodvision: {option} needs a whole number, not "3.5"\n'
    for suffix, content in (("yaml", f"{name}: 3.5"), ("json", f'{{"{name}": 3.5}}')):
        file = tmp_path / f"settings.{suffix}"
        file.write_text(content)
        assert main(["train", "photos", "--config", str(file)]) == 2
        said = f'foodvision: {name} in {file} needs a whole number, not "3.5"\n'
        assert capsys.readouterr().err == said
    with pytest.raises(SettingsError, match=r"needs a whole number, not 3\.5$"):
        TrainConfig(**{name: 3.5})


def test_settings_that_count_are_known():
    assert {"epochs", "batch_size", "seed", "early_stopping"} <= set(WHOLE)
    assert not {"warmup_epochs", "freeze", "learning_rate"} & set(WHOLE)


@pytest.mark.slow
def test_runs_own_file_repeats_it(tmp_path):
    make_split(tmp_path / "photos", 10)
    small = ["--model", "tinyvgg", "--image-size", "16", "--epochs", "2", "--weight-decay", "0.5"]
    data, first = str(tmp_path / "photos"), tmp_path / "first"
    assert main(["train", data, *small, "--output", str(first)]) == 0
    again = ["--config", str(first / "config.json"), "--output", str(tmp_path / "again")]
    assert main(["train", data, *again]) == 0
    one, other = (
        (tmp_path / name / "checkpoint" / "model.safetensors").read_bytes()
        for name in ("first", "again")
    )
    assert one == other
    command = json.loads((first / "run.json").read_text())["command"]
    assert command == ["foodvision", "train", data, *small]


def test_network_is_as_wide_as_a_checkpoint_may_be():
    TrainConfig(model="tinyvgg", hidden_units=2048)
    parse_json(b'{"hidden_units": 2048}', Training)
    with pytest.raises(SettingsError, match="hidden-units 2049"):
        TrainConfig(model="tinyvgg", hidden_units=2049)
    with pytest.raises(FileError):
        parse_json(b'{"hidden_units": 2049}', Training)
