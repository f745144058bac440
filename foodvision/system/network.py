"""Where a server listens, and what it believes of a proxy before it."""

import errno
import os
import re
import socket

from foodvision.errors import SettingsError

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
"""The names of this machine itself."""

# Proxies are neighbours. An address that one of these networks did not add to X-Forwarded-For was
# written by the visitor.
_NEIGHBOURS = "127.0.0.0/8,::1,10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"

_ROOT_PATH = re.compile(r"(/[\w.~-]+)+")


def bare_host(host: str) -> str:
    """Return an address to listen on without the brackets of IPv6."""
    return host.removeprefix("[").removesuffix("]")


def in_url(host: str) -> str:
    """Return a host as it stands in an address."""
    return f"[{bare_host(host)}]" if ":" in host else host


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises OSError or OverflowError if it cannot."""
    host = bare_host(host)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def claim_port(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises SettingsError, saying why, if it cannot."""
    try:
        return listen(host, port)
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", None) or error)
        reason = reason.partition(" (while")[0]  # Python adds the address once more
        is_free = getattr(error, "errno", None) not in (None, errno.EADDRINUSE, errno.EACCES)
        option = "--host" if is_free else "--port"  # such as an address of another machine
        raise SettingsError(f"cannot listen on {host}:{port} ({reason}): choose {option}") from None


def clean_root_path(path: str) -> str:
    """Return the path below which a proxy shows the server, as /food; empty for none.

    Raises SettingsError for what is no path.
    """
    cleaned = f"/{path.strip('/')}" if path.strip("/") else ""
    if cleaned and not _ROOT_PATH.fullmatch(cleaned):
        raise SettingsError(f"root path {path[:100]!r} is not a path: use one such as /food")
    return cleaned


def believe_proxies() -> None:
    """Take a visitor's address and scheme from the headers of a proxy in a private network.

    FORWARDED_ALLOW_IPS, which the server's library reads, names other proxies.
    """
    os.environ.setdefault("FORWARDED_ALLOW_IPS", _NEIGHBOURS)
