"""How fast training is, as ratios to the plain loop on the same machine in the same run.

    python benchmarks/train.py --data ../shared/data/pizza_steak_sushi.zip --write

The plain loop is what tutorials show: ImageFolder with Pillow, a DataLoader, eager torch, float32,
channels first, a frozen backbone run again in every epoch. Each side runs in a process of its own,
in turn, so that all see the same neighbours. Prints the table of docs/benchmarks.md and, with
`--write`, puts it there. About ten minutes on two cores; `--smoke` sees in three that it runs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
PAGE = REPOSITORY / "docs" / "benchmarks.md"
START, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

MODEL = "efficientnet_lite0"
SEED = 1
EPOCHS = 10
BATCH = 32

Seconds = dict[str, float]


def main() -> None:
    """Time all sides in turn and print the ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data/pizza_steak_sushi.zip"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md")
    parser.add_argument("--smoke", action="store_true", help="one round")
    parser.add_argument("--side", choices=SIDES, help="time one side, print it as JSON")
    arguments = parser.parse_args()
    if arguments.side:
        print(json.dumps(SIDES[arguments.side](arguments.data)))
        return
    rounds = [
        {name: in_own_process(name, arguments.data) for name in SIDES}
        for _ in range(1 if arguments.smoke else arguments.rounds)
    ]
    table = to_table(rounds)
    print(table)
    if arguments.write:
        before, _, rest = PAGE.read_text().partition(START)
        PAGE.write_text(before + START + table + END + rest.partition(END)[2])


