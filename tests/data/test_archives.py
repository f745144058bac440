import bz2
import gzip
import importlib.util
import io
import lzma
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections import namedtuple

import pytest
from conftest import REPOSITORY

from foodvision.data.archives import Limits, open_source
from foodvision.errors import DataError

pytestmark = pytest.mark.thorough

SPARSE = REPOSITORY.parent / "shared" / "cases" / "archives" / "sparse.tar"


@pytest.fixture(autouse=True)
def place(tmp_path_factory, monkeypatch):
    """The system's temporary folder; whatever a test does, nothing stays in it."""
    place = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield place
    assert list(place.glob("foodvision-*")) == []


def make_zip(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make_tar(path, files, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_tar_bz2(path, files):
    return make_tar(path, files, "w:bz2")


def make_tar_xz(path, files):
    return make_tar(path, files, "w:xz")


MAKERS = [
    *((make_zip, "a.zip"), (make_tar, "a.tar.gz"), (make_tar, "a.tgz")),
    *((make_tar_bz2, "a.tar.bz2"), (make_tar_bz2, "a.tbz2")),
    *((make_tar_xz, "a.tar.xz"), (make_tar_xz, "a.txz")),
]


def test_folder_stands_for_itself(tmp_path):
    with open_source(tmp_path) as folder:
        assert folder == tmp_path


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_archive_is_unpacked_and_removed_again(make, name, tmp_path):
    path = make(tmp_path / name, {"pizza/1.jpg": b"one", "sushi/2.jpg": b"two"})
    with open_source(path) as folder:
        assert (folder / "pizza" / "1.jpg").read_bytes() == b"one"
        assert (folder / "sushi" / "2.jpg").read_bytes() == b"two"
    assert not folder.exists()


@pytest.mark.parametrize(("make", "name"), MAKERS)
@pytest.mark.parametrize(
    "evil",
    [
        *("../out.jpg", "/out.jpg", "a/../../out.jpg"),
        *("..\\out.jpg", "C:\\out.jpg", "a/C:/out.jpg"),
    ],
)
def test_path_outside_the_target_is_refused(make, name, evil, tmp_path):
    path = make(tmp_path / name, {"pizza/1.jpg": b"one", evil: b"evil"})
    with pytest.raises(
        DataError, match=r"contains a path outside the archive, .*out\.jpg.*: do not trust it"
    ):
        open_source(path).__enter__()
    assert not list(tmp_path.rglob("out.jpg"))


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_link_or_device_in_a_tar_is_refused(kind, tmp_path):
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        info = tarfile.TarInfo("pizza/1.jpg")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(DataError, match=r"contains a link or device, 'pizza/1\.jpg'"):
        open_source(tmp_path / "a.tar.gz").__enter__()


def test_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("pizza/1.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="contains a link or device"):
        open_source(tmp_path / "a.zip").__enter__()


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_limits_stop_a_bomb(make, name, tmp_path):
    path = make(tmp_path / name, {f"a/{index}.jpg": b"\0" * 1000 for index in range(20)})
    with pytest.raises(DataError, match="contains more than 10 files"):
        open_source(path, Limits(files=10)).__enter__()
    with pytest.raises(DataError, match=r"unpacks to more than 15,000 bytes, .* do not trust it"):
        open_source(path, Limits(unpacked_bytes=15_000)).__enter__()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_damaged_archive_says_so(name, tmp_path):
    (tmp_path / name).write_bytes(b"this is no archive, whatever its name says" * 30)
    with pytest.raises(DataError, match=r"cannot be unpacked \(.*\): download or copy it again"):
        open_source(tmp_path / name).__enter__()


def test_cut_archives_say_so(tmp_path):
    noise = random.Random(1).randbytes(10_000)
    for make, name in MAKERS:
        path = make(tmp_path / name, {"pizza/1.jpg": noise, "sushi/1.jpg": noise[::-1]})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match="cannot be unpacked"):
            open_source(path).__enter__()


def test_damage_inside_of_a_zip_says_so(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("pizza/1.jpg", bytes(range(256)) * 40)
    content = bytearray(path.read_bytes())
    content[100:110] = bytes(byte ^ 0x55 for byte in content[100:110])
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip cannot be unpacked"):
        open_source(path).__enter__()


def test_wrong_checksum_of_a_tar_gz_says_so(tmp_path):
    path = make_tar(tmp_path / "a.tar.gz", {"pizza/1.jpg": b"one"})
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz cannot be unpacked \(CRC check failed"):
        open_source(path).__enter__()


def test_file_where_a_folder_should_be_is_told_without_the_temporary_place(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a": b"file", "a/b.jpg": b"photo"})
    with pytest.raises(DataError) as caught:
        open_source(path).__enter__()
    assert str(caught.value) == f"{path} cannot be unpacked (File exists)"


def test_folders_count_as_files(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"{index}/": b"" for index in range(20)})
    with pytest.raises(DataError, match="contains more than 10 files"):
        open_source(path, Limits(files=10)).__enter__()


def test_missing_file_and_other_kinds_are_told_apart(tmp_path):
    (tmp_path / "photos.doc").touch()
    with pytest.raises(DataError, match=r"nowhere does not exist"):
        open_source(tmp_path / "nowhere").__enter__()
    with pytest.raises(DataError, match=r"nowhere\.zip does not exist"):
        open_source(tmp_path / "nowhere.zip").__enter__()
    with pytest.raises(
        DataError, match=r"photos\.doc is not a folder, \.zip or \.tar\.gz of photos"
    ):
        open_source(tmp_path / "photos.doc").__enter__()


def test_error_names_the_archive_and_not_where_it_lay(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"pizza/1.jpg": b"one"})
    with pytest.raises(DataError) as caught, open_source(path) as folder:
        raise DataError(f"{folder}/pizza is odd")
    assert str(caught.value) == f"{path}/pizza is odd"


def test_class_may_have_a_colon_in_its_name_where_files_may(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("Fish: grilled/1.jpg", b"a photo, by its name")
    with open_source(tmp_path / "photos.zip") as folder:
        assert (folder / "Fish: grilled" / "1.jpg").is_file()


@pytest.mark.parametrize(
    ("written", "name"), [("crème".encode(), "crème"), ("crème_".encode("cp437"), "crème_")]
)
def test_zip_that_does_not_tell_the_encoding_of_its_names_is_read(written, name, tmp_path):
    path = make_zip(tmp_path / "photos.zip", {"crème/1.jpg": b"one", "pho/2.jpg": b"two"})
    content = path.read_bytes().replace("crème".encode(), written)
    for header in (b"PK\x03\x04\x14\x00", b"PK\x01\x02\x14\x03\x14\x00"):
        assert header + b"\x00\x08" in content  # bit 11
        content = content.replace(header + b"\x00\x08", header + b"\x00\x00")
    path.write_bytes(content)
    with open_source(path) as folder:
        assert sorted(path.name for path in folder.iterdir()) == [name, "pho"]


def make_old_zip(path, names, extras=()):
    """Write a zip as old programs do: names are bytes, and nothing tells their encoding."""
    start, entries = b"", b""
    for index, name in enumerate(names):
        extra = extras[index] if extras else b""
        common = struct.pack("<5H3L2H", 20, 0, 0, 0, 0, 0, 0, 0, len(name), len(extra))
        entries += b"PK\1\2\x14\0" + common + struct.pack("<3H2L", 0, 0, 0, 0, len(start))
        entries += name + extra
        start += b"PK\3\4" + common + name + extra
    end = struct.pack("<4H2LH", 0, 0, len(names), len(names), len(entries), len(start), 0)
    path.write_bytes(start + entries + b"PK\5\6" + end)
    return path


def classes_of(path):
    with open_source(path) as folder:
        return sorted(place.name for place in folder.iterdir())


KOREAN = ["피자", "김치찌개", "떡볶이", "BBQ치킨", "짬뽕·짜장면", "똠얌꿍"]
JAPANESE = ["ピザ", "寿司", "カレーライス", "お好み焼き", "味噌汁", "Tボーンステーキ", "表ソ能"]
SIMPLIFIED = ["披萨", "饺子", "宫保鸡丁", "牛肉面", "麻婆豆腐", "馄饨"]
TRADITIONAL = ["披薩", "水餃", "牛肉麵", "臭豆腐", "珍珠奶茶", "滷肉飯", "三杯雞"]
WESTERN = ["crème brûlée", "pâté", "Käsespätzle", "jalapeño", "rôti", "Soufflé", "Öl", "pâte"]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp949", KOREAN),
        ("cp932", JAPANESE),
        ("gbk", SIMPLIFIED),
        ("big5", TRADITIONAL),
        ("cp437", WESTERN),
        ("utf-8", KOREAN + JAPANESE + WESTERN),
        *(("cp949", [word]) for word in ("피자", "김치찌개", "떡볶이")),
        *(("cp932", [word]) for word in ("ピザ", "寿司", "餃子", "カレーライス")),
        *(("gbk", [word]) for word in ("披萨", "饺子", "宫保鸡丁", "馄饨")),
        *(("big5", [word]) for word in ("牛肉麵", "披薩", "臭豆腐", "珍珠奶茶")),
        *(("cp437", [word]) for word in WESTERN),
    ],
)
def test_zip_of_an_old_program_has_the_names_that_its_owner_gave(encoding, words, tmp_path):
    names = [f"train/{word}/{number} {word}.jpg" for word in words for number in range(2)]
    path = make_old_zip(tmp_path / "a.zip", [name.encode(encoding) for name in names])
    with open_source(path) as folder:
        found = [file.relative_to(folder).as_posix() for file in folder.rglob("*.jpg")]
    assert sorted(found) == sorted(names)


def test_names_in_no_encoding_of_a_country_are_read_one_by_one(tmp_path):
    names = ["파이".encode(), "crème_".encode("cp437")]
    path = make_old_zip(tmp_path / "a.zip", [name + b"/1.jpg" for name in names])
    assert classes_of(path) == ["crème_", "파이"]


def unicode_path(name, written, crc=None):
    field = b"\1" + struct.pack("<L", zlib.crc32(written) if crc is None else crc) + name.encode()
    return b"UT\1\0\0" + struct.pack("<2H", 0x7075, len(field)) + field


def test_field_of_the_unicode_path_wins_if_it_is_of_this_name(tmp_path):
    written = [b"caf?/1.jpg", b"pizza/1.jpg"]
    extras = [
        unicode_path("café/1.jpg", written[0]),
        unicode_path("another/1.jpg", written[1], crc=1),
    ]
    assert classes_of(make_old_zip(tmp_path / "a.zip", written, extras)) == ["café", "pizza"]


def test_path_outside_the_target_is_refused_in_a_unicode_path_too(tmp_path):
    extra = unicode_path("../out.jpg", b"1.jpg")
    path = make_old_zip(tmp_path / "a.zip", [b"1.jpg"], [extra])
    assert refusal(path).startswith("contains a path outside the archive, '../out.jpg'")


def test_folders_may_end_with_a_backslash(tmp_path):
    path = make_old_zip(tmp_path / "a.zip", [b"pizza\\", b"pizza\\1.jpg"])
    with open_source(path) as folder:
        assert (folder / "pizza" / "1.jpg").is_file()


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for content in (b"one", b"another"):
            archive.writestr("pizza/1.jpg", content)
    with (
        pytest.raises(DataError, match=r"contains 'pizza/1\.jpg' twice: unpack it yourself"),
        open_source(tmp_path / "photos.zip"),
    ):
        pytest.fail("it opened")


def refusal(path, limits=Limits()):
    with pytest.raises(DataError) as caught:
        open_source(path, limits).__enter__()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return message.removeprefix(f"{path} ")


def header(name, size, kind=tarfile.REGTYPE):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def make_tar_gz(path, *parts):
    """Write a tar from headers and contents; a number stands for as many zeros."""
    with gzip.open(path, "wb", 1) as file:
        for part in parts:
            blocks = [bytes(1 << 20)] * (part >> 20) if isinstance(part, int) else [part]
            file.writelines(blocks)
    return path


def test_archive_is_read_by_what_it_is_whatever_its_name_says(tmp_path):
    files = {"pizza/1.jpg": b"one"}
    paths = [
        make_zip(tmp_path / "a.tar.gz", files),
        make_tar(tmp_path / "b.zip", files, "w:gz"),
        make_tar(tmp_path / "c.tgz", files, "w:xz"),
        make_tar(tmp_path / "d.zip", files, "w"),
        make_tar(tmp_path / "e.tar", {"BZh/1.jpg": b"one"}, "w"),
    ]
    assert [classes_of(path) for path in paths] == [["pizza"]] * 4 + [["BZh"]]


@pytest.mark.parametrize(
    ("suffix", "packer"), [("bz2", bz2.compress), ("xz", lzma.compress), ("gz", gzip.compress)]
)
def test_compressed_tar_may_be_of_several_streams(suffix, packer, tmp_path):
    content = make_tar(tmp_path / "a.tar", {"pizza/1.jpg": b"one" * 9999}, "w").read_bytes()
    halves = packer(content[:5000]), packer(content[5000:])
    path = tmp_path / f"a.tar.{suffix}"
    path.write_bytes(halves[0] + bytes(8) + halves[1] + bytes(4))
    with open_source(path) as folder:
        assert (folder / "pizza" / "1.jpg").read_bytes() == b"one" * 9999


@pytest.mark.parametrize("packer", [bz2.compress, lzma.compress])
def test_bomb_of_any_compression_is_stopped(packer, tmp_path):
    photo = header("a/1.jpg", 190 * 10**6)
    path = tmp_path / "a.tar.xz"
    path.write_bytes(packer(photo + bytes(190 * 10**6)))
    assert refusal(path).startswith("unpacks to more than 50,000,000 bytes")
    path.write_bytes(packer(header("a/1.jpg", 0) + bytes(1 << 25)))
    assert "one of its headers is too large" in refusal(path)


def test_xz_that_asks_for_much_memory_says_how_to_go_on(tmp_path):
    content = make_tar(tmp_path / "a.tar", {"pizza/1.jpg": b"one"}, "w").read_bytes()
    # The dictionary's size is a byte of the header, whose checksum follows.
    packed = bytearray(lzma.compress(content, preset=0))
    packed[16] = 32  # 256 MiB
    packed[20:24] = zlib.crc32(packed[12:20]).to_bytes(4, "little")
    (tmp_path / "a.tar.xz").write_bytes(packed)
    assert refusal(tmp_path / "a.tar.xz") == (
        "needs more than 128 MiB of memory to unpack: pack the photos again as .tar.gz, or unpack "
        "it and give the unpacked folder"
    )


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_tar_whose_end_is_missing_or_damaged_is_not_read_in_part(name, tmp_path):
    one, two = (header(f"a/{number}.jpg", 512) + b"x" * 512 for number in (1, 2))
    spoiled = bytearray(two)
    spoiled[3] ^= 1
    packer = gzip.compress if name.endswith("gz") else bytes
    for content in (one, one + two[:300], one + spoiled + bytes(1024)):
        (tmp_path / name).write_bytes(packer(content))
        assert "cannot be unpacked" in refusal(tmp_path / name)


ZSTD_TAR = bytes.fromhex(
    "28b52ffd600027150200e2820a11a0ed00fc9e28bfaac66e42a00157f53d0546acf9f73b114afbc0448df97d"
    "ebbd5beee45618e2cca95c0920d00ff9852773eafc4c7b3080070c0ab09a181d"
)
"""A tar of pizza/1.jpg, made with the package zstandard."""


has_zstd = any(importlib.util.find_spec(name) for name in ("compression", "zstandard"))


@pytest.mark.parametrize("name", ["a.tar.zst", "a.tzst", "a.zst"])
def test_zstd_is_read_where_python_can(name, tmp_path):
    (tmp_path / name).write_bytes(ZSTD_TAR)
    if has_zstd:
        assert classes_of(tmp_path / name) == ["pizza"]
        (tmp_path / name).write_bytes(ZSTD_TAR[:-20])
        assert "cannot be unpacked" in refusal(tmp_path / name)
        return
    assert refusal(tmp_path / name) == (
        "is compressed with Zstandard, which this Python cannot unpack: pack the photos again as "
        ".tar.gz, or unpack it and give the unpacked folder"
    )


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.rar", b"Rar!\x1a\x07\1\0", "a RAR archive"),
        ("a.RAR", b"", "a RAR archive"),
        ("a.zip", b"Rar!\x1a\x07\0", "a RAR archive"),
        ("a.7z", b"", "a 7-Zip archive"),
        ("a.zip", b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        ("a.alz", b"ALZ\1", "an ALZip archive"),
        ("a.egg", b"EGGA", "an ALZip archive"),
    ],
)
def test_archive_of_another_kind_says_how_to_go_on(name, content, kind, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name) == (
        f"is {kind}, which foodvision cannot unpack: unpack it and give the folder, or pack the "
        "photos as .zip"
    )


@pytest.mark.parametrize("name", ["a.z01", "a.zip.001", "a.part1.rar", "a.7z.002", "a.tar.gz.01"])
def test_part_of_a_split_archive_says_so(name, tmp_path):
    (tmp_path / name).write_bytes(b"part")
    assert refusal(tmp_path / name) == (
        "is one part of a split archive: unpack all parts together, and give the unpacked folder"
    )


def test_web_page_that_was_saved_for_an_archive_says_so(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"\n<!DOCTYPE html><html>Sign in")
    assert refusal(tmp_path / "a.zip") == (
        "is a web page, not an archive: download it again in a browser"
    )


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_archive_of_archives_names_them(make, tmp_path):
    path = tmp_path / ("a.zip" if make is make_zip else "a.tar.gz")
    make(path, {"x/photos.zip": b"PK", "README.txt": b"", "__MACOSX/x/._photos.zip": b""})
    assert refusal(path) == (
        "contains only other archives (x/photos.zip): unpack it first, and give that archive"
    )
    make(path, {"train.tar.xz": b"", "test.rar": b""})
    assert refusal(path) == (
        "contains only other archives (test.rar, train.tar.xz): unpack it first, and give "
        "one of them, or unpack them all too"
    )


def test_archive_beside_photos_does_not_matter(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"pizza/1.jpg": b"one", "more.zip": b"PK"})
    assert classes_of(path) == ["more.zip", "pizza"]


