"""Photos of more than eight bits: 10, 12 and 14 bits in files of 16, floats, inverted greys."""

import json
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

import foodvision
from foodvision.browser.site import write_site
from foodvision.checkpoint import read_checkpoint
from foodvision.data import find_photos, find_white
from foodvision.data.hub_datasets import shrink
from foodvision.decoding import Decoder
from foodvision.engine.features import FeatureCache
from foodvision.errors import DataError, PhotoError, SiteError
from foodvision.image import load_image
from foodvision.inspection.inspect import inspect_photos
from foodvision.preprocess import Preprocess

SHAPES = ("rings", "stripes")
SMALL = {"model": "tinyvgg", "image_size": 32, "epochs": 2}


def picture(shape, seed):
    """Return grey values of a drawing, (64, 64) float from 0 to 1, both of them there."""
    down, across = np.mgrid[0:64, 0:64] / 63
    by = np.hypot(down - 0.5, across - 0.5) if shape == "rings" else across
    values = np.sin(20 * by + seed) + np.random.default_rng(seed).normal(0, 0.1, (64, 64))
    values -= values.min()
    return values / values.max()


def save_png(path, values, white):
    Image.fromarray(np.rint(values * white).astype(np.uint16)).save(path)


def save_float(path, values, white):
    Image.fromarray((values * white).astype(np.float32)).save(path)


def save_pnm(path, values, white):
    pixels = np.rint(values * white).astype(">u2")
    if path.suffix == ".ppm":
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    kind = "P6" if path.suffix == ".ppm" else "P5"
    path.write_bytes(f"{kind}\n64 64\n65535\n".encode() + pixels.tobytes())


def make_set(folder, save, white, suffix=".png", count=6):
    for shape in SHAPES:
        (folder / shape).mkdir(parents=True)
        for number in range(count):
            save(folder / shape / f"{number}{suffix}", picture(shape, number), white)
    return folder


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383])
def test_white_of_a_set_is_the_largest_value_of_as_many_bits_as_it_uses(white, tmp_path):
    photos = find_white(find_photos(make_set(tmp_path, save_png, white)))
    assert photos.white == white
    assert f"12 photos have more than 8 bits, with values up to {white:,}: {white:,} is " in (
        photos.in_words()
    )


def test_grey_pgm_of_16_bits_uses_its_range_too(tmp_path):
    photos = find_white(find_photos(make_set(tmp_path, save_pnm, 4095, ".pgm")))
    assert photos.white == 4095
    read = np.asarray(load_image(tmp_path / "rings" / "0.pgm", white=photos.white))
    assert np.abs(read[..., 0] - 255 * picture("rings", 0)).max() <= 0.6


def test_dark_colours_of_a_ppm_of_16_bits_are_told(tmp_path):
    make_set(tmp_path, save_pnm, 4095, ".ppm")
    with pytest.raises(DataError, match="would be read almost black"):
        find_white(find_photos(tmp_path))


def test_one_photo_of_16_bits_leaves_a_set_at_16(tmp_path):
    make_set(tmp_path, save_png, 4095)
    save_png(tmp_path / "rings" / "bright.png", picture("rings", 9), 65535)
    photos = find_white(find_photos(tmp_path))
    assert photos.white is None
    assert photos.notes == ()


@pytest.mark.parametrize("white", [1023, 4095, 16383, 65535])
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_deep_photo_is_read_as_its_copy_of_eight_bits(white, suffix, tmp_path):
    values = picture("rings", 0)
    save_png(tmp_path / f"deep{suffix}", values, white)
    read = np.asarray(load_image(tmp_path / f"deep{suffix}", white=white))
    assert np.abs(read[..., 0] - 255 * values).max() <= 0.5 + 255 / white
    square = Preprocess(size=32, white=white)
    by_process = Decoder().decode_square(tmp_path / f"deep{suffix}", square)
    assert np.array_equal(by_process, square(Image.fromarray(read)))


def test_training_reads_serves_and_shows_deep_photos_alike(tmp_path):
    told = []
    photos = make_set(tmp_path / "photos", save_png, 4095)
    run = foodvision.train(photos, **SMALL, output=tmp_path / "run", listener=told.append)
    assert "4,095 is used as white" in told[0].photos.in_words()
    assert run.classifier.config.preprocess.white == 4095
    values = picture("stripes", 3)
    pixels = run.classifier.pixels(photos / "stripes" / "3.png")
    copy = Image.fromarray(np.rint(255 * values).astype(np.uint8))
    assert np.abs(pixels.astype(int) - run.classifier.pixels(copy)).max() <= 1
    array = np.rint(4095 * values).astype(np.uint16)
    assert np.array_equal(run.classifier.pixels(array), pixels)
    with pytest.raises(SiteError, match="4,095 is white: browsers show them almost black"):
        write_site(run.classifier.checkpoint, tmp_path / "site")


def test_frozen_backbone_sees_deep_photos_as_their_copies(tmp_path):
    deep = make_set(tmp_path / "deep", save_png, 4095, count=2)
    shallow = make_set(tmp_path / "shallow", save_png, 65535, count=2)

    def embed(squares):
        return squares.reshape(len(squares), -1).astype(np.float32)

    seen = [
        FeatureCache(embed, "pixels", Preprocess(size=16, white=white), seed=1).features(
            find_photos(folder).splits["all"], views=3
        )
        for folder, white in ((deep, 4095), (shallow, None))
    ]
    assert torch.abs(seen[0] - seen[1]).max() <= 1


