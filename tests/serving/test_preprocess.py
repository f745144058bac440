from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from foodvision.errors import SettingsError
from foodvision.preprocess import Preprocess

sides = st.integers(1, 400)


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * 1000 + height)
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8))


@settings(max_examples=40)
@given(
    sides, sides, st.sampled_from(["bilinear", "bicubic", "lanczos"]), st.sampled_from([0.875, 1.0])
)
def test_short_rule_gives_torchvisions_pixels(width, height, interpolation, crop):
    image = noise(width, height)
    if max(width, height) > 8 * min(width, height):
        return
    preprocess = Preprocess(size=56, crop=crop, interpolation=interpolation)
    resized = Resize(int(56 / crop), InterpolationMode(interpolation))(image)
    assert np.array_equal(preprocess(image), np.asarray(CenterCrop(56)(resized)))


@settings(max_examples=20)
@given(sides, sides)
def test_squash_rule_gives_torchvisions_pixels(width, height):
    image = noise(width, height)
    preprocess = Preprocess(size=64, resize="squash", crop=1.0, interpolation="bilinear")
    expected = Resize((64, 64), InterpolationMode.BILINEAR)(image)
    assert np.array_equal(preprocess(image), np.asarray(expected))


@pytest.mark.parametrize("turn", [False, True])
def test_long_strip_loses_as_much_at_both_ends(turn):
    strip, middle = noise(3, 27), noise(3, 27).crop((0, 1, 3, 26))
    if turn:
        strip, middle = (of.transpose(Image.Transpose.ROTATE_90) for of in (strip, middle))
    preprocess = Preprocess(size=56)
    assert np.array_equal(preprocess(strip), preprocess(middle))


def test_sized_sees_the_same_part_at_another_size():
    preprocess = Preprocess(size=64, crop=0.5, interpolation="bilinear", white=4095.0)
    assert preprocess.sized(96) == replace(preprocess, size=96)
    assert preprocess.sized(96).short_side == 192


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 1), (20_000, 3)])
def test_very_long_strip_gives_a_square_without_filling_the_memory(size):
    square = Preprocess(size=224)(Image.new("RGB", size, "red"))
    assert square.shape == (224, 224, 3)
    assert square.dtype == np.uint8
    assert (square == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"size": 4}, "image size 4 is out of range: 8 to 2048 pixels"),
        ({"resize": "fill"}, "unknown resize rule 'fill': use short or squash"),
        ({"crop": 1.5}, "crop 1.5 is out of range: 0.1 to 1"),
        ({"crop": 0.0999}, "crop 0.0999 is out of range: 0.1 to 1"),
        ({"size": 7}, "image size 7 is out of range: 8 to 2048 pixels"),
        ({"size": 2049}, "image size 2049 is out of range: 8 to 2048 pixels"),
        ({"mean": (0, 0, 100.1)}, "mean (0, 0, 100.1) is out of range: -100 to 100"),
        ({"mean": (-100.1, 0, 0)}, "mean (-100.1, 0, 0) is out of range: -100 to 100"),
        ({"std": (1, 1, 0.00009)}, "std (1, 1, 9e-05) is out of range: 0.0001 to 100"),
        ({"std": (101, 1, 1)}, "std (101, 1, 1) is out of range: 0.0001 to 100"),
        ({"white": 0}, "white 0 is out of range: above 0 to "),
        (
            {"interpolation": "magic"},
            "unknown interpolation 'magic': use bilinear, bicubic, lanczos",
        ),
    ],
)
def test_setting_out_of_range_says_the_range(settings_, message):
    with pytest.raises(SettingsError) as caught:
        Preprocess(**settings_)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "settings_",
    [
        *({"size": 8}, {"size": 2048}, {"crop": 0.1}, {"crop": 1}, {"mean": (-100, 0, 100)}),
        *({"std": (0.0001, 1, 100)}, {"white": 0.5}, {"white": 2**32 - 1}),
    ],
)
def test_setting_at_the_end_of_its_range_is_taken(settings_):
    assert Preprocess(**settings_)
