import json
import math
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
from conftest import COLOURS, make_photo, make_split
from PIL import Image
from safetensors.torch import load_file

import foodvision
from foodvision.cli.main import main
from foodvision.cli.progress import print_event
from foodvision.data import find_photos, open_source
from foodvision.errors import DataError, PhotoError, SettingsError
from foodvision.evaluation.judge import choose_split, evaluate
from foodvision.image import load_image
from foodvision.models import create_model, load_network
from foodvision.training.config import TrainConfig
from foodvision.training.run import choose_photos, run_training, sweep_learning_rates


def quick(output, **settings):
    return TrainConfig(
        **{"model": "tinyvgg", "image_size": 32, "epochs": 2, **settings}, output=output
    )


def test_run_ends_in_a_checkpoint_that_says_how_it_came_about(fruit, fruit_checkpoint):
    config = json.loads((fruit_checkpoint / "config.json").read_text())
    assert config["classes"] == ["blueberry", "kiwi", "tomato"]
    assert config["architecture"] == "tinyvgg"
    assert config["preprocess"]["size"] == 32
    assert config["training"]["epochs"] == 30
    assert config["training"]["seed"] == 42
    assert config["data"] | {"fingerprint": ""} == {
        "train": 48,
        "val": 12,
        "test": 15,
        "fingerprint": "",
        "left_out": {},
        "source": str(fruit),
    }
    assert re.fullmatch("[0-9a-f]{64}", config["data"]["fingerprint"])
    assert config["versions"]["foodvision"] == foodvision.__version__
    assert config["versions"]["onnxruntime"] == onnxruntime.__version__
    assert config["export"]["largest_difference"] < 1e-5
    assert config["export"]["photos"] == 12
    assert len(config["figures"]["epochs"]) == 30
    assert config["figures"]["training_seconds"] > 0


