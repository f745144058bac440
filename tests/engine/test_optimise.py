"""What hangs on the loop, each held against torch or arithmetic."""

import copy
import json
import math
import struct

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from foodvision.data import find_photos
from foodvision.engine.features import FeatureCache
from foodvision.engine.finder import find_learning_rate, steepest
from foodvision.engine.optimise import (
    EarlyStopping,
    EMAModel,
    GradientAccumulator,
    Schedule,
    clip_gradients,
    create_optimizer,
)
from foodvision.engine.steps import Results, train
from foodvision.engine.teacher import DistillationLoader, Teacher
from foodvision.errors import CacheWarning, PhotoError, SettingsError
from foodvision.image import load_image
from foodvision.models import create_model
from foodvision.preprocess import Preprocess


def points(count=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    return TensorDataset(
        torch.randn(count, 4, generator=generator) + 2 * nn.functional.one_hot(labels, 4), labels
    )


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def step(optimizer, network, gradient=1.0):
    for weight in network.parameters():
        weight.grad = torch.full_like(weight, gradient)
    optimizer.step()


def test_cosine_rises_in_the_warm_up_and_falls_to_zero(network):
    optimizer = create_optimizer(network, "adamw", 0.5)
    schedule = Schedule(optimizer, "cosine", steps=100, warmup_steps=10)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        step(optimizer, network)
    assert rates[:11] == pytest.approx([0.05 * number for number in range(11)])
    assert rates[55] == pytest.approx(0.25 * (1 + math.cos(math.pi / 2)))
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.0, abs=1e-9)
    assert schedule.steps == 100


def test_constant_stays(network):
    optimizer = create_optimizer(network, "sgd", 0.5)
    Schedule(optimizer, "constant", steps=20)
    for _ in range(20):
        step(optimizer, network)
    assert optimizer.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_optimisers_are_torchs_and_leave_biases_undecayed(name, kind, network):
    optimizer = create_optimizer(network, name, 0.1, weight_decay=0.02)
    assert type(optimizer) is getattr(torch.optim, kind)
    decays = {
        group["weight_decay"]: {weight.ndim for weight in group["params"]}
        for group in optimizer.param_groups
    }
    assert decays == ({0.0: {1, 2}} if name == "adam" else {0.0: {1}, 0.02: {2}})


def test_early_layers_get_smaller_rates():
    network = create_model("efficientnet_lite0", 3, pretrained=False)
    optimizer = create_optimizer(network, "adamw", 1.0, layer_decay=0.5)
    Schedule(optimizer, "constant", steps=10)
    rate_of = {
        id(weight): group["lr"] for group in optimizer.param_groups for weight in group["params"]
    }
    head, stem = network.classifier.weight, network.conv_stem.weight
    assert rate_of[id(head)] == 1.0
    assert rate_of[id(stem)] < 0.1
    with pytest.raises(
        SettingsError, match="layer-decay does not support Sequential: use a network"
    ):
        create_optimizer(nn.Sequential(nn.Linear(1, 1)), "adamw", 1.0, layer_decay=0.5)


