"""The API as a command."""

from typing import Annotated

from cyclopts import Parameter

from foodvision.cli.options import ModelNames, Port, Switch
from foodvision.system.network import believe_proxies


def serve(
    *,
    model: ModelNames = (),
    host: str = "127.0.0.1",
    port: Port = 8000,
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    root_path: str = "",
    proxy_headers: Switch = False,
    quiet: Switch = False,
) -> None:
    """Serve predictions over HTTP, for programs: POST /api/predict.

    Keys, between commas in FOODVISION_API_KEYS, keep others out.

    Parameters
    ----------
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given. Requests
        name one of several by ?model=.
    host:
        The address to listen on; 0.0.0.0 for the network.
    port:
        The port to listen on.
    allow_host:
        A name by which clients ask, such as api.example.org behind a proxy; may be given several
        times.
    root_path:
        The path below which a proxy shows the API, such as /food. The proxy may strip it or not.
    proxy_headers:
        Take a client's address from the headers of a proxy in a private network, or of those that
        FORWARDED_ALLOW_IPS names. Without it, only a proxy on this machine is believed.
    quiet:
        Print no line for each request.
    """
    from foodvision.api import serve_api
    from foodvision.page.models import load_models

    if proxy_headers:
        believe_proxies()
    serve_api(
        load_models(model),
        host=host,
        port=port or 8000,
        hosts=allow_host,
        root_path=root_path,
        quiet=quiet,
    )