def test_figures_in_the_checkpoint_are_those_that_evaluation_finds(fruit, fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    figures = evaluate(classifier, find_photos(fruit).splits["test"])
    assert classifier.config.figures["test"] == figures.to_dict()
    assert figures.top1 > 0.9
    card = (fruit_checkpoint / "README.md").read_text()
    assert f"| test photos | 15 | {100 * figures.top1:.1f} (" in card


def test_weights_are_the_graphs(fruit, fruit_checkpoint):
    network = create_model("tinyvgg", 3)
    network.load_state_dict(load_file(fruit_checkpoint / "model.safetensors"))
    classifier = foodvision.load(fruit_checkpoint)
    image = load_image(find_photos(fruit).splits["test"][0].path)
    square = torch.tensor(classifier.pixels(image)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        logits = network.eval()(square)[0]
    # The graph divides by a temperature, which leaves the ratios of the logits' differences.
    log_probabilities = np.log(classifier.run(classifier.pixels(image)[None]).probabilities[0])
    theirs = log_probabilities - log_probabilities[0]
    ours = (logits - logits[0]).numpy()
    np.testing.assert_allclose(theirs / theirs[1], ours / ours[1], rtol=1e-3)


@pytest.mark.slow
def test_same_seed_gives_the_same_weights_bit_for_bit(fruit, tmp_path):
    one, same, other = (
        load_file(run_training(fruit, quick(tmp_path / name, seed=seed)) / "model.safetensors")
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_class_folders_alone_are_split_and_trained_on(tmp_path):
    make_split(tmp_path / "heap", 10)
    folder = run_training(tmp_path / "heap", quick(tmp_path / "run"))
    data = foodvision.load(folder).config.data
    assert (data["train"], data["val"], data["test"]) == (18, 6, 6)


@pytest.mark.slow
def test_evaluation_of_the_photos_of_a_training_takes_those_it_set_aside(tmp_path):
    make_split(tmp_path / "photos", 10)
    photos = find_photos(tmp_path / "photos")
    trained = foodvision.load(run_training(tmp_path / "photos", quick(tmp_path / "run")))
    test = choose_split(photos, "test", trained.config)
    assert len(test) == trained.config.data["test"] == 6
    assert evaluate(trained, test).to_dict() == trained.config.figures["test"]
    train_alone = replace(photos, splits={"train": photos.splits["all"]})
    assert choose_split(train_alone, "val", trained.config)
    assert choose_split(train_alone, "test", trained.config) == test
    strange = replace(trained.config, training={"val_share": None, "exclude": ["a list"]})
    assert len(choose_split(photos, None, strange)) == 30
    make_photo(tmp_path / "photos" / "kiwi" / "new.jpg", COLOURS["kiwi"], seed=77)
    assert len(choose_split(find_photos(tmp_path / "photos"), None, trained.config)) == 31


@pytest.mark.slow
def test_checkpoint_of_a_wide_tinyvgg_starts_another_and_is_read_again(fruit, tmp_path):
    wide = run_training(fruit, quick(tmp_path / "1", hidden_units=16))
    next_one = run_training(fruit, quick(tmp_path / "2", model=str(wide)))
    network = load_network(foodvision.load(next_one).checkpoint)
    assert network.conv_block_1[0].out_channels == 16


def test_accumulating_more_than_all_batches_is_told(fruit, tmp_path):
    with pytest.raises(SettingsError, match="the network has only 4 batches in all"):
        run_training(fruit, quick(tmp_path / "run", accumulate=5))


def test_frozen_backbone_keeps_its_weights_and_learns_a_head(fruit, tmp_path):
    config = TrainConfig(model="efficientnet_lite0", image_size=64, epochs=6, output=tmp_path)
    folder = run_training(fruit, config)
    weights = load_file(folder / "model.safetensors")
    before = create_model("efficientnet_lite0", 3).state_dict()
    changed = {name for name in before if not torch.equal(before[name], weights[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert foodvision.load(folder).config.figures["test"]["top1"] > 0.9
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=3)
    theirs.load_state_dict(weights)


@pytest.mark.slow
def test_whole_network_is_trained_without_freezing(fruit, tmp_path):
    config = TrainConfig(
        model="efficientnet_lite0",
        image_size=32,
        epochs=1,
        freeze=False,
        batch_size=16,
        output=tmp_path,
    )
    weights = load_file(run_training(fruit, config) / "model.safetensors")
    before = create_model("efficientnet_lite0", 3).state_dict()
    assert not torch.equal(before["conv_stem.weight"], weights["conv_stem.weight"])
    assert not torch.equal(before["bn1.running_mean"], weights["bn1.running_mean"])


def test_failed_run_writes_nothing(tmp_path):
    make_split(tmp_path / "data" / "train", 3)
    (tmp_path / "data" / "test" / "kiwi").mkdir(parents=True)
    with pytest.raises(DataError):
        run_training(tmp_path / "data", quick(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_unreadable_and_listed_photos_are_left_out_and_named(tmp_path, capsys):
    make_split(tmp_path / "data" / "train", 6)
    make_split(tmp_path / "data" / "test", 1)
    (tmp_path / "list.txt").write_text("# twice there\ntrain/kiwi/1.jpg\n")
    config = quick(tmp_path / "run", exclude=tmp_path / "list.txt")
    (tmp_path / "data" / "train" / "kiwi" / "0.jpg").write_text("no photo")
    cut = tmp_path / "data" / "train" / "tomato" / "3.jpg"
    cut.write_bytes(cut.read_bytes()[:700])
    folder = run_training(tmp_path / "data", config, print_event)
    out = capsys.readouterr().out
    assert "2 unreadable (train/kiwi/0.jpg, train/tomato/3.jpg)" in out
    assert "1 excluded (train/kiwi/1.jpg)" in out
    used = (
        "Photos: 12 for training, 3 for validation, 3 for the test. "
        "Left out: 1 excluded, 2 unreadable."
    )
    assert used in out[out.index("Report: ") - 300 :]
    assert used in (folder / "README.md").read_text()
    assert f"<li>{used}</li>" in (folder.parent / "report.html").read_text()
    data = foodvision.load(folder).config.data
    assert data["train"] + data["val"] == 15


@pytest.mark.slow
def test_photos_of_other_things_choose_how_known_is_decided(fruit, tmp_path):
    rng = np.random.default_rng(0)
    for number in range(12):
        noise = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{number}.png")
    config = quick(tmp_path / "run", unknown=tmp_path, epochs=8, learning_rate=0.003)
    figures = foodvision.load(run_training(fruit, config)).config.figures
    aurocs = figures["known_by"]["auroc_on_validation"]
    assert len(aurocs) == 2
    assert aurocs[figures["known_by"]["score"]] == max(aurocs.values())
    assert figures["known"]["refused"]["n"] == 6  # half of them were chosen by
    assert "Out-of-distribution photos" in (tmp_path / "run" / "report.html").read_text()


def test_photo_of_other_things_that_is_spoiled_is_told_before_the_training(fruit, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "cup.jpg").write_bytes(b"no photo")
    config = quick(tmp_path / "run", unknown=tmp_path / "other")
    with pytest.raises(PhotoError, match=r"cup\.jpg"):
        run_training(fruit, config)
    assert not (tmp_path / "run").exists()


def test_single_photo_of_other_things_is_too_few_to_set_and_measure(fruit, tmp_path):
    make_photo(tmp_path / "other" / "cup.jpg", COLOURS["kiwi"], seed=1)
    config = quick(tmp_path / "run", unknown=tmp_path / "other")
    with pytest.raises(DataError, match="contains one photo, but --unknown needs two or more"):
        run_training(fruit, config)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["exclude", "unknown", "output", "model", "teacher"])
def test_path_that_no_json_file_can_hold_is_told_before_the_training(name, fruit, tmp_path):
    odd = tmp_path / os.fsdecode(b"k\xff")
    kind = str if name in ("model", "teacher") else Path
    config = replace(quick(tmp_path / "run"), **{name: kind(odd)})
    with pytest.raises(DataError, match=r"k\\udcff' is not UTF-8: rename it$"):
        run_training(fruit, config)
    assert not list(tmp_path.iterdir())


RECIPES = {
    "strong": {"augment": "strong", "mixup": 0.2, "cutmix": 1.0, "label_smoothing": 0.1},
    "plain, tracked": {
        **{"augment": "none", "schedule": "constant", "optimizer": "sgd", "track": "tensorboard"},
    },
    "sampled": {"balance": "sampler", "ema": 0.9, "early_stopping": 1},
    "balanced, growing": {
        **{"balance": "loss", "accumulate": 2, "clip": 1.0, "warmup_epochs": 0.5},
        **{"start_size": 16, "low_resolution": 0.5},
    },
}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_ends_in_a_model_that_answers(name, fruit, tmp_path):
    folder = run_training(fruit, quick(tmp_path / "run", epochs=6, **RECIPES[name]))
    figures = foodvision.load(folder).config.figures
    assert figures["test"]["n"] == 15
    losses = [row["train_loss"] for row in figures["epochs"]]
    assert losses[-1] < losses[0]
    assert (tmp_path / "run" / "report.html").stat().st_size > 10_000
    assert not (tmp_path / "run" / "state").exists()


@pytest.mark.slow
def test_head_then_whole_network_keeps_the_head(fruit, tmp_path):
    config = TrainConfig(
        model="efficientnet_lite0",
        image_size=32,
        epochs=2,
        finetune_epochs=1,
        finetune_learning_rate=1e-12,
        weight_decay=0.0,
        batch_size=16,
        output=tmp_path / "both",
    )
    both = load_file(run_training(fruit, config) / "model.safetensors")
    alone = replace(config, finetune_epochs=0, output=tmp_path / "alone")
    head = load_file(run_training(fruit, alone) / "model.safetensors")
    torch.testing.assert_close(both["classifier.weight"], head["classifier.weight"])
    rows = json.loads((tmp_path / "both" / "metrics.json").read_text())
    assert [(row["stage"], row["epoch"]) for row in rows] == [
        *(("head", 1), ("head", 2), ("network", 1))
    ]


@pytest.mark.slow
def test_own_checkpoint_is_a_backbone_and_a_teacher(fruit, tmp_path):
    first = TrainConfig(
        model="efficientnet_lite0",
        image_size=32,
        epochs=2,
        half_storage=True,
        output=tmp_path / "1",
    )
    start = load_file(run_training(fruit, first) / "model.safetensors")
    second = TrainConfig(model=str(tmp_path / "1"), epochs=2, output=tmp_path / "2")
    classifier = foodvision.load(run_training(fruit, second))
    weights = load_file(tmp_path / "2" / "checkpoint" / "model.safetensors")
    assert classifier.config.architecture == "tf_efficientnet_lite0"
    assert classifier.config.preprocess.size == 32
    assert torch.equal(weights["conv_stem.weight"], start["conv_stem.weight"].float())
    taught = quick(tmp_path / "3", teacher=str(tmp_path / "1"), teacher_share=0.9)
    assert foodvision.load(run_training(fruit, taught)).config.training["teacher"] == str(
        tmp_path / "1"
    )


@pytest.mark.slow
def test_model_that_ships_is_a_backbone(fruit, tmp_path):
    config = TrainConfig(model="foodvision_101", image_size=64, epochs=3, output=tmp_path)
    classifier = foodvision.load(run_training(fruit, config))
    assert classifier.config.architecture == "tf_efficientnet_lite0"
    assert classifier.classes == ("blueberry", "kiwi", "tomato")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"teacher": "foodvision_101"}, "teacher foodvision_101 does not have the class"),
        ({"layer_decay": 0.5}, "layer-decay does not support TinyVGG"),
    ],
)
def test_what_the_network_cannot_be_trained_with_is_told_before_its_head_is(
    setting, message, fruit, fruit_checkpoint, tmp_path
):
    config = TrainConfig(
        model=str(fruit_checkpoint), finetune_epochs=2, **setting, output=tmp_path / "run"
    )
    with pytest.raises(SettingsError, match=message):
        run_training(fruit, config)
    assert not (tmp_path / "run" / "metrics.csv").exists()


def test_learning_rate_is_suggested_and_drawn(fruit, tmp_path, capsys):
    plot = tmp_path / "rates.png"
    call = ["find-lr", str(fruit), "--model", "tinyvgg", "--image-size", "32", "--plot", str(plot)]
    assert main(call) == 0
    assert re.search(r"Suggested learning rate of the network: \d", capsys.readouterr().out)
    with Image.open(plot) as drawing:
        assert drawing.width > 300


def test_rates_of_the_whole_network_are_tried_after_its_head_was_trained(
    fruit, fruit_checkpoint, tmp_path
):
    config = TrainConfig(model=str(fruit_checkpoint), epochs=20, finetune_epochs=1)
    _, sweep = sweep_learning_rates(fruit, config)
    assert sweep.losses[0] < 0.5 * math.log(3)


def test_unreadable_photo_of_a_heap_is_skipped_wherever_chance_would_put_it(tmp_path):
    make_split(tmp_path, 6)
    (tmp_path / "kiwi" / "0.jpg").write_text("no photo")
    for seed in range(6):
        photos = choose_photos(find_photos(tmp_path), TrainConfig(seed=seed, test_share=0.5))
        assert sum(len(members) for members in photos.splits.values()) == 17


def test_class_without_a_photo_that_can_be_read_is_told(tmp_path):
    make_split(tmp_path / "train", 3)
    make_split(tmp_path / "test", 1)
    for photo in (tmp_path / "train" / "kiwi").iterdir():
        photo.write_text("<html>404</html>")
    with pytest.raises(DataError, match="has no photo left of kiwi, all are unreadable"):
        choose_photos(find_photos(tmp_path), TrainConfig())


def test_class_of_which_no_photo_is_left_is_told(tmp_path):
    make_split(tmp_path, 2)
    (tmp_path / "kiwi" / "0.jpg").write_text("no photo")
    (tmp_path / "list.txt").write_text("kiwi/1.jpg")
    with pytest.raises(DataError, match="has no photo left of kiwi, all are unreadable or exclud"):
        choose_photos(find_photos(tmp_path), TrainConfig(exclude=tmp_path / "list.txt"))


def test_unreadable_test_photo_is_told_before_the_training(tmp_path):
    make_split(tmp_path / "data" / "train", 4)
    make_split(tmp_path / "data" / "test", 1)
    (tmp_path / "data" / "test" / "kiwi" / "0.jpg").write_text("no photo")
    with pytest.raises(PhotoError, match=r"0\.jpg is not a readable photo"):
        run_training(tmp_path / "data", quick(tmp_path / "run", epochs=10**9))


@pytest.mark.slow
def test_single_photo_left_over_does_not_stop_the_training(tmp_path):
    make_split(tmp_path / "data" / "train", 11)
    make_split(tmp_path / "data" / "val", 1)
    make_split(tmp_path / "data" / "test", 1)
    config = TrainConfig(image_size=32, epochs=1, freeze=False, output=tmp_path / "run")
    assert run_training(tmp_path / "data", config).exists()  # 33 photos, in batches of 32


def test_settings_out_of_range_are_told_all_at_once():
    with pytest.raises(SettingsError) as caught:
        TrainConfig(epochs=0, learning_rate=0.0, val_share=1.0)
    assert str(caught.value) == (
        "settings out of range: epochs 0: 1 to 1,000,000,000; learning-rate 0.0: above 0; "
        "val-share 1.0: between 0 and 1"
    )


@pytest.mark.slow
def test_classic_photos_end_to_end(classic, tmp_path):
    folder = run_training(classic, TrainConfig(output=tmp_path))
    classifier = foodvision.load(folder)
    figures = classifier.config.figures["test"]
    assert figures["n"] == 75
    assert figures["top1"] > 0.85  # far above chance; the figure measured is in the README
    assert classifier.config.export["largest_difference"] < 2e-2  # halves are rounded
    with open_source(classic) as root:
        again = evaluate(classifier, find_photos(root).splits["test"])
    assert again.to_dict() == figures
    assert np.isclose(sum(of["n"] for of in figures["per_class"].values()), 75)


@pytest.mark.slow
def test_lectures_run_on_the_classic_photos(classic, tmp_path):
    config = TrainConfig(model="tinyvgg", image_size=64, output=tmp_path)
    classifier = foodvision.load(run_training(classic, config))
    weights = load_file(tmp_path / "checkpoint" / "model.safetensors")
    assert sum(tensor.numel() for tensor in weights.values()) == 10_693
    assert len(classifier.config.figures["epochs"]) == 20
