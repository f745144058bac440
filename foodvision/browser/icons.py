"""The page's icons: a plate on orange, drawn, so that no picture has to be kept in step."""

import io

from PIL import Image, ImageDraw

_ORANGE, _WHITE, _RIM = (194, 65, 12), (255, 255, 255), (231, 229, 228)
_FINE = 4


def draw_icon(side: int) -> bytes:
    """Return a PNG of side x side pixels; what matters lies in the circle that phones cut out."""
    big = side * _FINE
    image = Image.new("RGB", (big, big), _ORANGE)
    draw = ImageDraw.Draw(image)
    for colour, radius in ((_WHITE, 0.34), (_RIM, 0.24), (_WHITE, 0.22), (_ORANGE, 0.1)):
        reach = radius * big
        draw.ellipse((big / 2 - reach, big / 2 - reach, big / 2 + reach, big / 2 + reach), colour)
    content = io.BytesIO()
    image.resize((side, side), Image.Resampling.LANCZOS).save(content, "PNG", optimize=True)
    return content.getvalue()
