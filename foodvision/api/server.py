"""The API, served until it is stopped."""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager

import uvicorn

from foodvision.api.application import build_api
from foodvision.api.keys import keys_of_environment
from foodvision.classifier import Classifier
from foodvision.system.network import LOOPBACK, bare_host, claim_port, clean_root_path, in_url
from foodvision.system.signals import stop_signals_to
from foodvision.system.temporary import TemporaryFolder
from foodvision.system.terminal import say, say_json

_DRAIN_SECONDS = 10
# Connections at a time: far more than are answered, each costs a descriptor.
_MOST_CONNECTIONS = 512


def serve_api(
    models: Mapping[str, Classifier],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    hosts: Collection[str] = (),
    root_path: str = "",
    quiet: bool = False,
) -> None:
    """Serve the API; SIGTERM and Ctrl-C let requests that are under way finish.

    hosts: names by which it may be asked for. Without them, one that listens on this machine alone
        answers to this machine's names, one that listens to the network to all.
    root_path: the path below which a proxy shows it, such as /food; the proxy may strip it or not.
    quiet: print no line for each request.

    Raises SettingsError if the port is taken, or `root_path` is no path.
    """
    root_path, names = clean_root_path(root_path), allowed_names(host, hosts)
    listening = claim_port(host, port)
    with TemporaryFolder("api") as folder, listening:
        api = build_api(
            models,
            folder,
            keys=keys_of_environment(),
            hosts=names,
            root_path=root_path,
            log=(lambda line: None) if quiet else say_json,
        )
        config = uvicorn.Config(
            api,
            access_log=False,
            log_level="warning",
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=_DRAIN_SECONDS,
        )
        address = f"http://{in_url(host)}:{listening.getsockname()[1]}"
        say(f"Serving the API at {address}/api/predict (Ctrl-C stops it)")
        _Server(config).run([listening])
        api.state.service.decoder.close()


def allowed_names(host: str, hosts: Collection[str]) -> list[str] | None:
    """Return the names by which one that listens on `host` may be asked for; None for any."""
    is_local = bare_host(host) in LOOPBACK
    return [*hosts, *LOOPBACK] if hosts or is_local else None


class _Server(uvicorn.Server):
    """One whose process ends well where a signal asked it to."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Stop at SIGINT and SIGTERM, and let nobody else hear of them."""
        return stop_signals_to(self.handle_exit)
