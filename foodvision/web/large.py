"""Files that are too large for an upload: page.js leaves them out, and says so in a sentence."""

from collections.abc import Callable

import gradio as gr

from foodvision.page.words import Words
from foodvision.web.uploads import MAX_UPLOAD

# Gradio would refuse the files beside them, too, with a mere "Error".
_REFUSE = f"(text) => window.foodvision.refuseLarge({MAX_UPLOAD}, text)"


def refuse_large_files(page: gr.Blocks, words: Callable[[gr.Request | None], Words]) -> None:
    """Tell browsers how large a file may be, and the sentence for one that is larger.

    words: returns the texts in a visitor's language.
    """

    def sentence(request: gr.Request) -> str:
        # page.js fills in the name.
        return words(request)("too_many_bytes", name="{name}", limit=MAX_UPLOAD // 1_000_000)

    said = gr.Textbox(visible=False)
    page.load(
        sentence, None, said, queue=False, show_progress="hidden", api_visibility="private"
    ).then(None, said, None, js=_REFUSE)
