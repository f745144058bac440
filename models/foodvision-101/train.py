"""Train foodvision-101, the model that ships: three parts of food's features, one of ImageNet's.

    python models/foodvision-101/train.py --data ../shared/data

(`make model`.) The 40,400 small photos carry the classes, the 4,912 sharp ones the detail:

1. a linear head on frozen ImageNet features of the sharp photos;
2. the network from there, but for its first stages, in four phases of growing sizes and sharpness;
3. its weights averaged with ImageNet's, three to one (Wortsman et al., "Robust fine-tuning of
   zero-shot models", CVPR 2022), which keeps what tells food from other things;
4. a new linear head on the frozen features of that.

Of the sharp training photos 15% are set aside for calibration and to watch the training; half of
the photos without food teach how it is told that a photo shows no dish. The sharp test photos and
the other half are answered once, at the end. What else was tried, and judged on what:
docs/model.md.

Writes `foodvision/bundled/`. Expect 70 top-1 on the 710 validation photos and 73.3 (70.2 to 76.1)
on the 849 test photos; all figures stand in its README.md, with n and interval. It takes three
hours on two cores; what is interrupted goes on when it is started again (its state is in
runs/foodvision-101, features in the user's cache). `--smoke` sees in minutes whether it runs.
"""

import argparse
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from measure import figures_of
from timm.utils import freeze, unfreeze
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset

from foodvision.checkpoint import BUNDLED, measured_on, write_checkpoint
from foodvision.config import TrainConfig
from foodvision.data import LabelledPhoto, Photos, carve, find_photos, open_heap, open_source
from foodvision.data.batches import InMemory, Shorten
from foodvision.data.loaders import PhotoDataset, photo_dataset
from foodvision.data.transforms import Square
from foodvision.engine import keep_freed_memory
from foodvision.export import export_body
from foodvision.fitting import fit
from foodvision.models import create_model, preprocess_for, split_head
from foodvision.outcome import (
    build_checkpoint,
    calibrate,
    compute_features,
    weights_of,
)
from foodvision.runs.card import write_card
from foodvision.stages import Finish, Growing, Row, Run, Stage

BACKBONE = "efficientnet_lite0"
SERVED = replace(preprocess_for(BACKBONE), crop=1.0)  # a photo of 224 pixels is taken as it is

HEAD = TrainConfig(
    model=BACKBONE,
    epochs=10,
    batch_size=256,
    learning_rate=3e-3,
    weight_decay=0.1,
    label_smoothing=0.1,
    half_storage=True,
)
NETWORK = TrainConfig(
    model=BACKBONE,
    freeze=False,
    weight_decay=0.02,
    ema=0.998,
    label_smoothing=0.1,
    low_resolution=0.2,
)


@dataclass(frozen=True)
class Phase:
    """A part of the training of the whole network: its size, and how much is sharp."""

    name: str
    config: TrainConfig
    size: int
    sharp_share: float
    every: int  # of the small photos, every so many-th


PHASES = (
    Phase(
        "small",
        replace(NETWORK, epochs=4, batch_size=64, learning_rate=1.5e-3, start_size=80),
        112,
        0.25,
        1,
    ),
    Phase(
        "sharp",
        replace(NETWORK, epochs=2, batch_size=64, learning_rate=5e-4, start_size=128),
        160,
        0.5,
        2,
    ),
    Phase("long", replace(NETWORK, epochs=4, batch_size=64, learning_rate=1.2e-3), 128, 0.3, 1),
    Phase("calm", replace(NETWORK, epochs=2, batch_size=64, learning_rate=4e-4), 160, 0.5, 1),
)

# Of the seven stages of blocks: what sees edges and textures stays as ImageNet taught it, which
# makes a step a third faster.
FROZEN = ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2")

CARD = Path(__file__).parent / "card.md"

# How often the head draws a sharp and a small photo.
HEAD_WEIGHTS = (2.0, 0.3)

# Of the trained backbone against ImageNet's.
TRAINED_SHARE = 0.75


