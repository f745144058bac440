"""Photos that the decoder makes smaller are resized as if all of their pixels had been decoded."""

import copy
import io
import pickle
from functools import cache
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from foodvision.data.batches import Shorten
from foodvision.image import load_image
from foodvision.preprocess import Preprocess
from foodvision.reduced import ReducedImage

EXAMPLES = Path(__file__).parents[2] / "examples"
ORIENTATION = 0x0112
SQUARE = Preprocess(size=224, crop=1.0)

# By 2 there are 861 x 641 pixels, of which the last column and row stand for a half.
SIDES = (1721, 1281)


@cache
def large(sides: tuple[int, int] = SIDES) -> Image.Image:
    with Image.open(EXAMPLES / "ramen.jpg") as photo:
        return photo.convert("RGB").resize(sides, Image.Resampling.BICUBIC)


@cache
def jpeg(orientation: int = 1, sides: tuple[int, int] = SIDES) -> bytes:
    exif, content = Image.Exif(), io.BytesIO()
    exif[ORIENTATION] = orientation
    large(sides).save(content, "JPEG", quality=90, exif=exif)
    return content.getvalue()


def whole(content: bytes) -> Image.Image:
    """All pixels of a photo, upright."""
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    assert image is not None
    return image


def plain(image: Image.Image) -> Image.Image:
    """An image that does not know where the photo lies in it."""
    return image.convert("RGB").crop((0, 0, *image.size))


def distance(one, other) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_square_of_a_photo_turned_by_exif_is_in_register(orientation):
    content = jpeg(orientation)
    image, expected = load_image(content), SQUARE(whole(content))
    assert min(image.size) == 641
    assert distance(SQUARE(image), expected) < 0.5 * distance(SQUARE(plain(image)), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_turned_when_they_are_asked_for(orientation):
    image, drafted = load_image(jpeg(orientation)), Image.open(io.BytesIO(jpeg(orientation)))
    before = SQUARE(image)
    drafted.draft(None, (640, 640))
    assert np.array_equal(image, ImageOps.exif_transpose(drafted))
    assert np.abs(SQUARE(image).astype(int) - before).max() <= 3


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(size=224, resize="squash"),
        Preprocess(size=160, crop=0.875, interpolation="bilinear"),
        Preprocess(size=288, interpolation="lanczos"),
    ],
    ids=lambda rule: f"{rule.resize}-{rule.interpolation}",
)
def test_every_rule_is_in_register(preprocess):
    image, expected = load_image(jpeg(3)), preprocess(whole(jpeg(3)))
    assert distance(preprocess(image), expected) < 0.5 * distance(
        preprocess(plain(image)), expected
    )


def test_middle_of_a_long_strip_is_in_register():
    content = jpeg(3, (11_001, 1_281))
    image, expected = load_image(content), SQUARE(whole(content))
    assert image.size == (5501, 641)
    assert distance(SQUARE(image), expected) < 0.5 * distance(SQUARE(plain(image)), expected)


@pytest.mark.slow
def test_heic_that_comes_out_smaller_is_in_register():
    content, sides = io.BytesIO(), (6241, 2565)
    fast = {"enc_params": {"preset": "ultrafast"}}
    pillow_heif.from_pillow(large(sides)).save(content, quality=90, **fast)
    image, expected = load_image(content.getvalue()), SQUARE(large(sides))
    assert image.size == (1561, 642)
    assert distance(SQUARE(image), expected) < 0.7 * distance(SQUARE(plain(image)), expected)


def test_photos_that_training_shortens_are_in_register():
    image, shorten = load_image(jpeg(3)), Shorten(256)
    expected = shorten(whole(jpeg(3)))
    assert shorten(image).shape == expected.shape
    assert distance(shorten(image), expected) < 0.7 * distance(shorten(plain(image)), expected)


def test_copy_knows_where_the_photo_lies_and_what_is_cut_out_does_not():
    image = load_image(jpeg(3))
    assert isinstance(image, ReducedImage)
    assert image.by == 2
    assert image.box == (0.5, 0.5, 861, 641)
    copies = image.copy(), copy.copy(image), copy.deepcopy(image), pickle.loads(pickle.dumps(image))
    for same in (*copies, load_image(image)):
        assert isinstance(same, ReducedImage)
        assert (same.box, same.photo_size) == (image.box, SIDES)
        assert np.array_equal(same, image)
    assert type(image.crop((0, 0, 100, 100))) is Image.Image
    assert type(image.resize((100, 100))) is Image.Image


def test_thumbnail_of_a_reduced_photo_is_all_photo():
    image = load_image(jpeg(3))
    expected = image.resize((320, 238), Image.Resampling.BICUBIC, reducing_gap=2)
    image.thumbnail((320, 320))
    assert np.array_equal(image, expected)
    assert (image.box, image.photo_size) == ((0, 0, 320, 238), (320, 238))


def test_photo_whose_sides_divide_is_resized_as_it_is():
    image = load_image(jpeg(6, (1720, 1280)))
    assert image.size == (640, 860)
    image.load()
    assert np.array_equal(image.resize((64, 86)), plain(image).resize((64, 86)))
