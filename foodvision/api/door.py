"""What stands before an API that is served alone: foreign names and origins, counts, the log."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from foodvision.api.bodies import failure

Log = Callable[[Mapping[str, Any]], None]


class Door:
    """Refuses what other websites ask, and writes down how each request went."""

    def __init__(self, log: Log, hosts: Collection[str] | None) -> None:
        """Take what gets a line for each request, and names that may be asked for; any if None."""
        self._log = log
        self._hosts = None if hosts is None else {name.lower() for name in hosts}
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "foodvision_requests", "Requests", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "foodvision_request_seconds",
            "Duration of requests in seconds",
            ["path"],
            registry=self._registry,
        )
        self._photos = Counter(
            "foodvision_photos", "Photos, by outcome", ["outcome"], registry=self._registry
        )

    async def guard(self, request: Request, answer: RequestResponseEndpoint) -> Response:
        """Check who asks, answer, and write down how it went."""
        started = time.perf_counter()
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if self._hosts is not None and _name(host) not in self._hosts:
            response: Response = failure(400, "this host name is not allowed: see --allow-host")
        elif origin and origin.partition("://")[2] != host:
            response = failure(403, "requests from other sites are not allowed")
        else:
            response = await answer(request)
        seconds, status = time.perf_counter() - started, response.status_code
        route = request.scope.get("route")
        path = getattr(route, "path", "other")  # a stranger's paths are no labels of a metric
        self._requests.labels(path, status).inc()
        self._seconds.labels(path).observe(seconds)
        self._log(
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                "client": request.client.host if request.client else "",
                "method": request.method,
                "path": request.url.path[:200],
                "status": status,
                "milliseconds": round(1000 * seconds, 1),
            }
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def count_photo(self, outcome: str) -> None:
        """Count a photo: known, not known, unreadable or busy."""
        self._photos.labels(outcome).inc()

    async def metrics(self) -> Response:
        """Return the counts for Prometheus."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)


def _name(host: str) -> str:
    """Return the name in a Host header in lower case, without the port; "" if there is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
