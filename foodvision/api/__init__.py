"""Predictions over HTTP, without the page: `foodvision serve`."""

from foodvision.api.application import build_api
from foodvision.api.server import serve_api

__all__ = ["build_api", "serve_api"]
