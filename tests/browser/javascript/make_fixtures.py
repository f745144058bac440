"""What Pillow and Python make of a small picture, for the tests of the page's JavaScript.

    python tests/browser/javascript/make_fixtures.py

writes fixtures.json and map.json beside this file; tests/browser/test_site.py sees that both are
still what they make.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from foodvision.page.colours import colour_table
from foodvision.page.pictures import SIDE, where_it_looked
from foodvision.preprocess import Preprocess
from foodvision.reduced import ReducedImage

FILE = Path(__file__).parent / "fixtures.json"
MAP = FILE.with_name("map.json")

SQUARES = [
    ((61, 47), Preprocess(size=16, crop=1.0)),
    ((47, 61), Preprocess(size=20, crop=0.875, interpolation="bilinear")),
    ((53, 30), Preprocess(size=33, crop=0.9, interpolation="lanczos")),
    ((40, 25), Preprocess(size=24, resize="squash")),
    ((200, 12), Preprocess(size=8, crop=1.0)),
    ((24, 24), Preprocess(size=24, crop=1.0)),
]


# Photos that were made smaller: their sizes, by how much, and EXIF's orientation.
REDUCED = [
    ((241, 187), 4, 1, Preprocess(size=16, crop=1.0)),
    ((243, 189), 4, 3, Preprocess(size=20, crop=0.875, interpolation="bilinear")),
    ((125, 205), 2, 2, Preprocess(size=24, resize="squash", interpolation="lanczos")),
    ((1801, 153), 8, 4, Preprocess(size=8, crop=1.0)),
]


def make_fixtures() -> list[dict[str, Any]]:
    """Return pictures as RGBA, how each is prepared, and the square that comes out, in base64."""
    plain = [_make_one(_noise(number, size), rule) for number, (size, rule) in enumerate(SQUARES)]
    reduced = [_make_reduced(number, *given) for number, given in enumerate(REDUCED)]
    return plain + reduced


def make_map() -> dict[str, Any]:
    """Return where a model looked, the colours, and the hash of the map that Python makes."""
    heat = np.random.default_rng(7).random((3, 4), np.float32)
    photo = Image.new("RGB", (SIDE, SIDE))
    _, over = where_it_looked(photo, Preprocess(size=16, crop=1.0), heat)
    return {
        "heat": {"width": 4, "height": 3, "data": heat.ravel().tolist()},
        "side": SIDE,
        "colours": colour_table().tobytes().hex(),
        "sha256": hashlib.sha256(over.tobytes()).hexdigest(),
    }


def _noise(number: int, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(number)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


def _make_reduced(
    number: int, photo: tuple[int, int], by: int, orientation: int, rule: Preprocess
) -> dict[str, Any]:
    stored = _noise(number, (-(-photo[0] // by), -(-photo[1] // by)))
    image = ReducedImage(stored, photo, by, orientation)
    image.load()  # turns it: the page resizes what is upright
    left, top, _, _ = image.box
    made = _make_one(image, rule)
    made["image"]["reduced"] = {
        "by": by,
        "photo": {"width": photo[0], "height": photo[1]},
        "start": {"left": left, "top": top},
    }
    return made


def _make_one(image: Image.Image, rule: Preprocess) -> dict[str, Any]:
    return {
        "image": {
            "width": image.width,
            "height": image.height,
            "rgba": _base64(image.convert("RGBA")),
        },
        "rule": {
            "size": rule.size,
            "resize": rule.resize,
            "crop": rule.crop,
            "interpolation": rule.interpolation,
        },
        "square": base64.b64encode(rule(image).tobytes()).decode(),
    }


def _base64(image: Image.Image) -> str:
    return base64.b64encode(image.tobytes()).decode()


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_fixtures(), indent=1) + "\n", "utf-8")
    MAP.write_text(json.dumps(make_map(), indent=1) + "\n", "utf-8")
