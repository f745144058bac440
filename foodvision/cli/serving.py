"""The command that serves the API: serve."""

from foodvision.cli.options import Count, MaybeCount, ModelNames, Names, Port, Switch
from foodvision.errors import SettingsError
from foodvision.system.network import believe_proxies, clean_root_path


def serve(
    *,
    model: ModelNames = (),
    host: str = "127.0.0.1",
    port: Port = 8000,
    allow_host: Names = (),
    root_path: str = "",
    proxy_headers: Switch = False,
    quiet: Switch = False,
    ray: str | None = None,
    ray_cpus: Count = 1,
    min_replicas: Count = 1,
    max_replicas: MaybeCount = None,
) -> None:
    """Serve predictions to programs over HTTP.

    Programs send photos to POST /api/predict. To require keys, set FOODVISION_API_KEYS to a list of
    keys, separated by commas.

    Parameters
    ----------
    model:
        The model: a checkpoint or run folder, or user/name on the Hub. The default is
        foodvision_101, which ships. Repeat it to serve several; requests choose by ?model=.
    host:
        Address to listen on. Use 0.0.0.0 to serve your network.
    port:
        Port to listen on.
    allow_host:
        Host name that clients use, such as api.example.org behind a proxy. Repeat it for several.
    root_path:
        The path below which a proxy serves the API, such as /food. The proxy may strip it or not.
    proxy_headers:
        Take a client's address from the headers of a proxy in a private network, or of the proxies
        in FORWARDED_ALLOW_IPS. Without it, only a proxy on this machine is trusted.
    quiet:
        Do not log requests.
    ray:
        Serve on a Ray cluster: local starts a Ray cluster on this machine; HOST:PORT or auto joins
        a running one. Requires `pip install '.[ray]'`.
    ray_cpus:
        With --ray: processors per replica.
    min_replicas:
        With --ray: replicas that always run.
    max_replicas:
        With --ray: the most replicas. Raise it if requests wait. The default is --min-replicas.
    """
    from foodvision.api import allowed_names, keys_of_environment, serve_api
    from foodvision.page.models import load_models

    if proxy_headers:
        believe_proxies()
    if ray:
        if max_replicas is not None and max_replicas < min_replicas:
            raise SettingsError(
                f"--max-replicas {max_replicas} is below --min-replicas {min_replicas}: raise it"
            )
        from foodvision.cluster.serving import Service, serve_on_cluster

        service = Service(
            ray,
            host,
            port or 8000,
            (min_replicas, max_replicas or min_replicas),
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
