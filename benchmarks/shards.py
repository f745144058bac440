"""How long listing the photos of shards takes, and how much memory, by how many there are.

    python benchmarks/shards.py

Writes so many small files with their labels into shards of 1,000, in a temporary folder, and lists
them as training does before it opens any: once by their headers, once by the lists that were kept.
Half a minute on one core; `--photos` for other numbers.
"""

import argparse
import io
import os
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from foodvision.data import open_photos

_A_SHARD = 1_000


def main() -> None:
    """Print seconds and memory of each number of photos."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--list", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.list:
        _list(options.list)
        return
    for count in options.photos:
        with tempfile.TemporaryDirectory() as folder:
            for first in range(0, count, _A_SHARD):
                _write(Path(folder, f"{first:09}.tar"), range(first, min(count, first + _A_SHARD)))
            environment = os.environ | {"FOODVISION_CACHE": f"{folder}/.cache"}
            for _ in range(2):
                command = [sys.executable, __file__, "--list", folder]
                subprocess.run(command, env=environment, check=True)  # noqa: S603


def _write(shard: Path, numbers: range) -> None:
    with tarfile.open(shard, "w") as file:
        for number in numbers:
            for ending, content in (("jpg", b"x"), ("cls", b"%d" % (number % 10))):
                info = tarfile.TarInfo(f"{number:09}.{ending}")
                info.size = len(content)
                file.addfile(info, io.BytesIO(content))


def _list(folder: str) -> None:
    before = _megabytes()
    started = time.perf_counter()
    with open_photos(folder) as photos:
        seconds, found = time.perf_counter() - started, len(photos.splits["all"])
        memory = _megabytes() - before
        print(f"{found:>9,} photos: {seconds:.2f} seconds, {memory:,.0f} MB more", flush=True)


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


if __name__ == "__main__":
    main()
