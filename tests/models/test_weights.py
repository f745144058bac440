"""Weights of strangers: a spoiled or hostile model.safetensors is one line, and costs nothing."""

import json
import shutil
import struct

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from foodvision.checkpoint import WEIGHTS, read_checkpoint
from foodvision.errors import CheckpointError
from foodvision.models import load_network
from foodvision.models.weights import read_weights

EXPECTED = {"weight": torch.zeros(2, 3), "steps": torch.tensor(0)}


def packed(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(kind, shape, start, end):
    return {"dtype": kind, "shape": shape, "data_offsets": [start, end]}


FINE = {"steps": tensor("I64", [], 0, 8), "weight": tensor("F32", [2, 3], 8, 32)}

HOSTILE = {
    "empty file": (b"", "header too small"),
    "endless header": (packed({}, length=2**62), "its header is over 2 MB"),
    "longest header": (packed(b" " * 2_000_001), "its header is over 2 MB"),
    "header beyond the file": (packed({}, length=10**6), "invalid header length"),
    "no JSON": (packed(b"nothing"), "invalid JSON"),
    "another JSON": (packed([1]), "invalid JSON"),
    "deep JSON": (packed(b"[" * 10**6), "invalid JSON"),
    "cut off": (packed(FINE, bytes(31)), "not fully covered"),
    "too long": (packed(FINE, bytes(33)), "not fully covered"),
    "overlapping": (
        packed(FINE | {"weight": tensor("F32", [2, 3], 4, 28)}, bytes(28)),
        "invalid offset",
    ),
    "huge shape": (
        packed(FINE | {"weight": tensor("F32", [2**40], 8, 32)}, bytes(32)),
        "invalid shape",
    ),
    "overflowing shape": (
        packed(FINE | {"weight": tensor("F32", [2**33, 2**33], 8, 32)}, bytes(32)),
        "overflow",
    ),
    "negative shape": (
        packed(FINE | {"weight": tensor("F32", [-2, 3], 8, 32)}, bytes(32)),
        "invalid JSON",
    ),
    "empty and huge": (
        packed(FINE | {"weight": tensor("F32", [0, 2**62], 8, 8)}, bytes(8)),
        r"weight is \[0, 4611686018427387904\] instead of \[2, 3\]",
    ),
    "many axes": (
        packed(FINE | {"weight": tensor("F32", [6] + [1] * 9999, 8, 32)}, bytes(32)),
        r"weight is \[6, 1.* instead of \[2, 3\]",
    ),
    "turned": (
        packed(FINE | {"weight": tensor("F32", [3, 2], 8, 32)}, bytes(32)),
        r"weight is \[3, 2\] instead of \[2, 3\]",
    ),
    "one too many": (
        packed(FINE | {"more": tensor("F32", [0], 32, 32)}, bytes(32)),
        "other tensors, such as 'more'",
    ),
    "one missing": (packed({"steps": FINE["steps"]}, bytes(8)), "other tensors, such as 'weight'"),
    "complex": (
        packed(FINE | {"weight": tensor("C64", [2, 3], 8, 56)}, bytes(56)),
        "weight has values of another type",
    ),
    "whole numbers": (
        packed(FINE | {"weight": tensor("I32", [2, 3], 8, 32)}, bytes(32)),
        "weight has values of another type",
    ),
}


@pytest.mark.parametrize(("content", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_refused(content, message, tmp_path):
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ValueError, match=message) as raised:
        read_weights(tmp_path / "w", EXPECTED)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_weights_of_any_precision_are_read_as_float32(kind, tmp_path):
    value = torch.arange(6).view(2, 3)
    save_file({"weight": value.to(kind), "steps": torch.tensor(7)}, tmp_path / "w")
    weights = read_weights(tmp_path / "w", EXPECTED)
    assert torch.equal(weights["weight"], value.float())
    assert weights["steps"] == 7


@pytest.fixture
def folder(fruit_checkpoint, tmp_path):
    return shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")


def test_file_that_does_not_fit_is_one_error(folder):
    weights = load_file(folder / WEIGHTS)
    name = next(iter(weights))
    (folder / WEIGHTS).write_bytes(save(weights | {name: torch.zeros(1)}))
    with pytest.raises(CheckpointError, match=rf"{name} is \[1\] instead of") as raised:
        load_network(read_checkpoint(folder))
    assert str(raised.value).startswith(f"{folder / WEIGHTS} does not match tinyvgg (")


@pytest.mark.parametrize("units", [0, 10**12, 2.5, "ten", None, [1]])
def test_width_out_of_range_is_one_error(units, folder):
    change(folder, training={"hidden_units": units})
    with pytest.raises(
        CheckpointError, match=r"training\.hidden_units must be a whole number from 1 to 2048"
    ):
        load_network(read_checkpoint(folder))


def test_huge_network_for_few_weights_is_one_error(folder):
    change(folder, architecture="eva_giant_patch14_560")
    with pytest.raises(CheckpointError, match="does not match eva_giant_patch14_560"):
        load_network(read_checkpoint(folder))


@pytest.mark.parametrize("name", ["somebody/model", "foodvision_101", "nothing"])
def test_network_that_is_a_checkpoint_is_one_error(name, folder):
    change(folder, architecture=name)
    with pytest.raises(CheckpointError, match=f"names the unknown network '{name}'"):
        load_network(read_checkpoint(folder))


def test_network_that_is_the_checkpoint_itself_is_one_error(folder):
    change(folder, architecture=str(folder))
    with pytest.raises(CheckpointError, match="architecture must be the name of a network"):
        load_network(read_checkpoint(folder))


def change(folder, **fields):
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | fields))
