"""The page: a photo in, the answer, its confidences and the time it took out."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ImageData

import foodvision
from foodvision.checkpoint import BUNDLED
from foodvision.classifier import Classifier
from foodvision.errors import PhotoError, SettingsError
from foodvision.image import SUFFIXES
from foodvision.web.words import EMPTY, answer_html, bars, display_name, failure_html

# Visitors' photos are deleted within two hours: looked for, and old, after this many seconds.
_KEPT_SECONDS = 3600

_MAX_UPLOAD = "50mb"

_CSS = """
.answer { min-height: 5.5rem; }
.answer h2 { margin: 0 0 .25rem; font-size: 1.75rem; line-height: 1.2; }
.answer p { margin: 0; }
"""


def build_page(classifier: Classifier) -> gr.Blocks:
    """Build the page around a classifier; `launch_page` or Gradio's own `launch` starts it."""

    def answer(photo: str | None) -> tuple[str, dict[str, float] | None]:
        if photo is None:
            return EMPTY, None
        try:
            prediction = classifier.predict(photo)
        except PhotoError as error:
            return failure_html(_named(error, photo)), None
        return answer_html(prediction), bars(prediction)

    def predict(photo: str | None) -> dict[str, Any]:
        """Say what dish is in a photo.

        Returns label, confidence, known, known_score, seconds, and top: the likeliest dishes as
        a list of label and confidence.
        """
        if photo is None:
            raise gr.Error("There is no photo: send one.", print_exception=False)
        try:
            prediction = classifier.predict(photo)
        except PhotoError as error:
            raise gr.Error(_named(error, photo), print_exception=False) from None
        return prediction.to_dict() | {"seconds": prediction.seconds}

    with gr.Blocks(
        title="foodvision", analytics_enabled=False, delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS)
    ) as page:
        gr.Markdown(f"# foodvision\n{_introduction(classifier)}")
        with gr.Row():
            with gr.Column():
                photo = _photo_input()
            with gr.Column():
                headline = gr.HTML(EMPTY)
                confidences = gr.Label(label="Confidences", show_heading=False, num_top_classes=5)
        _show_examples(classifier, photo)
        photo.change(
            answer,
            photo,
            [headline, confidences],
            show_progress="minimal",
            api_visibility="private",
            concurrency_id="answer",
            concurrency_limit=2,
        )
        # The page's own event answers in words and bars; programs get the numbers.
        gr.Button(visible=False).click(
            predict, photo, gr.JSON(visible=False), api_name="predict", concurrency_id="answer"
        )
    return page.queue(max_size=50)  # type: ignore[no-any-return]


def launch_page(page: gr.Blocks, *, port: int | None = None, share: bool = False) -> None:
    """Serve the page until it is stopped, and say in one line where to look.

    port: 7860 or the next free one if None (a Space sets its own).
    share: also make a public link, valid for some days, through Gradio's relay.

    Raises SettingsError if the port is taken.
    """
    try:
        _, local_url, share_url = page.launch(
            server_port=port,
            share=share,
            css=_CSS,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=_MAX_UPLOAD,
            footer_links=["api"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            strict_cors=True,
        )
    except OSError:
        raise SettingsError(f"port {port} is taken: choose another one with --port") from None
    print(f"foodvision answers at {share_url or local_url} (Ctrl-C stops it)", flush=True)
    page.block_thread()


def _photo_input() -> gr.Image:
    photo = gr.Image(
        label="Photo",
        type="filepath",
        image_mode=None,
        sources=["upload", "webcam", "clipboard"],
        height=360,
    )
    opened_by_gradio = photo.preprocess

    def as_it_is(payload: ImageData | None) -> Any:
        if payload is None or payload.path is None:
            return opened_by_gradio(payload)
        return payload.path

    # Gradio would open the file before our function sees it, and answer what is no photo with an
    # error that says nothing. (A subclass would do the same, but Gradio writes a stub file beside
    # the module of each subclass.)
    photo.preprocess = as_it_is  # type: ignore[method-assign]
    return photo


def _named(error: PhotoError, photo: str) -> str:
    """Say the error of the visitor's file by its name, not by where the server put it."""
    return str(error).replace(photo, Path(photo).name)


def _introduction(classifier: Classifier) -> str:
    names = [display_name(name) for name in classifier.classes]
    if len(names) > 6:
        return f"Tells which of {len(names)} dishes is in a photo, from {names[0]} to {names[-1]}."
    return f"Tells what is in a photo: {', '.join(names[:-1])} or {names[-1]}."


def _show_examples(classifier: Classifier, photo: gr.Image) -> None:
    photos = [path for path in _example_photos(classifier) if path.suffix.lower() in SUFFIXES]
    if photos:
        gr.Examples(
            [[str(path)] for path in photos],
            photo,
            label="Examples",
            cache_examples=False,
            examples_per_page=12,
        )


def _example_photos(classifier: Classifier) -> list[Path]:
    folder = classifier.checkpoint.folder / "examples"
    if not folder.is_dir() and classifier.checkpoint.folder == BUNDLED:
        # In a checkout the photos lie at the top; a wheel puts them beside the model.
        folder = Path(foodvision.__file__).parents[1] / "examples"
    return sorted(folder.iterdir()) if folder.is_dir() else []
