"""What a worse photo costs: blur, noise, JPEG, light, a crooked camera, a dish cut off.

The square that the graph takes is changed, not the file: a photo is decoded once, and strengths
mean the same for every network.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from foodvision.classifier import Classifier
from foodvision.data import LabelledPhoto
from foodvision.figures import Corrupted, Robustness, Share
from foodvision.system.progress import progress

MOST_PHOTOS = 100
"""On so many photos each corruption is tried: intervals of 20 points, in a fair time."""

Change: TypeAlias = Callable[[Image.Image, float, np.random.Generator], Image.Image]
"""A square image, the strength and chance give the changed image, of the same size."""


@dataclass(frozen=True)
class Corruption:
    """A way in which photos are bad.

    strengths: three, the mildest first. unit: how one reads, as "quality {:g}".
    """

    name: str
    unit: str
    strengths: tuple[float, float, float]
    change: Change

    def __call__(self, pixels: np.ndarray, strength: float) -> np.ndarray:
        """Return corrupted squares, the same every time: (n, size, size, 3) uint8, in and out."""
        rng = np.random.default_rng(0)
        changed = [self.change(Image.fromarray(square), strength, rng) for square in pixels]
        return np.stack([np.asarray(image) for image in changed])


def measure_robustness(
    classifier: Classifier, photos: Sequence[LabelledPhoto], most: int = MOST_PHOTOS
) -> Robustness:
    """Answer at most so many of the photos as they are and under every corruption.

    Raises PhotoError at the first photo that cannot be read.
    """
    chosen = choose_evenly(photos, most)
    pixels = np.stack([classifier.pixels(photo.path) for photo in chosen])
    labels = label_indices(classifier, chosen)
    tasks = [(it, strength) for it in CORRUPTIONS for strength in it.strengths]
    bar = progress(tasks, "robustness", "corruption")
    corrupted = [
        Corrupted(
            corruption.name,
            corruption.unit.format(strength),
            _right(classifier, corruption(pixels, strength), labels),
        )
        for corruption, strength in bar
    ]
    return Robustness(_right(classifier, pixels, labels), tuple(corrupted))


def label_indices(classifier: Classifier, photos: Sequence[LabelledPhoto]) -> np.ndarray:
    """Return the places of the photos' labels among the model's classes, (n,) int."""
    index = {name: place for place, name in enumerate(classifier.classes)}
    return np.array([index[photo.label] for photo in photos])


def choose_evenly(photos: Sequence[LabelledPhoto], most: int) -> list[LabelledPhoto]:
    """Return at most so many photos, from all classes alike, always the same ones."""
    shuffled = np.random.default_rng(0).permutation(len(photos))
    by_class = sorted((photos[place] for place in shuffled), key=lambda photo: photo.label)
    count = min(most, len(photos))
    # In the middle of each of so many equal parts.
    places = ((np.arange(count) + 0.5) * len(photos) / count).astype(int)
    return [by_class[place] for place in places]


def _right(classifier: Classifier, pixels: np.ndarray, labels: np.ndarray) -> Share:
    found = classifier.run(pixels).probabilities.argmax(axis=1)
    return Share(int((found == labels).sum()), len(labels))


def _blur(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(strength / 100 * image.width))


def _add_noise(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    noise = rng.normal(scale=strength / 100 * 255, size=(image.height, image.width, 3))
    return Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))


def _compress(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=int(strength))
    return Image.open(content).convert("RGB")


def _light(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(strength)


def _rotate(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """To one side or the other; the corners mirror the photo, as black ones would be a clue."""
    size, angle = image.width, strength * rng.choice([-1, 1])
    beyond = size // 4  # a square's corners reach 0.21 of its side beyond it
    mirrored = np.pad(np.asarray(image), [(beyond, beyond), (beyond, beyond), (0, 0)], "reflect")
    turned = Image.fromarray(mirrored).rotate(angle, Image.Resampling.BICUBIC)
    return turned.crop((beyond, beyond, beyond + size, beyond + size))


def _crop(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    margin = image.width * (1 - strength / 100) / 2
    box = (margin, margin, image.width - margin, image.height - margin)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)


CORRUPTIONS = (
    Corruption("blur", "radius {:g}% of the side", (0.5, 1, 2), _blur),
    Corruption("noise", "deviation {:g}% of white", (5, 10, 20), _add_noise),
    Corruption("JPEG", "quality {:g}", (50, 25, 10), _compress),
    Corruption("darker", "brightness x {:g}", (0.6, 0.4, 0.2), _light),
    Corruption("brighter", "brightness x {:g}", (1.3, 1.7, 2.5), _light),
    Corruption("rotation", "{:g} degrees", (10, 20, 40), _rotate),
    Corruption("small crop", "the middle {:g}%, enlarged", (80, 60, 40), _crop),
)
"""What photos are tried with; each strength in its unit."""
