"""The API, served until it is stopped."""

import os
import signal
import socket
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from foodvision.api.application import build_api
from foodvision.classifier import Classifier
from foodvision.errors import SettingsError
from foodvision.system.temporary import TemporaryFolder
from foodvision.system.terminal import say, say_json

KEYS = "FOODVISION_API_KEYS"
"""The environment variable with the keys, between commas."""

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
_DRAIN_SECONDS = 10
# Connections at a time: far more than are answered, each costs a descriptor.
_MOST_CONNECTIONS = 512


def serve_api(
    models: Mapping[str, Classifier],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    hosts: Collection[str] = (),
    quiet: bool = False,
) -> None:
    """Serve the API; SIGTERM and Ctrl-C let requests that are under way finish.

    hosts: names by which it may be asked for. Without them, one that listens on this machine alone
        answers to this machine's names, one that listens to the network to all.
    quiet: print no line for each request.

    Raises SettingsError if the port is taken.
    """
    names, keys = allowed_names(host, hosts), keys_given()
    try:
        listening = socket.create_server((host, port), reuse_port=False)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot listen on {host}:{port} ({reason}): choose --port") from None
    with TemporaryFolder("api") as folder, listening:
        log = _ignore if quiet else say_json
        api = build_api(models, folder, keys=keys, hosts=names, log=log)
        config = uvicorn.Config(
            api,
            access_log=False,
            log_level="warning",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        address = f"http://{host}:{listening.getsockname()[1]}"
        say(f"Serving the API at {address}/api/predict (Ctrl-C stops it)")
        _Server(config).run([listening])
        api.state.service.decoder.close()


def allowed_names(host: str, hosts: Collection[str]) -> list[str] | None:
    """Return the names by which one that listens on `host` may be asked for; None for any."""
    return [*hosts, *_LOOPBACK] if hosts or host in _LOOPBACK else None


def keys_given() -> list[str]:
    """Return the keys of the environment."""
    return [key for part in os.environ.get(KEYS, "").split(",") if (key := part.strip())]


class _Server(uvicorn.Server):
    """One whose process ends well where a signal asked it to."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at SIGINT and SIGTERM, and let nobody else hear of them."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _ignore(line: Mapping[str, Any]) -> None:
    """Print nothing."""
