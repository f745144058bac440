"""What all tabs answer with: the model, its words, its examples."""

import filecmp
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import gradio as gr

from foodvision.classifier import Classifier, Prediction
from foodvision.errors import PhotoError
from foodvision.web.words import Wording, Words

_REMEMBERED = 512


class Visit:
    """A model and how the page speaks of it."""

    def __init__(
        self, classifier: Classifier, wording: Wording, examples: Sequence[Path] = ()
    ) -> None:
        """Take the model, its words, and photos to try it with."""
        self.classifier, self.wording = classifier, wording
        self.examples = {path.name: path for path in examples}
        # Gradio names an upload's folder by its content: the same path is the same photo.
        self.predict = lru_cache(_REMEMBERED)(self._predict)

    def words(self, request: gr.Request | None) -> Words:
        """Return the words in a visitor's language."""
        accepted = request.headers.get("accept-language") if request else None
        return self.wording.choose(accepted)

    def example(self, photo: str) -> str | None:
        """Return the name of the example that a photo is, or None."""
        path = self.examples.get(Path(photo).name)
        return path.name if path and filecmp.cmp(path, photo, shallow=False) else None

    def _predict(self, photo: str) -> Prediction:
        with told_by_name(photo):
            return self.classifier.predict(photo)


@contextmanager
def told_by_name(photo: str) -> Iterator[None]:
    """Have errors tell the name of a visitor's file, not where the server put it."""
    try:
        yield
    except PhotoError as error:
        raise PhotoError(str(error).replace(photo, Path(photo).name)) from None
