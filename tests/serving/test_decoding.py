"""What a photo may cost: limits read from headers, and processes that are stopped."""

import io
import struct
import subprocess
import sys
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import EXAMPLES, REPOSITORY
from PIL import Image

from foodvision.decoding import Decoder
from foodvision.errors import BusyError, PhotoError
from foodvision.image import load_image
from foodvision.preprocess import Preprocess

pytestmark = pytest.mark.thorough

SQUARE = Preprocess(size=64)
FAST = {"enc_params": {"preset": "ultrafast"}}
CASES = REPOSITORY.parent / "shared" / "cases" / "photos"

MEGABYTES = """
import sys
from pathlib import Path
from foodvision.errors import PhotoError
from foodvision.image import load_image

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) // 1000

load_image(sys.argv[1])
rest = peak()
try:
    load_image(sys.argv[2])
    print("decoded", peak() - rest)
except PhotoError as error:
    assert "\\n" not in str(error)
    print("refused", peak() - rest)
"""


@pytest.fixture(scope="module")
def decoder():
    decoder = Decoder(most_waiting=4)
    yield decoder
    decoder.close()


def saved(image: Image.Image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def jpeg_of_many_scans(repeats: int) -> bytes:
    whole = saved(Image.new("RGB", (4000, 3000)), "JPEG", progressive=True, quality=10)
    last = whole.rfind(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * repeats + b"\xff\xd9"


def png_of(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG of black pixels, small however large the picture is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + width * channels * depth // 8
    packer, parts = zlib.compressobj(9), []
    for _ in range(0, height, rows := max(1, 2**22 // row)):
        parts.append(packer.compress(bytes(row * min(rows, height))))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    content = b"".join(parts) + packer.flush()
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", content)
        + chunk(b"IEND", b"")
    )


def tiff_that_names_bytes_often(entries: int, size: int) -> bytes:
    """Entries that all name the same bytes: Pillow would copy them for each."""
    directory = struct.pack("<H", entries) + b"".join(
        struct.pack("<HHLL", 50_000 + number, 7, size, 8) for number in range(entries)
    )
    return b"II*\0" + struct.pack("<L", 8 + size) + bytes(size) + directory + bytes(4)


def slow_bmp() -> bytes:
    """Runs of one pixel, which Pillow decodes one by one in Python: minutes of work."""
    side = 6000
    content = b"\x01\x00" * (side * side // 4)
    header = struct.pack("<LllHHLLllLL", 40, side, side, 1, 8, 1, len(content), 1, 1, 256, 256)
    offset = 14 + len(header) + 1024
    return (
        b"BM" + struct.pack("<LHHL", offset + len(content), 0, 0, offset)
        + header + bytes(1024) + content
    )  # fmt: skip


COSTLY = {
    "many scans": lambda: jpeg_of_many_scans(600),
    "progressive": lambda: saved(Image.new("CMYK", (9000, 9000)), "JPEG", progressive=True),
    "long side": lambda: png_of(1, 60_000_000),
    "clear": lambda: png_of(8000, 8000, colour=6),
    "deep": lambda: png_of(8000, 8000, depth=16, colour=0),
    "grey": lambda: png_of(20_000, 10_000, colour=0),
    "webp": lambda: (
        b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0\x2f\x3f\x9f\xcf\x07\x88\x8b\xff\xf5\x3f\x22\0\0"
    ),
    "tiff entries": lambda: tiff_that_names_bytes_often(1000, 1_000_000),
    "exif entries": lambda: saved(
        Image.new("RGB", (8, 8)), "PNG", exif=tiff_that_names_bytes_often(500, 1_000_000)
    ),
}


@pytest.mark.parametrize("kind", COSTLY)
def test_no_photo_takes_more_than_300_megabytes(kind, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(COSTLY[kind]())
    assert measured(path)[1] < 300


LARGE = {
    "108 megapixel JPEG": lambda: saved(Image.new("RGB", (12_000, 9_000), "red"), "JPEG"),
    "48 megapixel HEIC": lambda: saved(Image.new("RGB", (8_000, 6_000), "red"), "HEIF", **FAST),
    "50 megapixel PNG": lambda: png_of(8_600, 5_800),
    "12 megapixel WebP": lambda: saved(Image.new("RGB", (4_000, 3_000), "red"), "WEBP"),
}


@pytest.mark.parametrize("kind", LARGE)
def test_photos_of_large_cameras_are_decoded_within_300_megabytes(kind, tmp_path):
    path = tmp_path / "photo"
    path.write_bytes(LARGE[kind]())
    outcome, megabytes = measured(path)
    assert (outcome, megabytes < 300) == ("decoded", True)


def measured(path) -> tuple[str, int]:
    """Decode a photo in a process of its own: whether it was, and the megabytes above rest."""
    command = [sys.executable, "-c", MEGABYTES, EXAMPLES / "pizza.jpg", path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=REPOSITORY)
    outcome, megabytes = done.stdout.split()
    return outcome, int(megabytes)


@pytest.mark.parametrize("name", ["1x60M.png", "64M-ll.webp", "mut4627-anim.avif"])
def test_photos_that_broke_the_page_are_refused(name, decoder):
    if not (CASES / name).exists():
        pytest.skip("../shared/cases lies beside the project's checkouts, users have none")
    for decode in (load_image, decoder.decode):
        with pytest.raises(PhotoError, match=name):
            decode(CASES / name)


def test_large_heic_is_the_same_photo_made_smaller(tmp_path):
    with Image.open(EXAMPLES / "pizza.jpg") as photo:
        photo.resize((4096, 4096)).save(tmp_path / "large.heic", quality=80, **FAST)
        image = load_image(tmp_path / "large.heic")
        assert image.size == (1024, 1024)
        difference = np.asarray(image, int) - np.asarray(photo.resize((1024, 1024)), int)
    assert np.abs(difference).mean() < 4


def test_long_heic_keeps_its_short_side(tmp_path):
    Image.new("RGB", (16_100, 1_000), "red").save(tmp_path / "long.heic", quality=20, **FAST)
    assert load_image(tmp_path / "long.heic").size == (16_100, 1_000)


def test_decoder_gives_what_the_network_sees(decoder):
    for name in ("pizza.jpg", "ramen.jpg"):
        decoded = decoder.decode(EXAMPLES / name, SQUARE)
        assert np.array_equal(decoded.square, SQUARE(load_image(EXAMPLES / name)))
        assert decoded.picture.size == load_image(EXAMPLES / name).size


def test_photo_that_takes_too_long_is_refused_and_others_are_answered(decoder, tmp_path):
    (tmp_path / "slow.bmp").write_bytes(slow_bmp())
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(decoder.decode, tmp_path / "slow.bmp")
        assert decoder.decode(EXAMPLES / "pizza.jpg", SQUARE).square.shape == (64, 64, 3)
        with pytest.raises(PhotoError, match=r"slow\.bmp needs too much time or memory"):
            slow.result()
    assert decoder.decode(EXAMPLES / "pizza.jpg", SQUARE).square.shape == (64, 64, 3)


def test_heavy_photos_that_would_wait_too_long_are_told_to_come_back(tmp_path):
    (tmp_path / "slow.bmp").write_bytes(slow_bmp())
    decoder = Decoder(most_waiting=0)
    with ThreadPoolExecutor(8) as threads:
        asked = [threads.submit(decoder.decode, tmp_path / "slow.bmp") for _ in range(4)]
        errors = [of.exception() for of in asked]
    decoder.close()
    told = [(type(error), error.fault) for error in errors]
    assert told.count((BusyError, "must_wait")) >= 1
    assert set(told) <= {(BusyError, "must_wait"), (PhotoError, "too_heavy")}


def test_faults_of_files_are_told_by_the_decoder_as_by_load_image(decoder, tmp_path):
    (tmp_path / "menu.txt").write_text("pizza 8.50")
    for path in (tmp_path / "nowhere.jpg", tmp_path, tmp_path / "menu.txt"):
        said = []
        for decode in (load_image, decoder.decode):
            with pytest.raises(PhotoError) as caught:
                decode(path)
            said.append(str(caught.value))
        assert said[0] == said[1]


@pytest.mark.skipif(sys.platform == "win32", reason="no such files there")
def test_devices_and_pipes_are_refused_at_once(decoder, tmp_path):
    import os

    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/dev/zero")
    for path in ("/dev/zero", tmp_path / "pipe", tmp_path / "link"):
        for decode in (load_image, decoder.decode):
            with pytest.raises(PhotoError, match="is a device or a pipe"):
                decode(path)
