"""A stranger's weights: nothing is allocated for them before their shapes are the network's."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

# The largest networks of timm have headers of 300 kB. The format allows 100 MB, and a million empty
# tensors in it take 1.4 GB and most of a minute.
_MOST_HEADER_BYTES = 2_000_000


def read_weights(path: Path, expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the tensors of a safetensors file by their names, as float32 where they are floats.

    expected: what a network takes, on any device; only shapes and kinds matter.

    Raises ValueError if the file has other tensors, or is no safetensors file, and OSError if it
    cannot be read.
    """
    with path.open("rb") as opened:
        if int.from_bytes(opened.read(8), "little") > _MOST_HEADER_BYTES:
            raise ValueError(f"its header is over {_MOST_HEADER_BYTES // 10**6} MB")
    try:
        with safe_open(path, framework="pt") as file:
            names = set(file.keys())
            if different := sorted(names ^ expected.keys()):
                raise ValueError(f"it has other tensors, such as {different[0]!r:.60}")
            for name, value in expected.items():
                if (found := file.get_slice(name).get_shape()) != list(value.shape):
                    raise ValueError(f"{name} is {found!s:.60} instead of {list(value.shape)}")
            return {name: _like(file.get_tensor(name), expected[name], name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from None


def _like(value: torch.Tensor, expected: torch.Tensor, name: str) -> torch.Tensor:
    if value.is_floating_point() != expected.is_floating_point() or value.is_complex():
        raise ValueError(f"{name} has values of another type")
    return value.float() if value.is_floating_point() else value
