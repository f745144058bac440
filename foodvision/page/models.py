"""What all tabs answer with: the models, each with its words and its examples."""

import filecmp
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import BoundedSemaphore, Lock
from typing import Any, Generic, TypeAlias, TypeVar

from foodvision.checkpoint import BUNDLED
from foodvision.classifier import BUNDLED_NAME, Classifier, Prediction, load
from foodvision.decoding import Decoded, Decoder
from foodvision.errors import PhotoError, SettingsError, renamed
from foodvision.hub.client import is_repo_id
from foodvision.page.examples import Caption, caption, example_photos
from foodvision.page.words import Words, read_wording

_REMEMBERED, _DECODED_REMEMBERED = 512, 8

# More at a time would share the same cores.
_RUNNING = BoundedSemaphore(2)

_Result = TypeVar("_Result")


class Remembered(Generic[_Result]):
    """The latest results of a function: computed once each, however many ask at the same time."""

    def __init__(self, function: Callable[..., _Result], most: int) -> None:
        """Remember at most so many results, and forget first what was not asked for the longest."""
        self._function, self._most = function, most
        self._places: dict[tuple[Any, ...], _Place[_Result]] = {}
        self._lock = Lock()

    def __call__(self, *key: Any) -> _Result:
        """Return the function's result for these arguments; what it raises is not remembered."""
        with self._lock:
            place = self._places.pop(key, None) or _Place()
            self._places[key] = place
            if len(self._places) > self._most:
                del self._places[next(iter(self._places))]
        with place.lock:  # whoever asks for the same waits here
            if not place.results:
                place.results.append(self._function(*key))
            return place.results[0]


class _Place(Generic[_Result]):
    """Where a result is, or is being computed."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.results: list[_Result] = []


class PageModel:
    """A model and how the page speaks of it."""

    def __init__(self, name: str, classifier: Classifier, decoder: Decoder | None = None) -> None:
        """Take the model, and what the page calls it unless its `page.json` has a title.

        decoder: what all models of a page decode photos by; one of its own if None.

        Raises CheckpointError if the checkpoint's `page.json` is spoiled, and as `example_photos`
        does.
        """
        self.name, self.classifier = name, classifier
        self.wording = read_wording(classifier.checkpoint.folder, name)
        self.examples = {path.name: path for path in example_photos(classifier.checkpoint)}
        self._decoder = decoder or Decoder()
        self._decoded = Remembered(self._decode, _DECODED_REMEMBERED)
        self._predicted = Remembered(self._predict, _REMEMBERED)

    @property
    def refuses(self) -> bool:
        """Whether the model refuses photos of other things."""
        return self.classifier.config.refuses

    @property
    def measured(self) -> Mapping[str, Any] | None:
        """How many test photos that were answered with each certainty were right, if measured."""
        return self.classifier.config.figures.get("certainty")

    def words(self, request: Any) -> Words:
        """Return the words in a visitor's language; request: Gradio's, or None."""
        accepted = request.headers.get("accept-language") if request else None
        return self.wording.choose(accepted)

    def example(self, photo: str) -> str | None:
        """Return the name of the example that a photo is, or None."""
        path = self.examples.get(Path(photo).name)
        return path.name if path and filecmp.cmp(path, photo, shallow=False) else None

    def predict_examples(self) -> Iterator[Prediction | None]:
        """Answer the examples one after the other, so that nobody waits for them later.

        Gives None for one that cannot be read.
        """
        return (self._try(str(path)) for path in self.examples.values())

    def captions(self, words: Words) -> dict[str, Caption]:
        """Return what stands under each example, by its name."""
        classes = self.classifier.classes
        return {
            name: caption(path.stem, self._try(str(path)), words, classes)
            for name, path in self.examples.items()
        }

    def predict(self, photo: str) -> Prediction:
        """Answer a photo, once while its file is the same; three parts of the page ask.

        A visitor's copy of an example is the example: that was answered when the page started.

        Raises PhotoError for what is no photo, or is there no more.
        """
        return self._predicted(*self._key_of(photo))

    def decoded(self, photo: str) -> Decoded:
        """Return a photo as the network sees it, and as people do.

        Raises PhotoError as `predict` does.
        """
        return self._decoded(*self._key_of(photo))

    def _key_of(self, photo: str) -> tuple[str, int, int]:
        """Return what a photo's results are remembered by: its path, and the state of its file."""
        state = _state_of(photo)
        if name := self.example(photo):
            photo = str(self.examples[name])
            state = _state_of(photo)
        return photo, *state

    def _try(self, photo: str) -> Prediction | None:
        try:
            return self.predict(photo)
        except PhotoError:
            return None

    def _predict(self, photo: str, *state: int) -> Prediction:
        started = time.perf_counter()
        square = self._decoded(photo, *state).square
        with _RUNNING:
            (prediction,) = self.classifier.predict_pixels(square[None])
        return replace(prediction, seconds=time.perf_counter() - started)

    def _decode(self, photo: str, *_: int) -> Decoded:
        with name_in_errors(photo):
            return self._decoder.decode(photo, self.classifier.config.preprocess)


def _state_of(photo: str) -> tuple[int, int]:
    """Return what tells whether a file is still the same."""
    try:
        file = Path(photo).stat()
    except OSError:
        raise PhotoError(
            f"{Path(photo).name} is no longer available: choose it again", "gone"
        ) from None
    return file.st_size, file.st_mtime_ns


PageModels: TypeAlias = Mapping[str, PageModel]
"""Models by the name that a visitor chooses them by; the first is shown when the page opens."""


def load_models(names: Sequence[str] = ()) -> dict[str, Classifier]:
    """Load models, folders or user/name on the Hub, by what a visitor calls them.

    names: the model that ships if there is none.

    Raises CheckpointError or HubError as `foodvision.load` does, SettingsError if two models have
    the same name.
    """
    models: dict[str, Classifier] = {}
    for given in names or [BUNDLED_NAME]:
        classifier = load(given)
        folder = classifier.checkpoint.folder
        # The Hub's client names the folder by the commit.
        is_folder = Path(given).exists() or not is_repo_id(given.partition("@")[0])
        called = name_of(folder) if is_folder else given
        if called in models:
            raise SettingsError(f"two models have the name {called}: rename one of the folders")
        models[called] = classifier
    return models


def name_of(folder: Path) -> str:
    """Return what the checkpoint in a folder is called."""
    if folder == BUNDLED:
        return BUNDLED_NAME
    place = folder.resolve()
    if place.parent.name == "snapshots":  # the Hub's client's: the folder is called by the commit
        return "/".join(place.parent.parent.name.split("--")[1:])
    return place.parent.name if place.name == "checkpoint" else place.name


@contextmanager
def name_in_errors(photo: str) -> Iterator[None]:
    """Have errors tell the name of a visitor's file, not where the server put it."""
    try:
        yield
    except PhotoError as error:
        said = renamed(error, photo, Path(photo).name)
        raise type(error)(said, error.fault, **error.values) from None
