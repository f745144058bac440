"""What visitors say is in their photos, kept as a dataset; only where the owner asks for it."""

import hashlib
import io
import re
from pathlib import Path

import gradio as gr

from foodvision.errors import PhotoError
from foodvision.image import load_image
from foodvision.storage import write_atomically
from foodvision.web.models import ModelChoice, PageModels, told_by_name

_LONGEST_NAME = 60


class Feedback:
    """A folder of classes that grows, photo by photo."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made with the first photo."""
        self.folder = folder

    def keep(self, photo: str, label: str) -> Path:
        """Write a photo into the folder of a class, and return the file.

        It is decoded and written anew: where and when it was taken is not kept. The same photo is
        the same file.

        Raises PhotoError for what is no photo or no name.
        """
        name = re.sub(r"[^\w]+", "_", label.strip().lower()).strip("_")
        if not name or len(name) > _LONGEST_NAME:
            raise PhotoError(f"{label!r} is no name: 1 to {_LONGEST_NAME} letters")
        content = io.BytesIO()
        load_image(photo).save(content, "JPEG", quality=95)
        digest = hashlib.sha256(content.getvalue()).hexdigest()[:16]
        path = self.folder / name / f"{digest}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())
        return path


def feedback_form(
    feedback: Feedback, models: PageModels, chosen: ModelChoice, i18n: gr.I18n, photo: gr.Image
) -> None:
    """Lay out the question, and keep what is answered."""

    def suggest(path: str | None, chosen: str) -> str | None:
        try:
            return models[chosen].predict(path).label if path else None
        except PhotoError:
            return None

    def keep(path: str | None, label: str | None, chosen: str, request: gr.Request) -> None:
        words = models[chosen].words(request)
        if not path or not label:
            raise gr.Error(words("ask_text"), print_exception=False)
        try:
            with told_by_name(path):
                feedback.keep(path, label)
        except PhotoError as error:
            raise gr.Error(str(error), print_exception=False) from None
        gr.Info(words("feedback_thanks"))

    choices = {
        label: model.wording.choose(None).name(label)
        for model in models.values()
        for label in model.classifier.classes
    }
    label = gr.Dropdown(
        [(name, label) for label, name in choices.items()],
        label=i18n("feedback_label"),
        allow_custom_value=True,
        value=None,
    )
    gr.Markdown(i18n("feedback_kept"), elem_classes="soft")
    send = gr.Button(i18n("feedback_send"), size="sm")
    photo.change(suggest, [photo, chosen], label, show_progress="hidden", api_visibility="private")
    send.click(keep, [photo, label, chosen], None, api_visibility="private")
