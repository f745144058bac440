"""onnxruntime-web, pinned: from the npm registry's package, checked, and kept on this disk."""

import base64
import hashlib
import io
import os
import re
import tarfile
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple

from foodvision.errors import SiteError, first_line
from foodvision.system.storage import cache_folder, write_atomically

VERSION = "1.30.0"

SCRIPT, WASM = "ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"
"""The two files of 138 MB that a page without a GPU runs."""

CDN = "https://cdn.jsdelivr.net"
CDN_FOLDER = f"{CDN}/npm/onnxruntime-web@{VERSION}/dist"


class RuntimeFile(NamedTuple):
    """What a file of the package is: its SHA-256 in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


FILES = {
    SCRIPT: RuntimeFile("11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90", 73_054),
    WASM: RuntimeFile(
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2", 14_239_897
    ),
}

# What the registry states of the package, as npm's lock files do.
_TARBALL_SHA512 = (
    "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
)
_REGISTRY = "https://registry.npmjs.org/"
_SECONDS = 60


def fetch_runtime() -> dict[str, bytes]:
    """Return the contents of `SCRIPT` and `WASM`, downloading them if they are not kept yet.

    Raises SiteError if the registry does not give the package, or gives another one.
    """
    kept = {name: _kept(name) for name in FILES}
    if all(kept.values()):
        return {name: content for name, content in kept.items() if content}
    files = _unpack(_download())
    for name, content in files.items():
        write_atomically(runtime_folder() / name, content)
    return files


def runtime_folder() -> Path:
    """Return where the files are kept between exports."""
    return cache_folder() / f"onnxruntime-web-{VERSION}"


def registry(environment: Mapping[str, str], home: Path) -> str:
    """Return the npm registry that this machine uses, as npm itself would find it.

    environment: by `npm_config_registry`, in any case of letters, as npm reads it; else the user's
    `.npmrc` in `home` says it; else it is the public one.
    """
    for name, value in environment.items():
        if name.lower() == "npm_config_registry" and value:
            return value
    settings = Path(environment.get("NPM_CONFIG_USERCONFIG") or home / ".npmrc")
    if settings.is_file():
        said = re.findall(r"^\s*registry\s*=\s*(\S+)", settings.read_text("utf-8"), re.MULTILINE)
        if said:
            return str(said[-1])
    return _REGISTRY


def _kept(name: str) -> bytes | None:
    """Return a file of an earlier download, if it is whole."""
    path = runtime_folder() / name
    content = path.read_bytes() if path.is_file() else b""
    return content if hashlib.sha256(content).hexdigest() == FILES[name].sha256 else None


def _download() -> bytes:
    # Where there is no home, the name stays as it is, and no file lies there.
    host = registry(os.environ, Path(os.path.expanduser("~"))).rstrip("/")  # noqa: PTH111
    url = f"{host}/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
    if not url.startswith(("https://", "http://")):
        raise SiteError(
            f"{host} is not the address of an npm registry: correct npm_config_registry"
        )
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 (seen above)
            content = bytes(answer.read())
    except (OSError, HTTPException) as error:  # the latter where the answer is cut off
        raise SiteError(
            f"could not download {url} ({first_line(error)}): try again, set npm_config_registry "
            "to another registry, or use --cdn"
        ) from None
    if base64.b64encode(hashlib.sha512(content).digest()).decode() != _TARBALL_SHA512:
        raise SiteError(
            f"{url} differs from the published onnxruntime-web {VERSION}: set "
            "npm_config_registry to another registry"
        )
    return content


def _unpack(tarball: bytes) -> dict[str, bytes]:
    """Return the two files of a package whose hash was checked."""
    with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as archive:
        found = {name: archive.extractfile(f"package/dist/{name}") for name in FILES}
        return {name: file.read() for name, file in found.items() if file}
