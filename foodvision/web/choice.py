"""The choice between the models of a page, and the events that follow it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import gradio as gr

ModelChoice: TypeAlias = gr.Dropdown | gr.State
"""The component that holds the chosen model's name: visitors see it only if there are several."""


def changes_of(photo: gr.Image, chosen: ModelChoice) -> list[Callable[..., Any]]:
    """Return the events that call for a new answer: another photo, or another model."""
    return [photo.change, *([chosen.change] if isinstance(chosen, gr.Dropdown) else [])]
