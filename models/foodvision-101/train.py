"""Train foodvision-101, the model that ships: one small network, taught by two of its kind.

    python models/foodvision-101/train.py --data ../shared/data

(`make model`.) The 40,400 small photos carry the classes, the 4,912 sharp ones the detail:

1. a linear head on frozen ImageNet features of the sharp photos;
2. two networks from there, but for their first stages, in phases of growing sizes and sharpness:
   one for long, the other briefly and normalised by ImageNet's statistics all the while;
3. the weights of each averaged with ImageNet's (Wortsman et al., "Robust fine-tuning of zero-shot
   models", CVPR 2022), which keeps what tells food from other things, and a new linear head on
   the frozen features of that;
4. the first of them, taught twice by what both together answer to the same crops of mixed photos
   (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022).

Of the sharp training photos 15% are set aside for calibration and to watch the training; half of
the photos without food teach how it is told that a photo shows no dish. The sharp test photos and
the other half are answered once, at the end. What else was tried, and judged on what:
docs/model.md.

Writes `foodvision/bundled/`. Expect about what ships: 71.5 top-1 on the 710 validation photos and
74.6 (71.5 to 77.4) on the 849 test photos; all figures stand in its README.md, with n and interval.
About, because that came about over days, in parts that saw fewer crops (docs/model.md). It takes
eight hours on two cores; what is interrupted goes on when it is started again (its state is in
runs/foodvision-101, features in the user's cache). `--smoke` sees in minutes whether it runs.
"""

import argparse
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import torch
from accelerate import Accelerator
from measure import figures_of
from timm.utils import freeze, unfreeze
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset

from foodvision.checkpoint import BUNDLED, measured_on, write_checkpoint
from foodvision.data import LabelledPhoto, Photos, carve, find_photos, open_source, open_unlabelled
from foodvision.data.batches import Batches, InMemory, Shorten, mixing
from foodvision.data.loaders import PhotoDataset, photo_dataset
from foodvision.data.transforms import Square
from foodvision.engine import DistillationLoader, keep_freed_memory
from foodvision.errors import Stopped
from foodvision.export import export_body
from foodvision.models import create_model, find_start, preprocess_for, split_head
from foodvision.reports.card import write_card
from foodvision.runs import Row
from foodvision.training.config import TrainConfig
from foodvision.training.fit import fit
from foodvision.training.package import (
    build_checkpoint,
    calibrate,
    compute_features,
    weights_of,
)
from foodvision.training.stages import BatchTransform, ProgressiveResize, Run, Stage

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
    batch_size=64,
    weight_decay=0.02,
    ema=0.998,
    label_smoothing=0.1,
    low_resolution=0.2,
)
# Without it a network whose statistics are held is gone in its first steps.
SLOWLY = replace(NETWORK, warmup_epochs=0.2, clip=1.0)


@dataclass(frozen=True)
class Phase:
    """A part of the training of the whole network: its size, and how much is sharp."""

    name: str
    config: TrainConfig
    size: int
    sharp_share: float
    every: int = 1  # of the small photos, every so many-th


@dataclass(frozen=True)
class Training:
    """How a network that knows ImageNet learns from labels.

    frozen: of the seven stages of blocks, those that see edges and textures stay as ImageNet
        taught them, which makes a step faster.
    trained_share: of the trained weights against ImageNet's, in the end.
    """

    name: str
    phases: tuple[Phase, ...]
    frozen: tuple[str, ...]
    holds_statistics: bool
    trained_share: float


STEM = ("conv_stem", "bn1", "blocks.0", "blocks.1")

