"""Self-contained HTML pages: pictures and style are inside the file."""

import base64
import io
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from foodvision.system.storage import write_atomically

_TEMPLATES = Environment(
    loader=PackageLoader("foodvision", "reports/templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_document(path: Path, template: str, **values: Any) -> None:
    """Write a page from a template of this package, which extends `base.html`.

    Bytes of a file name that are not UTF-8 are written as numbers.
    """
    page = _TEMPLATES.get_template(template).render(**values)
    write_atomically(path, page.encode(errors="backslashreplace"))


def thumbnail(image: Image.Image, side: int = 160) -> str:
    """Return a small copy of an RGB image as a data URI, its longer side `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side))
    return data_uri(jpeg(small, 85), "image/jpeg")


def jpeg(image: Image.Image, quality: int = 88) -> bytes:
    """Return the contents of a JPEG file of an RGB image; quality: 0 to 100."""
    content = io.BytesIO()
    image.save(content, "JPEG", quality=quality)
    return content.getvalue()


def data_uri(content: bytes, kind: str) -> str:
    """Return the contents of a file as a data URI; kind is its media type, as image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
