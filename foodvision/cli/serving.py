"""The API as a command."""

from typing import Annotated

from cyclopts import Parameter

from foodvision.cli.options import ModelNames, Port, Switch


def serve(
    *,
    model: ModelNames = (),
    host: str = "127.0.0.1",
    port: Port = 8000,
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
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
    quiet:
        Print no line for each request.
    """
    from foodvision.api import serve_api
    from foodvision.page.models import load_models

    serve_api(load_models(model), host=host, port=port or 8000, hosts=allow_host, quiet=quiet)
