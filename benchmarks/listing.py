"""How long finding the photos of a folder takes, by how many files lie in it.

    python benchmarks/listing.py

Writes so many small files into two class folders, in a temporary folder, and lists them as training
does before it opens any. Half a minute on one core; `--files` for other numbers.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

from foodvision.data import find_photos


def main() -> None:
    """Print seconds and memory of each number of files."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    for count in parser.parse_args().files:
        with tempfile.TemporaryDirectory() as name:
            for label in ("pizza", "steak"):
                folder = Path(name, label)
                folder.mkdir()
                for number in range(count // 2):
                    (folder / f"{number}.jpg").write_bytes(b"x")
            started = time.perf_counter()
            photos = find_photos(Path(name))
            seconds = time.perf_counter() - started
        found = len(photos.splits["all"])
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"{found:>9,} files: {seconds:.2f} seconds, {memory:,.0f} MB at most")


if __name__ == "__main__":
    main()