def in_own_process(side: str, data: Path) -> Seconds:
    """Return what a side measured, with nothing cached from another."""
    with tempfile.TemporaryDirectory() as cache:
        done = subprocess.run(  # noqa: S603 (ourselves)
            [sys.executable, __file__, "--side", side, "--data", str(data)],
            env=os.environ | {"FOODVISION_CACHE": cache},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    seconds: Seconds = json.loads(done.stdout.splitlines()[-1])
    return seconds


def plain_frozen(data: Path) -> Seconds:
    """Ten epochs of the plain loop with a frozen backbone; from photos on the disk."""
    import torch
    from torch import nn

    with _unpacked(data) as root:
        started = time.perf_counter()
        network, loaders = _plain(root)
        for name, weight in network.named_parameters():
            weight.requires_grad = name.startswith("classifier")
        optimizer = torch.optim.Adam(network.classifier.parameters(), lr=3e-3)
        loss_fn = nn.CrossEntropyLoss()
        epochs_started = time.perf_counter()
        for _ in range(EPOCHS):
            network.train()
            for images, labels in loaders["train"]:
                loss = loss_fn(network(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            network.eval()
            right = total = 0
            with torch.inference_mode():
                for images, labels in loaders["test"]:
                    right += int((network(images).argmax(1) == labels).sum())
                    total += len(labels)
        ended = time.perf_counter()
    return {"loop": ended - epochs_started, "all": ended - started, "accuracy": right / total}


def our_frozen(data: Path) -> Seconds:
    """Ten epochs of the head on features that are computed once."""
    from foodvision.training.fit import fit
    from foodvision.training.run import body_of_start, export_body, head_features, start_network
    from foodvision.training.stages import head_stage

    with _our_run(data, epochs=EPOCHS, views=1) as this:
        network = start_network(this)
        started = time.perf_counter()
        exported = body_of_start(this) or export_body(network, this.preprocess)
        exported_at = time.perf_counter()
        stage = head_stage(network, head_features(network, exported, this), this)
        features_at = time.perf_counter()
        rows = fit(stage, this)
        ended = time.perf_counter()
    return {
        "export": exported_at - started,
        "features": features_at - exported_at,
        "epochs": ended - features_at,
        "accuracy": rows[-1]["val_acc"],
    }


def our_command(data: Path) -> Seconds:
    """The whole of `python train.py DATA`: start, photos, training, figures, report."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        subprocess.run(  # noqa: S603 (our own command)
            [sys.executable, "train.py", str(data.resolve()), "--output", f"{folder}/run"],
            cwd=REPOSITORY,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        return {"all": time.perf_counter() - started}


def plain_network(data: Path) -> Seconds:
    """Photos a second of the plain loop over the whole network."""
    import torch
    from torch import nn

    with _unpacked(data) as root:
        network, loaders = _plain(root)
        optimizer = torch.optim.Adam(network.parameters(), lr=5e-4)
        loss_fn = nn.CrossEntropyLoss()

        def epoch() -> None:
            network.train()
            for images, labels in loaders["train"]:
                loss = loss_fn(network(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return {"photos_a_second": len(loaders["train"].dataset) / _second_time(epoch)}


def our_network(data: Path) -> Seconds:
    """Photos a second of ours over the whole network, and what decoding once takes."""
    from torch import nn

    from foodvision.engine.optimise import create_optimizer
    from foodvision.engine.steps import train_step
    from foodvision.training.run import start_network
    from foodvision.training.stages import network_stage

    with _our_run(data, freeze=False, epochs=2) as this:
        network = start_network(this)
        started = time.perf_counter()
        stage = network_stage(network, this)
        decoding = time.perf_counter() - started
        optimizer = create_optimizer(network, "adamw", 5e-4)
        photos = sum(len(labels) for _, labels in stage.train_batches)
        data_only = _second_time(lambda: list(stage.train_batches))
        seconds = _second_time(
            lambda: train_step(network, stage.train_batches, nn.CrossEntropyLoss(), optimizer)
        )
    return {
        "photos_a_second": photos / seconds,
        "decoding": decoding,
        "share_of_data": data_only / seconds,
    }


SIDES: dict[str, Callable[[Path], Seconds]] = {
    "plain_frozen": plain_frozen,
    "our_frozen": our_frozen,
    "our_command": our_command,
    "plain_network": plain_network,
    "our_network": our_network,
}


def to_table(rounds: list[dict[str, Seconds]]) -> str:
    """Return medians over the rounds, and each ratio with its range, as Markdown."""
    loops = [seen["plain_frozen"]["loop"] for seen in rounds]
    ours = [seen["our_frozen"] for seen in rounds]
    network = [seen["our_network"] for seen in rounds]
    features = [seen["features"] + seen["epochs"] for seen in ours]
    plain_pace = [1 / seen["plain_network"]["photos_a_second"] for seen in rounds]
    pace = [1 / seen["photos_a_second"] for seen in network]
    commands = [seen["our_command"]["all"] for seen in rounds]
    frozen = f"frozen backbone, {EPOCHS} epochs"
    command = "the whole of `python train.py pizza_steak_sushi.zip`"
    plain_accuracy = rounds[0]["plain_frozen"]["accuracy"]
    return f"""\
| {len(rounds)} rounds, medians | plain loop | foodvision | speed-up (range) |
|---|---|---|---|
{_row(f"{frozen} on cached features", loops, [seen["epochs"] for seen in ours], "s")}
{_row(f"{frozen}, features computed first", loops, features, "s")}
{_row(f"{command}, from the model that ships", loops, commands, "s")}
{_row("whole network at 224 pixels, a photo", plain_pace, pace, "s")}

With a frozen backbone, the plain loop reaches an accuracy of {100 * plain_accuracy:.1f}% on the 75
test photos. foodvision reaches {100 * ours[0]["accuracy"]:.1f}% on its 45 validation photos. For
the whole network, foodvision decodes the photos once, in
{statistics.median(seen["decoding"] for seen in network):.1f} s, and keeps them. Cropping and
flipping take {100 * statistics.median(seen["share_of_data"] for seen in network):.0f}% of an epoch;
the network takes the rest.
"""


def _row(what: str, plain: list[float], ours: list[float], unit: str) -> str:
    ratios = sorted(theirs / mine for theirs, mine in zip(plain, ours, strict=True))
    return (
        f"| {what} | {statistics.median(plain):.3g} {unit} | {statistics.median(ours):.3g} {unit} "
        f"| {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}) |"
    )


def _unpacked(data: Path) -> AbstractContextManager[Path]:
    from foodvision.data import open_source

    return open_source(data)


def _plain(root: Path) -> tuple[Any, dict[str, Any]]:
    """The network and loaders that tutorials make."""
    import torch
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    from foodvision.models import create_model

    torch.manual_seed(SEED)
    network = create_model(MODEL, 3)
    normalise = transforms.Normalize([0.5] * 3, [0.5] * 3)
    train_transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(224, scale=(0.35, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            normalise,
        ]
    )
    test_transform = transforms.Compose(
        [transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), normalise]
    )
    folder = next(path.parent for path in root.rglob("train"))
    return network, {
        "train": DataLoader(
            ImageFolder(folder / "train", train_transform), BATCH, shuffle=True, drop_last=True
        ),
        "test": DataLoader(ImageFolder(folder / "test", test_transform), BATCH),
    }


@contextmanager
def _our_run(data: Path, **settings: Any) -> Iterator[Any]:
    from foodvision.data import open_photos
    from foodvision.models import find_start, preprocess_for
    from foodvision.training.config import TrainConfig
    from foodvision.training.run import choose_photos, start_accelerator
    from foodvision.training.stages import Run

    config = TrainConfig(model=MODEL, seed=SEED, batch_size=BATCH, **settings)
    with open_photos(data) as found, tempfile.TemporaryDirectory() as folder:
        photos = choose_photos(found, config)
        square = preprocess_for(MODEL)
        yield Run(
            config, photos, square, Path(folder), start_accelerator(config), find_start(MODEL)
        )


def _second_time(action: Callable[[], object]) -> float:
    """Seconds that an action takes when everything is warm."""
    action()
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
