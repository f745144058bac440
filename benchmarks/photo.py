"""What decoding a phone's photo costs, and whether decoding less of it would change answers.

    python benchmarks/photo.py [--rounds 50]
    python benchmarks/photo.py --rounds 0 --photos ../shared/data/food101_sharp.zip --count 100

Times, by turns and in this process, for a JPEG of 12 megapixels: Pillow alone (the smallest scale
of the decoder that is not below what the network sees, then one resize), what `Classifier.predict`
does before its network, and the network. Prints medians in milliseconds, and the median over rounds
of ours / Pillow alone with its 95% interval (bootstrap): at most 1.3 is asked.

With --photos, each test photo is enlarged to 12 megapixels and answered from all of its pixels,
from what `Classifier.predict` decodes, and from the next smaller scale; both also in register: a
decoder that makes 4001 pixels smaller by 8 gives 501, of which the last stands for one, not eight.
Prints for each the share with the label of all pixels, the share whose confidence of that label is
within 0.02, and the largest difference. 99.5% and 100% are asked.
"""

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from page import phone_photo
from PIL import Image

import foodvision
from foodvision.data import open_photos
from foodvision.image import load_image
from foodvision.preprocess import Preprocess

ROOT = Path(__file__).parents[1]
LONG, SHORT = 4000, 3000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--photos", help="also compare answers on the test photos of this source")
    parser.add_argument("--count", type=int, default=100, help="of these photos")
    arguments = parser.parse_args()
    classifier = foodvision.load()
    if arguments.rounds:
        print(describe(measure(classifier, phone_photo(), arguments.rounds)), flush=True)
    if arguments.photos:
        compare(classifier, arguments.photos, arguments.count)


def measure(classifier: foodvision.Classifier, content: bytes, rounds: int) -> np.ndarray:
    """Return (rounds, 3) seconds of Pillow alone, our decoding, and the network."""
    square = classifier.pixels(content)
    ways: list[Callable[[], object]] = [
        lambda: straight(classifier, content),
        lambda: classifier.pixels(content),
        lambda: classifier.predict_pixels(square[None]),
    ]
    for way in ways:
        timed(way)
    return np.array([[timed(way) for way in ways] for _ in range(rounds)])


def straight(classifier: foodvision.Classifier, content: bytes) -> np.ndarray:
    """Decode with Pillow alone, at the smallest scale that is not below what the network sees."""
    preprocess = classifier.config.preprocess
    image = Image.open(io.BytesIO(content))
    image.draft(None, (preprocess.short_side, preprocess.short_side))
    return preprocess(image)


def timed(way: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def describe(seconds: np.ndarray) -> str:
    """Return medians and ratio in words."""
    alone, ours, network = 1000 * np.median(seconds, axis=0)
    ratios = seconds[:, 1] / seconds[:, 0]
    drawn = np.median(np.random.default_rng(0).choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return (
        f"12 megapixels, n = {len(seconds)}: Pillow alone {alone:.1f} ms, ours {ours:.1f} ms, "
        f"network {network:.1f} ms; ours / alone {np.median(ratios):.2f} ({low:.2f} to {high:.2f})"
    )


def compare(classifier: foodvision.Classifier, source: str, count: int) -> None:
    """Print how far answers agree with those from all pixels."""
    preprocess, confidences = classifier.config.preprocess, []
    next_side = SHORT // 8
    with open_photos(source) as photos:
        chosen = photos.splits["test"]
        for photo in chosen[:: max(1, len(chosen) // count)]:
            content = enlarged(Path(photo.path))
            squares = [
                preprocess(decoded(content, 0)),
                classifier.pixels(content),
                preprocess(decoded(content, next_side)),
                in_register(content, 640, preprocess),
                in_register(content, next_side, preprocess),
            ]
            confidences.append(classifier.run(np.stack(squares)).probabilities)
    found = np.stack(confidences)  # photos, ways, classes
    labels = found.argmax(axis=2)
    at_label = np.take_along_axis(found, labels[:, :1, None], axis=2)[:, :, 0]
    names = ("today", "next smaller scale", "today in register", "next smaller scale in register")
    for way, name in enumerate(names, 1):
        differences = np.abs(at_label[:, way] - at_label[:, 0])
        print(
            f"{name}, n = {len(found)}: same label "
            f"{100 * np.mean(labels[:, way] == labels[:, 0]):.1f}%, confidence within 0.02 "
            f"{100 * np.mean(differences <= 0.02):.1f}%, largest difference {differences.max():.4f}"
        )


def decoded(content: bytes, side: int) -> Image.Image:
    """Decode at the smallest scale whose sides are not below `side`; all pixels if 0."""
    image = Image.open(io.BytesIO(content))
    if side:
        image.draft(None, (side, side))
    return image


def in_register(content: bytes, side: int, preprocess: Preprocess) -> np.ndarray:
    """Return the square of a reduced photo, whose last row and column count for what they hold."""
    width, height = decoded(content, 0).size
    image = decoded(content, side)
    by = round(width / image.width)
    short = preprocess.short_side
    scale = short / min(width, height)
    target = tuple(max(short, int(length * scale)) for length in (width, height))
    filter_ = Image.Resampling[preprocess.interpolation.upper()]
    image = image.resize(target, filter_, box=(0, 0, width / by, height / by))
    left, top = (round((length - preprocess.size) / 2) for length in target)
    return np.asarray(image.crop((left, top, left + preprocess.size, top + preprocess.size)))


def enlarged(path: Path) -> bytes:
    """Return a photo as a JPEG whose short side has 3000 pixels."""
    image = load_image(path)
    by = SHORT / min(image.size)
    width, height = (round(side * by) for side in image.size)
    content = io.BytesIO()
    image.resize((width, height), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    return content.getvalue()


if __name__ == "__main__":
    main()
