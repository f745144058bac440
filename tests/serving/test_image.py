import io
import struct
import warnings
import zlib

import numpy as np
import pytest
import pyvips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, TiffTags
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from foodvision.errors import PhotoError
from foodvision.image import MAX_PIXELS, SUFFIXES, check_publishable, format_of, load_image

ORIENTATION = 0x0112


def scene(size=(96, 72)) -> Image.Image:
    """A smooth image whose four corners differ, so that a turn or mirror shows."""
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    channels = np.stack([255 * x, 255 * y, 255 * (1 - x) * y], axis=2)
    return Image.fromarray(channels.astype(np.uint8))


def distance(one, other) -> float:
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "avif", "heic", "gif"])
def test_every_format_gives_the_same_pixels(suffix, tmp_path):
    path = tmp_path / f"photo.{suffix}"
    options = {} if suffix in ("bmp", "png", "gif", "tiff") else {"quality": 95}
    scene().save(path, **options)
    image = load_image(path)
    assert image.mode == "RGB"
    assert image.size == (96, 72)
    assert distance(image, scene()) < (12 if suffix == "gif" else 3)


@pytest.mark.parametrize("suffix", ["jpeg", "png", "webp", "bmp", "tiff", "avif", "heif", "gif"])
def test_format_is_told_from_the_bytes(suffix):
    file = io.BytesIO()
    scene().save(file, suffix)
    assert format_of(file.getvalue()) == suffix
    assert f".{suffix}" in SUFFIXES


def test_bytes_of_no_photo_have_no_format():
    assert format_of(b"no photo") is None
    assert format_of(b"") is None


def test_first_frame_of_an_animation_is_the_photo(tmp_path):
    frames = [scene(), Image.new("RGB", (96, 72), "black")]
    for suffix in ("gif", "webp"):
        frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
        assert distance(load_image(tmp_path / f"a.{suffix}"), scene()) < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_as_libvips_applies_it(orientation, tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / "turned.jpg"
    scene().save(path, exif=exif, quality=95)
    expected = pyvips.Image.new_from_file(str(path)).autorot().numpy()
    assert np.asarray(load_image(path)).shape == expected.shape
    assert distance(load_image(path), expected) < 1.5


def test_spoiled_exif_leaves_the_photo_as_it_lies(tmp_path):
    path = tmp_path / "spoiled.jpg"
    scene().save(path, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    assert load_image(path).size == (96, 72)


def test_transparency_lies_over_white(tmp_path):
    clear = Image.new("RGBA", (20, 20), (255, 0, 0, 0))
    clear.paste((0, 0, 255, 255), (0, 0, 10, 20))
    clear.save(tmp_path / "a.png")
    image = load_image(tmp_path / "a.png")
    assert image.getpixel((2, 2)) == (0, 0, 255)
    assert image.getpixel((15, 2)) == (255, 255, 255)


def test_palette_with_transparency_lies_over_white(tmp_path):
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 255, 0, 255, 0, 0])
    palette.putpixel((0, 0), 0)
    palette.save(tmp_path / "a.gif", transparency=1)
    image = load_image(tmp_path / "a.gif")
    assert image.getpixel((0, 0)) == (0, 255, 0)
    assert image.getpixel((3, 3)) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P", "I;16", "I"])
def test_grey_and_palette_become_rgb(mode, tmp_path):
    grey = scene().convert("L")
    if mode.startswith("I"):
        grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
        grey = grey if mode == "I;16" else grey.convert("I")
    else:
        grey = grey.convert(mode)
    path = tmp_path / ("grey.tiff" if mode == "I" else "grey.png")
    grey.save(path)
    image = load_image(path)
    assert image.mode == "RGB"
    expected, tolerance = (grey, 0) if mode == "1" else (scene().convert("L"), 2)
    assert distance(image, expected.convert("RGB")) <= tolerance


def test_sixteen_bits_are_scaled_as_libvips_scales_them(tmp_path):
    pixels = np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    deep = pyvips.Image.new_from_file(str(tmp_path / "deep.png"))
    expected = deep.colourspace("b-w").numpy()
    assert (
        np.abs(np.asarray(load_image(tmp_path / "deep.png"))[:, :, 0] - expected.astype(int)).max()
        <= 1
    )


def test_cmyk_with_a_profile_is_near_to_libvips(tmp_path):
    pixels = pyvips.Image.new_from_array(np.asarray(scene()).copy()).copy(interpretation="srgb")
    path = tmp_path / "cmyk.jpg"
    pixels.icc_export(output_profile="cmyk").jpegsave(str(path), Q=95, keep="icc")
    cmyk = pyvips.Image.new_from_file(str(path))
    expected = cmyk.icc_transform("srgb", embedded=True, intent="perceptual")
    assert cmyk.interpretation == "cmyk"
    assert distance(load_image(path), expected.numpy()) < 4


