"""Predictions over HTTP, without the page: `foodvision serve`."""

from foodvision.api.application import build_api
from foodvision.api.keys import keys_of_environment
from foodvision.api.server import allowed_names, serve_api

__all__ = ["allowed_names", "build_api", "keys_of_environment", "serve_api"]
