"""How long one answer takes on one core, against the bare network on ONNX Runtime.

    python benchmarks/answer.py

Each round times `Classifier.predict` on a decoded photo of 224 x 224 pixels (preparing it counts,
and so do calibration, known or not, and the map), and EfficientNet-Lite0 with ImageNet's head on
pixels that are ready, one after the other. Prints the ratio of medians and its range over rounds.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import foodvision  # first: it switches ONNX Runtime's telemetry off

# isort: split
import numpy as np
import onnxruntime
import torch
from PIL import Image

from foodvision.models import create_model

SIDE = 224
EXAMPLE = Path(__file__).parent.parent / "examples" / "pizza.jpg"


def main() -> None:
    """Time both and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--answers", type=int, default=40, help="of each in a round")
    arguments = parser.parse_args()
    bare = bare_network()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # ONNX Runtime counts the cores it has
    classifier = foodvision.load()
    photo = np.asarray(Image.open(EXAMPLE).convert("RGB").resize((SIDE, SIDE)))
    session = onnxruntime.InferenceSession(bare, providers=["CPUExecutionProvider"])
    pixels = np.float32(photo.transpose(2, 0, 1)[None]) / 127.5 - 1
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        theirs.append(seconds(lambda: session.run(None, {"pixels": pixels}), arguments.answers))
        ours.append(seconds(lambda: classifier.predict(photo), arguments.answers))
    ratios = sorted(one / other for one, other in zip(ours, theirs, strict=True))
    print(f"bare network {1000 * median(theirs):.1f} ms, an answer {1000 * median(ours):.1f} ms")
    print(
        f"ratio {median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), "
        f"n = {arguments.rounds} rounds of {arguments.answers}"
    )


def bare_network() -> bytes:
    """Return EfficientNet-Lite0 for 1,000 classes as an ONNX graph."""
    network = create_model("efficientnet_lite0", 1000).eval()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bare.onnx"
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, SIDE, SIDE),),
            file,
            dynamo=True,
            verbose=False,
            external_data=False,
            input_names=["pixels"],
        )
        return file.read_bytes()


def seconds(answer: Callable[[], object], times: int) -> float:
    """Return the median time of an answer."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        answer()
        taken.append(time.perf_counter() - started)
    return median(taken)


if __name__ == "__main__":
    main()