def test_cmyk_without_a_profile_becomes_rgb(tmp_path):
    scene().convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert distance(load_image(tmp_path / "cmyk.jpg"), scene()) < 4


def test_embedded_profile_is_applied_as_libvips_applies_it(tmp_path):
    path = tmp_path / "p3.jpg"
    pixels = pyvips.Image.new_from_array(np.asarray(scene()).copy()).copy(interpretation="srgb")
    pixels.icc_export(output_profile="p3").jpegsave(str(path), Q=98, keep="icc")
    expected = pyvips.Image.new_from_file(str(path)).icc_transform("srgb", embedded=True)
    with Image.open(path) as as_stored:
        assert distance(as_stored, expected.numpy()) > 2
    assert distance(load_image(path), expected.numpy()) < 2


def test_spoiled_profile_means_srgb(tmp_path):
    scene().save(tmp_path / "a.png", icc_profile=b"no profile at all")
    assert distance(load_image(tmp_path / "a.png"), scene()) == 0


def test_profile_for_other_pixels_means_srgb(tmp_path):
    rgb_profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    scene().convert("L").save(tmp_path / "a.png", icc_profile=rgb_profile)
    assert distance(load_image(tmp_path / "a.png"), scene().convert("L").convert("RGB")) == 0


def test_path_bytes_image_and_array_are_the_same_photo(tmp_path):
    path = tmp_path / "photo.png"
    scene().save(path)
    for source in (path, str(path), path.read_bytes(), scene(), np.asarray(scene())):
        assert np.array_equal(load_image(source), scene())


def test_given_image_is_not_changed():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    buffer = io.BytesIO()
    scene().save(buffer, "JPEG", exif=exif)
    image = Image.open(buffer)
    load_image(image)
    assert image.size == (96, 72)


def test_large_jpeg_comes_out_smaller_but_never_small(tmp_path):
    scene((2600, 1300)).save(tmp_path / "large.jpg", quality=90)
    image = load_image(tmp_path / "large.jpg")
    assert image.size == (1300, 650)
    assert distance(image, scene((1300, 650))) < 3
    assert load_image(tmp_path / "large.jpg", 650).size == (1300, 650)
    assert load_image(tmp_path / "large.jpg", 651).size == (2600, 1300)


def test_long_jpeg_is_read_by_large_networks_too(tmp_path):
    Image.new("L", (50_000, 1_300)).save(tmp_path / "long.jpg")
    assert load_image(tmp_path / "long.jpg", 1_000).size == (25_000, 650)


def test_text_file_is_named_as_no_photo(tmp_path):
    path = tmp_path / "menu.txt"
    path.write_text("pizza 8.50")
    with pytest.raises(PhotoError) as caught:
        load_image(path)
    assert str(caught.value) == (
        f"{path} is not a readable photo: use JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF or HEIC"
    )


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff", "avif", "heic"])
def test_truncated_photo_names_the_file(suffix, tmp_path):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(
        PhotoError, match=r"cut\.\w+ (is truncated or damaged|is not a readable photo)"
    ):
        load_image(path)


