"""Limits of size and time for the body of a request, to the API and to the page."""

import asyncio
import time
from collections.abc import Awaitable
from typing import TypeVar

from starlette.responses import JSONResponse

from foodvision.errors import printable

# A body has so many seconds to begin with, and one more for each so many bytes that came.
_GRACE_SECONDS, _SLOWEST = 20.0, 20_000

# A message that has come already is taken, however late it is.
_SHORTEST_WAIT = 0.01

T = TypeVar("T")


class RefusedError(Exception):
    """Why a request is refused: an HTTP status, and one line."""

    def __init__(self, status: int, text: str) -> None:
        """Take both."""
        super().__init__(text)
        self.status = status


class BodyLimit:
    """What one body may still bring and take; its time begins with this object."""

    def __init__(self, most: int, declared: str | None = None) -> None:
        """Take the largest size in bytes, and the request's Content-Length.

        Raises RefusedError if the request declares more.
        """
        self._most, self._received, self._began = most, 0, time.monotonic()
        if declared and declared.isdecimal():
            self._check(int(declared))

    async def wait(self, part: Awaitable[T]) -> T:
        """Wait for the next part. Raises RefusedError if it comes too slowly."""
        end = self._began + _GRACE_SECONDS + self._received / _SLOWEST
        try:
            return await asyncio.wait_for(part, max(end - time.monotonic(), _SHORTEST_WAIT))
        except asyncio.TimeoutError:
            raise RefusedError(408, "the upload was too slow: try again") from None

    def count(self, size: int) -> None:
        """Count the bytes of a part. Raises RefusedError if the body is too large."""
        self._received += size
        self._check(self._received)

    def _check(self, size: int) -> None:
        if size > self._most:
            limit = self._most / 10**6
            raise RefusedError(
                413, f"the request is larger than {limit:g} MB: send fewer or smaller photos"
            )


def failure(status: int, text: str) -> JSONResponse:
    """Return a refusal as programs get it: `{"error": "one line"}`."""
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"error": printable(text)}, status, headers)