def test_sparse_file_is_refused_before_it_is_written():
    assert refusal(SPARSE) == (
        "contains 'pizza/sparse.jpg' with more than 200,000,000 bytes, too much for a photo: "
        "remove it, or unpack the archive yourself"
    )


@pytest.mark.parametrize("make", [make_tar, make_zip])
def test_file_that_is_too_large_for_a_photo_is_named(make, tmp_path):
    path = make(tmp_path / ("a.zip" if make is make_zip else "a.tar"), {"a/1.mov": bytes(1001)})
    assert refusal(path, Limits(file_bytes=1000)).startswith(
        "contains 'a/1.mov' with more than 1,000"
    )


def test_content_that_is_too_large_for_the_archive_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(60):
            archive.writestr(f"a/{index}.jpg", bytes(10**6))
    assert refusal(tmp_path / "a.zip").startswith("unpacks to more than 50,000,000 bytes")


def test_archive_that_hardly_compresses_may_be_of_any_size(tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"a/{index}.jpg": os.urandom(9000) for index in range(9)})
    with open_source(path, Limits(small_bytes=0)) as folder:
        assert len(list(folder.rglob("*.jpg"))) == 9


def test_empty_files_and_folders_take_room_too(tmp_path):
    files = make_tar_gz(tmp_path / "a.tar.gz", *(header(f"{n}.jpg", 0) for n in range(2000)))
    folders = make_tar_gz(
        tmp_path / "b.tar.gz", *(header(f"{n}", 0, tarfile.DIRTYPE) for n in range(2000))
    )
    for path in (files, folders):
        assert "unpacks to more than 1,000,000 bytes" in refusal(path, Limits(small_bytes=10**6))


