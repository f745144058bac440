import os
import pickle
from itertools import chain

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from foodvision.data import Photos, find_photos
from foodvision.data.batches import (
    Batches,
    InMemory,
    Shard,
    Shorten,
    class_weights,
    in_memory,
    mixing,
    seeded,
)
from foodvision.data.loaders import photo_dataset
from foodvision.data.transforms import augmentation
from foodvision.errors import SettingsError
from foodvision.image import load_image
from foodvision.models import Start
from foodvision.preprocess import Preprocess
from foodvision.training.config import TrainConfig
from foodvision.training.stages import ProgressiveResize, Run, check_network_stage

PREPROCESS = Preprocess(size=32)


def numbered(count):
    return TensorDataset(torch.arange(count).float()[:, None], torch.arange(count))


def labels_of(batches):
    return [labels.tolist() for _, labels in batches]


def test_every_photo_comes_once_an_epoch_and_in_another_order_each():
    batches = Batches(numbered(20), 8, seed=1)
    first, second = labels_of(batches), labels_of(batches)
    assert sorted(chain(*first)) == sorted(chain(*second)) == list(range(20))
    assert first != second
    assert labels_of(Batches(numbered(20), 8, seed=1)) == first
    assert labels_of(Batches(numbered(20), 8, seed=2)) != first


def test_loop_that_was_left_goes_on_with_the_very_next_batch():
    whole = Batches(numbered(50), 8, seed=1)
    expected = [labels_of(whole) for _ in range(3)]
    cut = Batches(numbered(50), 8, seed=1)
    seen = [labels_of(cut), []]
    for _, labels in cut:
        if len(seen[1]) == 3:
            break
        seen[1].append(labels.tolist())
    taken_up = Batches(numbered(50), 8, seed=1)
    taken_up.load_state_dict(cut.state_dict())
    assert cut.state_dict() == {"epoch": 1, "batch": 3}
    seen[1] += labels_of(taken_up)
    seen.append(labels_of(taken_up))
    assert seen == expected


def test_chance_in_a_photo_depends_on_its_place_alone(fruit):
    photos = find_photos(fruit)
    dataset = photo_dataset(photos, "train", Shorten(48))
    light = augmentation(PREPROCESS)
    one = Batches(dataset, 60, seed=1, shuffle=False, transform_of=lambda _: light)
    torch.manual_seed(5)
    (images, _), *_ = one
    (next_epoch, _), *_ = one
    taken_up = Batches(dataset, 7, seed=1, shuffle=False, transform_of=lambda _: light)
    taken_up.load_state_dict({"epoch": 0, "batch": 2})
    assert not torch.equal(images, next_epoch)
    assert torch.equal(next(iter(taken_up))[0], images[14:21])


def test_photo_that_is_drawn_twice_is_not_the_same_crop_twice(fruit):
    dataset = photo_dataset(find_photos(fruit), "train", Shorten(48))
    only_one = torch.zeros(60).index_fill(0, torch.tensor([3]), 1.0)
    light = augmentation(PREPROCESS)
    ((images, _),) = Batches(dataset, 60, seed=1, weights=only_one, transform_of=lambda _: light)
    assert len(images.unique(dim=0)) > 50


def test_chance_of_the_data_shifts_no_other():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    batches = Batches(numbered(20), 8, seed=1, weights=torch.ones(20))
    list(batches)
    with seeded(1, "x"):
        torch.rand(3)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("count", [16, 17, 19, 22])
def test_processes_share_every_batch_in_equal_parts(count):
    parts = [
        labels_of(Batches(numbered(count), 8, seed=4, shard=Shard(rank, 2))) for rank in (0, 1)
    ]
    assert [len(batch) for batch in parts[0]] == [len(batch) for batch in parts[1]]
    whole = labels_of(Batches(numbered(count), 8, seed=4))
    for first, second, batch in zip(*parts, whole, strict=False):
        together = [label for pair in zip(first, second, strict=True) for label in pair]
        assert together == batch[: len(together)]
    assert len(Batches(numbered(count), 8, seed=4, shard=Shard(0, 2))) == len(parts[0])


def test_validation_photos_are_shared_to_the_last_one():
    parts = [
        labels_of(Batches(numbered(19), 8, seed=4, shuffle=False, shard=Shard(rank, 2)))
        for rank in (0, 1)
    ]
    assert sorted(chain(*chain(*parts))) == list(range(19))


def test_single_photo_left_over_waits_for_another_epoch():
    batches = labels_of(Batches(numbered(17), 8, seed=1))
    assert [len(batch) for batch in batches] == [8, 8]
    assert [len(batch) for batch in labels_of(Batches(numbered(17), 8, seed=1, shuffle=False))] == [
        *(8, 8, 1)
    ]


