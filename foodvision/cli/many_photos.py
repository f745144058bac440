"""Find, decode and answer thousands of photos in constant memory.

Everything is a generator. Threads, which wait for the processes of `foodvision.decoding`, decode a
few photos ahead while the network runs on those before them.
"""

import glob
import io
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path
from threading import Thread
from typing import IO, Any, TypeAlias

import numpy as np

from foodvision.classifier import Classifier, Prediction
from foodvision.cli.options import STANDARD_INPUT
from foodvision.data.archives import is_archive, open_source
from foodvision.data.names import relative_name
from foodvision.data.photos import photo_files
from foodvision.decoding import Decoder
from foodvision.errors import DataError, FoodVisionError, PhotoError, absent, renamed
from foodvision.graph.check import BATCH
from foodvision.preprocess import Preprocess
from foodvision.system.processes import processors

# Photos held at a time: those being answered, and those being decoded meanwhile.
_WINDOW = 4 * BATCH

# A process that decodes a heavy photo may take 300 MB.
_MOST_HEAVY = 4

Answer: TypeAlias = Prediction | FoodVisionError
Answers: TypeAlias = "Generator[tuple[FoundPhoto, Answer], None, None]"


@dataclass(frozen=True)
class FoundPhoto:
    """A photo to answer.

    path: its file. name: what it is called; ARCHIVE/path/in/it for a photo in an archive.
    fault: why it cannot be read, where that is known already.
    """

    path: Path
    name: str
    fault: PhotoError | None = None

    @property
    def is_packed(self) -> bool:
        """Whether it lies in an archive: its file exists until the next photo is taken."""
        return self.name != str(self.path)


def check_photos(photos: Sequence[str]) -> None:
    """Check that there is a photo to answer, before the model is loaded.

    photos: as `predict_all` takes them.

    Raises PhotoError if nothing is named, nothing of it exists, or it is only folders without
    photos.
    """
    if not photos:
        raise PhotoError("give a photo or a folder of photos")
    if STANDARD_INPUT in photos:
        if {*photos} == {STANDARD_INPUT} and not _has_lines(_input()):
            raise PhotoError("standard input is empty: write one path per line to it")
        return
    if not any(os.path.exists(path) for path in _named(photos)):  # noqa: PTH110 (any text)
        if _is_pattern(photos[0]):
            raise PhotoError(f"{photos[0]} matches no file: check the path")
        raise PhotoError(absent(photos[0]))
    if all(os.path.isdir(name) for name in photos):  # noqa: PTH112 (any text)
        empty = [next(photo_files(Path(name)), None) is None for name in photos]
        if all(empty):
            raise holds_none(Path(photos[0]))


def holds_none(folder: Path) -> PhotoError:
    """Return the error for a folder, or an archive, without photos."""
    return PhotoError(f"{folder} contains no photos")


def make_decoder(photos: Sequence[str]) -> Decoder:
    """Return a decoder with a process per processor; they start while the model is loaded."""
    count = processors()
    decoder = Decoder(processes=max(2, count), heavy=min(count, _MOST_HEAVY))
    is_one = len(photos) == 1 and os.path.isfile(photos[0])  # noqa: PTH113 (any text)
    if not is_one or is_archive(Path(photos[0])):
        decoder.start()
    return decoder


def predict_all(
    classifier: Classifier,
    decoder: Decoder,
    photos: Iterable[str],
    top: int,
    *,
    is_wanted: Callable[[str], bool] = lambda _: True,
    without: Path | None = None,
) -> Answers:
    """Answer photos by the names that people give, in order.

    photos: files, folders, archives, patterns such as photos/*.jpg, and STANDARD_INPUT for a
        list of paths, one a line.
    is_wanted: tells by a photo's name whether to answer it.
    without: a folder to skip when another one that contains it is searched.
    """
    for is_packed, paths in groupby(_named(photos), is_archive):
        if is_packed:
            for archive in paths:
                if is_wanted(str(archive)):
                    yield from _predict_archive(classifier, decoder, archive, top, is_wanted)
        else:
            found = chain.from_iterable(_listed(path, without) for path in paths)
            wanted = (photo for photo in found if is_wanted(photo.name))
            yield from predict_paths(classifier, decoder, wanted, top)


def list_photos(photos: Iterable[str]) -> Iterator[FoundPhoto]:
    """Yield the photos that names stand for, as `predict_all` does; archives are not opened."""
    for path in _named(photos):
        yield from _listed(path, None)


