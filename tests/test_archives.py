import io
import stat
import tarfile
import zipfile

import pytest

from foodvision.data import Limits, open_source
from foodvision.errors import DataError


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


MAKERS = [(make_zip, "a.zip"), (make_tar, "a.tar.gz"), (make_tar, "a.tgz")]


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
        DataError, match=r"holds a path outside of it, .*out\.jpg.*: do not trust it"
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
    with pytest.raises(DataError, match=r"holds a link or device, 'pizza/1\.jpg'"):
        open_source(tmp_path / "a.tar.gz").__enter__()


def test_link_in_a_zip_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("pizza/1.jpg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(DataError, match="holds a link or device"):
        open_source(tmp_path / "a.zip").__enter__()


@pytest.mark.parametrize(("make", "name"), MAKERS)
def test_limits_stop_a_bomb(make, name, tmp_path):
    path = make(tmp_path / name, {f"a/{index}.jpg": b"\0" * 1000 for index in range(20)})
    with pytest.raises(DataError, match="holds more than 10 files"):
        open_source(path, Limits(files=10)).__enter__()
    with pytest.raises(DataError, match="unpacks to more than 5,000 bytes"):
        open_source(path, Limits(unpacked_bytes=5000)).__enter__()


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz", "a.tar"])
def test_damaged_archive_says_so(name, tmp_path):
    (tmp_path / name).write_bytes(b"this is no archive, whatever its name says" * 30)
    with pytest.raises(DataError, match=r"cannot be unpacked \(.*\): get it again"):
        open_source(tmp_path / name).__enter__()


def test_cut_archives_say_so(tmp_path):
    noise = bytes(range(256)) * 40
    for make, name in MAKERS:
        path = make(tmp_path / name, {"pizza/1.jpg": noise, "sushi/1.jpg": noise[::-1]})
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(DataError, match="cannot be unpacked"):
            open_source(path).__enter__()


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED])
def test_damage_inside_of_a_zip_says_so(compression, tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", compression) as archive:
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
    with pytest.raises(DataError, match="holds more than 10 files"):
        open_source(path, Limits(files=10)).__enter__()


def test_missing_file_and_other_kinds_are_told_apart(tmp_path):
    (tmp_path / "photos.rar").touch()
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        open_source(tmp_path / "nowhere").__enter__()
    with pytest.raises(DataError, match=r"nowhere\.zip: no such file or folder"):
        open_source(tmp_path / "nowhere.zip").__enter__()
    with pytest.raises(DataError, match=r"photos\.rar is no folder, \.zip or \.tar\.gz of photos"):
        open_source(tmp_path / "photos.rar").__enter__()


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


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for content in (b"one", b"another"):
            archive.writestr("pizza/1.jpg", content)
    with (
        pytest.raises(DataError, match=r"holds 'pizza/1\.jpg' twice: unpack it by hand"),
        open_source(tmp_path / "photos.zip"),
    ):
        pytest.fail("it opened")
