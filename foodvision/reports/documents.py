"""HTML pages that open by themselves: pictures and style are inside of the file."""

import base64
import io
import os
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from foodvision.errors import SettingsError
from foodvision.system.storage import write_atomically

_TEMPLATES = Environment(
    loader=PackageLoader("foodvision", "reports/templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def write_document(path: Path, template: str, **values: Any) -> None:
    """Write a page from a template of this room; it extends `base.html`.

    Bytes of a file's name that are no text are written as their numbers.
    """
    page = _TEMPLATES.get_template(template).render(**values)
    write_atomically(path, page.encode(errors="backslashreplace"))


def check_place(path: Path, name: str = "page.html") -> None:
    """See that a file can be written, before the work for it begins.

    Raises SettingsError if it is a folder, or lies where nothing can be written.
    """
    if path.is_dir():
        raise SettingsError(f"{path} is a folder: give a file, such as {path / name}")
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingsError(f"{path} cannot be written: {nearest} is not a writable folder")


def thumbnail(image: Image.Image, side: int = 160) -> str:
    """Return a small copy of an RGB image as a data URI, its longer side `side` pixels."""
    small = image.copy()
    small.thumbnail((side, side))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    return data_uri(content.getvalue(), "image/jpeg")


def data_uri(content: bytes, kind: str) -> str:
    """Return the contents of a file as a data URI; kind is its media type, as image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
