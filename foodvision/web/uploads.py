"""Visitors' uploads: where they are, whose they are, how many, and what a function may read."""

import base64
import binascii
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData
from markupsafe import escape

from foodvision.page.words import Words
from foodvision.system.temporary import TemporaryFolder

MAX_UPLOAD = 50_000_000
"""The largest photo that may be uploaded, in bytes."""

KEPT_SECONDS = 3600
"""Age from which an upload is deleted when old ones are looked for."""

_MAX_SENT_WITHIN = 12_000_000  # of a photo inside of a request, as base64
_MAX_TEXT = 10_000


class RefusedError(Exception):
    """Raised for a request that names a file the visitor may not read."""


@dataclass(frozen=True)
class Caps:
    """Limits of all uploads together and of one visitor's; the oldest are deleted first."""

    visitor_bytes: int = 500_000_000
    visitor_files: int = 1_000
    total_bytes: int = 2_000_000_000
    total_files: int = 10_000


@dataclass(frozen=True)
class _Kept:
    owners: frozenset[str]
    size: int


class Uploads:
    """The files of visitors, in one private folder; no other file of the disk can be read.

    A file belongs to its sender: a browser by its cookie, a program by its address.
    """

    def __init__(self, folder: Path, caps: Caps | None = None) -> None:
        """Take the folder that Gradio uploads to."""
        self.folder, self._caps = folder.resolve(), caps or Caps()
        self._kept: dict[Path, _Kept] = {}  # the oldest first
        self._public: frozenset[Path] = frozenset()
        self._lock = Lock()

    def publish_what_is_there(self) -> None:
        """Let every visitor read the files that nobody sent: the examples."""
        with self._lock:
            self._public = frozenset(self._files()) - self._kept.keys()

    def add(self, paths: Iterable[Path], owners: frozenset[str]) -> None:
        """Record the owners of files, and delete the oldest beyond the limits.

        Gradio writes the same photo of the same name to the same path: a copy of an example stays
        everybody's, and what two visitors send belongs to both.
        """
        with self._lock:
            for path in map(Path.resolve, paths):
                if path in self._public:
                    continue
                before = self._kept.pop(path, None)
                both = owners | before.owners if before else owners
                with suppress(OSError):
                    self._kept[path] = _Kept(both, path.stat().st_size)
            caps = self._caps
            theirs = [path for path, of in self._kept.items() if of.owners & owners]
            self._make_room(theirs, caps.visitor_bytes, caps.visitor_files)
            self._make_room(list(self._kept), caps.total_bytes, caps.total_files)

    def keep(self, content: bytes, owners: frozenset[str]) -> Path:
        """Write a photo that came inside a request, and return its file."""
        folder = self.folder / secrets.token_hex(16)
        folder.mkdir()
        path = folder / "photo"
        path.write_bytes(content)
        self.add([path], owners)
        return path

    def delete(self, path: Path) -> None:
        """Delete a file, unless it is everybody's."""
        with self._lock:
            if path not in self._public:
                self._delete(path)

    def delete_old(self, seconds: float = KEPT_SECONDS) -> None:
        """Delete older files, except public ones."""
        self._delete_older(self._files(), seconds)

    def delete_unfinished(self, seconds: float) -> None:
        """Delete the files of interrupted uploads that have not grown for so long."""
        self._delete_older((path for path in self.folder.iterdir() if path.is_file()), seconds)

    def may_read(self, path: Path, owners: frozenset[str]) -> bool:
        """Whether a visitor may read a file: a regular one in the folder, theirs or everybody's.

        The page's own pictures have names that nobody can guess.
        """
        with suppress(OSError, ValueError):
            real = Path(os.path.realpath(path))
            if real != path or self.folder not in real.parents:
                return False
            kept = self._kept.get(real)
            is_theirs = kept is None or bool(kept.owners & owners)
            return is_theirs and stat.S_ISREG(real.lstat().st_mode)
        return False

    def admit(
        self, inputs: Sequence[Any], blocks: Sequence[Any], owners: frozenset[str]
    ) -> list[Any]:
        """Return a request's inputs to a function, in a form that Gradio reads safely.

        blocks: the components that the inputs belong to.

        Raises RefusedError for a file that is not the visitor's, whether it exists or not.
        """
        if len(inputs) < len(blocks):
            raise RefusedError
        pairs = zip(inputs, blocks, strict=False)
        return [self._admit(value, block, owners) for value, block in pairs]

    def _admit(self, value: Any, block: Any, owners: frozenset[str]) -> Any:
        if block.stateful:  # the server's own
            return None
        if value is None and not isinstance(block, gr.Dataset):
            return None
        if isinstance(block, gr.Dataset):
            if not isinstance(value, int) or value not in range(len(block.raw_samples)):
                raise RefusedError
            return value
        if isinstance(block, (gr.Image, gr.File)):
            if isinstance(value, list):
                return [self._file(one, owners) for one in value]
            return self._file(value, owners)
        if not _is_plain(value) and not (isinstance(value, list) and all(map(_is_plain, value))):
            raise RefusedError
        return value

    def _file(self, value: Any, owners: frozenset[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise RefusedError
        path, url = value.get("path"), value.get("url")
        if not path and isinstance(url, str) and url.startswith("data:"):
            place = self.keep(_decoded(url), owners)
        elif isinstance(path, str) and self.may_read(Path(path), owners):
            place = Path(path)
            if place not in self._kept and place not in self._public:
                raise RefusedError
        else:
            raise RefusedError
        meta = {"_type": "gradio.FileData"}
        return {"path": str(place), "orig_name": place.name, "meta": meta}

    def _make_room(self, paths: Sequence[Path], most_bytes: int, most_files: int) -> None:
        """Delete files, the first ones first, until the rest is within the limits."""
        total, count = sum(self._kept[path].size for path in paths), len(paths)
        for path in paths:
            if total <= most_bytes and count <= most_files:
                break
            total, count = total - self._kept[path].size, count - 1
            self._delete(path)

    def _files(self) -> Iterator[Path]:
        for folder, _, names in os.walk(self.folder):
            yield from (Path(folder) / name for name in names)

    def _delete_older(self, paths: Iterable[Path], seconds: float) -> None:
        before = time.time() - seconds
        with self._lock:
            for path in list(paths):
                with suppress(FileNotFoundError):
                    if path not in self._public and path.lstat().st_mtime <= before:
                        self._delete(path)

    def _delete(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._kept.pop(path, None)
        if path.parent != self.folder:
            with suppress(OSError):
                path.parent.rmdir()


def protect_functions(
    page: gr.Blocks, uploads: Uploads, words: Callable[[gr.Request | None], Words]
) -> None:
    """Pass the inputs of every function of a page through `Uploads.admit`.

    words: returns the texts in a visitor's language.
    """
    process = page.process_api

    async def process_admitted(
        block_fn: Any, inputs: list[Any], *states: Any, **rest: Any
    ) -> dict[str, Any]:
        if rest.get("iterator") is None:  # a generator that continues reads no inputs
            function = page.fns[block_fn] if isinstance(block_fn, int) else block_fn
            request = rest.get("request")
            try:
                inputs = uploads.admit(inputs, function.inputs, owners_of(request))
            except RefusedError:
                text = words(request)("photo_gone")
                raise gr.Error(escape(text), print_exception=False) from None
        try:
            return await process(block_fn, inputs, *states, **rest)
        except gr.Error as error:  # such as a choice that is not in the list
            error.print_exception = False
            raise

    page.process_api = process_admitted  # type: ignore[method-assign]


def photo_input(**options: Any) -> gr.Image:
    """Return an image component that passes on the uploaded file.

    Gradio would open it first, with any of Pillow's decoders. (A subclass would do, too, but Gradio
    writes a stub file beside the module of each subclass.)
    """
    photo = gr.Image(type="filepath", image_mode=None, **options)
    photo.preprocess = _path_of  # type: ignore[method-assign]
    return photo


def _path_of(payload: ImageData | None) -> str | None:
    return payload.path if payload else None


@cache
def programs_uploads() -> Uploads:
    """Return the uploads of all pages of this program, in a private folder for Gradio.

    Gradio's default is shared by all users of a machine, and may belong to another one.
    """
    folder = TemporaryFolder("page").path
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    return Uploads(folder)


def owners_of(request: Any) -> frozenset[str]:
    """Return what identifies a visitor: the browser's cookie, or else the address."""
    if request is None:
        return frozenset()
    visitor = request.cookies.get(COOKIE)
    address = request.client.host if request.client else ""
    return frozenset([f"visitor {visitor}"] if visitor else [f"address {address}"])


COOKIE = "foodvision_visitor"
"""Tells one browser from another while the page is open; it says nothing else."""


def _is_plain(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) <= _MAX_TEXT
    return value is None or isinstance(value, (bool, int, float))


def _decoded(url: str) -> bytes:
    head, _, content = url.partition(",")
    if not head.endswith(";base64") or len(content) > _MAX_SENT_WITHIN * 4 // 3 + 4:
        raise RefusedError
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        raise RefusedError from None
