"""How many photos a second `foodvision predict --csv` answers, against a plain loop.

    python benchmarks/folder.py --photos 300
    taskset -c 0 python benchmarks/folder.py    # on one processor, where others are busy

Each side is a process of its own, and its start counts. The plain loop opens each photo with
Pillow, prepares it with torchvision (Resize, CenterCrop, ToTensor) and asks the same network in
eager PyTorch, a photo at a time. The bound is ONNX Runtime alone, on squares that are ready, eight
at a time. Photos are the examples, of 224 x 224 pixels and of 12 megapixels (JPEG, quality 90),
each many times under other names. Prints photos a second, and the ratios, with n.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image, ImageOps

EXAMPLES = Path(__file__).parent.parent / "examples"
SIDES = {"224 pixels": (224, 224), "12 megapixels": (4000, 3000)}
BATCH = 8


def main() -> None:
    """Time all and print, or be one of the sides."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", nargs="+", choices=SIDES, default=tuple(SIDES))
    parser.add_argument("--side", choices=("plain", "bound"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side == "plain":
        plain_loop(arguments.folder)
    elif arguments.side == "bound":
        runtime_alone(arguments.photos)
    else:
        compare(arguments.photos, arguments.rounds, arguments.sizes)


def compare(photos: int, rounds: int, sizes: Sequence[str]) -> None:
    """Time the sides by turns, and print the photos a second of each, and the ratios."""
    for size in sizes:
        with tempfile.TemporaryDirectory() as place:
            folder = make_photos(Path(place) / "photos", photos, SIDES[size])
            calls = {
                "foodvision predict --csv": lambda place=place, folder=folder: predict(
                    folder, Path(place)
                ),
                "plain loop": lambda folder=folder: call(
                    __file__, "--side", "plain", "--folder", folder
                ),
                "ONNX Runtime alone": lambda: call(__file__, "--side", "bound", "--photos", photos),
            }
            taken = list(time_by_turns(calls, rounds))
        print(f"{size}, n = {rounds} rounds of {photos} photos, start included:")
        for name in calls:
            print(f"  {name}: {photos / median(each[name] for each in taken):.1f} photos a second")
        ours = "foodvision predict --csv"
        for name in ("plain loop", "ONNX Runtime alone"):
            ratios = sorted(each[name] / each[ours] for each in taken)
            print(f"  {median(ratios):.2f} times {name} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def time_by_turns(calls: dict[str, Callable[[], None]], rounds: int) -> Iterator[dict[str, float]]:
    """Give the seconds of each side, round by round."""
    for _ in range(rounds):
        taken = {}
        for name, run in calls.items():
            started = time.perf_counter()
            run()
            taken[name] = time.perf_counter() - started
        yield taken


def make_photos(folder: Path, count: int, sides: tuple[int, int]) -> Path:
    """Write the examples in one size, and link them until there are enough."""
    folder.mkdir()
    examples = sorted(EXAMPLES.glob("*.jpg"))
    for number in range(count):
        target = folder / f"{number:06}.jpg"
        if number >= len(examples):
            target.hardlink_to(folder / f"{number % len(examples):06}.jpg")
            continue
        photo = Image.open(examples[number]).convert("RGB")
        ImageOps.fit(photo, sides, Image.Resampling.BICUBIC).save(target, quality=90)
    return folder


def predict(folder: Path, place: Path) -> None:
    """Answer the photos of a folder as a user does."""
    table = place / "answers.csv"
    call("-m", "foodvision", "predict", folder, "--csv", table)
    lines = sum(1 for _ in table.open()) - 1
    assert lines == sum(1 for _ in folder.iterdir()), lines
    table.unlink()


def call(*arguments: object) -> None:
    """Run this Python, which must succeed."""
    called = [sys.executable, *map(str, arguments)]
    subprocess.run(called, check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own)


def plain_loop(folder: Path) -> None:
    """Answer the photos of a folder as tutorials do."""
    import torch
    from torchvision import transforms

    from foodvision.checkpoint import BUNDLED, read_checkpoint
    from foodvision.models import load_network

    checkpoint = read_checkpoint(BUNDLED)
    preprocess, network = checkpoint.config.preprocess, load_network(checkpoint).eval()
    prepare = transforms.Compose(
        [
            transforms.Resize(
                preprocess.short_side, transforms.InterpolationMode(preprocess.interpolation)
            ),
            transforms.CenterCrop(preprocess.size),
            transforms.ToTensor(),
            transforms.Normalize(preprocess.mean, preprocess.std),
        ]
    )
    for path in sorted(folder.iterdir()):
        pixels = prepare(Image.open(path).convert("RGB"))
        with torch.inference_mode():
            probabilities = network(pixels[None]).softmax(dim=1)[0]
        best = int(probabilities.argmax())
        print(path, checkpoint.config.classes[best], float(probabilities[best]))


def runtime_alone(photos: int) -> None:
    """Run the graph on squares."""
    from foodvision.checkpoint import BUNDLED  # first: it switches ONNX Runtime's telemetry off

    # isort: split
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(BUNDLED / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    side = session.get_inputs()[0].shape[1]
    squares = np.random.default_rng(1).integers(0, 256, (BATCH, side, side, 3), np.uint8)
    for start in range(0, photos, BATCH):
        session.run(["probabilities"], {"pixels": squares[: min(BATCH, photos - start)]})


if __name__ == "__main__":
    main()
