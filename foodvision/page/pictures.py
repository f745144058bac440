"""Pictures of an answer: where the model looked, and what a link to a page shows."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from foodvision.classifier import Prediction
from foodvision.page.colours import colour_table
from foodvision.page.prediction_html import headline
from foodvision.page.words import Wording
from foodvision.preprocess import Preprocess

SIDE = 448
"""Pixels of a side of the pictures of where a model looked."""

_THUMBNAIL, _MARGIN = (1200, 630), 48
_INK, _PAPER, _ACCENT = "#1c1917", "#fffaf4", "#c2410c"


def where_it_looked(
    image: Image.Image, preprocess: Preprocess, heat: np.ndarray
) -> tuple[Image.Image, Image.Image]:
    """Return the square that a model sees, and a map in colours to lay over it, of the same size.

    heat: (h, w) float32, 0 to 1, as `Prediction.evidence`.
    """
    square = preprocess.sized(SIDE)(image)
    grey = Image.fromarray(np.rint(255 * heat).astype(np.uint8))
    values = np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return Image.fromarray(square), Image.fromarray(colour_table()[values])


def draw_thumbnail(image: Image.Image, prediction: Prediction, wording: Wording) -> bytes:
    """Return what a link to a page shows: a photo beside its answer, 1200 x 630 pixels, as JPEG.

    In English, because it is the same for everybody. The photo is alone where the font that Pillow
    brings lacks a letter: it has none of Korea and Japan.
    """
    said = headline(prediction, wording.choose(None))
    if not _has_letters(said + wording.title):
        return _jpeg(ImageOps.fit(image, _THUMBNAIL))
    width, height = _THUMBNAIL
    sheet = Image.new("RGB", _THUMBNAIL, _PAPER)
    sheet.paste(ImageOps.fit(image, (height, height)), (0, 0))
    draw, left = ImageDraw.Draw(sheet), height + _MARGIN
    room = width - left - _MARGIN
    text, font = _fit(said, room, 300)
    draw.multiline_text((left, height // 2 - 30), text, _INK, font, anchor="lm", spacing=14)
    title, font = _fit(wording.title, room, 32)
    draw.text((left, height - _MARGIN), title, _ACCENT, font, anchor="ls")
    return _jpeg(sheet)


def _fit(text: str, room: int, height: int) -> tuple[str, ImageFont.FreeTypeFont]:
    """Return a text in lines, and the font in the largest size in which they fit."""
    draw = ImageDraw.Draw(Image.new("1", (1, 1)))
    size = 72.0
    while True:
        font = _font(size)
        lines: list[str] = []
        for word in text.split():
            longer = f"{lines[-1]} {word}" if lines else word
            if lines and font.getlength(longer) <= room:
                lines[-1] = longer
            else:
                lines.append(word)
        folded = "\n".join(lines)
        box = draw.multiline_textbbox((0, 0), folded, font, spacing=14)
        if size < 6 or (box[2] <= room and box[3] <= height):
            return folded, font
        size *= 0.95


def _has_letters(text: str) -> bool:
    font = _font(32)
    none = bytes(font.getmask("\U0010fffd"))
    return all(bytes(font.getmask(letter)) != none for letter in text if not letter.isspace())


def _font(size: float) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)  # with a size it is one
    return font


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=88)
    return content.getvalue()
