"""The folder of the page: what is in it, and how it is written whole."""

import gzip
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from string import Template
from typing import Any

from markupsafe import escape
from typing_extensions import TypedDict

from foodvision.browser.icons import draw_icon
from foodvision.browser.readme import site_readme
from foodvision.browser.runtime import CDN, CDN_FOLDER, FILES, SCRIPT, WASM, fetch_runtime
from foodvision.checkpoint import Checkpoint
from foodvision.classifier import Classifier
from foodvision.errors import SiteError
from foodvision.graph.precision import is_half, store_in_half
from foodvision.page.charts import reliability_svg
from foodvision.page.colours import colour_table
from foodvision.page.looks import LOOKS
from foodvision.page.models import PageModel, name_of
from foodvision.page.prediction_html import EVEN
from foodvision.page.words import LANGUAGES, introduce
from foodvision.safety.files import FileError, parse_json, read_file
from foodvision.system.storage import recover_folder, write_folder

_HERE = Path(__file__).parent
_PAGE, _TEXTS = _HERE / "page", _HERE / "texts"
_RELEASE, _README = "release.js", "README.md"
_BEFORE_RELEASE, _AFTER_RELEASE = "self.release = ", ";\n"

# By what the page calls them.
_RUNTIME = {"script": SCRIPT, "wasm": WASM}


class _Release(TypedDict):
    """What `release.js` sets: the version of a page, and the SHA-256 of its files by path."""

    version: str
    files: dict[str, str]


# What browsers cannot show cannot be an example.
_SHOWN = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")


def write_site(checkpoint: Checkpoint, folder: Path, *, cdn: bool = False) -> Path:
    """Write the page around a checkpoint, for any static host; a crash leaves the old folder whole.

    What people put into the folder of an older page (a `.git`, a `CNAME`) stays.

    cdn: leave onnxruntime-web to a CDN instead of copying it into the folder.

    Returns the folder. Raises SiteError if it holds something else, or one stands in it, or
    onnxruntime-web cannot be had; CheckpointError if the checkpoint's `page.json` is spoiled or its
    graph does not run; PhotoError for an example that tells where it was taken; OSError if the disk
    does not take it.
    """
    if Path.cwd().is_relative_to(folder.resolve()):
        raise SiteError(
            f"{folder} is the current folder: change to another one, then give its path"
        )
    recover_folder(folder)
    if white := checkpoint.config.preprocess.white:
        raise SiteError(
            f"{checkpoint.folder} was trained on photos of more than 8 bits, in which "
            f"{white:,.0f} is white: browsers show them almost black. Use `foodvision demo` "
            "instead"
        )
    replaced = _written_before(folder)
    model = PageModel(name_of(checkpoint.folder), Classifier(checkpoint))
    large, assets = _large_files(checkpoint.graph, cdn=cdn)
    shell = _shell(model, assets, cdn=cdn)
    english = model.wording.choose(None)
    readme = site_readme(model.wording.title, introduce(model.classifier.classes, english))
    release = f"{_BEFORE_RELEASE}{_json(_release(shell))}{_AFTER_RELEASE}"
    write_folder(
        folder,
        shell | large | {_RELEASE: release.encode(), _README: readme.encode()},
        replaced=replaced,
    )
    return folder


def _written_before(folder: Path) -> set[str]:
    """Return what an earlier export wrote into a folder, by path inside of it.

    Raises SiteError if none did, and the folder holds something else.
    """
    if folder.is_file():
        raise SiteError(f"{folder} is a file: choose a folder")
    if not folder.exists() or not any(folder.iterdir()):
        return set()
    try:
        said = read_file(folder / _RELEASE, folder)
        said = said.removeprefix(_BEFORE_RELEASE.encode()).removesuffix(_AFTER_RELEASE.encode())
        files = set(parse_json(said, _Release)["files"])
    except FileError:
        raise SiteError(
            f"{folder} is not empty and not an exported page: choose another folder"
        ) from None
    return files | {"model", "onnxruntime", _RELEASE, _README}


