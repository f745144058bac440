"""What a photo's file tells before its pixels are needed, and what is refused of it at once."""

import io
import os
import sys

import numpy as np
import pytest
import pyvips
from conftest import run_python
from PIL import ExifTags, Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2
from test_image import scene

from foodvision.errors import PhotoError
from foodvision.image import (
    Depth,
    begins_like_photo,
    check_publishable,
    depth_of,
    is_dicom,
    is_heavy,
    load_image,
    may_be_deep,
    read_photo,
    size_in_file,
)
from foodvision.safety.photo_limits import MAX_BYTES
from foodvision.system.packed import Packed

EIGHT_BITS = Depth("", 0)


def save_deep(path, peak, bands=3):
    """Write a photo of 16 bits a channel, whose largest value is `peak`."""
    values = np.linspace(0, peak, 8 * 6 * bands).astype(np.uint16).reshape(6, 8, bands)
    kind = "rgb16" if bands > 2 else "grey16"
    pyvips.Image.new_from_array(values).copy(interpretation=kind).write_to_file(str(path))
    return path


def save_float(path, values):
    Image.fromarray(np.array(values, np.float32)).save(path)
    return path


def content_of(image, suffix, **options):
    file = io.BytesIO()
    image.save(file, suffix, **options)
    return file.getvalue()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp", "gif"])
def test_photo_of_eight_bits_is_not_deep(suffix, tmp_path):
    scene().save(tmp_path / f"a.{suffix}")
    assert depth_of(tmp_path / f"a.{suffix}") == EIGHT_BITS


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "P", "1"])
def test_modes_of_eight_bits_are_not_deep(mode):
    assert depth_of(content_of(scene().convert(mode), "png")) == EIGHT_BITS


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_depth_of_greys_is_their_largest_value(suffix, tmp_path):
    path = save_deep(tmp_path / f"a.{suffix}", 40_000, bands=1)
    assert depth_of(path) == depth_of(path.read_bytes()) == Depth("integer", 40_000)


@pytest.mark.parametrize(("suffix", "bands"), [("png", 3), ("png", 4), ("tif", 3)])
def test_depth_of_colours_is_that_of_their_upper_bits(suffix, bands, tmp_path):
    path = save_deep(tmp_path / f"a.{suffix}", 200 * 257, bands)
    assert depth_of(path) == Depth("colour", 200 * 257)


def test_depth_of_floats_is_their_largest_value_and_they_are_numbers(tmp_path):
    assert depth_of(save_float(tmp_path / "a.tif", [[0, 0.25], [7.5, 1]])) == Depth("float", 7.5)
    for value in (np.nan, np.inf):
        path = save_float(tmp_path / "b.tif", [[0, value]])
        with pytest.raises(
            PhotoError, match=r"b\.tif is truncated or damaged \(values that are not"
        ):
            depth_of(path)


def test_depth_of_what_is_no_photo_names_it(tmp_path):
    (tmp_path / "menu.png").write_text("pizza 8.50")
    with pytest.raises(PhotoError, match=r"menu\.png is not a readable photo"):
        depth_of(tmp_path / "menu.png")
    with pytest.raises(PhotoError, match="the photo of 10 bytes is not a readable photo"):
        depth_of(b"pizza 8.50")


def test_files_that_may_be_deep_are_tiff_and_png_of_16_bits(tmp_path):
    deep = [save_deep(tmp_path / f"deep.{suffix}", 9) for suffix in ("png", "tif")]
    assert all(may_be_deep(path) for path in deep)
    for suffix in ("png", "jpg", "gif"):
        scene().save(tmp_path / f"a.{suffix}")
        assert not may_be_deep(tmp_path / f"a.{suffix}")
    assert not may_be_deep(tmp_path / "nowhere.tif")


def test_medical_file_is_told_by_its_content(tmp_path):
    lung = tmp_path / "lung"
    for content, is_one in (
        (bytes(128) + b"DICM" + bytes(9), True),
        (bytes(127) + b"DICM" + bytes(9), False),
        (b"DICM", False),
    ):
        lung.write_bytes(content)
        assert is_dicom(lung) is is_one


@pytest.mark.parametrize(
    "suffix", ["jpeg", "png", "webp", "gif", "tiff", "avif", "heif", "ppm", "pgm"]
)
def test_file_without_an_ending_is_a_photo_by_its_beginning(suffix, tmp_path):
    image = scene().convert("L") if suffix == "pgm" else scene()
    (tmp_path / "photo").write_bytes(content_of(image, "ppm" if suffix == "pgm" else suffix))
    assert begins_like_photo(tmp_path / "photo")


@pytest.mark.parametrize("text", [b"", b"P6 of the menu", b"RIFF....WAVE", b"pizza 8.50"])
def test_other_files_do_not_begin_like_a_photo(text, tmp_path):
    (tmp_path / "notes").write_bytes(text)
    assert not begins_like_photo(tmp_path / "notes")


def test_size_is_what_the_file_says(tmp_path):
    Image.new("L", (2600, 1300)).save(tmp_path / "large.jpg")
    assert size_in_file(tmp_path / "large.jpg") == (2600, 1300)


def test_photo_is_heavy_by_what_its_decoding_takes():
    assert not is_heavy(content_of(scene(), "jpeg"), "a.jpg")
    assert is_heavy(content_of(Image.new("RGB", (5000, 4000)), "png", compress_level=1), "a.png")
    with pytest.raises(PhotoError, match=r"menu\.txt is not a readable photo"):
        is_heavy(b"pizza 8.50", "menu.txt")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("https://example.com/a.jpg", "https://example.com/a.jpg is a web address: download"),
        ("/dev/null", "/dev/null is a device or a pipe"),
        ("a\0.jpg", r"a\x00.jpg cannot be read (embedded null byte)"),
        ("x" * 300, f"{'x' * 300} cannot be read ("),
    ],
)
def test_name_that_leads_to_no_file_is_told(source, said):
    with pytest.raises(PhotoError) as caught:
        read_photo(source)
    assert str(caught.value).startswith(said)


