"""Fuzzing: damaged files of every kind are read, or refused with one clear line.

The same damage each time: kind and number name an input. `FOODVISION_FUZZ` sets how many inputs of
each kind are tried; `make fuzz` tries 10,000.
"""

import gzip
import io
import json
import os
import random
import struct
import tarfile
import unicodedata
import zipfile
import zlib

import onnx
import pytest
from cyclopts import CycloptsError
from PIL import Image, ImageCms
from safetensors.torch import save
from test_graph_check import CLASSES, SIZE, model
from test_hostile import mutations

from foodvision.checkpoint import (
    BUNDLED,
    WEIGHTS,
    Checkpoint,
    CheckpointConfig,
    _parse_config,
    check_graph,
)
from foodvision.cli.main import app
from foodvision.data.archives import Limits, open_source
from foodvision.data.csv_list import read_csv
from foodvision.errors import FoodVisionError, one_line
from foodvision.image import is_heavy, load_image
from foodvision.models import create_model, load_network
from foodvision.page.words import read_wording
from foodvision.preprocess import Preprocess

COUNT = int(os.environ.get("FOODVISION_FUZZ", "30"))

PHOTOS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "HEIF", "PPM")

CONFIG = CheckpointConfig(
    classes=("kiwi", "pizza", "tomato"),
    preprocess=Preprocess(size=SIZE),
    architecture="tinyvgg",
    known_threshold=0.5,
    training={"hidden_units": 2},
)