def _large_files(graph: bytes, *, cdn: bool) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files that a page shows the progress of, and what it has to know of each.

    They are compressed, because static hosts do not; the hash is of what comes out.
    """
    model = graph if is_half(graph) else store_in_half(graph)
    files = {"model/model.onnx.gz": _compress(model)}
    assets = {"model": _asset("model/model.onnx.gz", model, len(files["model/model.onnx.gz"]))}
    if cdn:
        for key, name in _RUNTIME.items():
            url, size = f"{CDN_FOLDER}/{name}", FILES[name].size
            assets[key] = {"url": url, "sha256": FILES[name].sha256, "bytes": size}
        return files, assets
    runtime = fetch_runtime()
    for key, name in _RUNTIME.items():
        path = f"onnxruntime/{name}.gz"
        files[path] = _compress(runtime[name])
        assets[key] = _asset(path, runtime[name], len(files[path]))
    files["onnxruntime/LICENSE.txt"] = (_HERE / "runtime-license.txt").read_bytes()
    files["onnxruntime/THIRD_PARTY.md"] = (_HERE / "THIRD_PARTY.md").read_bytes()
    return files, assets


def _asset(path: str, content: bytes, wire_bytes: int) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    # With the hash, because a CDN may give an old file of that name for hours.
    return {"url": f"{path}?{digest[:12]}", "sha256": digest, "bytes": wire_bytes}


def _compress(content: bytes) -> bytes:
    return gzip.compress(content, 9, mtime=0)  # the same bytes from the same content


def _shell(model: PageModel, assets: dict[str, Any], *, cdn: bool) -> dict[str, bytes]:
    """Return all that the service worker keeps: the page without the large files."""
    title = model.wording.title
    files = {
        path.relative_to(_PAGE).as_posix(): path.read_bytes()
        for path in sorted(_PAGE.rglob("*"))
        if path.suffix in (".js", ".css")
    }
    files["style.css"] = LOOKS.read_bytes() + files["style.css"]
    template = Template((_PAGE / "index.html").read_text("utf-8"))
    policy = _content_security_policy(cdn=cdn)
    files["index.html"] = template.substitute(title=escape(title), policy=escape(policy)).encode()
    bins = model.classifier.config.figures.get("test", {}).get("reliability", [])
    for language in LANGUAGES:
        if bins:
            drawing = reliability_svg(bins, model.wording.languages[language], is_file=True)
            files[f"charts/reliability.{language}.svg"] = drawing.encode()
    files |= {f"examples/{name}": path.read_bytes() for name, path in _shown(model).items()}
    files |= {f"icons/{side}.png": draw_icon(side) for side in (192, 512)}
    return files | data_files(model, assets)


def data_files(model: PageModel, assets: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the JSON files of the page: its configuration, its manifest, and its texts.

    assets: what the page has to know of its large files, by their names.
    """
    said = {f"texts/{language}.json": _texts(model, language) for language in LANGUAGES}
    said["manifest.webmanifest"] = _manifest(model.wording.title)
    said["config.json"] = _config(model, assets)
    return {path: _json(value).encode() for path, value in said.items()}


def _shown(model: PageModel) -> dict[str, Path]:
    """Return the examples that browsers can show."""
    return {name: path for name, path in model.examples.items() if path.suffix.lower() in _SHOWN}


def _content_security_policy(*, cdn: bool) -> str:
    """Return what the document may do: its own files, WASM, and pictures it made itself."""
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "worker-src 'self'",
            "style-src 'self'",
            "img-src 'self' blob:",
            "manifest-src 'self'",
            f"connect-src 'self' {CDN}" if cdn else "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _texts(model: PageModel, language: str) -> dict[str, Any]:
    words = model.wording.languages[language]
    own = json.loads((_TEXTS / f"{language}.json").read_text("utf-8"))
    captions = {name: asdict(caption) for name, caption in model.captions(words).items()}
    return {
        "language": language,
        "texts": {**words.texts, **own},
        "names": dict(words.names),
        "captions": captions,
    }


def _config(model: PageModel, assets: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the page has to know of the checkpoint."""
    config = model.classifier.config
    square = config.preprocess
    test = config.figures.get("test", {})
    figures = ("n", "top1", "top1_interval", "per_class", "reliability", "confused")
    return {
        "title": model.wording.title,
        "languages": list(LANGUAGES),
        "classes": list(config.classes),
        "preprocess": {
            "size": square.size,
            "resize": square.resize,
            "crop": square.crop,
            "interpolation": square.interpolation,
        },
        "known_threshold": config.known_threshold,
        "refuses": config.refuses,
        "sure_from": config.sure_from,
        "likely_from": config.likely_from,
        "even": EVEN,
        "measured": model.measured or {},
        "colours": colour_table().tobytes().hex(),
        "architecture": config.architecture,
        "figures": {name: test[name] for name in figures if name in test},
        "examples": list(_shown(model)),
        "assets": assets,
    }


def _manifest(title: str) -> dict[str, Any]:
    return {
        "name": title,
        "short_name": title,
        "start_url": "index.html",
        "scope": "./",
        "display": "standalone",
        "background_color": "#ffffff",
        "theme_color": "#c2410c",
        "icons": [
            {
                "src": f"icons/{side}.png",
                "sizes": f"{side}x{side}",
                "type": "image/png",
                "purpose": purpose,
            }
            for side in (192, 512)
            for purpose in ("any", "maskable")
        ],
    }


def _release(shell: dict[str, bytes]) -> _Release:
    """Return the files that belong together, and a version that their contents decide."""
    digests = {path: hashlib.sha256(content).hexdigest() for path, content in shell.items()}
    version = hashlib.sha256(json.dumps(digests, sort_keys=True).encode()).hexdigest()[:12]
    return {"version": version, "files": digests}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
