"""The API as an ASGI application: `POST /api/predict`, health, readiness, metrics.

`foodvision serve` serves it alone, with `Door` before it; the page has its routes behind its guard.
"""

import asyncio
import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Annotated, Any

from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

import foodvision
from foodvision.api.bodies import RefusedError, failure
from foodvision.api.keys import key_guard
from foodvision.api.schemas import Failure, Health, PhotoPrediction, Predictions, Ready
from foodvision.api.uploads import Sent, read_photos, request_folder
from foodvision.classifier import Classifier
from foodvision.decoding import Decoder
from foodvision.errors import BusyError, CheckpointError, PhotoError, printable, renamed

# Requests whose photos are answered at a time, and all that are under way; the next one is told to
# come again.
_AT_ONCE, _MOST = 8, 72
# Graphs that run at a time: more would share the same cores.
_RUNNING = 2
_MOST_HEAVY_WAITING = 4

# Others are refused: a typing error would go unseen.
_PARAMETERS = ("model", "top", "map")

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
        400: "No photo, or an unreadable form",
        401: "No valid key",
        403: "The request comes from another website",
        404: "Unknown model",
        408: "The upload was too slow",
        413: "Too large",
        422: "No readable photo, or an invalid parameter",
        503: "Too many requests are waiting",
    }.items()
}

Log = Callable[[Mapping[str, Any]], None]


def build_api(
    models: Mapping[str, Classifier],
    folder: Path,
    *,
    keys: Collection[str] = (),
    hosts: Collection[str] | None = None,
    root_path: str = "",
    log: Log = lambda line: None,
    running: int = _RUNNING,
) -> FastAPI:
    """Return the application that is served alone.

    models: by name; the first answers where none is named.
    folder: where photos lie while they are answered.
    keys: one of them must come with a request, as `Authorization: Bearer KEY`; none if empty.
    hosts: names by which it may be asked for; any if None.
    root_path: the path below which a proxy shows it, such as /food.
    log: takes a line for each request.
    running: photos whose predictions are under way at a time.
    """
    from foodvision.api.door import Door  # needs prometheus-client, which the page does without

    door = Door(log, hosts)
    service = Service(models, folder, Decoder(_MOST_HEAVY_WAITING), door.count_photo, running)
    api = plain_api(service, keys, root_path)
    api.middleware("http")(door.guard)
    api.get("/metrics", include_in_schema=False)(door.metrics)
    return api


def plain_api(service: "Service", keys: Collection[str] = (), root_path: str = "") -> FastAPI:
    """Return the routes of a service, and the check of keys; all other checks come before it."""
    api = FastAPI(
        title="foodvision",
        version=foodvision.__version__,
        description="Recognises the food in a photo.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        root_path=root_path,
    )
    api.state.service = service
    api.add_exception_handler(RefusedError, _refused)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(RequestValidationError, _invalid)
    if keys:
        api.middleware("http")(key_guard(keys))
    api.get("/api/health")(service.health)
    api.get("/api/ready")(service.ready)
    api.post(
        "/api/predict",
        response_model=Predictions,
        response_model_exclude_none=True,
        responses={**_FAILURES, 200: {"content": {"application/json": {"example": _EXAMPLE}}}},
        openapi_extra=_BODY,
    )(service.predict)
    return api


class Service:
    """What the routes share."""

    def __init__(
        self,
        models: Mapping[str, Classifier],
        folder: Path,
        decoder: Decoder,
        count_photo: Callable[[str], None] = lambda outcome: None,
        running: int = _RUNNING,
    ) -> None:
        """Take models by name, where photos lie while they are answered, and what decodes them.

        count_photo: is told the outcome of each photo, in a word or two.
        running: photos whose predictions are under way at a time.
        """
        self._models, self._folder, self._count_photo = models, folder, count_photo
        self.decoder = decoder
        self._running = BoundedSemaphore(running)
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._under_way = 0

    async def health(self) -> Health:
        """Say that the process answers."""
        return Health(version=foodvision.__version__)

    async def ready(self) -> Ready:
        """Say which models answer."""
        classes = {name: len(of.classes) for name, of in self._models.items()}
        return Ready(models=list(self._models), classes=classes)

    async def predict(
        self,
        request: Request,
        model: Annotated[str | None, Query(description="From /api/ready; else the first")] = None,
        top: Annotated[int, Query(ge=1, le=100, description="Number of classes to list")] = 5,
        map: Annotated[bool, Query(description="Also return a heat map")] = False,  # noqa: A002
    ) -> Predictions:
        """Say what is in one or several photos: the body itself, or a form of files."""
        if unknown := [given for given in request.query_params if given not in _PARAMETERS]:
            raise RefusedError(
                422, f"unknown parameter {unknown[0]:.100}: there are model, top and map"
            )
        name = model or next(iter(self._models))
        if name not in self._models:
            raise RefusedError(404, f"unknown model {name:.100}: /api/ready lists the models")
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
            raise RefusedError(503, "too many requests are waiting: try again in a moment")
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
            self._count_photo("busy")
            raise RefusedError(
                503, "other large photos are waiting: try again in a moment"
            ) from None
        except PhotoError as error:
            self._count_photo("unreadable")
            said = renamed(error, sent.path, printable(sent.name))
            return PhotoPrediction(name=sent.name, error=said)
        except CheckpointError as error:
            raise RefusedError(500, str(error)) from None
        self._count_photo("known" if prediction.known else "not known")
        evidence = prediction.evidence if has_map else None
        return PhotoPrediction(
            name=sent.name,
            evidence=None if evidence is None else evidence.round(4).tolist(),
            **prediction.to_dict(),
        )


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return failure(error.status, str(error))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = failure(
        error.status_code, f"{request.method} {request.url.path[:100]}: {error.detail}"
    )
    response.headers.update(error.headers or {})  # which methods there are
    return response


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fault = error.errors()[0]
    given = json.dumps(fault.get("input"), default=str)[:60]
    return failure(422, f"{fault['loc'][-1]} {given}: {fault['msg']}")