LONG = Training(
    "long",
    (
        Phase("small", replace(NETWORK, epochs=4, learning_rate=1.5e-3, start_size=80), 112, 0.25),
        Phase("sharp", replace(NETWORK, epochs=2, learning_rate=5e-4, start_size=128), 160, 0.5, 2),
        Phase("mixed", replace(NETWORK, epochs=4, learning_rate=1.2e-3), 128, 0.3),
        Phase("calm", replace(NETWORK, epochs=2, learning_rate=4e-4), 160, 0.5),
    ),
    (*STEM, "blocks.2"),
    holds_statistics=False,
    trained_share=0.75,
)
BRIEF = Training(
    "brief",
    (
        Phase("small", replace(SLOWLY, epochs=2, learning_rate=6e-4), 128, 0.12),
        Phase("sharp", replace(SLOWLY, epochs=2, learning_rate=4e-4), 160, 0.5, 2),
    ),
    STEM,
    holds_statistics=True,
    trained_share=0.8,
)
TAUGHT = Phase(
    "taught",
    replace(SLOWLY, epochs=3, learning_rate=2e-4, start_size=144, mixup=1.0, label_smoothing=0.0),
    160,
    0.5,
)
LESSONS = (TAUGHT, replace(TAUGHT, name="taught again"))

CARD = Path(__file__).parent / "card.md"

# How often the head draws a sharp and a small photo.
HEAD_WEIGHTS = (2.0, 0.3)


def main() -> None:
    """Train, calibrate, measure and write the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--smoke", action="store_true", help="few photos, into runs/smoke")
    arguments = parser.parse_args()
    states = Path("runs/smoke-state" if arguments.smoke else "runs/foodvision-101")
    output = Path("runs/smoke") if arguments.smoke else arguments.output
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
        open_source(arguments.data / "pizza_steak_sushi.zip") as classic_folder,
        open_unlabelled(arguments.data / "not_food.zip") as not_food,
        open_unlabelled(arguments.data / "other_food.zip") as other_food,
    ):
        small = find_photos(small_folder).splits["train"]
        sharp = split_sharp(sharp_folder)
        trainings, lessons = (LONG, BRIEF), LESSONS
        if arguments.smoke:
            small = a_few(small)
            sharp = replace(sharp, splits={n: a_few(of) for n, of in sharp.splits.items()})
            trainings = tuple(replace(of, phases=tuple(map(once, of.phases))) for of in trainings)
            lessons = tuple(map(once, lessons))
        # What other settings began is not gone on with.
        state = states / f"{crc32(repr((HEAD, trainings, lessons)).encode()):08x}"
        run = Run(HEAD, sharp, SERVED, state, Accelerator(cpu=True), find_start(BACKBONE), tell)
        network = train_network(run, small, trainings, lessons)
        body = export_body(network, run.preprocess)
        calibration, aurocs = calibrate(network, body, run, not_food[::2])
        checkpoint = build_checkpoint(network, body, calibration, run)
        classic = find_photos(classic_folder).splits["test"]
        figures, pictures = figures_of(checkpoint, sharp, classic, not_food[1::2], other_food)
        figures["known_by"] = {"score": calibration.known.kind, "auroc_on_validation": aurocs}
    weights = weights_of(network, half=True)
    figures["measured_on"] = measured_on(checkpoint.graph, weights)
    data = checkpoint.config.data | {"source": "food101"}
    checkpoint = replace(checkpoint, config=replace(checkpoint.config, data=data, figures=figures))
    card = write_card(checkpoint, "foodvision-101", "make model", CARD)
    write_checkpoint(output, checkpoint.config, checkpoint.graph, card, weights, pictures)
    shutil.rmtree(states)


def train_network(
    run: Run,
    small: Sequence[LabelledPhoto],
    trainings: Sequence[Training],
    lessons: Sequence[Phase],
) -> nn.Module:
    """Return the network after all four steps."""
    torch.manual_seed(HEAD.seed)
    start = create_model(BACKBONE, len(run.photos.classes))
    fit_head("first head", start, [run.photos.splits["train"]], run)
    keep_freed_memory()
    networks = [train_by_labels(start, training, small, run) for training in trainings]
    student, teacher = deepcopy(networks[0]), Together(networks)
    with held(student, trainings[0].frozen, statistics=True):
        for phase in lessons:
            fit_phase(
                phase,
                student,
                small,
                run,
                lambda batches: DistillationLoader(batches, teacher, 1.0, 1.0),
            )
    return student


def train_by_labels(
    start: nn.Module, training: Training, small: Sequence[LabelledPhoto], run: Run
) -> nn.Module:
    """Return a network trained from `start`, its weights averaged with that, with a new head."""
    network = deepcopy(start)
    with held(network, training.frozen, statistics=training.holds_statistics):
        for phase in training.phases:
            named = replace(phase, name=f"{training.name} {phase.name}")
            fit_phase(named, network, small, run)
    before = start.state_dict()
    averaged = {
        name: torch.lerp(before[name], value, training.trained_share)
        if value.is_floating_point() and not name.startswith("classifier")
        else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(averaged)
    fit_head(f"{training.name} head", network, [run.photos.splits["train"], small], run)
    return network


@contextmanager
def held(network: nn.Module, frozen: Sequence[str], *, statistics: bool) -> Iterator[None]:
    """Keep layers as they are while the others train, and perhaps all layers' statistics.

    The statistics of a batch are mostly of small photos: what learnt by them would be another
    network than the one that answers sharp photos.
    """

    def hold(layer: nn.Module, _: object) -> None:
        layer.eval()

    freeze(network, frozen)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    hooks = [layer.register_forward_pre_hook(hold) for layer in layers if statistics]
    yield
    for hook in hooks:
        hook.remove()
    unfreeze(network, frozen)


class Together:
    """Networks that teach by the mean of their probabilities."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        """Take networks of the same classes."""
        self._networks = [network.eval() for network in networks]

    @torch.inference_mode()
    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of the probabilities, (n, classes), of (n, 3, size, size)."""
        answers = [network(images).softmax(dim=1) for network in self._networks]
        return torch.stack(answers).mean(dim=0).log()


