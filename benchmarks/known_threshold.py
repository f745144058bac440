"""From how many validation photos on a threshold of known or not can be trusted.

    python benchmarks/known_threshold.py

Draws the scores of n validation photos, fits the threshold by both rules, and counts the share of
later photos of the classes that it refuses: on average, and in the worst of 20 trainings. Only the
order of the scores matters, so that one distribution stands for all. A few seconds on one core.
"""

import argparse

import numpy as np

from foodvision.evaluation.calibration import fit_cautious_threshold, fit_known_threshold

SIZES = (3, 6, 12, 20, 28, 29, 45, 60, 80, 100, 120, 150, 200, 500, 1000)


def main() -> None:
    """Print, for every number of photos, what each rule refuses."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=4000)
    trials = parser.parse_args().trials
    print(f"{'':>6}  {'5% quantile':>16}  {'cautious':>16}")
    print(f"{'n':>6}  {'mean':>7}  {'1 in 20':>7}  {'mean':>7}  {'1 in 20':>7}")
    for size in SIZES:
        scores = np.random.default_rng(size).random((trials, size))
        columns = []
        for fit in (fit_known_threshold, fit_cautious_threshold):
            # Of uniform scores, a threshold is the share that it refuses.
            refused = np.maximum([fit(drawn) for drawn in scores], 0)
            columns += [refused.mean(), np.quantile(refused, 0.95)]
        print(f"{size:6}  " + "  ".join(f"{100 * value:6.1f}%" for value in columns))


if __name__ == "__main__":
    main()