def test_rare_classes_are_drawn_as_often_as_others():
    labels = [0] * 90 + [1] * 10
    weights = class_weights(labels, 2)
    assert weights.tolist() == pytest.approx([100 / 180, 100 / 20])
    batches = Batches(
        TensorDataset(torch.zeros(100, 1), torch.tensor(labels)),
        50,
        seed=1,
        weights=weights[labels],
    )
    drawn = list(chain(*(label for _ in range(20) for label in labels_of(batches))))
    assert 0.45 < sum(drawn) / len(drawn) < 0.55


def test_mixing_shares_the_labels():
    mix = mixing(0.4, 1.0, classes=3)
    torch.manual_seed(0)
    images, labels = mix(torch.rand(6, 3, 8, 8), torch.tensor([0, 1, 2, 0, 1, 2]))
    assert images.shape == (6, 3, 8, 8)
    assert labels.shape == (6, 3)
    torch.testing.assert_close(labels.sum(dim=1), torch.ones(6))
    assert ((labels > 0) & (labels < 1)).any()
    assert mixing(0.0, 0.0, classes=3) is None


def test_photos_in_memory_are_those_on_the_disk(fruit):
    dataset = photo_dataset(find_photos(fruit), "train", Shorten(48))
    kept = in_memory(dataset, 48)
    assert isinstance(kept, InMemory)
    assert len(kept) == len(dataset)
    for index in (0, 59):
        assert torch.equal(kept[index][0], dataset[index][0])
        assert kept[index][1] == dataset[index][1]
    assert in_memory(dataset, 10**6) is dataset


def test_augmentation_is_sent_to_processes_that_are_not_forked():
    growing = ProgressiveResize(PREPROCESS, TrainConfig(freeze=False, epochs=3, start_size=16))
    growing(0)
    assert pickle.loads(pickle.dumps(growing)).size(0) == 16
    assert ProgressiveResize(PREPROCESS, TrainConfig(freeze=False, start_size=8)).size(0) == 16


def test_every_size_that_a_growing_network_will_see_is_tried(tmp_path):
    class Halved(nn.Sequential):
        def forward(self, images):
            assert images.shape[-1] != 48, "48 cannot be halved so often"
            return super().forward(images.mean(dim=(2, 3)))

    def check(**settings):
        config = TrainConfig(freeze=False, epochs=3, **settings)
        this = Run(
            config, Photos(tmp_path, {}), Preprocess(size=64), tmp_path, None, Start("tinyvgg")
        )
        check_network_stage(Halved(nn.Linear(3, 2)), this)

    check()
    with pytest.raises(
        SettingsError, match=r"cannot be trained at 48 pixels \(48 cannot be halved"
    ):
        check(start_size=32)
    with pytest.raises(SettingsError, match="start-size 80 is larger than the image size of"):
        check(start_size=80)


def test_photos_are_shortened_to_what_crops_need(fruit):
    image = load_image(find_photos(fruit).splits["train"][0].path)
    assert image.size == (80, 64)
    assert Shorten(48)(image).shape == (3, 48, 60)
    assert Shorten(100)(image).shape == (3, 64, 80)


@pytest.mark.parametrize("augment", ["none", "light", "strong"])
@pytest.mark.parametrize("resize", ["short", "squash"])
def test_augmentation_gives_squares_of_any_size_asked_for(augment, resize, fruit):
    photo = Shorten(48)(load_image(find_photos(fruit).splits["train"][0].path))
    preprocess = Preprocess(size=32, resize=resize)
    for size in (16, 32):
        square = augmentation(preprocess, augment, size=size, low_resolution=0.5)(photo)
        assert square.shape == (3, size, size)
        assert square.dtype == torch.uint8
        assert type(square) is torch.Tensor


def test_photos_in_memory_are_augmented_alike_by_a_process_of_its_own(fruit, monkeypatch, tmp_path):
    photos = InMemory(photo_dataset(find_photos(fruit), "train", Shorten(48)))

    def batches(workers):
        monkeypatch.setattr("foodvision.data.batches.worker_count", lambda _: workers)
        crops, processes = augmentation(PREPROCESS), tmp_path / str(workers)
        processes.mkdir()

        def crop(photo):
            (processes / str(os.getpid())).touch()
            return crops(photo)

        return Batches(photos, 16, seed=1, transform_of=lambda _: crop)

    alone, beside = batches(0), batches(2)
    for _ in range(2):
        for (images, labels), (others, their_labels) in zip(alone, beside, strict=True):
            torch.testing.assert_close(images, others, rtol=0, atol=0)
            assert labels.tolist() == their_labels.tolist()
    assert [path.name for path in (tmp_path / "0").iterdir()] == [str(os.getpid())]
    others = [path.name for path in (tmp_path / "2").iterdir()]
    assert others
    assert str(os.getpid()) not in others