def make_raw_zip(path, content, *, size, copies=1, method=zipfile.ZIP_DEFLATED):
    """Write a zip by hand: with a size that is not its content's, or a content listed often."""
    place, entries, check = b"a/0.jpg", b"", zlib.crc32(bytes(size))
    common = struct.pack("<5H3L2H", 20, 0, method, 0, 0, check, len(content), size, len(place), 0)
    for index in range(copies):
        place = b"a/%d.jpg" % (index % 10)
        entries += b"PK\1\2\x14\0" + common + struct.pack("<3H2L", 0, 0, 0, 0, 0) + place
    local = b"PK\3\4" + common + b"a/0.jpg" + content
    end = struct.pack("<4H2LH", 0, 0, copies, copies, len(entries), len(local), 0)
    path.write_bytes(local + entries + b"PK\5\6" + end)
    return path


def deflated(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def test_no_more_is_written_than_a_zip_says(tmp_path):
    path = make_raw_zip(tmp_path / "a.zip", deflated(bytes(10**7)), size=1000)
    with open_source(path) as folder:
        assert (folder / "a" / "0.jpg").stat().st_size == 1000


def test_files_of_a_zip_that_overlap_are_refused(tmp_path):
    path = make_raw_zip(tmp_path / "a.zip", deflated(bytes(1000)), size=1000, copies=9)
    message = refusal(path)
    assert "cannot be unpacked" in message or "twice" in message


@pytest.mark.parametrize(
    ("method", "name"),
    [
        *((12, "bzip2"), (14, "LZMA"), (93, "Zstandard"), (95, "xz"), (98, "PPMd")),
        (6, "method 6"),
    ],
)
def test_zip_of_a_method_that_unpacks_without_bound_is_refused(method, name, tmp_path):
    path = make_raw_zip(tmp_path / "a.zip", bytes(1000), size=1000, method=method)
    assert refusal(path) == (
        f"is compressed with {name} instead of deflate: unpack it and give the unpacked folder"
    )


def test_zip_of_deflate64_says_how_to_go_on(tmp_path):
    path = make_raw_zip(tmp_path / "a.zip", bytes(1000), size=1000, method=9)
    assert refusal(path) == (
        "is compressed with Deflate64, which Windows uses for large files: unpack it and give the "
        "unpacked folder"
    )


def test_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", {"a/1.jpg": b"one"})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(content)
    assert refusal(path) == (
        "is encrypted: unpack it with its password and give the unpacked folder"
    )


def test_list_of_a_zip_that_is_too_long_for_memory_is_not_read(tmp_path):
    entries = 70_000_000
    with (tmp_path / "a.zip").open("wb") as file:
        file.seek(entries)  # a hole: the file takes no room
        file.write(b"PK\5\6" + struct.pack("<4H2LH", 0, 0, 9, 9, entries, 0, 0))
    assert refusal(tmp_path / "a.zip") == (
        "cannot be unpacked (its list of files is too long): download or copy it again"
    )


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param((header("x", 1 << 25, b"x"), 1 << 25), id="pax"),
        pytest.param((header("x", 1 << 25, b"L"), 1 << 25), id="long name"),
        pytest.param((header("a", 1 << 25, b"5"), 1 << 25), id="folder with content"),
        pytest.param((header("a/1.jpg", 0), bytes(1024), 1 << 25), id="zeros at the end"),
    ],
)
def test_tar_that_asks_for_memory_is_refused(parts, tmp_path):
    path = make_tar_gz(tmp_path / "a.tar.gz", *parts)
    assert "one of its headers is too large" in refusal(path)