def test_missing_file_folder_and_empty_file_are_told_apart(tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(PhotoError, match=r"nowhere\.jpg does not exist"):
        load_image(tmp_path / "nowhere.jpg")
    with pytest.raises(PhotoError, match="is a folder, not a photo"):
        load_image(tmp_path)
    with pytest.raises(PhotoError, match=r"empty\.jpg is not a readable photo"):
        load_image(tmp_path / "empty.jpg")


def test_photo_above_the_limit_is_refused_before_decoding(tmp_path):
    side = int(MAX_PIXELS**0.5) + 1
    path = tmp_path / "bomb.png"
    path.write_bytes(png_header(side, side))
    with pytest.raises(PhotoError) as caught:
        load_image(path)
    assert str(caught.value) == (
        f"{path} is too large, the limit is 200 megapixels: make it smaller first"
    )


def test_other_formats_have_a_lower_limit(tmp_path):
    path = tmp_path / "wide.png"
    path.write_bytes(png_header(8001, 8000))
    with pytest.raises(PhotoError, match="the limit is 52 megapixels for a PNG of this kind: make"):
        load_image(path)


def test_floating_point_pixels_are_told_from_damage(tmp_path):
    Image.fromarray(np.ones((4, 4), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(PhotoError, match="has floating point pixels of unknown range"):
        load_image(tmp_path / "a.tiff")


def test_profile_of_a_palette_is_applied(tmp_path):
    pixels = pyvips.Image.new_from_array(np.asarray(scene()).copy()).copy(interpretation="srgb")
    pixels.icc_export(output_profile="p3").pngsave(str(tmp_path / "p3.png"), keep="icc")
    with Image.open(tmp_path / "p3.png") as image:
        image.quantize(256).save(tmp_path / "palette.png", icc_profile=image.info["icc_profile"])
    whole, few = load_image(tmp_path / "p3.png"), load_image(tmp_path / "palette.png")
    assert distance(few, whole) < 6
    with Image.open(tmp_path / "palette.png") as image:
        assert distance(few, image.convert("RGB")) > distance(few, whole)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("header", "pixel", "is_slow"),
    [
        (b"P6 {0} {1} 255\n", b"abc", False),
        (b"P5 {0} {1} 65535\n", b"ab", False),
        (b"P5 {0} {1} 1023\n", b"ab", True),
        (b"P3 {0} {1} 255\n", b"1 2 3 ", True),
        (b"P2 {0} {1} 255\n", b"1 ", True),
    ],
)
def test_ppm_that_python_reads_number_by_number_has_a_lower_limit(header, pixel, is_slow):
    def made(width, height):
        filled = header.replace(b"{0}", b"%d" % width).replace(b"{1}", b"%d" % height)
        return filled + pixel * (width * height)

    assert load_image(made(20, 10)).size == (20, 10)
    if is_slow:
        with pytest.raises(PhotoError, match="the limit is 1 megapixel for a PPM of this kind"):
            load_image(made(1200, 1000))
    else:
        assert load_image(made(1200, 1000)).size == (1200, 1000)


def test_formats_that_phones_do_not_write_are_refused(tmp_path):
    scene().save(tmp_path / "a.ico")
    with pytest.raises(PhotoError, match="is not a readable photo"):
        load_image(tmp_path / "a.ico")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "an array of float32 has no known range"),
        (np.zeros((4, 4, 7), np.uint8), r"an array of shape \(4, 4, 7\) is not a photo"),
        (np.zeros((0, 4, 3), np.uint8), r"an array of shape \(0, 4, 3\) is not a photo"),
        (np.zeros(4, np.uint8), r"an array of shape \(4,\) is not a photo"),
    ],
)
def test_array_that_is_no_photo_says_what_it_should_be(array, message):
    with pytest.raises(PhotoError, match=message):
        load_image(array)


def test_other_types_are_refused():
    with pytest.raises(
        PhotoError,
        match="a photo must be a path, bytes, an open file, a Pillow image or an array, not int",
    ):
        load_image(3)


@settings(max_examples=60)
@given(
    st.binary(max_size=400),
    st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF"]),
)
def test_no_bytes_raise_anything_but_a_photo_error(noise, kind):
    buffer = io.BytesIO()
    scene((16, 12)).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[20 : 20 + len(noise)] = noise
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            assert load_image(bytes(content)).mode == "RGB"
        except PhotoError as error:
            assert "\n" not in str(error)  # noqa: PT017 (most bytes raise nothing)


def test_nothing_beside_the_pixels_is_handed_on(tmp_path):
    picture = Image.new("RGB", (40, 30), "red")
    picture.save(tmp_path / "a.gif", comment=b"x" * 70_000)
    photo = load_image(tmp_path / "a.gif")
    assert photo.info == {}
    photo.save(tmp_path / "a.jpg")  # a comment of that length would be no JPEG


def test_place_behind_the_pixels_of_a_png_is_not_published(tmp_path):
    file = io.BytesIO()
    scene((16, 12)).save(file, "PNG")
    told = b"iTXtXML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta exif:GPSLatitude='47,22.1N'/>"
    chunk = struct.pack(">I", len(told) - 4) + told + struct.pack(">I", zlib.crc32(told))
    pixels, end = file.getvalue()[:-12], file.getvalue()[-12:]
    (tmp_path / "kiwi.png").write_bytes(pixels + chunk + end)
    with pytest.raises(PhotoError, match=r"contains its location \(GPS in its XMP\)"):
        check_publishable(tmp_path / "kiwi.png")


XMP = 700


@pytest.mark.parametrize("name", ["kiwi.jpg", "kiwi.png", "kiwi.webp", "kiwi.tif"])
def test_place_in_xmp_is_not_published(tmp_path, name):
    told = '<x:xmpmeta xmlns:x="adobe:ns:meta/" exif:GPSLatitude="47,22.1N"/>'
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", told)
    tags = ImageFileDirectory_v2()
    tags.tagtype[XMP], tags[XMP] = TiffTags.ASCII, told  # as text, which some programs write
    how = {"tiffinfo": tags} if name.endswith("tif") else {"xmp": told.encode(), "pnginfo": text}
    scene((16, 12)).save(tmp_path / name, **how)
    assert load_image(tmp_path / name).size == (16, 12)
    with pytest.raises(PhotoError, match=r"contains its location \(GPS in its XMP\)"):
        check_publishable(tmp_path / name)
    scene((16, 12)).save(tmp_path / name)
    check_publishable(tmp_path / name)
