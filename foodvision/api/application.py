"""The API as an ASGI application: `POST /api/predict`, health, readiness, metrics."""

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import Response

import foodvision
from foodvision.api.schemas import (
    Failure,
    Guess,
    Health,
    PhotoPrediction,
    Predictions,
    Ready,
)
from foodvision.api.uploads import RefusedError, Sent, read_photos, request_folder
from foodvision.classifier import Classifier
from foodvision.decoding import Decoder
from foodvision.errors import BusyError, CheckpointError, PhotoError, printable, renamed

# Requests whose photos are answered at a time, and all that are under way; the next one is told to
# come again.
_AT_ONCE, _MOST = 8, 72
# Graphs that run at a time: more would share the same cores.
_RUNNING = 2
_MOST_HEAVY_WAITING = 4

_PHOTO = {"type": "string", "format": "binary"}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": _PHOTO},
            "application/octet-stream": {"schema": _PHOTO},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {"photo": {"type": "array", "items": _PHOTO, "minItems": 1}},
                }
            },
        },
    }
}
_EXAMPLE = {
    "model": "foodvision_101",
    "predictions": [
        {
            "name": "a.jpg",
            "label": "pizza",
            "confidence": 0.97,
            "certainty": "sure",
            "known": True,
            "known_score": 5.2,
            "top": [{"label": "pizza", "confidence": 0.97}],
        }
    ],
}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": said}
    for status, said in {
        400: "No photo, or a form that cannot be read",
        401: "No valid key",
        403: "Another website asks",
        404: "No such model",
        408: "The photo came too slowly",
        413: "Too large",
        422: "No photo that can be read, or a wrong parameter",
        503: "Too many requests wait",
    }.items()
}

Log = Callable[[Mapping[str, Any]], None]
Next = Callable[[Request], Awaitable[Response]]


def build_api(
    models: Mapping[str, Classifier],
    folder: Path,
    *,
    keys: Collection[str] = (),
    hosts: Collection[str] | None = None,
    log: Log = lambda line: None,
    running: int = _RUNNING,
) -> FastAPI:
    """Return the application.

    models: by name; the first answers where none is named.
    folder: where photos lie while they are answered.
    keys: one of them must come with a request, as `Authorization: Bearer KEY`; none if empty.
    hosts: names by which it may be asked for; any if None.
    log: takes a line for each request.
    running: photos whose predictions are under way at a time.
    """
    api = FastAPI(
        title="foodvision",
        version=foodvision.__version__,
        description="Recognises the food in a photo.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
    )
    service = _Service(models, folder, keys, log, running)
    api.state.service = service
    api.add_exception_handler(RefusedError, _refused)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _invalid)
    api.middleware("http")(service.guard)
    if hosts is not None:
        api.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    api.get("/api/health")(service.health)
    api.get("/api/ready")(service.ready)
    api.get("/metrics", include_in_schema=False)(service.metrics)
    api.post(
        "/api/predict",
        response_model=Predictions,
        response_model_exclude_none=True,
        responses={**_FAILURES, 200: {"content": {"application/json": {"example": _EXAMPLE}}}},
        openapi_extra=_BODY,
    )(service.predict)
    return api


