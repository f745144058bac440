"""The API as a command."""

from typing import Annotated

from cyclopts import Parameter

from foodvision.cli.options import ModelNames, Port, Processors, Switch
from foodvision.system.network import believe_proxies, clean_root_path


def serve(
    *,
    model: ModelNames = (),
    host: str = "127.0.0.1",
    port: Port = 8000,
    allow_host: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    root_path: str = "",
    proxy_headers: Switch = False,
    quiet: Switch = False,
    ray: str | None = None,
    ray_cpus: Processors = 1,
    min_replicas: Processors = 1,
    max_replicas: Processors = 1,
) -> None:
    """Serve predictions to programs over HTTP.

    Programs send photos to POST /api/predict. Set FOODVISION_API_KEYS to keys, separated by
    commas, to admit only clients that send one of them.

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
    ray:
        Serve on a Ray cluster: local starts one on this machine, HOST:PORT or auto joins one that
        runs. Needs the extra ray.
    ray_cpus:
        Processors of each replica on Ray.
    min_replicas:
        Replicas on Ray that always run.
    max_replicas:
        The most replicas on Ray, started and ended with the load.
    """
    from foodvision.api import allowed_names, keys_of_environment, serve_api
    from foodvision.page.models import load_models

    if proxy_headers:
        believe_proxies()
    if ray:
        from foodvision.cluster.serving import Service, serve_on_cluster

        replicas = min_replicas, max(min_replicas, max_replicas)
        service = Service(
            ray,
            host,
            port or 8000,
            replicas,
            ray_cpus,
            allowed_names(host, allow_host),
            keys_of_environment(),
            clean_root_path(root_path),
            quiet,
        )
        checkpoints = {name: of.checkpoint for name, of in load_models(model).items()}
        serve_on_cluster(checkpoints, service)
        return
    serve_api(
        load_models(model),
        host=host,
        port=port or 8000,
        hosts=allow_host,
        root_path=root_path,
        quiet=quiet,
    )
