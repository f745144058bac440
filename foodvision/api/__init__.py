"""Predictions over HTTP, without the page: `foodvision serve`."""

from foodvision.api.application import build_api
from foodvision.api.server import allowed_names, keys_given, serve_api

__all__ = ["allowed_names", "build_api", "keys_given", "serve_api"]
