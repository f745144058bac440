"""The client's connections, guarded: answers are bounded, and the token stays with the Hub.

The client itself sends the token wherever an answer's `Link` or LFS addresses point, names files of
its cache by an answer's headers, and reads answers of any size into memory.
"""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

from foodvision.errors import one_line

SILENCE = 60.0
"""Seconds without a byte, after which the Hub is given up."""

LARGEST_TEXT = 8_000_000
"""Bytes of a file that is read as text, as config.json."""

LARGEST_FILE = 2_000_000_000
"""Bytes of a graph or of weights, as `foodvision.checkpoint` takes them."""

_LARGEST_ANSWER = 16_000_000  # bytes, unpacked; a listing of 1,000 files has 0.3 million
_LONGEST_WAIT = 310  # seconds until it may be asked again: its window has 300
_LONGEST_ANSWER = 300.0  # seconds from its first byte to its last one
# Of all answers to what is asked at once: a listing may name its next page for ever.
_LARGEST_TOTAL, _LEAST_PER_ANSWER = 100_000_000, 20_000

_PUBLIC_HUB = "https://huggingface.co"  # mirrors send there what they do not have

# The client makes file names of them.
_NAMES_OF_FILES = ("ETag", "X-Linked-ETag", "X-Repo-Commit")
_SAFE_NAME = re.compile(r"[A-Za-z0-9_.+=-]{1,200}")

_lock, _blocks = Lock(), [0]  # how many blocks want it guarded
_left: ContextVar[list[int] | None] = ContextVar("_left", default=None)


class NotAHubError(Exception):
    """An answer that no Hub would give."""


@contextmanager
def guarded() -> Iterator[None]:
    """Guard what the client asks until the end of the block, in any thread.

    Outside of it a program that uses the client itself has it as it was.
    """
    with _lock:
        _blocks[0] += 1
        _install()
    try:
        yield
    finally:
        with _lock:
            _blocks[0] -= 1


def _install() -> None:
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import get_session, httpx  # type: ignore[attr-defined]
    from huggingface_hub.utils import logging as client_logging

    hooks = get_session().event_hooks
    if _check_request in hooks["request"]:
        return
    all_hooks: Any = {
        "request": [*hooks["request"], _check_request],
        "response": [*hooks["response"], _check_response],
    }
    # The client opens a new connection where one failed: that would have no hooks by itself.
    set_client_factory(
        lambda: httpx.Client(event_hooks=all_hooks, follow_redirects=True, timeout=SILENCE)
    )
    # It would show the Hub's own words as they are, line by line, before our one line.
    client_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    for handler in logging.getLogger("huggingface_hub").handlers:
        handler.addFilter(_on_one_line)


@contextmanager
def bounded_total() -> Iterator[None]:
    """Bound the size and the number of answers until the end of the block."""
    token = _left.set([_LARGEST_TOTAL])
    try:
        yield
    finally:
        _left.reset(token)


def endpoint() -> str:
    """Return the address of the Hub that is asked."""
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def shown_endpoint() -> str:
    """Return the address as it may be shown: without a name and password in it."""
    return one_line(re.sub(r"//[^/@]*@", "//", endpoint()), 100)


def _check_request(request: Any) -> None:
    """Keep the token, and whatever is posted, with the Hub; called for each redirect too."""
    if not _blocks[0]:
        return
    url = request.url
    # A redirect keeps the bound of what was asked first.
    request.extensions.setdefault("foodvision.largest", _largest(request))
    if _is_hub(url):
        return
    for name in ("Authorization", "Cookie"):
        request.headers.pop(name, None)
    if request.method not in ("GET", "HEAD", "PUT"):
        raise NotAHubError(f"it redirects a {request.method} to {url.host}")
    if url.scheme != "https" and endpoint().startswith("https:"):
        raise NotAHubError(f"it redirects to {url.host} without encryption")


def _is_hub(url: Any) -> bool:
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    return url.origin in {httpx.URL(own).origin for own in (endpoint(), _PUBLIC_HUB)}


def _largest(request: Any) -> int:
    """Return how many bytes an answer may have."""
    path, part = request.url.path, request.headers.get("Range", "")
    if asked := re.fullmatch(r"bytes=(\d{1,15})-(\d{1,15})", part):
        return max(int(asked[2]) - int(asked[1]) + 1, _LARGEST_ANSWER)
    is_file = part or "/resolve/" in path or not _is_hub(request.url)
    is_text = path.endswith((".json", ".md"))
    return (LARGEST_TEXT if is_text else LARGEST_FILE) if is_file else _LARGEST_ANSWER


def _check_response(response: Any) -> None:
    """Refuse what no Hub says in headers, and bound what follows."""
    largest = response.request.extensions.get("foodvision.largest")
    if largest is None:  # it was not asked by us
        return
    _check_patience(response)
    path, kind = response.url.path, response.headers.get("Content-Type", "")
    if "/resolve/" in path:
        for name in _NAMES_OF_FILES:
            value = response.headers.get(name, "-").removeprefix("W/").strip('"')
            if not _SAFE_NAME.fullmatch(value) or ".." in value:
                raise NotAHubError(f"its {name} is {value!r}")
    elif "/api/" in path and response.is_success and "html" in kind.lower():
        raise NotAHubError("it sends a web page")
    read = response.iter_bytes
    response.iter_bytes = lambda *size, **named: _bounded(read(*size, **named), largest)


def _check_patience(response: Any) -> None:
    """Raise for who is asked to wait for longer than the Hub's window: the client would sleep."""
    from huggingface_hub.utils._http import hf_raise_for_status, parse_ratelimit_headers

    limit = parse_ratelimit_headers(response.headers)
    asked = limit.reset_in_seconds if limit else 0
    asked = max(asked, int(re.sub(r"\D", "", response.headers.get("Retry-After", "")) or 0))
    if response.is_error and asked > _LONGEST_WAIT:
        hf_raise_for_status(response)


def _bounded(parts: Iterator[bytes], largest: int) -> Iterator[bytes]:
    """Yield the parts of an answer until there are too many of them."""
    is_file, size, until = largest != _LARGEST_ANSWER, 0, time.monotonic() + _LONGEST_ANSWER
    _take(0 if is_file else _LEAST_PER_ANSWER)
    for part in parts:
        size += len(part)
        if size > largest:
            raise NotAHubError(f"it sends more than {largest / 1e6:.0f} MB in one response")
        if not is_file:
            _take(len(part))
            if time.monotonic() > until:
                raise NotAHubError(f"a response takes longer than {_LONGEST_ANSWER:.0f} seconds")
        yield part


def _take(size: int) -> None:
    left = _left.get()
    if left:
        left[0] -= size
        if left[0] < 0:
            raise NotAHubError("its listing does not end")


def _on_one_line(record: logging.LogRecord) -> bool:
    record.msg, record.args = one_line(record.getMessage()), ()
    return True
