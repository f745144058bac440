"""Ways in which the loopback Hub fails when it is told to, below its routes."""

import re
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from uvicorn.protocols.http.h11_impl import H11Protocol


class OpenConnection(H11Protocol):
    """Lets the application close its connection, which is no part of ASGI."""

    def connection_made(self, transport):
        self.app_state = self.app_state | {"connection": transport}
        super().connection_made(transport)


@dataclass
class Trouble:
    """Something that goes wrong with requests whose "METHOD /path" has the pattern in it."""

    pattern: str
    times: int | None  # that many requests; all of them if None

    def meets(self, asked: str) -> bool:
        if self.times == 0 or not re.search(self.pattern, asked):
            return False
        if self.times:
            self.times -= 1
        return True


@dataclass
class Refusal(Trouble):
    """An answer with an error."""

    status: int
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    async def befall(self, app, scope, receive, send):
        await Request(scope, receive).body()  # or else the client would see a broken connection
        answer = JSONResponse({"error": self.message}, self.status, self.headers)
        await answer(scope, receive, send)


@dataclass
class OddAnswer(Trouble):
    """An answer that no Hub would give."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)

    async def befall(self, app, scope, receive, send):
        await Request(scope, receive).body()
        answer = Response(self.body, self.status, self.headers)
        await answer(scope, receive, send)


@dataclass
class Silence(Trouble):
    """No answer, for as long as the client waits."""

    async def befall(self, app, scope, receive, send):
        while (await receive())["type"] != "http.disconnect":
            pass


@dataclass
class Cut(Trouble):
    """A connection that ends after so many bytes of an upload or a download."""

    after: int

    async def befall(self, app, scope, receive, send):
        left = self.after

        def let_through(content):
            nonlocal left
            part = content[:left]
            left -= len(content)
            return part

        async def receive_part():
            message = await receive()
            if message["type"] == "http.request":
                let_through(message["body"])
                if left < 0:
                    hang_up()
            return message

        async def send_part(message):
            part = let_through(message.get("body", b""))
            if left < 0:
                await send(message | {"body": part, "more_body": True})
                hang_up()
            await send(message)

        def hang_up():
            scope["state"]["connection"].close()
            raise ConnectionAbortedError

        try:
            await app(scope, receive_part, send_part)
        except ConnectionAbortedError:
            # Only now has the server seen it, and does not answer on its own.
            while (await receive())["type"] != "http.disconnect":
                pass