def test_tar_that_leads_its_reader_back_is_refused(tmp_path):
    backward = bytearray(header("a/1.jpg", 0))
    backward[124:136] = b"\xff" * 10 + b"\xfc\x00"  # -1024 bytes
    backward[148:156] = b" " * 8
    backward[148:156] = b"%06o\0 " % sum(backward)
    (tmp_path / "a.tar").write_bytes(backward + bytes(2048))
    assert "cannot be unpacked" in refusal(tmp_path / "a.tar")


def test_sparse_map_that_does_not_end_is_damage(tmp_path):
    info = tarfile.TarInfo("a/1.jpg")
    info.size = 512
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "a/1.jpg",
        "GNU.sparse.realsize": "1000",
    }
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(b"99999999\n".ljust(512, b"\0")))
    assert "cannot be unpacked" in refusal(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["a/" * 900 + "1.jpg", f"{'x' * 60_000}.jpg", f"{'é' * 130}.jpg"])
@pytest.mark.parametrize(("make", "archive"), MAKERS)
def test_path_that_is_too_long_or_deep_is_refused(make, archive, name, tmp_path):
    path = make(tmp_path / archive, {name: b"one"})
    assert refusal(path).startswith("contains a path that is too long or too deep, '")


def test_bytes_in_any_place_are_told_in_one_line(tmp_path):
    for make, name in (*MAKERS, (lambda path, of: make_tar(path, of, "w"), "a.tar")):
        path = make(tmp_path / name, {"pizza/1.jpg": b"one" * 99, "pizza/2.jpg": b"two"})
        content = path.read_bytes()
        for place in range(0, len(content), 7 if len(content) < 2000 else 97):
            spoiled = bytearray(content)
            spoiled[place] ^= 0xA5
            path.write_bytes(spoiled)
            try:
                with open_source(path):
                    pass
            except DataError as error:
                assert "\n" not in str(error)  # noqa: PT017 (not all of them are damaged)


