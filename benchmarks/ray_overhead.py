"""How fast `foodvision predict --ray local` is, against the same command without Ray.

    python benchmarks/ray_overhead.py
    python benchmarks/ray_overhead.py --cpus 1 2 --rounds 5

Both are commands of their own, as a user runs them, on the same photos: the examples at 224 x 224
pixels (JPEG, quality 90), each many times under other names. The start of Python, Ray and the model
is left out: each command runs on few photos and on `--photos` more, and what the second run takes
longer counts. The sides take turns, and medians are compared. Prints photos a second, with n.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from folder import SIDES, make_photos

FEW = 200


def main() -> None:
    """Time all sides by turns, and print photos a second and the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cpus", type=int, nargs="+", default=[1], help="of each actor")
    arguments = parser.parse_args()
    sides = {"plain": []} | {
        f"Ray, {cpus} processors an actor": ["--ray", "local", "--ray-cpus", str(cpus)]
        for cpus in arguments.cpus
    }
    taken: dict[str, list[float]] = {name: [] for name in sides}
    starts: dict[str, list[float]] = {name: [] for name in sides}
    with tempfile.TemporaryDirectory() as place:
        few = make_photos(Path(place) / "few", FEW, SIDES["224 pixels"])
        many = make_photos(Path(place) / "many", FEW + arguments.photos, SIDES["224 pixels"])
        for _ in range(arguments.rounds):
            for name, options in sides.items():
                short, long = (predict(of, Path(place), options) for of in (few, many))
                taken[name].append(long - short)
                starts[name].append(short - FEW * (long - short) / arguments.photos)
    rates = {name: arguments.photos / median(seconds) for name, seconds in taken.items()}
    for name, rate in rates.items():
        share, start = rate / rates["plain"], median(starts[name])
        print(f"{name}: {rate:.1f} photos a second, {share:.2f} of plain; start {start:.1f} s")
    print(f"n = {arguments.photos} photos, median of {arguments.rounds} rounds")


def predict(folder: Path, place: Path, options: list[str]) -> float:
    """Return the seconds of a command, whose answers must be complete."""
    from pyarrow import dataset

    out = Path(tempfile.mkdtemp(dir=place)) / "answers.parquet"
    command = [sys.executable, "-m", "foodvision", "predict", str(folder), "--parquet", str(out)]
    started = time.perf_counter()
    subprocess.run([*command, *options], check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    seconds = time.perf_counter() - started
    assert dataset.dataset(out).count_rows() == sum(1 for _ in folder.iterdir())
    return seconds


if __name__ == "__main__":
    main()
