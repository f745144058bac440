"""How the page looks: colours that keep their contrast, the device's own fonts, no other host."""

import re
from pathlib import Path

import gradio as gr

from foodvision.image import SUFFIXES
from foodvision.page.looks import LOOKS

THEME = gr.themes.Base(
    primary_hue="orange",
    neutral_hue="stone",
    radius_size="lg",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
).set(
    body_text_color_subdued="*neutral_600",
    body_text_color_subdued_dark="*neutral_400",
    link_text_color="*primary_700",
    link_text_color_dark="*primary_400",
    block_label_text_color="*neutral_600",
    block_label_text_color_dark="*neutral_300",
    button_primary_background_fill="*primary_700",
    button_primary_background_fill_hover="*primary_800",
    button_primary_text_color="white",
    button_primary_background_fill_dark="*primary_700",
    button_primary_background_fill_hover_dark="*primary_600",
)

CSS = LOOKS, Path(__file__).parent / "page.css"
SCRIPT = Path(__file__).parent / "page.js"

# The page without a server draws its card, copies, and sorts its table by the same modules.
_MODULES = Path(__file__).parents[1] / "browser" / "page" / "js"
_SHARED = "dom.js", "card.js", "copying.js", "table.js"

# Not every system takes all of them for images.
_OFFERED = ",".join(("image/*", *SUFFIXES))


def script() -> str:
    """Return what a page runs when it is opened: a function, as Gradio wants it."""
    modules = "\n".join((_MODULES / name).read_text("utf-8") for name in _SHARED)
    shared = re.sub(r"^import .*\n|^export ", "", modules, flags=re.MULTILINE)
    own = SCRIPT.read_text("utf-8").rstrip()
    return f"() => {{\n{shared}\n({own})(drawCard, save, textOf, sortableTable, '{_OFFERED}');\n}}"
