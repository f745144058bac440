"""The Gradio page: layout, words and events around a classifier."""

import os

# Read by Gradio and the Hub's client when they are imported: the page asks no other host for
# anything and tells nobody about its visitors.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

# Gradio asks its own server whether it is up: not by way of a company's proxy.
os.environ["no_proxy"] = ",".join(
    filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1,localhost"])
)

from foodvision.web.feedback import Feedback, open_feedback
from foodvision.web.models import load_models
from foodvision.web.page import build_page, launch_page

__all__ = ["Feedback", "build_page", "launch_page", "load_models", "open_feedback"]
