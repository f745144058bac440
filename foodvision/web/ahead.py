"""Predictions of the example photos, made before the first visitor comes."""

from collections.abc import Iterable
from threading import Event, Thread

from foodvision.page.models import PageModel

# Who asks as soon as the page answers would otherwise wait half a second longer.
_SECONDS_BEFORE = 1


class ExamplesAhead:
    """A thread that predicts the examples once the page has started.

    Otherwise the first visitor would wait for all of them, because captions need them.
    """

    def __init__(self, models: Iterable[PageModel]) -> None:
        """Take the models. `start` starts the thread."""
        self._models, self._is_ended = list(models), Event()
        # A daemon, so that a program that ends does not wait for it.
        self._thread = Thread(target=self._answer, name="examples", daemon=True)

    def start(self) -> None:
        """Start the thread and return."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until all examples are predicted."""
        self._thread.join()

    def stop(self) -> None:
        """Stop after the current example."""
        self._is_ended.set()
        self._thread.join()

    def _answer(self) -> None:
        self._is_ended.wait(_SECONDS_BEFORE)
        for model in self._models:
            for _ in model.predict_examples():
                if self._is_ended.is_set():
                    return