def test_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "a.zip")
    assert refusal(tmp_path / "a.zip") == "is not a folder, .zip or .tar.gz of photos"


def test_some_of_the_disk_stays_free(place, tmp_path, monkeypatch):
    path = make_zip(tmp_path / "a.zip", {"a/1.jpg": b"one"})
    # No disk of this machine is full.
    disk = namedtuple("disk", "total used free")(10**10, 96 * 10**8, 4 * 10**8)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: disk)
    assert refusal(path) == (
        f"does not fit in {place} (the last 5% or 1 GB of a disk is kept free): free some space "
        "there, or set TMPDIR to a folder on another disk"
    )


def run_cli(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "foodvision", *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_disk_that_takes_no_more_is_told_with_the_way_out(place, tmp_path):
    import resource

    path = make_zip(tmp_path / "a.zip", {"a/1.jpg": bytes(10**6)})
    limit = (resource.RLIMIT_FSIZE, (10**5, 10**5))
    with run_cli("evaluate", str(path), preexec_fn=lambda: resource.setrlimit(*limit)) as done:
        _, error = done.communicate()
    (line,) = error.splitlines()
    assert line.startswith(f"foodvision: {path} does not fit in {place} (File too large): ")
    assert done.returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)]
)
def test_nothing_is_left_of_an_unpacking_that_was_stopped(number, status, place, tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"a/{n}.jpg": b"one" for n in range(10_000)})
    with run_cli("evaluate", str(path)) as process:
        while not list(place.glob("*/files/a/9.jpg")):
            assert process.poll() is None
        process.send_signal(number)
        out, error = process.communicate()
    assert (process.returncode, out, error) == (status, "", "")


@pytest.mark.skipif(os.name == "nt", reason="locks of POSIX")
def test_unpacking_that_was_killed_is_removed_by_the_next(place, tmp_path):
    path = make_zip(tmp_path / "a.zip", {f"a/{n}.jpg": b"one" for n in range(10_000)})
    with run_cli("evaluate", str(path)) as process:
        while not list(place.glob("*/files/a/9.jpg")):
            assert process.poll() is None
        process.kill()
    assert list(place.glob("foodvision-*"))
    with open_source(make_zip(tmp_path / "b.zip", {"a/1.jpg": b"one"})):
        assert len(list(place.glob("foodvision-*"))) == 1
