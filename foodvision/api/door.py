"""What stands before an API that is served alone: foreign origins, counts, the log."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import Response

from foodvision.api.bodies import failure

Log = Callable[[Mapping[str, Any]], None]


class Door:
    """Refuses what other websites ask, and writes down how each request went."""

    def __init__(self, log: Log) -> None:
        """Take what gets a line for each request."""
        self._log = log
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
        origin = request.headers.get("origin")
        if origin and origin.partition("://")[2] != request.headers.get("host"):
            response: Response = failure(403, "requests from other sites are not allowed")
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
