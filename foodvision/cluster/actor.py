"""The actor: a model and its decoders in a process of Ray's, which predict a block at a time."""

import os
import secrets
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow
import ray

from foodvision.classifier import Classifier, Prediction
from foodvision.cluster.remote import is_remote, opened
from foodvision.decoding import Decoder
from foodvision.errors import DataError, PhotoError, first_line, renamed
from foodvision.graph.check import BATCH
from foodvision.reports.rows import parquet_table, row_of
from foodvision.safety.photo_limits import MAX_BYTES
from foodvision.system.temporary import TemporaryFolder

_MOST_HEAVY = 4

# Requests to an object store take most of their time to wait.
_DOWNLOADS = 16

Square: TypeAlias = np.ndarray | PhotoError
"""What the network sees of a photo, or what is wrong with it."""


def hashes_of(names: Iterable[str]) -> np.ndarray:
    """Return a number for each name, uint64: a hundred million of them take 800 MB.

    Two of so many names have the same number with a chance of 0.0003.
    """
    digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return np.frombuffer(digests, np.uint64)


class Predictor:
    """A model that predicts blocks of photos, as `foodvision predict` does on one machine."""

    def __init__(self, checkpoint: Any, done: Any, top: int, processors: int) -> None:
        """Load the model and start the processes that decode.

        checkpoint, done: Ray's references to the checkpoint, and to the sorted numbers of photos
            that an earlier run predicted. processors: how many this actor has.
        """
        self._classifier = Classifier(ray.get(checkpoint), threads=1)
        self._done = ray.get(done)
        self._top = top
        self._size = max(1, BATCH // processors)
        self._decoder = Decoder(processes=processors + 1, heavy=min(processors, _MOST_HEAVY))
        self._decoder.start()
        self._decoding = ThreadPoolExecutor(processors + 1)
        self._reading = ThreadPoolExecutor(_DOWNLOADS)
        self._running = ThreadPoolExecutor(processors)
        self._folder = TemporaryFolder("ray")

    def __call__(self, block: Any) -> Any:
        """Return the rows of answers for a block of `foodvision.cluster.sources`."""
        photos = self._new(block).to_pylist()
        squares = [self._coming(photo) for photo in photos]
        starts = range(0, len(photos), self._size)
        batches = [squares[start : start + self._size] for start in starts]
        answers = chain.from_iterable(self._running.map(self._answers, batches))
        names = [photo["name"] for photo in photos]
        rows = [row_of(*pair, self._top) for pair in zip(names, answers, strict=True)]
        return parquet_table(rows, self._top)

    def _new(self, block: Any) -> Any:
        """Return the photos of a block that were not predicted before."""
        if not len(self._done):
            return block
        hashes = hashes_of(block["name"].to_pylist())
        nearest = np.searchsorted(self._done, hashes).clip(max=len(self._done) - 1)
        return block.filter(pyarrow.array(self._done[nearest] != hashes))

    def _coming(self, photo: dict[str, Any]) -> "Future[Square]":
        is_far = photo["file"] is not None and is_remote(os.fsdecode(photo["file"]))
        return (self._reading if is_far else self._decoding).submit(self._square, photo)

    def _answers(self, coming: Sequence["Future[Square]"]) -> list[Prediction | PhotoError]:
        squares = [future.result() for future in coming]
        decoded = [square for square in squares if not isinstance(square, PhotoError)]
        said = iter(
            self._classifier.predict_pixels(np.stack(decoded), self._top) if decoded else ()
        )
        return [square if isinstance(square, PhotoError) else next(said) for square in squares]

    def _square(self, photo: dict[str, Any]) -> Square:
        if photo["fault"] is not None:
            return PhotoError(photo["fault"])
        try:
            with self._file(photo) as path:
                try:
                    return self._decoder.decode_square(path, self._classifier.config.preprocess)
                except PhotoError as error:
                    return PhotoError(renamed(error, path, photo["name"]))
        except (DataError, OSError, pyarrow.ArrowException) as error:
            return PhotoError(f"{photo['name']} cannot be read ({first_line(error)})")

    @contextmanager
    def _file(self, photo: dict[str, Any]) -> Iterator[Path]:
        """Yield the photo as a file of this machine, which is removed if it was written here."""
        content = photo.get("content")
        place = os.fsdecode(photo["file"] or b"")
        if content is None and not is_remote(place):
            yield Path(place)
            return
        path = self._folder.path / secrets.token_hex(16)
        try:
            path.write_bytes(_downloaded(place) if content is None else content)
            yield path
        finally:
            path.unlink(missing_ok=True)


def _downloaded(address: str) -> bytes:
    """Return the bytes at an address, cut off behind what a photo may have."""
    filesystem, path = opened(address)
    with filesystem.open_input_stream(path) as stream:
        return bytes(stream.read(MAX_BYTES + 1))