def test_pipe_that_nobody_writes_into_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PhotoError, match=r"pipe\.jpg is a device or a pipe"):
        load_image(tmp_path / "pipe.jpg")


def test_file_over_the_limit_is_not_read(tmp_path):
    with (tmp_path / "a.jpg").open("wb") as file:
        file.truncate(MAX_BYTES)
        assert len(read_photo(tmp_path / "a.jpg")) == MAX_BYTES
        file.truncate(MAX_BYTES + 1_000_000)
    in_a_shard = Packed(tmp_path / "a.tar", 0, MAX_BYTES + 1_000_000, "a.jpg").address
    for path in (tmp_path / "a.jpg", in_a_shard):
        with pytest.raises(PhotoError) as caught:
            read_photo(path)
        assert str(caught.value).endswith("a.jpg has 201 MB, but the limit is 200: make it smaller")
    with pytest.raises(PhotoError, match="has over 200 MB: make it smaller") as caught:
        load_image(io.BytesIO(bytes(MAX_BYTES + 1)))
    assert caught.value.fault == "too_many_bytes"


LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from foodvision.errors import PhotoError
from foodvision.image import load_image

pages = int(Path("/proc/self/statm").read_text().split()[0])
most = pages * resource.getpagesize() + (50 << 20)
resource.setrlimit(resource.RLIMIT_AS, (most, most))
try:
    load_image(sys.argv[1])
except PhotoError as error:
    print(error.fault, error)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit is Linux's")
def test_photo_for_which_memory_does_not_suffice_is_told(tmp_path):
    Image.new("RGB", (8_000, 6_000)).save(tmp_path / "a.png")
    done = run_python("-c", LITTLE_MEMORY, tmp_path / "a.png", check=True)
    said = f"too_heavy {tmp_path / 'a.png'} needs too much memory: make it smaller first\n"
    assert done.stdout == said


def test_open_file_is_read_in_binary_mode_alone(tmp_path):
    scene().save(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as file:
        assert np.array_equal(load_image(file), scene())
    assert np.array_equal(load_image(io.BytesIO((tmp_path / "a.png").read_bytes())), scene())
    (tmp_path / "menu.txt").write_text("pizza 8.50")
    with (tmp_path / "menu.txt").open() as file, pytest.raises(PhotoError) as caught:
        load_image(file)
    said = (
        f"{tmp_path / 'menu.txt'} is open in text mode: open it in binary mode, as open(path, 'rb')"
    )
    assert str(caught.value) == said


def test_medical_file_is_refused_with_the_way_out():
    said = "the photo of 140 bytes is a DICOM file: convert it to"
    with pytest.raises(PhotoError, match=said) as caught:
        load_image(bytes(128) + b"DICM" + bytes(8))
    assert caught.value.fault == "dicom"


def test_arrays_of_one_channel_and_of_16_bits_are_scaled():
    grey = np.asarray(scene().convert("L"))
    expected = np.repeat(grey[:, :, None], 3, axis=2)
    assert np.array_equal(load_image(grey[:, :, None]), expected)
    assert np.array_equal(load_image(grey.astype(np.uint16) * 257), expected)
    assert np.array_equal(load_image(grey.astype(np.uint16) * 16, white=255 * 16), expected)
    assert np.array_equal(load_image(grey.astype(np.float32) / 255, white=1.0), expected)
    colours = np.asarray(scene()).astype(np.uint16) * 257
    assert np.array_equal(load_image(colours), scene())


def test_colours_that_are_multiplied_by_their_alpha_lie_over_white():
    clear = Image.new("RGBA", (4, 4), (80, 80, 80, 0))
    clear.paste((0, 0, 0, 255), (0, 0, 2, 4))
    image = load_image(clear.convert("RGBa"))
    assert image.getpixel((0, 0)) == (0, 0, 0)
    assert image.getpixel((3, 0)) == (255, 255, 255)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("tag", [ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude])
def test_place_in_exif_is_not_published(suffix, tag, tmp_path):
    path = tmp_path / f"kiwi.{suffix}"
    scene((16, 12)).save(path, exif=exif_with(tag, (47.0, 22.0, 6.0)))
    with pytest.raises(PhotoError) as caught:
        check_publishable(path)
    assert str(caught.value).startswith(f"{path} contains its location (GPS in its EXIF)")
    scene((16, 12)).save(path, exif=exif_with(ExifTags.GPS.GPSDateStamp, "2026:11:30"))
    check_publishable(path)


def test_place_in_the_exif_of_a_tiff_is_not_published(tmp_path):
    tags = ImageFileDirectory_v2()
    tags.tagtype[ExifTags.IFD.GPSInfo] = TiffTags.LONG
    tags[ExifTags.IFD.GPSInfo] = {ExifTags.GPS.GPSLatitude: (47.0, 22.0, 6.0)}
    scene((16, 12)).save(tmp_path / "kiwi.tif", tiffinfo=tags)
    with pytest.raises(PhotoError, match=r"kiwi\.tif contains its location \(GPS in its EXIF\)"):
        check_publishable(tmp_path / "kiwi.tif")


def exif_with(tag, value):
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "Camera"  # Pillow leaves out EXIF that has no tag of its own
    exif.get_ifd(ExifTags.IFD.GPSInfo)[tag] = value
    return exif
