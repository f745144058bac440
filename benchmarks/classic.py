"""How good plain `train.py` is on the classic photos of pizza, steak and sushi, over five seeds.

    python benchmarks/classic.py --data ../shared/data/pizza_steak_sushi.zip

225 train photos, of which the seed sets 45 aside, and 75 test photos; none of the test photos is in
what the model that ships was trained on. Expect 96.0 with the default, which starts from that
model and knows the three, and 95.2 from ImageNet's weights (n = 75 each; the spread over seeds is
printed). Four minutes on two cores; `--smoke` runs one seed.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

import foodvision
from foodvision.training.config import TrainConfig
from foodvision.training.run import run_training

STARTS = ("foodvision_101", "efficientnet_lite0")


def main() -> None:
    """Train with every start and seed, and print a line for each start."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/pizza_steak_sushi.zip"))
    parser.add_argument("--smoke", action="store_true")
    arguments = parser.parse_args()
    seeds = range(1, 2 if arguments.smoke else 6)
    for start in STARTS:
        started = time.perf_counter()
        top1 = [100 * train(arguments.data, start, seed) for seed in seeds]
        seconds = (time.perf_counter() - started) / len(top1)
        spread = np.std(top1, ddof=1) if len(top1) > 1 else 0.0
        print(
            f"--model {start}: mean {np.mean(top1):.1f} (sd {spread:.1f}; "
            f"{' '.join(f'{value:.1f}' for value in top1)}), {seconds:.0f} s a run",
            flush=True,
        )


def train(data: Path, start: str, seed: int) -> float:
    """Return the top-1 on the test photos of a run with the default settings."""
    with tempfile.TemporaryDirectory() as folder:
        config = TrainConfig(model=start, seed=seed, output=Path(folder) / "run")
        checkpoint = run_training(data, config)
        return float(foodvision.load(checkpoint).config.figures["test"]["top1"])


if __name__ == "__main__":
    main()
