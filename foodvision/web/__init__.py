"""The Gradio page: layout, words and events around a classifier."""

from foodvision.web.environment import prepare_environment

prepare_environment()  # Gradio's HTTP client takes the proxies of it when it is imported

from foodvision.page.models import load_models  # noqa: E402
from foodvision.web.feedback import Feedback, open_feedback  # noqa: E402
from foodvision.web.page import build_page, launch_page  # noqa: E402

__all__ = ["Feedback", "build_page", "launch_page", "load_models", "open_feedback"]
