"""The API of `foodvision.api` on Ray Serve: replicas over the machines, photos in batches.

Ray Serve routes the requests, starts and ends replicas with the load, and replaces those that die.
Each replica is the whole API: the same routes, limits and answers as in one process.
"""

import asyncio
import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import ray
from fastapi import FastAPI
from ray import serve

from foodvision.api.application import build_api
from foodvision.checkpoint import Checkpoint
from foodvision.classifier import Classifier, Prediction
from foodvision.cluster.connection import LOCAL, connected
from foodvision.errors import SettingsError, first_line
from foodvision.graph.check import BATCH
from foodvision.system.network import claim_port
from foodvision.system.temporary import TemporaryFolder
from foodvision.system.terminal import say, say_json

_DRAIN_SECONDS = 10
# Requests of a replica at a time, and how many of them call for another replica.
_MOST_REQUESTS, _TARGET_REQUESTS = 72, 8
# A batch waits no longer than this for more photos: a twentieth of what a prediction takes.
_WAIT_SECONDS = 0.001


@dataclass(frozen=True)
class Service:
    """Where and how the API is served.

    replicas: at least and at most. processors: of a replica.
    hosts: names by which it may be asked for; any if None.
    keys: one of them must come with a request; none if empty.
    root_path: the path below which a proxy shows it.
    """

    address: str
    host: str
    port: int
    replicas: tuple[int, int]
    processors: int
    hosts: Collection[str] | None
    keys: Collection[str] = ()
    root_path: str = ""
    quiet: bool = False


class BatchingClassifier(Classifier):
    """A classifier that runs the graph once for photos that come at the same time."""

    def __init__(self, checkpoint: Checkpoint, *, threads: int) -> None:
        """Start ONNX Runtime; the event loop of the calling thread collects the photos."""
        super().__init__(checkpoint, threads=threads)
        self._loop = asyncio.get_running_loop()

    def predict_pixels(self, pixels: np.ndarray, top: int = 5) -> list[Prediction]:
        """Predict squares, (n, size, size, 3) uint8, together with those of other threads."""
        coming = [
            asyncio.run_coroutine_threadsafe(self._predict_one(square), self._loop)
            for square in pixels
        ]
        return [
            replace(prediction, top=prediction.top[:top])
            for prediction in (future.result() for future in coming)
        ]

    @serve.batch(max_batch_size=BATCH, batch_wait_timeout_s=_WAIT_SECONDS)  # type: ignore[untyped-decorator]
    async def _predict_one(self, squares: Any) -> Any:
        """Predict the squares of several calls; each call gives one, and gets one prediction."""
        every = len(self.classes)
        return await asyncio.to_thread(super().predict_pixels, np.stack(squares), every)


class Replica:
    """The API in a process of Ray Serve's."""

    def __init__(self, checkpoints: Mapping[str, Any], service: Service) -> None:
        """Load the models. checkpoints: Ray's references to them, by name."""
        self._service = service
        self._folder = TemporaryFolder("api")
        self._models = {
            name: BatchingClassifier(ray.get(of), threads=service.processors)
            for name, of in checkpoints.items()
        }

    def __serve_build_asgi_app__(self) -> FastAPI:
        """Return the application, as `foodvision serve` builds it."""
        self._api = build_api(
            self._models,
            self._folder.path,
            keys=self._service.keys,
            hosts=self._service.hosts,
            root_path=self._service.root_path,
            log=(lambda line: None) if self._service.quiet else say_json,
            running=BATCH,
        )
        return self._api

    def __del__(self) -> None:
        """End the processes that decode."""
        self._api.state.service.decoder.close()
        self._folder.remove()


def serve_on_cluster(models: Mapping[str, Checkpoint], service: Service) -> None:
    """Serve the API on a Ray cluster until SIGTERM or Ctrl-C; requests under way finish.

    Raises SettingsError if no cluster answers, or if the port is taken on this machine.
    """
    if service.address == LOCAL:
        claim_port(service.host, service.port).close()
    with connected(service.address, service.processors):
        least, most = service.replicas
        deployment = serve.deployment(
            serve.ingress()(Replica),
            name="foodvision",
            autoscaling_config={
                "min_replicas": least,
                "max_replicas": most,
                "target_ongoing_requests": _TARGET_REQUESTS,
            },
            max_ongoing_requests=_MOST_REQUESTS,
            graceful_shutdown_timeout_s=_DRAIN_SECONDS,
            ray_actor_options={"num_cpus": service.processors},
        )
        references = {name: ray.put(checkpoint) for name, checkpoint in models.items()}
        try:
            serve.start(
                proxy_location="HeadOnly" if service.address == LOCAL else "EveryNode",
                http_options={"host": service.host, "port": service.port},
            )
            serve.run(deployment.bind(references, service), name="foodvision")
            address = f"http://{service.host}:{service.port}"
            say(f"Serving the API at {address}/api/predict (Ctrl-C stops it)")
            threading.Event().wait()
        except (RuntimeError, ray.exceptions.RayError) as error:
            raise SettingsError(
                f"Ray Serve did not start ({first_line(error)}): see Ray's logs"
            ) from None
        except (KeyboardInterrupt, SystemExit):
            pass  # asked to stop
        finally:
            serve.shutdown()
