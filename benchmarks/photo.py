"""What decoding a phone's photo costs, and whether decoding less of it would change answers.

    python benchmarks/photo.py [--rounds 50]
    python benchmarks/photo.py --rounds 0 --photos ../shared/data/food101_sharp.zip --count 100

Times, by turns and in this process, for a JPEG of 12 megapixels: Pillow alone (the smallest scale
of the decoder that is not below what the network sees, then one resize, not turned upright), what
`Classifier.predict` does before its network, and the network. Prints medians in milliseconds of
the thread's processor time, and the median over rounds of ours / Pillow alone with its 95% interval
(bootstrap): at most 1.3 is asked.

With --photos, each test photo is enlarged to 12 megapixels and answered from all of its pixels,
from what `Classifier.predict` decodes, from the same without register (a decoder that makes 4001
pixels smaller by 4 gives 1001, of which the last stands for one, not four), and from an eighth in
register. Then the same for a quarter as many mosaics of 63 test photos: 12 megapixels that are
sharp at every pixel, as an enlarged photo is not.
Prints for each the share with the label of all pixels, the share whose confidence of that label is
within 0.02, the largest difference, and the root mean square of the difference of pixels. 99.5% and
100% are asked.
"""

import argparse
import io
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
from page import phone_photo
from PIL import Image

import foodvision
from foodvision.data import open_photos
from foodvision.image import load_image
from foodvision.reduced import ReducedImage

ROOT = Path(__file__).parents[1]
SHORT = 3000

# Of a mosaic: sides that are no multiple of 8, and the side of a tile.
MOSAIC, TILE = (4003, 3005), 500


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
    straight(classifier, content)
    decoding = [
        [timed(lambda: straight(classifier, content)), timed(lambda: classifier.pixels(content))]
        for _ in range(rounds)
    ]
    # Last: its threads go on for a while after it.
    network = [timed(lambda: classifier.predict_pixels(square[None])) for _ in range(rounds)]
    return np.column_stack([decoding, network])


def straight(classifier: foodvision.Classifier, content: bytes) -> np.ndarray:
    """Decode with Pillow alone, at the smallest scale that is not below what the network sees."""
    preprocess = classifier.config.preprocess
    image = Image.open(io.BytesIO(content))
    image.draft(None, (preprocess.short_side, preprocess.short_side))
    return preprocess(image)


def timed(way: Callable[[], object]) -> float:
    """Return the seconds that a call takes of this thread: others may use the machine, too."""
    start = time.thread_time()
    way()
    return time.thread_time() - start


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
    with open_photos(source) as photos:
        paths = [Path(photo.path) for photo in photos.splits["test"]]
        chosen = paths[:: max(1, len(paths) // count)]
        print("Enlarged photos:", flush=True)
        tell(classifier, map(enlarged, chosen))
        print("Mosaics, sharp at every pixel:", flush=True)
        tell(classifier, (mosaic(paths, seed) for seed in range(count // 4)))


def tell(classifier: foodvision.Classifier, contents: Iterable[bytes]) -> None:
    """Print how far answers agree with those from all pixels."""
    found, errors = [], []
    for content in contents:
        squares = np.stack(squares_of(classifier, content))
        found.append(classifier.run(squares).probabilities)
        errors.append([np.mean((squares[0] - one.astype(float)) ** 2) for one in squares])
    confidences = np.stack(found)  # photos, ways, classes
    labels = confidences.argmax(axis=2)
    at_label = np.take_along_axis(confidences, labels[:, :1, None], axis=2)[:, :, 0]
    names = ("today", "the same out of register", "an eighth in register")
    for way, name in enumerate(names, 1):
        differences = np.abs(at_label[:, way] - at_label[:, 0])
        print(
            f"{name}, n = {len(found)}: same label "
            f"{100 * np.mean(labels[:, way] == labels[:, 0]):.1f}%, confidence within 0.02 "
            f"{100 * np.mean(differences <= 0.02):.1f}%, largest difference "
            f"{differences.max():.3f}, pixels {np.sqrt(np.mean(errors, axis=0)[way]):.2f}",
            flush=True,
        )


def squares_of(classifier: foodvision.Classifier, content: bytes) -> list[np.ndarray]:
    """Return the squares of all pixels, of ours, of the same out of register, of an eighth."""
    preprocess, whole = classifier.config.preprocess, decoded(content, 0)
    eighth = ReducedImage(decoded(content, SHORT // 8), whole.size, 8)
    return [
        preprocess(whole),
        classifier.pixels(content),
        preprocess(decoded(content, SHORT // 4)),
        preprocess(eighth),
    ]


def decoded(content: bytes, side: int) -> Image.Image:
    """Decode at the smallest scale whose sides are not below `side`; all pixels if 0."""
    image = Image.open(io.BytesIO(content))
    if side:
        image.draft(None, (side, side))
    return image


def enlarged(path: Path) -> bytes:
    """Return a photo as a JPEG whose short side has 3000 pixels."""
    return jpeg(with_short_side(load_image(path), SHORT))


def mosaic(paths: Sequence[Path], seed: int) -> bytes:
    """Return a JPEG of photos side by side."""
    chosen = iter(np.random.default_rng(seed).permutation(len(paths)))
    image = Image.new("RGB", MOSAIC)
    for top in range(0, MOSAIC[1], TILE):
        for left in range(0, MOSAIC[0], TILE):
            tile = with_short_side(load_image(paths[next(chosen)]), TILE)
            image.paste(tile.crop((0, 0, TILE, TILE)), (left, top))
    return jpeg(image)


def with_short_side(image: Image.Image, short: int) -> Image.Image:
    """Resize an image, keeping its aspect."""
    by = short / min(image.size)
    width, height = (round(side * by) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(image: Image.Image) -> bytes:
    """Return an image as a file."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=90)
    return content.getvalue()


if __name__ == "__main__":
    main()