def predict_paths(
    classifier: Classifier, decoder: Decoder, photos: Iterable[FoundPhoto], top: int
) -> Answers:
    """Answer photos in order; the answer for one that cannot be read is its error.

    Photos are decoded ahead, and batches run in parallel, one thread each. At most `_WINDOW` photos
    are held at a time.
    """
    preprocess, rest, count = classifier.config.preprocess, iter(photos), processors()
    size = max(1, BATCH // count)
    ahead: deque[tuple[list[FoundPhoto], Future[list[Answer]]]] = deque()
    decoders, runners = ThreadPoolExecutor(count + 2), ThreadPoolExecutor(count)
    try:
        while True:
            while len(ahead) * size < max(_WINDOW, 2 * count) and (
                batch := list(islice(rest, size))
            ):
                squares = [decoders.submit(_decode, decoder, each, preprocess) for each in batch]
                ahead.append((batch, runners.submit(_answer, classifier, squares, top)))
            if not ahead:
                return
            batch, answers = ahead.popleft()
            yield from zip(batch, answers.result(), strict=True)
    finally:
        # The runners first: they wait for decoded photos.
        runners.shutdown(wait=False, cancel_futures=True)
        decoders.shutdown(cancel_futures=True)
        runners.shutdown()


def count_into(bar: Any, photos: Sequence[str], without: Path | None) -> None:
    """Set a progress bar's total in the background, by searching the folders a second time.

    That takes seconds where answering takes an hour. Lists on standard input and archives are not
    counted.
    """

    def count() -> None:
        if STANDARD_INPUT in photos or any(map(is_archive, _named(photos))):
            return
        bar.total = sum(1 for path in _named(photos) for _ in _listed(path, without))

    if not bar.disable:
        Thread(target=count, daemon=True).start()


def _decode(decoder: Decoder, photo: FoundPhoto, preprocess: Preprocess) -> np.ndarray | PhotoError:
    if photo.fault:
        return photo.fault
    try:
        return decoder.decode_square(photo.path, preprocess)
    except PhotoError as error:
        # The user knows the archive, not the folder it was unpacked to.
        return PhotoError(renamed(error, photo.path, photo.name))


def _answer(
    classifier: Classifier, coming: Sequence[Future[np.ndarray | PhotoError]], top: int
) -> list[Answer]:
    squares = [future.result() for future in coming]
    decoded = [square for square in squares if not isinstance(square, PhotoError)]
    said = iter(classifier.predict_pixels(np.stack(decoded), top) if decoded else [])
    return [square if isinstance(square, PhotoError) else next(said) for square in squares]


def _predict_archive(
    classifier: Classifier,
    decoder: Decoder,
    archive: Path,
    top: int,
    is_wanted: Callable[[str], bool],
) -> Answers:
    try:
        with open_source(archive) as folder:
            found = (
                FoundPhoto(path, f"{archive}/{relative_name(path, folder)}")
                for path in photo_files(folder)
            )
            first = next(found, None)
            if first is None:
                raise DataError(str(holds_none(archive)))
            wanted = (photo for photo in chain([first], found) if is_wanted(photo.name))
            yield from predict_paths(classifier, decoder, wanted, top)
    except DataError as error:
        yield FoundPhoto(archive, str(archive)), PhotoError(str(error))


def _named(photos: Iterable[str]) -> Iterator[Path]:
    """Yield the paths named: lines of standard input, matches of patterns, and other names."""
    for name in photos:
        if name == STANDARD_INPUT:
            lines = (os.fsdecode(line.rstrip(b"\r\n")) for line in _input())
            yield from (Path(line) for line in lines if line)
        elif _is_pattern(name):
            yield from _matches(name)
        else:
            yield Path(name)


def _input() -> IO[bytes]:
    """Return standard input; where it is closed, an empty one."""
    return sys.stdin.buffer if sys.stdin else io.BufferedReader(io.BytesIO())


def _has_lines(stream: IO[bytes]) -> bool:
    """Whether a stream has a line; empty ones before it are skipped, it stays to be read."""
    if not isinstance(stream, io.BufferedReader):
        return True
    while (ahead := stream.peek(1)[:1]) in (b"\n", b"\r"):
        stream.read(1)
    return bool(ahead)


def _is_pattern(name: str) -> bool:
    """Whether a name is a pattern that no shell has expanded."""
    return glob.has_magic(name) and "://" not in name and not os.path.lexists(name)


def _matches(pattern: str) -> Iterator[Path]:
    """Yield a pattern's matches, sorted as in a shell; the pattern itself if there are none.

    With **, folders are left out: the files in them match by themselves.
    """
    names = sorted(glob.iglob(pattern, recursive=True))  # noqa: PTH207 (any text)
    is_recursive = re.search(r"(^|[/\\])\*\*([/\\]|$)", pattern)
    paths = map(Path, names)
    yield from (path for path in paths if not (is_recursive and path.is_dir()))
    if not names:
        yield Path(pattern)


def _listed(path: Path, without: Path | None) -> Iterator[FoundPhoto]:
    """Yield a photo, or those in a folder, or the folder with what is wrong with it."""
    if not os.path.isdir(path):  # noqa: PTH112 (pathlib's raises for a name that is too long)
        yield FoundPhoto(path, str(path))
        return
    is_empty = True
    try:
        for inside in photo_files(path, without=without):
            yield FoundPhoto(inside, str(inside))
            is_empty = False
        fault = holds_none(path)
    except DataError as error:
        fault, is_empty = PhotoError(str(error)), True
    except OSError as error:
        fault = PhotoError(f"{error.filename or path} cannot be read ({error.strerror})")
        is_empty = True
    if is_empty:
        yield FoundPhoto(path, str(path), fault)
