"""Pictures of an answer: where the model looked, and a card to share."""

import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from foodvision.classifier import Prediction
from foodvision.page.colours import colour_table
from foodvision.page.prediction_html import headline, measured_sentence
from foodvision.page.words import Wording
from foodvision.preprocess import Preprocess

SIDE = 448
"""Pixels of a side of the pictures of where a model looked."""

_CARD_WIDTH, _CARD_MARGIN = 720, 36
_INK, _PAPER, _SOFT = (36, 28, 22), (255, 250, 244), (110, 96, 84)


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


def draw_card(
    image: Image.Image,
    prediction: Prediction,
    wording: Wording,
    measured: Mapping[str, Any] | None = None,
) -> bytes:
    """Return a picture to share, of a photo with its answer: a JPEG.

    measured: as `answer_html` takes it.
    It is in English: the font that Pillow brings has no letters of Korea and Japan.
    """
    words = wording.choose(None)
    sentence = measured_sentence(prediction, words, measured) if prediction.known else ""
    image = image.copy()
    image.thumbnail((_CARD_WIDTH, _CARD_WIDTH))
    sheet = Image.new("RGB", (_CARD_WIDTH, image.height + 190), _PAPER)
    sheet.paste(image, ((_CARD_WIDTH - image.width) // 2, 0))
    draw = ImageDraw.Draw(sheet)
    top = image.height + 24
    for text, size, colour, down in (
        (headline(prediction, words), 44, _INK, 64),
        (sentence, 24, _INK, 44),
        (wording.title, 18, _SOFT, 0),
    ):
        draw.text((_CARD_MARGIN, top), text, colour, _font_for(text, size))
        top += down
    content = io.BytesIO()
    sheet.save(content, "JPEG", quality=88)
    return content.getvalue()


def _font_for(text: str, size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font in a size, or in as much smaller a one as a line of the card asks for."""
    room = _CARD_WIDTH - 2 * _CARD_MARGIN
    while (wide := ImageFont.load_default(size).getlength(text)) > room:
        size *= min(room / wide, 0.98)  # letters do not shrink evenly: measure again
    return ImageFont.load_default(size)