def test_accumulated_batches_are_one_large_one(network):
    large = copy.deepcopy(network)
    dataset, loss_fn = points(64), nn.CrossEntropyLoss()
    small_steps = GradientAccumulator(torch.optim.SGD(network.parameters(), lr=0.1), batches=4)
    train(network, DataLoader(dataset, 8), DataLoader(dataset, 64), small_steps, loss_fn, 1)
    one_step = torch.optim.SGD(large.parameters(), lr=0.1)
    train(large, DataLoader(dataset, 32), DataLoader(dataset, 64), one_step, loss_fn, 1)
    for ours, theirs in zip(network.parameters(), large.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_gradients_are_clipped_to_the_norm(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    clip_gradients(optimizer, 0.5)
    before = [weight.detach().clone() for weight in network.parameters()]
    step(optimizer, network, gradient=10.0)
    moved = [
        (old - new.detach()).flatten()
        for old, new in zip(before, network.parameters(), strict=True)
    ]
    assert torch.cat(moved).norm().item() == pytest.approx(0.5)


def test_average_answers_and_the_network_trains(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    averaged = EMAModel(network, 0.9, optimizer)
    for _ in range(3):
        step(optimizer, network)
    images = torch.ones(1, 4)
    expected = averaged.average.module(images)
    assert torch.equal(averaged.eval()(images), expected)
    assert torch.equal(averaged.train()(images), network(images))
    assert not torch.equal(network(images), expected)
    averaged.keep_average()
    assert torch.equal(network(images), expected)


def test_training_stops_early_and_keeps_the_best_epoch(network):
    stopping, results = EarlyStopping(network, patience=2), Results()
    said = []
    for number, loss in enumerate([0.9, 0.5, 0.6, 0.7]):
        nn.init.constant_(network[0].bias, float(number))
        results["train_loss"].append(loss)
        results["test_loss"].append(loss)
        said.append(stopping(results))
    assert said == [False, False, False, True]
    stopping.keep_best()
    assert network[0].bias.unique().tolist() == [1.0]


def test_noise_of_the_first_batches_is_no_fall_of_the_loss():
    rates = np.geomspace(1e-6, 1, 100)
    # A head that knows the classes already: little to fall from, and only at large rates.
    losses = 0.09 - 0.08 / (1 + (0.01 / rates) ** 2)
    losses[:4] = 0.2, 0.12, 0.1, 0.095
    assert 0.003 < steepest(list(rates), list(losses)) < 0.03
    assert steepest([1e-6], [0.1]) == 1e-6


def test_rates_are_tried_and_the_network_is_as_before(network):
    before = copy.deepcopy(network.state_dict())
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    sweep = find_learning_rate(network, DataLoader(points(), 16), optimizer, nn.CrossEntropyLoss())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert optimizer.param_groups[0]["lr"] == 0.1
    assert sweep.rates[0] == pytest.approx(1e-6)
    assert list(sweep.rates) == sorted(sweep.rates)
    assert len(sweep.rates) == len(sweep.losses)
    assert 1e-3 < sweep.suggestion <= 1.0
    assert min(sweep.losses) < sweep.losses[0]


def test_teacher_shares_the_labels_of_the_same_crop():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    own = Preprocess(size=8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    students = Preprocess(size=8, mean=(0.1, 0.2, 0.3), std=(0.2, 0.3, 0.4))
    teacher = Teacher(network, own, students, columns=[2, 0, 3])
    pixels = torch.rand(5, 3, 8, 8)
    seen_by_student = (pixels - torch.tensor(students.mean).view(3, 1, 1)) / torch.tensor(
        students.std
    ).view(3, 1, 1)
    expected = network((pixels - 0.5) / 0.5)[:, [2, 0, 3]]
    torch.testing.assert_close(teacher(seen_by_student), expected)
    labels = torch.tensor([0, 1, 2, 0, 1])
    ((images, shares),) = DistillationLoader(
        [(seen_by_student, labels)], teacher, share=0.25, temperature=2.0
    )
    assert images is seen_by_student
    wanted = 0.75 * nn.functional.one_hot(labels, 3) + 0.25 * (expected / 2).softmax(dim=1)
    torch.testing.assert_close(shares, wanted)


class Counting:
    """Embeds a square as its mean colour, and counts how many it was given."""

    def __init__(self):
        self.squares = 0

    def __call__(self, squares):
        self.squares += len(squares)
        return squares.mean(axis=(1, 2), dtype="float32")


def test_features_are_computed_once(fruit, monkeypatch, tmp_path):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path))
    photos, square, embed = find_photos(fruit).splits["test"], Preprocess(size=16), Counting()
    features = FeatureCache(embed, "network", square, seed=1).features(photos, views=3)
    assert features.shape == (15, 3, 3)
    assert embed.squares == 45
    again = FeatureCache(embed, "network", square, seed=1).features(photos[::-1], views=3)
    assert embed.squares == 45
    assert torch.equal(again.flip(0), features)
    expected = square(load_image(photos[4].path)).mean(axis=(0, 1))
    assert features[4, 0].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
    torch.testing.assert_close(features[:, 0], features[:, 1])  # a mirror has the same mean
    assert not torch.allclose(features[:, 0], features[:, 2])


@pytest.mark.parametrize("changed", ["network", "square", "photo"])
def test_features_of_something_else_are_computed_anew(changed, fruit, monkeypatch, tmp_path):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path))
    photos, square, embed = find_photos(fruit).splits["test"], Preprocess(size=16), Counting()
    FeatureCache(embed, "network", square, seed=1).features(photos[:5])
    others = {
        "network": (FeatureCache(embed, "another", square, seed=1), photos[:5]),
        "square": (FeatureCache(embed, "network", Preprocess(size=24), seed=1), photos[:5]),
        "photo": (FeatureCache(embed, "network", square, seed=1), photos[1:6]),
    }
    cache, chosen = others[changed]
    cache.features(chosen)
    assert embed.squares == 10


def replaced(content):
    """A well-formed file of fewer photos, with what the original says of itself."""
    from safetensors.torch import load, save

    (size,) = struct.unpack("<Q", content[:8])
    metadata = json.loads(content[8 : 8 + size])["__metadata__"]
    return save({"features": load(content)["features"][:2]}, metadata)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:40],
        lambda content: b"",
        lambda content: content[:-3] + bytes([content[-3] ^ 1]) + content[-2:],
        lambda content: content.replace(b'"sha256"', b'"sha257"'),
        lambda content: content.replace(b'"features"', b'"fixtures"'),
        lambda content: content.replace(b'"F32"', b'"I32"'),
        replaced,
    ],
)
def test_spoiled_cache_is_computed_anew(spoil, fruit, monkeypatch, tmp_path):
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path))
    photos, embed = find_photos(fruit).splits["test"][:4], Counting()
    cache = FeatureCache(embed, "network", Preprocess(size=16), seed=1)
    features = cache.features(photos)
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(spoil(file.read_bytes()))
    assert torch.equal(cache.features(photos), features)
    assert embed.squares == 8


def test_disk_that_does_not_keep_features_does_not_end_the_run(fruit, monkeypatch, tmp_path):
    (tmp_path / "taken").touch()
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "taken"))
    cache = FeatureCache(Counting(), "network", Preprocess(size=16), seed=1)
    with pytest.warns(
        CacheWarning, match=r"cannot be cached in .*taken/features \(.*FOODVISION_CA"
    ):
        features = cache.features(find_photos(fruit).splits["test"])
    assert features.shape == (15, 1, 3)


def test_unreadable_photo_is_named_when_features_are_computed(tmp_path):
    from foodvision.data import LabelledPhoto

    (tmp_path / "bad.jpg").write_text("no photo")
    cache = FeatureCache(Counting(), "network", Preprocess(size=16), seed=1)
    with pytest.raises(PhotoError, match=r"bad\.jpg is not a readable photo"):
        cache.features([LabelledPhoto(tmp_path / "bad.jpg", "x")])
