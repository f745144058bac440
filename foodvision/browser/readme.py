"""What a static Space's README says to the Hub, and to people."""

from typing import Any

from foodvision.safety.escaping import markdown

_LONGEST_DESCRIPTION = 60

# Without these headers a page has no threads; the Hub sends no others.
_ISOLATION = {
    "cross-origin-embedder-policy": "require-corp",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "cross-origin",
}


def site_front_matter(title: str, description: str) -> dict[str, Any]:
    """Return the front matter of a static Space, keys as the Hub names them.

    description: cut to the 60 letters that the Hub takes.
    """
    return {
        "title": title,
        "emoji": "🍕",
        "colorFrom": "yellow",
        "colorTo": "red",
        "sdk": "static",
        "app_file": "index.html",
        "short_description": _shorten(description),
        "license": "apache-2.0",
        "custom_headers": _ISOLATION,
    }


def site_readme(title: str, description: str) -> str:
    """Return the README of an exported folder."""
    from huggingface_hub import SpaceCardData

    head = SpaceCardData(**site_front_matter(title, description)).to_yaml()
    return f"---\n{head}\n---\n\n{_TEXT.format(title=markdown(title))}"


def _shorten(text: str) -> str:
    if len(text) <= _LONGEST_DESCRIPTION:
        return text
    return text[: _LONGEST_DESCRIPTION - 1].rsplit(" ", 1)[0].rstrip(" ,.") + "…"


_TEXT = """# {title}

Serve this folder from any static host. The model runs in the visitor's browser, and photos never
leave the device. The folder was written by `foodvision export CHECKPOINT DIR`; `js/` is readable
source.

`onnxruntime/` is onnxruntime-web by Microsoft, under the MIT licence in that folder. Without this
folder, the page loads it from a CDN. Script, WASM and model run only if their SHA-256 matches
`config.json`.
"""
