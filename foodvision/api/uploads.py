"""The photos of a request, read within limits of size and time into files of their own."""

import secrets
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from foodvision.api.bodies import BodyLimit, RefusedError

MAX_PHOTO, MAX_REQUEST, MAX_PHOTOS = 50_000_000, 200_000_000, 32
"""Bytes of a photo and of a request; photos of a request."""

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Sent:
    """A photo: its name as it was sent, and its file."""

    name: str
    path: Path


@contextmanager
def request_folder(folder: Path) -> Iterator[Path]:
    """Give a new folder for the photos of one request, and remove it."""
    place = folder / secrets.token_hex(16)
    place.mkdir()
    try:
        yield place
    finally:
        for path in place.iterdir():
            path.unlink()
        place.rmdir()


async def read_photos(request: Request, folder: Path) -> list[Sent]:
    """Write the photos of a request into a folder: of a multipart form, or the body itself.

    Raises RefusedError for none, for too many or too large ones, and for a body that is too slow.
    """
    # Any other type is taken for the photo itself: curl calls it a form unless it is told.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, folder)
    path, size = folder / "0", 0
    with path.open("wb") as file:
        async for block in _bounded(request, MAX_PHOTO):
            size += file.write(block)
    if not size:
        raise RefusedError(
            400,
            "the request contains no photo: send one as the request body, or as a form field "
            "(-F photo=@a.jpg)",
        )
    return [Sent("photo", path)]


async def _read_form(request: Request, folder: Path) -> list[Sent]:
    parser = MultiPartParser(
        request.headers, _bounded(request, MAX_REQUEST), max_files=MAX_PHOTOS, max_fields=8
    )
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        said = getattr(error, "message", "it has no boundary")
        raise RefusedError(400, f"the form cannot be read ({said})") from None
    try:
        files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
        if not files:
            raise RefusedError(400, "the form contains no file: send photos as -F photo=@a.jpg")
        return [await _write(file, folder / str(n), n) for n, file in enumerate(files)]
    finally:
        await form.close()


async def _write(upload: UploadFile, path: Path, number: int) -> Sent:
    name = upload.filename or f"photo {number + 1}"
    if (upload.size or 0) > MAX_PHOTO:
        raise RefusedError(
            413, f"{name} is larger than {MAX_PHOTO // 10**6} MB: send a smaller photo"
        )
    with path.open("wb") as file:
        while block := await upload.read(_BLOCK):
            file.write(block)
    return Sent(name, path)


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """Give a request's body, as long as it is neither too large nor too slow."""
    limit = BodyLimit(most, request.headers.get("content-length"))
    blocks = aiter(request.stream())
    while True:
        try:
            block = await limit.wait(anext(blocks))
        except StopAsyncIteration:
            return
        except ClientDisconnect:
            raise RefusedError(400, "the connection was closed") from None
        limit.count(len(block))
        yield block
