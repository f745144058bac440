"""Keys that programs send: who has none asks for nothing but health and readiness."""

import hmac
import os
from collections.abc import Awaitable, Callable, Collection

from starlette.requests import Request
from starlette.responses import Response

from foodvision.api.bodies import failure

_OPEN = ("/api/health", "/api/ready")

Next = Callable[[Request], Awaitable[Response]]


def keys_of_environment() -> list[str]:
    """Return the keys of FOODVISION_API_KEYS; none if it is not set."""
    return [
        key
        for part in os.environ.get("FOODVISION_API_KEYS", "").split(",")
        if (key := part.strip())
    ]


class Keys:
    """The keys of an API; without any, everybody may ask."""

    def __init__(self, keys: Collection[str]) -> None:
        """Take the keys, one of which a request brings as `Authorization: Bearer KEY`."""
        self._keys = [key.encode() for key in keys]

    async def guard(self, request: Request, answer: Next) -> Response:
        """Answer a request that has a key, refuse others."""
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if not self._keys or path in _OPEN or self._has_key(request):
            return await answer(request)
        response = failure(401, "send a valid key: -H 'Authorization: Bearer KEY'")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    def _has_key(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given = key.strip().encode()
        # All are compared, so that the time tells nothing.
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        return scheme.lower() == "bearer" and any(matches)
