"""The guard before the page: who may send which requests, how large and how slow."""

import json
import logging
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from foodvision.api.bodies import BodyLimit, RefusedError, failure
from foodvision.api.uploads import MAX_REQUEST
from foodvision.page.words import Words
from foodvision.system.network import LOOPBACK
from foodvision.web.uploads import COOKIE, Uploads, owners_of

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]

# Bytes of a request that calls a function, and of any other; photos may have MAX_REQUEST.
_MAX_CALL, _MAX_OTHER = 17_000_000, 100_000

# Uploads at a time.
_MOST_UPLOADS, _MOST_UPLOADS_OF_ONE = 16, 8

_API = "/gradio_api"
_FILE = f"{_API}/file="
# Answered by foodvision.api, not by Gradio.
_PLAIN_API = "/api/"
# Routes that the page and programs need; no other route of Gradio exists.
_PAGES = frozenset({"/", "/config", "/manifest.json", "/robots.txt", "/theme.css", "/favicon.ico"})
_BELOW = (
    *("/assets/", "/static/", "/svelte/", "/pwa_icon", "/config/", _FILE),
    *(
        f"{_API}/{name}"
        for name in (
            *("info", "openapi.json", "startup-events", "theme.css", "app_id", "heartbeat/"),
            *("upload", "upload_progress", "queue/", "call/", "run/", "api/", "cancel", "reset"),
            *("stream/", "mcp"),
        )
    ),
)
_STREAMS = (f"{_API}/heartbeat/", f"{_API}/upload_progress", f"{_API}/mcp")

_LOG = logging.getLogger(__name__)

_ODD_REQUEST = (KeyError, TypeError, ValueError, RecursionError)

_POLICY = "; ".join(
    (
        "default-src 'self'",
        # Gradio evaluates the scripts of its events.
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'self' https://huggingface.co https://*.huggingface.co https://*.hf.space",
    )
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
)


class Guard:
    """An ASGI application before the page's own.

    hosts: names of the page, besides those of this machine; any name if None.
    """

    def __init__(
        self,
        app: Application,
        api: Application,
        uploads: Uploads,
        hosts: frozenset[str] | None,
        words: Callable[[Any], Words],
    ) -> None:
        """Take page, API, where the page's uploads go, and its texts in a visitor's language."""
        self._app, self._api, self._uploads = app, api, uploads
        self._hosts, self._words = hosts, words
        self._uploading: Counter[frozenset[str]] = Counter()
        self._answering, self._is_closing = 0, False

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # the page uses no web sockets
        exchange = _Exchange(Request(scope), receive, send)
        counted = not exchange.path.startswith(_STREAMS)
        self._answering += counted
        try:
            await self._pass_on(scope, exchange)
        except RefusedError as error:
            await exchange.refuse(error)
        finally:
            self._answering -= counted

    def allow_host_of(self, url: str) -> None:
        """Answer to the host of an address, too."""
        if self._hosts is not None:
            self._hosts |= {_host(url)}

    def drain(self, seconds: float) -> None:
        """Refuse new requests, and wait up to so many seconds for those under way."""
        self._is_closing, end = True, time.monotonic() + seconds
        while self._answering and time.monotonic() < end:
            time.sleep(0.05)

    async def _pass_on(self, scope: Message, exchange: "_Exchange") -> None:
        request, path = exchange.request, exchange.path
        self._check_names(request)
        if path not in _PAGES and not path.startswith((*_BELOW, _PLAIN_API)):
            raise RefusedError(404, "Not found")
        owners = owners_of(request)
        file = Path(path.removeprefix(_FILE))
        if path.startswith(_FILE) and not self._uploads.may_read(file, owners):
            raise RefusedError(404, "Not found")
        if self._is_closing and request.method == "POST":
            raise RefusedError(503, self._words(request)("busy"))
        if path.rstrip("/") == f"{_API}/upload":
            await self._upload(scope, exchange, owners)
        elif path.startswith(_PLAIN_API):
            await self._ask_api(scope, exchange, owners)
        else:
            exchange.most = _MAX_CALL if path.startswith(_API) else _MAX_OTHER
            await exchange.run(self._app, scope)

    async def _upload(self, scope: Message, exchange: "_Exchange", owners: frozenset[str]) -> None:
        exchange.most = MAX_REQUEST
        exchange.before_answer = lambda answer: self._note(answer, owners)
        try:
            with self._place(exchange.request, owners):
                await exchange.run(self._app, scope)
        finally:
            if not exchange.is_noted:
                self._uploads.delete_unfinished(60 if self._uploading else 0)

    async def _ask_api(self, scope: Message, exchange: "_Exchange", owners: frozenset[str]) -> None:
        if exchange.request.method != "POST":
            await exchange.run(self._api, scope)
            return
        exchange.most = MAX_REQUEST
        with ExitStack() as place:
            place.enter_context(self._place(exchange.request, owners))
            exchange.before_answer = lambda _: place.close()
            await exchange.run(self._api, scope)

    @contextmanager
    def _place(self, request: Request, owners: frozenset[str]) -> Iterator[None]:
        """Hold a place for photos. Raises RefusedError where too many come at a time."""
        if (
            self._uploading.total() >= _MOST_UPLOADS
            or self._uploading[owners] >= _MOST_UPLOADS_OF_ONE
        ):
            raise RefusedError(503, self._words(request)("busy"))
        self._uploading[owners] += 1
        try:
            yield
        finally:
            self._uploading[owners] -= 1
            if not self._uploading[owners]:
                del self._uploading[owners]

    def _note(self, answer: bytes, owners: frozenset[str]) -> bool:
        """Record the owners of the files in an upload's answer; return whether it lists any."""
        try:
            self._uploads.add(map(Path, json.loads(answer)), owners)
        except (ValueError, TypeError):  # a failure's
            return False
        return True

    def _check_names(self, request: Request) -> None:
        """Refuse requests that another site has a visitor's browser send."""
        asked = [request.headers.get(name) for name in ("host", "x-forwarded-host")]
        hosts = [f"//{name}" for name in asked if name]
        names = {_host(host) for host in hosts}
        if self._hosts is not None and not names <= LOOPBACK | self._hosts:
            raise RefusedError(421, "This host name is not allowed: see --allow-host")
        origin = request.headers.get("origin")
        if origin and request.method not in ("GET", "HEAD"):
            own = names | (self._hosts or frozenset())
            if _host(origin) not in own or _is_neighbour(origin, hosts):
                raise RefusedError(403, "Requests from other sites are not allowed")