# Bytes that end up as lengths, offsets, signs, quotes and line ends.
TOKENS = (
    *(b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x00"),
    *(b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\xff" * 8, b"1e999"),
    *(b"-1", b"9" * 30, b"nan", b"\n", b"\r", b'"', b"'", b",", b": ", b"- ", b"[", b"{", b"}"),
    *(b"&a *a", b"!!python/name:os", b"\x1b[2J", b"\xe2\x80\xae", b"\xed\xa0\x80", b"../"),
)


def damaged(content, chance):
    """The bytes with one to four places changed, taken out, doubled or cut off."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4))):
        # Half of the changes are in the first bytes, where the headers are.
        last = len(changed) if chance.random() < 0.5 else min(len(changed), 128)
        at = chance.randint(0, last)
        end = at + chance.choice((1, 2, 4, 8, 50))
        change = chance.randrange(7)
        if change == 0:
            changed[at:end] = chance.randbytes(end - at)
        elif change == 1:
            token = chance.choice(TOKENS)
            changed[at : at + len(token)] = token
        elif change == 2:
            changed[at:at] = chance.choice(TOKENS)
        elif change == 3:
            del changed[at:end]
        elif change == 4:
            changed[at:at] = changed[at:end] * chance.choice((1, 1, 100))
        elif change == 5 and at < len(changed):
            changed[at] ^= 1 << chance.randrange(8)
        elif change == 6 and chance.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def several(kind, own, make):
    """The input as it is, then what `make(chance)` damages."""
    yield own
    for number in range(1, COUNT):
        yield make(random.Random(f"{kind} {number}"))


def photo(kind):
    """A small photo with EXIF and a colour profile, as cameras write them."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = io.BytesIO()
    image = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    image = image.convert("P") if kind == "GIF" else image
    options = {} if kind in ("GIF", "BMP", "PPM") else {"exif": exif, "icc_profile": profile}
    image.save(file, kind, **options)
    return file.getvalue()


def with_checksums(content):
    """A PNG whose chunks have right checksums, so that the damage reaches the decoder."""
    place, parts = 8, [content[:8]]
    while place + 12 <= len(content):
        length = min(int.from_bytes(content[place : place + 4], "big"), len(content) - place - 12)
        chunk = content[place + 4 : place + 8 + length]
        parts += [struct.pack(">I", length), chunk, struct.pack(">I", zlib.crc32(chunk))]
        place += 12 + length
    return b"".join(parts)


def photos(kind):
    own = photo(kind)

    def make(chance):
        content = damaged(own, chance)
        return with_checksums(content) if kind == "PNG" and chance.random() < 0.7 else content

    return several(kind, own, make)


def texts(own, kind):
    """JSON that has other values, and JSON that is damaged."""
    text = json.dumps(own).encode()
    yield text
    yield from (each.encode() for each in mutations(own, COUNT - COUNT // 3 - 1, seed=11))
    for number in range(COUNT // 3):
        yield damaged(text, random.Random(f"{kind} {number}"))


def configs(kind):
    return texts(json.loads((BUNDLED / "config.json").read_text()), kind)


def page_files(kind):
    return texts(json.loads((BUNDLED / "page.json").read_text()), kind)


LINES = """
    w = ConstantOfShape (to) c = Conv <pads = [1, 1, 1, 1]> (t, w) r = Relu (c)
    p = MaxPool <kernel_shape = [2, 2]> (r) s = Shape (p) q = Reshape (p, s) g = MatMul (q, q)
"""


def graphs(kind):
    lines = (
        "to = Constant <value_ints = [2, 3, 3, 3]> () t = Transpose <perm = [0, 3, 1, 2]> (x)"
        + LINES
    )
    own = model(lines)

    def make(chance):
        if chance.random() < 0.4:
            return damaged(own.SerializeToString(), chance)
        changed = onnx.ModelProto()
        changed.CopyFrom(own)
        for _ in range(chance.randint(1, 3)):
            change_part(changed.graph, chance)
        return changed.SerializeToString()

    return several(kind, own.SerializeToString(), make)


def change_part(graph, chance):
    """Change an operator, a name, a number or a dimension in a graph that can still be parsed."""
    node = chance.choice(graph.node)
    change = chance.randrange(5)
    numbers = (-(2**63), -1, 0, 1, 7, 2**31, 2**62)
    if change == 0:
        node.op_type = chance.choice([*(each.op_type for each in graph.node), "Loop", "\x1b[2J\n"])
    elif change == 1 and node.input:
        names = [name for each in graph.node for name in each.output]
        node.input[chance.randrange(len(node.input))] = chance.choice([*names, "", "\n"])
    elif change == 2 and node.attribute:
        attribute = chance.choice(node.attribute)
        attribute.i = chance.choice(numbers)
        for index in range(len(attribute.ints)):
            attribute.ints[index] = chance.choice((*numbers, attribute.ints[index]))
    elif change == 3:
        node.output[0] = chance.choice(("x", "", "pixels", "\x00", "a" * 5000))
    else:
        value = chance.choice((*graph.input, *graph.output)).type.tensor_type
        value.elem_type = chance.choice((0, 1, 2, 7, 8, 99))
        value.shape.dim.add().dim_value = chance.choice(numbers)


def weights(kind):
    own = save(create_model("tinyvgg", CLASSES, pretrained=False, hidden_units=2).state_dict())
    length = int.from_bytes(own[:8], "little")
    header = json.loads(own[8 : 8 + length])
    changed = (text.encode() for text in mutations(header, COUNT, seed=13))

    def make(chance):
        if chance.random() < 0.5:
            return damaged(own[: 8 + length], chance) + own[8 + length :]
        text = next(changed)
        return struct.pack("<Q", len(text)) + text + own[8 + length :]

    return several(kind, own, make)


PACKED = {"kiwi/1.jpg": b"one" * 50, "pizza/2.jpg": b"two" * 50, "a/b/c.jpg": b"x" * 700}


def a_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PACKED.items():
            archive.writestr(name, content)
    return file.getvalue()


def a_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in PACKED.items():
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = len(content), {"comment": "é"}
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def with_sums(content):
    """A tar whose headers have right checksums, so that the damage is read."""
    changed = bytearray(content)
    for place in range(0, len(changed) - 511, 512):
        if changed[place + 257 : place + 262] == b"ustar":
            changed[place + 148 : place + 156] = b" " * 8
            total = sum(changed[place : place + 512])
            changed[place + 148 : place + 156] = b"%06o\0 " % total
    return bytes(changed)


def zips(kind):
    own = a_zip()
    # The list of files, which is read first, stands at the end.
    start = own.index(b"PK\1\2")

    def make(chance):
        if chance.random() < 0.5:
            return own[:start] + damaged(own[start:], chance)
        return damaged(own, chance)

    return several(kind, own, make)


def tars(kind):
    own = a_tar()
    return several(kind, own, lambda chance: with_sums(damaged(own, chance)))


def packed_tars(kind):
    own = a_tar()

    def make(chance):
        if chance.random() < 0.5:
            return damaged(gzip.compress(own, mtime=0), chance)
        return gzip.compress(with_sums(damaged(own, chance)), mtime=0)

    return several(kind, own, make)


def lists(kind):
    own = b'path,label,split\n"a.jpg",kiwi,train\nb.jpg,"pizza",test\na.jpg,kiwi,train\n'
    return several(kind, own, lambda chance: damaged(own, chance))


def settings_files(kind):
    own = b"model: tinyvgg\nepochs: 7\nlearning_rate: 1e-05\nfreeze: true\nclip:\naugment: 'none'\n"
    return several(kind, own, lambda chance: damaged(own, chance))


def write(path, content):
    path.write_bytes(content)
    return path


def open_photo(content, folder):
    assert load_image(content).mode == "RGB"
    is_heavy(content, "photo")


def open_weights(content, folder):
    write(folder / WEIGHTS, content)
    load_network(Checkpoint(folder, CONFIG, b""))


def open_page(content, folder):
    write(folder / "page.json", content)
    read_wording(folder, "Fruit")


def archive_named(name):
    def open_archive(content, folder):
        with open_source(write(folder / name, content), Limits(unpacked_bytes=10**7)) as unpacked:
            assert folder not in unpacked.parents

    return open_archive


def open_list(content, folder):
    for name in ("a.jpg", "b.jpg"):
        write(folder / name, b"")
    read_csv(write(folder / "photos.csv", content))


def open_settings(content, folder):
    file = write(folder / "settings.yaml", content)
    call = ["train", "food101", "--config", str(file)]
    app.parse_args(call, exit_on_error=False, print_error=False)


KINDS = {
    **dict.fromkeys(PHOTOS, (photos, open_photo)),
    "config.json": (configs, lambda content, folder: _parse_config(content, folder / "c")),
    "page.json": (page_files, open_page),
    "model.onnx": (graphs, lambda content, folder: check_graph(content, CONFIG, folder / "m")),
    "model.safetensors": (weights, open_weights),
    "zip": (zips, archive_named("a.zip")),
    "tar": (tars, archive_named("a.tar")),
    "tar.gz": (packed_tars, archive_named("a.tar.gz")),
    "CSV list": (lists, open_list),
    "YAML settings": (settings_files, open_settings),
}
"""What is damaged: its inputs, and what reads them."""


def fault_of(error):
    """What is wrong with a refusal: it should be one line that a terminal may show; or ""."""
    # What `foodvision.cli.main.main` makes of an error of the command line's library.
    said = one_line(str(error), 500) if isinstance(error, CycloptsError) else str(error)
    if any(unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp") for each in said):
        return f"not one plain line: {said!r:.200}"
    return "" if 0 < len(said) < 1000 else f"{len(said)} characters: {said!r:.200}"


def outcome(read, content, folder):
    """Whether an input is read or refused, or else the fault."""
    try:
        read(content, folder)
        return "read"
    except (FoodVisionError, CycloptsError) as error:
        return fault_of(error) or "refused"
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]


@pytest.mark.parametrize("name", ["x" * 400, "x/" * 4000, "x" * 100_000, "\0"])
def test_path_that_no_file_has_is_refused_in_a_list(name, tmp_path):
    assert outcome(open_list, f"path,label\n{name},kiwi\n".encode(), tmp_path) == "refused"


@pytest.mark.parametrize("text", ["path,label\na.jpg,{}\na.jpg,b\n", "path,{}\na,b\n"])
def test_long_text_in_a_list_is_cut_in_the_refusal(text, tmp_path):
    assert outcome(open_list, text.format("x" * 100_000).encode(), tmp_path) == "refused"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_damaged_input_is_read_or_refused(kind, tmp_path):
    inputs, read = KINDS[kind]
    outcomes = [outcome(read, content, tmp_path) for content in inputs(kind)]
    faults = {
        number: said for number, said in enumerate(outcomes) if said not in ("read", "refused")
    }
    assert not faults
    assert outcomes[0] == "read"  # it is as it should be
    assert "refused" in outcomes
