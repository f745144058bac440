"""Proxies of the environment, for a page that asks its own server whether it is up."""

import os
from importlib.util import find_spec

from foodvision.errors import SettingsError

_LOOPBACK = "127.0.0.1,localhost"


def prepare_environment() -> None:
    """Let the page reach itself without a proxy.

    Raises SettingsError for a proxy that would stop Gradio's HTTP client.
    """
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY")
    os.environ["no_proxy"] = f"{known},{_LOOPBACK}" if known else _LOOPBACK
    for kind in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"):
        for name in (kind, kind.lower()):
            if os.environ.get(name, "").startswith("socks") and find_spec("socksio") is None:
                raise SettingsError(
                    f"{name} names a SOCKS proxy, which needs a package: pip install socksio, or "
                    "unset it"
                )