def test_checkpoint_from_before_reads_16_bits_as_it_did(fruit_checkpoint, tmp_path):
    config = json.loads((fruit_checkpoint / "config.json").read_text())
    assert config["preprocess"].pop("white") is None
    for name in ("model.onnx", "README.md"):
        (tmp_path / name).write_bytes((fruit_checkpoint / name).read_bytes())
    (tmp_path / "config.json").write_text(json.dumps(config))
    classifier = foodvision.Classifier(read_checkpoint(tmp_path))
    save_png(tmp_path / "photo.png", picture("rings", 0), 65535)
    copy = Image.fromarray(np.rint(255 * picture("rings", 0)).astype(np.uint8))
    difference = classifier.pixels(tmp_path / "photo.png").astype(int) - classifier.pixels(copy)
    assert np.abs(difference).max() <= 1


@pytest.mark.slow
def test_floats_are_scaled_by_their_range_over_the_set(tmp_path):
    photos = make_set(tmp_path / "photos", save_float, 0.9, ".tif")
    run = foodvision.train(photos, **SMALL, output=tmp_path / "run")
    assert run.classifier.config.preprocess.white == 1
    copy = Image.fromarray(np.rint(0.9 * 255 * picture("rings", 0)).astype(np.uint8))
    pixels = run.classifier.pixels(photos / "rings" / "0.tif").astype(int)
    assert np.abs(pixels - run.classifier.pixels(copy)).max() <= 1


def test_floats_that_are_no_numbers_are_told(tmp_path):
    save_float(tmp_path / "photo.tif", np.full((8, 8), np.nan), 1)
    with pytest.raises(
        PhotoError, match=r"photo\.tif is truncated or damaged \(values that are not"
    ):
        load_image(tmp_path / "photo.tif", white=1)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_inverted_greys_are_turned_round(dtype, tmp_path):
    values = np.rint(picture("rings", 0) * np.iinfo(dtype).max).astype(dtype)
    Image.fromarray(values).save(tmp_path / "plain.tif")
    content = bytearray((tmp_path / "plain.tif").read_bytes())
    place = content.index(struct.pack("<HHI", 262, 3, 1))  # PhotometricInterpretation
    content[place + 8 : place + 10] = struct.pack("<H", 0)  # white is zero
    (tmp_path / "inverted.tif").write_bytes(bytes(content))
    plain, inverted = (
        np.asarray(load_image(tmp_path / f"{name}.tif")) for name in ("plain", "inverted")
    )
    assert np.array_equal(inverted, 255 - plain)


def png_of_16_bit_colour(values, white):
    """Return a PNG with three channels of 16 bits, which Pillow does not write."""
    rows = np.repeat(np.rint(values * white)[..., None], 3, axis=2).astype(">u2")
    raw = b"".join(b"\0" + row.tobytes() for row in rows)

    def chunk(name, content):
        checked = name + content
        return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

    height, width = values.shape
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b"")


def save_colour(path, values, white):
    path.write_bytes(png_of_16_bit_colour(values, white))


def test_colours_of_which_the_upper_bits_are_empty_are_told(tmp_path):
    photos = find_photos(make_set(tmp_path, save_colour, 4095))
    with pytest.raises(DataError) as caught:
        find_white(photos)
    assert str(caught.value) == (
        f"{tmp_path}: 12 photos have 16 bits per colour, but values only up to about 3,855 "
        "of 65,535, and would be read almost black. Save them with 8 bits, scaled to 0 to "
        "255"
    )
    notes = inspect_photos(photos, None).notes
    assert any(note.startswith("Training stops: ") for note in notes)


def test_full_colours_of_16_bits_are_read(tmp_path):
    photos = find_photos(make_set(tmp_path, save_colour, 65535))
    assert find_white(photos) == photos
    read = np.asarray(load_image(tmp_path / "rings" / "0.png"))[..., 0]
    assert np.abs(read - 255 * picture("rings", 0)).max() <= 1.5


def test_whole_numbers_beside_floats_are_told(tmp_path):
    make_set(tmp_path, save_png, 4095)
    save_float(tmp_path / "rings" / "float.tif", picture("rings", 0), 1)
    with pytest.raises(DataError, match="12 photos have 16 bits, but 1 floating point values"):
        find_white(find_photos(tmp_path))


def test_deep_photo_of_a_dataset_is_not_made_smaller(tmp_path):
    save_png(tmp_path / "photo.png", picture("rings", 0), 4095)
    content = (tmp_path / "photo.png").read_bytes()
    assert shrink(content, 32) == content


def test_inspection_sees_deep_photos_as_training_does(tmp_path):
    inspection = inspect_photos(find_photos(make_set(tmp_path, save_png, 1023)), None)
    assert any("1,023 is used as white" in note for note in inspection.notes)
    assert "blank" not in inspection.by_kind()


def test_medical_files_are_told_with_the_way_out(tmp_path):
    (tmp_path / "lung").mkdir()
    for name in ("1.dcm", "2"):
        (tmp_path / "lung" / name).write_bytes(bytes(128) + b"DICM" + bytes(100))
    with pytest.raises(DataError, match="There are 2 DICOM files: convert it to PNG first"):
        find_photos(tmp_path)
    with pytest.raises(PhotoError, match=r"1\.dcm is a DICOM file: convert it to PNG first"):
        load_image(tmp_path / "lung" / "1.dcm")