def fit_head(
    name: str, network: nn.Module, parts: Sequence[Sequence[LabelledPhoto]], run: Run
) -> None:
    """Train the network's head on what its frozen backbone sees of sharp, and small, photos."""
    _, head = split_head(network)
    body = export_body(network, run.preprocess)
    train_sets = [embedded(network, body, photos, run) for photos in parts]
    weights = [
        weight
        for part, weight in zip(train_sets, HEAD_WEIGHTS, strict=False)
        for _ in range(len(part))
    ]
    stage = Stage(
        name,
        head,
        run.batches(
            ConcatDataset(train_sets), weights=torch.tensor(weights), before_batch=run.stop.check
        ),
        run.batches(embedded(network, body, run.photos.splits["val"], run), shuffle=False),
        HEAD.epochs,
        HEAD.learning_rate or 0.0,
    )
    fit(stage, run)


def fit_phase(
    phase: Phase,
    network: nn.Module,
    small: Sequence[LabelledPhoto],
    run: Run,
    teach: Callable[[Batches], DistillationLoader | Batches] = lambda batches: batches,
) -> None:
    """Train the whole network on sharp and small photos."""
    square = replace(SERVED, size=phase.size)
    # By one seed, phases as long as each other would draw and crop the same photos alike.
    config = replace(phase.config, seed=crc32(phase.name.encode()))
    then = replace(run, config=config, preprocess=square)
    photos = run.photos
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
            transform_of=ProgressiveResize(square, phase.config),
            finish=BatchTransform(square, mixing(phase.config.mixup, 0.0, len(photos.classes))),
            before_batch=then.stop.check,
        ),
        then.batches(val_set, shuffle=False, finish=BatchTransform(SERVED)),
        phase.config.epochs,
        phase.config.learning_rate or 0.0,
        teach=teach,
    )
    fit(stage, then)


def embedded(
    network: nn.Module, body: bytes, photos: Sequence[LabelledPhoto], run: Run
) -> TensorDataset:
    """Return (embedding (d,), class index) of photos."""
    index = {name: place for place, name in enumerate(run.photos.classes)}
    features = compute_features(network, body, photos, run)[:, 0]
    return TensorDataset(features, torch.tensor([index[photo.label] for photo in photos]))


def tell(rows: list[Row]) -> None:
    """Print an epoch."""
    last = rows[-1]
    print(
        f"{last['stage']}, epoch {last['epoch']}: loss {last['train_loss']:.3f}, "
        f"validation {100 * last['val_acc']:.1f}, {last['seconds']:.0f} s",
        flush=True,
    )


def once(phase: Phase) -> Phase:
    """Return a phase of one epoch."""
    return replace(phase, config=replace(phase.config, epochs=1))


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
    try:
        main()
    except (Stopped, KeyboardInterrupt):
        sys.exit("stopped: start it again to go on")