class _Exchange:
    """One request and its answer, bounded in size and time, with the page's headers on it."""

    def __init__(self, request: Request, receive: Receive, send: Send) -> None:
        self.request, self.path, self.most = request, _path(request), _MAX_OTHER
        self._receive, self._send = receive, send
        self._limit: BodyLimit | None = None
        self._is_answered = self._is_received = False
        self._failed: list[Message] = []  # an answer of status 500
        self._refused: RefusedError | None = None
        # Called with the whole answer before its end is sent: the client may use it at once.
        self.before_answer: Callable[[bytes], bool | None] | None = None
        self.is_noted, self._answer = False, bytearray()

    async def run(self, app: Application, scope: Message) -> None:
        """Have an application answer."""
        self._limit = BodyLimit(self.most, self.request.headers.get("content-length"))
        try:
            await app(scope, self.receive, self.send)
        except RefusedError:
            raise
        except ClientDisconnect:
            return  # nobody waits for an answer
        except _ODD_REQUEST:
            # Gradio raises these for what it cannot read: an unknown function, NaN, no file.
            if self._is_answered:
                raise
            _LOG.info("cannot read a request to %r", self.path, exc_info=True)
            raise self._refused or RefusedError(400, "This request is malformed") from None
        except Exception:
            if self._refused is None:
                await self._send_failed()
                raise
        if self._refused is not None:
            raise self._refused
        await self._send_failed()

    async def receive(self) -> Message:
        """Receive a part of the body. Raises RefusedError if it is too large or too slow."""
        if self._limit is None or self._is_answered or self._is_received:
            return await self._receive()  # waits for the client to go
        try:
            message = await self._limit.wait(self._receive())
        except RefusedError as error:
            if self._is_answered or self._is_received:
                # Another caller got the body meanwhile, or the answer has begun: do not cut it off.
                return await self._receive()
            self._refused = error
            raise
        try:
            self._limit.count(len(message.get("body", b"")))
        except RefusedError as error:
            self._refused = error
            raise
        self._is_received = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, with the page's headers."""
        if self._refused is not None:
            return
        if self._failed or message.get("status") == HTTPStatus.INTERNAL_SERVER_ERROR:
            self._failed.append(message)
            return
        await self._pass_on(message)

    async def _send_failed(self) -> None:
        failed, self._failed = self._failed, []
        for message in failed:
            await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_answered = True
            names = {name for name, _ in _HEADERS}
            kept = [pair for pair in message.get("headers", ()) if pair[0].lower() not in names]
            message = {**message, "headers": [*kept, *_HEADERS, *self._cookie()]}
        elif self.before_answer:
            self._answer += message.get("body", b"")
            if not message.get("more_body", False):
                self.is_noted = bool(self.before_answer(bytes(self._answer)))
        await self._send(message)

    async def refuse(self, error: RefusedError) -> None:
        """Send a refusal, unless an answer has begun."""
        if not self._is_answered:
            self._refused, self._failed = None, []
            response: Response = PlainTextResponse(str(error), error.status)
            if self.path.startswith(_PLAIN_API):
                response = failure(error.status, str(error))
            response.headers["connection"] = "close"
            await response(self.request.scope, self._receive, self.send)

    def _cookie(self) -> list[tuple[bytes, bytes]]:
        if self.path != "/" or COOKIE in self.request.cookies:
            return []
        # In a frame of another site, such as a Space, the cookie is for that site alone.
        scheme = self.request.headers.get("x-forwarded-proto", self.request.url.scheme)
        kind = "SameSite=None; Secure; Partitioned" if scheme == "https" else "SameSite=Lax"
        value = f"{COOKIE}={secrets.token_urlsafe(16)}; HttpOnly; Path=/; {kind}"
        return [(b"set-cookie", value.encode())]


def _path(request: Request) -> str:
    """Return the path below where the page is mounted."""
    root = request.scope.get("root_path", "")
    return str(request.scope["path"]).removeprefix(root) or "/"


def _host(url: str) -> str:
    """Return the host of an address in lower case, or the text if it has none."""
    try:
        return urlsplit(url).hostname or url
    except ValueError:
        return url


def _is_neighbour(origin: str, hosts: Sequence[str]) -> bool:
    """Whether a page came from another port of this machine.

    On other machines a proxy may leave the port out, or use its own.
    """
    try:
        ports = {urlsplit(host).port for host in hosts}
        port = urlsplit(origin).port
    except ValueError:
        return True
    return _host(origin) in LOOPBACK and None not in ports and port not in ports