def main() -> None:
    """Train, calibrate, measure and write the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--smoke", action="store_true", help="few photos, into runs/smoke")
    arguments = parser.parse_args()
    state = Path("runs/smoke-state" if arguments.smoke else "runs/foodvision-101")
    output = Path("runs/smoke") if arguments.smoke else arguments.output
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
        open_source(arguments.data / "pizza_steak_sushi.zip") as classic_folder,
        open_heap(arguments.data / "not_food.zip") as not_food,
        open_heap(arguments.data / "other_food.zip") as other_food,
    ):
        small = find_photos(small_folder).splits["train"]
        sharp = split_sharp(sharp_folder)
        phases = PHASES
        if arguments.smoke:
            small = a_few(small)
            sharp = replace(sharp, splits={n: a_few(of) for n, of in sharp.splits.items()})
            phases = tuple(replace(p, config=replace(p.config, epochs=1)) for p in PHASES)
        this = Run(HEAD, sharp, SERVED, state, Accelerator(cpu=True), on_epoch=tell)
        network = train_network(this, small, phases)
        body = export_body(network, this.preprocess)
        calibration, aurocs = calibrate(network, body, this, not_food[::2])
        checkpoint = build_checkpoint(network, body, calibration, this)
        classic = find_photos(classic_folder).splits["test"]
        figures, pictures = figures_of(checkpoint, sharp, classic, not_food[1::2], other_food)
        figures["known_by"] = {"score": calibration.known.kind, "auroc_on_validation": aurocs}
    weights = weights_of(network, half=True)
    figures["measured_on"] = measured_on(checkpoint.graph, weights)
    data = checkpoint.config.data | {"source": "food101"}
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, data=data, figures=figures))
    card = write_card(checkpoint, "foodvision-101", "make model", CARD)
    write_checkpoint(output, checkpoint.config, checkpoint.graph, card, weights, pictures)
    shutil.rmtree(state)


def train_network(this: Run, small: Sequence[LabelledPhoto], phases: Sequence[Phase]) -> nn.Module:
    """Return the network after all four steps."""
    torch.manual_seed(HEAD.seed)
    network = create_model(BACKBONE, len(this.photos.classes))
    imagenet = {name: value.clone() for name, value in network.state_dict().items()}
    fit_head("first head", network, [this.photos.splits["train"]], this)
    keep_freed_memory()
    freeze(network, FROZEN)
    for phase in phases:
        fit_phase(phase, network, small, this)
    unfreeze(network, FROZEN)
    averaged = {
        name: torch.lerp(imagenet[name], value, TRAINED_SHARE)
        if value.is_floating_point() and not name.startswith("classifier")
        else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(averaged)
    fit_head("head", network, [this.photos.splits["train"], small], this)
    return network


def fit_head(
    name: str, network: nn.Module, parts: Sequence[Sequence[LabelledPhoto]], this: Run
) -> None:
    """Train the network's head on what its frozen backbone sees of sharp, and small, photos."""
    _, head = split_head(network)
    body = export_body(network, this.preprocess)
    train_sets = [embedded(network, body, photos, this) for photos in parts]
    weights = [
        weight
        for part, weight in zip(train_sets, HEAD_WEIGHTS, strict=False)
        for _ in range(len(part))
    ]
    stage = Stage(
        name,
        head,
        this.batches(ConcatDataset(train_sets), weights=torch.tensor(weights)),
        this.batches(embedded(network, body, this.photos.splits["val"], this), shuffle=False),
        HEAD.epochs,
        HEAD.learning_rate or 0.0,
    )
    fit(stage, this)


def fit_phase(phase: Phase, network: nn.Module, small: Sequence[LabelledPhoto], this: Run) -> None:
    """Train the whole network on sharp and small photos."""
    square = replace(SERVED, size=phase.size)
    then = replace(this, config=phase.config, preprocess=square)
    photos = this.photos
    few = small[:: phase.every]
    train_sets = [
        InMemory(photo_dataset(photos, "train", Shorten(224))),
        InMemory(PhotoDataset(photos.root, few, photos.classes, Shorten(64))),
    ]
    val_set = InMemory(photo_dataset(photos, "val", Square(SERVED)))
    shares = phase.sharp_share, 1 - phase.sharp_share
    weights = torch.cat(
        [
            torch.full((len(part),), share / len(part))
            for part, share in zip(train_sets, shares, strict=True)
        ]
    )
    network.to(memory_format=torch.channels_last)
    stage = Stage(
        phase.name,
        network,
        then.batches(
            ConcatDataset(train_sets),
            weights=weights,
            transform_of=Growing(square, phase.config),
            finish=Finish(square),
            before_batch=this.stop.check,
        ),
        then.batches(val_set, shuffle=False, finish=Finish(SERVED)),
        phase.config.epochs,
        phase.config.learning_rate or 0.0,
        phase.config.layer_decay,
    )
    fit(stage, then)


def embedded(
    network: nn.Module, body: bytes, photos: Sequence[LabelledPhoto], this: Run
) -> TensorDataset:
    """Return (embedding (d,), class index) of photos."""
    index = {name: place for place, name in enumerate(this.photos.classes)}
    features = compute_features(network, body, photos, this)[:, 0]
    return TensorDataset(features, torch.tensor([index[photo.label] for photo in photos]))


def tell(rows: list[Row]) -> None:
    """Print an epoch."""
    last = rows[-1]
    print(
        f"{last['stage']}, epoch {last['epoch']}: loss {last['train_loss']:.3f}, "
        f"validation {100 * last['val_acc']:.1f}, {last['seconds']:.0f} s",
        flush=True,
    )


def a_few(photos: Sequence[LabelledPhoto]) -> tuple[LabelledPhoto, ...]:
    """Return the first two photos of each class."""
    by_class = defaultdict(list)
    for photo in photos:
        by_class[photo.label].append(photo)
    return tuple(photo for members in by_class.values() for photo in members[:2])


def split_sharp(folder: Path) -> Photos:
    """Carve validation out of the sharp training photos; test/ is left for the end."""
    found = find_photos(folder)
    stays, taken = carve(found.splits["train"], share=0.15, seed="foodvision-101")
    return replace(found, splits={"train": stays, "val": taken, "test": found.splits["test"]})


if __name__ == "__main__":
    main()