class _Service:
    """What the routes share."""

    def __init__(
        self,
        models: Mapping[str, Classifier],
        folder: Path,
        keys: Collection[str],
        log: Log,
        running: int,
    ) -> None:
        self._models, self._folder, self._log = models, folder, log
        self._keys = [key.encode() for key in keys]
        self.decoder = Decoder(_MOST_HEAVY_WAITING)
        self._running = BoundedSemaphore(running)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._under_way = 0
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "foodvision_requests", "Requests", ["path", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "foodvision_request_seconds", "Seconds of a request", ["path"], registry=self._registry
        )
        self._photos = Counter(
            "foodvision_photos", "Photos, by outcome", ["outcome"], registry=self._registry
        )

    async def guard(self, request: Request, answer: Next) -> Response:
        """Check who asks, answer, and write down how it went."""
        started = time.perf_counter()
        response = self._refusal(request) or await answer(request)
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

    def _refusal(self, request: Request) -> Response | None:
        origin = request.headers.get("origin")
        if origin and urlsplit(origin).netloc != request.headers.get("host"):
            return _failure(403, "another website may not ask")
        is_open = request.url.path in ("/api/health", "/api/ready")
        if self._keys and not is_open and not self._has_key(request):
            response = _failure(401, "send a valid key: -H 'Authorization: Bearer KEY'")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        return None

    def _has_key(self, request: Request) -> bool:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        given = key.strip().encode()
        # All are compared, so that the time tells nothing.
        matches = [hmac.compare_digest(given, known) for known in self._keys]
        return scheme.lower() == "bearer" and any(matches)

    async def health(self) -> Health:
        """Say that the process answers."""
        return Health(version=foodvision.__version__)

    async def ready(self) -> Ready:
        """Say which models answer."""
        classes = {name: len(of.classes) for name, of in self._models.items()}
        return Ready(models=list(self._models), classes=classes)

    async def metrics(self) -> Response:
        """Return the counts for Prometheus."""
        return Response(generate_latest(self._registry), media_type=CONTENT_TYPE_LATEST)

    async def predict(
        self,
        request: Request,
        model: Annotated[str | None, Query(description="One of /api/ready; the first")] = None,
        top: Annotated[int, Query(ge=1, le=100, description="Guesses of a photo")] = 5,
        map: Annotated[bool, Query(description="Also where the model looked")] = False,  # noqa: A002
    ) -> Predictions:
        """Say what is in one or several photos: the body itself, or a form of files."""
        name = model or next(iter(self._models))
        if name not in self._models:
            raise RefusedError(404, f"there is no model {name:.100}: /api/ready lists them")
        with self._counted(), request_folder(self._folder) as folder:
            photos = await read_photos(request, folder)
            # Only now: who sends slowly takes no place from others.
            async with self._places:
                answers = [
                    await run_in_threadpool(self._answer, self._models[name], sent, top, map)
                    for sent in photos
                ]
        if len(answers) == 1 and answers[0].error:
            raise RefusedError(422, answers[0].error)
        return Predictions(model=name, predictions=answers)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Count a request as under way. Raises RefusedError where there are too many."""
        if self._under_way >= _MOST:
            raise RefusedError(503, "too many requests wait: try again in a moment")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def _answer(
        self, classifier: Classifier, sent: Sent, top: int, has_map: bool
    ) -> PhotoPrediction:
        try:
            square = self.decoder.decode_square(sent.path, classifier.config.preprocess)
            with self._running:
                (prediction,) = classifier.predict_pixels(square[None], top)
        except BusyError:
            self._photos.labels("busy").inc()
            raise RefusedError(503, "other large photos wait: try again in a moment") from None
        except PhotoError as error:
            self._photos.labels("unreadable").inc()
            said = renamed(error, sent.path, printable(sent.name))
            return PhotoPrediction(name=sent.name, error=said)
        except CheckpointError as error:
            raise RefusedError(500, str(error)) from None
        self._photos.labels("known" if prediction.known else "not known").inc()
        evidence = prediction.evidence if has_map else None
        return PhotoPrediction(
            name=sent.name,
            label=prediction.label,
            confidence=prediction.confidence,
            certainty=prediction.certainty,
            known=prediction.known,
            known_score=prediction.known_score,
            top=[Guess(label=of.label, confidence=of.confidence) for of in prediction.top],
            evidence=None if evidence is None else evidence.round(4).tolist(),
        )


def _failure(status: int, text: str) -> JSONResponse:
    headers = {"Retry-After": "1"} if status == 503 else None
    return JSONResponse({"error": printable(text)}, status, headers)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _failure(error.status, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _failure(
        error.status_code, f"{request.method} {request.url.path[:100]}: {error.detail}"
    )
    response.headers.update(error.headers or {})  # which methods there are
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    given = json.dumps(fault.get("input"), default=str)[:60]
    return _failure(422, f"{fault['loc'][-1]} {given}: {fault['msg']}")
