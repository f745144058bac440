from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import COLOURS, make_photo, shared
from PIL import Image
from torch.utils.data import TensorDataset
from torchvision.datasets import ImageFolder

from foodvision.checkpoint import BUNDLED, read_checkpoint
from foodvision.classifier import Classifier
from foodvision.data import find_photos, open_source, split_photos
from foodvision.data.loaders import create_dataloader, photo_dataset
from foodvision.data.transforms import Square, eval_transform, train_transform
from foodvision.image import load_image
from foodvision.preprocess import Preprocess

PREPROCESS = Preprocess(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))


def test_dataset_is_an_image_folder_of_the_split(fruit):
    photos = split_photos(find_photos(fruit))
    dataset = photo_dataset(photos, "val", eval_transform(PREPROCESS))
    assert isinstance(dataset, ImageFolder)
    assert dataset.classes == list(photos.classes)
    assert len(dataset) == len(photos.splits["val"]) == 12
    image, label = dataset[0]
    assert image.shape == (3, 32, 32)
    assert dataset.classes[label] == photos.splits["val"][0].label


def test_evaluation_sees_the_square_normalised(fruit):
    photos = find_photos(fruit)
    dataset = photo_dataset(photos, "test", eval_transform(PREPROCESS))
    square = PREPROCESS(load_image(photos.splits["test"][0].path))
    expected = (square / np.float32(255) - PREPROCESS.mean) / PREPROCESS.std
    np.testing.assert_allclose(dataset[0][0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_photo_is_decoded_as_large_as_the_network_sees_it(tmp_path):
    path = make_photo(tmp_path / "kiwi" / "large.jpg", COLOURS["kiwi"], seed=1, size=(1400, 1300))
    large, bundled = Preprocess(size=1024, crop=1.0), read_checkpoint(BUNDLED)
    expected = large(Image.open(path))
    dataset = photo_dataset(find_photos(tmp_path), "all", Square(large), large.short_side)
    assert np.array_equal(dataset[0][0].permute(1, 2, 0), expected)
    classifier = Classifier(replace(bundled, config=replace(bundled.config, preprocess=large)))
    assert np.array_equal(classifier.pixels(path), expected)


def test_training_sees_another_crop_every_time(fruit):
    dataset = photo_dataset(find_photos(fruit), "train", train_transform(PREPROCESS))
    torch.manual_seed(0)
    assert not torch.equal(dataset[0][0], dataset[0][0])
    torch.manual_seed(0)
    first = dataset[0][0]
    torch.manual_seed(0)
    assert torch.equal(dataset[0][0], first)


def test_squashed_photos_are_only_flipped(fruit):
    preprocess = Preprocess(size=32, resize="squash", crop=1.0, interpolation="bilinear")
    photos = find_photos(fruit)
    plain = photo_dataset(photos, "train", eval_transform(preprocess))[0][0]
    chance = photo_dataset(photos, "train", train_transform(preprocess))
    for _ in range(5):
        seen = chance[0][0]
        assert torch.allclose(seen, plain) or torch.allclose(seen.flip(2), plain)


def test_small_data_starts_no_worker_processes():
    small = TensorDataset(torch.zeros(1999, 1), torch.zeros(1999))
    large = TensorDataset(torch.zeros(5000, 1), torch.zeros(5000))
    assert create_dataloader(small, 32, shuffle=True).num_workers == 0
    assert create_dataloader(large, 32, shuffle=True).num_workers > 0


def test_worker_processes_give_the_same_batches(fruit):
    photos = find_photos(fruit)
    dataset = photo_dataset(photos, "train", eval_transform(PREPROCESS))
    many = torch.utils.data.ConcatDataset([dataset] * 70)
    loader = create_dataloader(many, 60, shuffle=False)
    assert loader.num_workers > 0
    images, labels = next(iter(loader))
    assert torch.equal(images[0], dataset[0][0])
    assert labels.tolist() == dataset.targets


@pytest.mark.slow
def test_grey_photos_of_the_small_set_are_rgb():
    with open_source(shared("food101_64px.tar.gz")) as folder:
        photos = find_photos(folder)
        assert len(photos.splits["train"]) == 40_400
        from PIL import Image

        grey = []
        for photo in photos.splits["train"]:
            with Image.open(photo.path) as image:
                if image.mode == "L":
                    grey.append(photo.path)
        assert len(grey) == 2
        assert {load_image(path).mode for path in grey} == {"RGB"}
