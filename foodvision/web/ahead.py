"""Answers that are ready before anybody asks: those of the examples."""

from collections.abc import Iterable
from threading import Event, Thread

from foodvision.page.models import PageModel


class ExamplesAhead:
    """A thread that answers the examples while the page starts.

    The first visitor's captions would else wait for all of them.
    """

    def __init__(self, models: Iterable[PageModel]) -> None:
        """Take the models; `start` begins."""
        self._models, self._is_ended = list(models), Event()
        # A daemon, so that a program that ends does not wait for it.
        self._thread = Thread(target=self._answer, name="examples", daemon=True)

    def start(self) -> None:
        """Begin, and return at once."""
        self._thread.start()

    def wait(self) -> None:
        """Wait until all examples are answered."""
        self._thread.join()

    def stop(self) -> None:
        """End after the example that is being answered."""
        self._is_ended.set()
        self._thread.join()

    def _answer(self) -> None:
        for model in self._models:
            for _ in model.predict_examples():
                if self._is_ended.is_set():
                    return
