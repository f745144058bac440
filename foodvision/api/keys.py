"""Keys that programs send: who has none asks for nothing but health and readiness."""

import hmac
import os
from collections.abc import Awaitable, Callable, Collection

from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from foodvision.api.bodies import failure

_OPEN = ("/api/health", "/api/ready")


def keys_of_environment() -> list[str]:
    """Return the keys of FOODVISION_API_KEYS; none if it is not set."""
    given = os.environ.get("FOODVISION_API_KEYS", "").split(",")
    return [key for part in given if (key := part.strip())]


def key_guard(
    keys: Collection[str],
) -> Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]:
    """Return a middleware that refuses requests without a key, sent as `Authorization: Bearer`."""
    known = [key.encode() for key in keys]

    def has_key(request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given = key.strip().encode()
        # All are compared, so that the time tells nothing.
        matches = [hmac.compare_digest(given, one) for one in known]
        return scheme.lower() == "bearer" and any(matches)

    async def guard(request: Request, answer: RequestResponseEndpoint) -> Response:
        path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
        if path in _OPEN or has_key(request):
            return await answer(request)
        response = failure(401, "send a valid key: -H 'Authorization: Bearer KEY'")
        response.headers["WWW-Authenticate"] = "Bearer"
        return response

    return guard
