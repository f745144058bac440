"""Photos by the name of their source: a folder, an archive."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from foodvision.data.archives import open_source
from foodvision.data.photos import Photos, find_photos


@contextmanager
def open_photos(source: str | os.PathLike[str]) -> Iterator[Photos]:
    """Give the photos of a source; they can be read until the context is left.

    source: a folder, a `.zip`, or a `.tar`, `.tar.gz` or `.tgz`.

    Raises DataError for a source that cannot be used, saying the way out.
    """
    with open_source(source) as folder:
        yield find_photos(folder)
