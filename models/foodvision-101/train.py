"""Train foodvision-101, the model that ships: one small network, taught by two of its kind.

    python models/foodvision-101/train.py --data ../shared/data

(`make model`.) The small photos carry the classes, the sharp ones the detail. Steps 1 to 4 see the
first lot (40,400 small photos and 4,912 sharp ones), step 5 both lots (58,971 and 11,085):

1. a linear head on frozen ImageNet features of the sharp photos;
2. two networks from there, but for their first stages, in phases of growing sizes and sharpness:
   one for long, the other briefly and normalised by ImageNet's statistics all the while;
3. the weights of each averaged with ImageNet's (Wortsman et al., "Robust fine-tuning of zero-shot
   models", CVPR 2022), which keeps what tells food from other things, and a new linear head on
   the frozen features of that;
4. the first of them, taught twice by what both together answer to the same crops of mixed photos
   (Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR 2022);
5. a calm lesson on both lots, taught by itself as it was before: many photos of a class are drawn
   less often each, small photos make up for classes with few sharp ones, two in five photos look
   as phones take them. Its weights are averaged with those before it.

Of the sharp training photos 1,201 are set aside for calibration and to watch the training; half of
the photos without food teach how it is told that a photo shows no dish. The sharp test photos and
the other half are answered once, at the end. What else was tried, and judged on what:
diary.md, beside this file.

Writes `foodvision/bundled/`. All figures stand in its README.md, with n and interval. Expect about
those, because steps 1 to 4 were run over days, in parts that saw fewer crops (the diary). All steps
take ten hours on two cores; what is interrupted goes on when it is started again (its state is in
runs/foodvision-101, features in the user's cache). `--after CHECKPOINT` begins with step 5, from
the weights of a checkpoint. `--smoke` sees in minutes whether it runs.
"""

import argparse
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from accelerate import Accelerator
from measure import figures_of
from phone import AsPhonesTakeIt
from timm.utils import freeze, unfreeze
from torch import nn
from torch.utils.data import ConcatDataset, TensorDataset
from torchvision.transforms import v2

from foodvision.checkpoint import BUNDLED, measured_on, read_checkpoint, write_checkpoint
from foodvision.data import LabelledPhoto, Photos, carve, find_photos, open_source, open_unlabelled
from foodvision.data.batches import Batches, InMemory, Shorten, mixing
from foodvision.data.loaders import PhotoDataset, photo_dataset
from foodvision.data.transforms import Square
from foodvision.engine.memory import keep_freed_memory
from foodvision.engine.teacher import DistillationLoader
from foodvision.errors import Stopped
from foodvision.export.graph import export_body
from foodvision.models import create_model, find_start, load_network, preprocess_for, split_head
from foodvision.preprocess import Preprocess
from foodvision.reports.card import write_card
from foodvision.runs.record import Row
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
    is_by_class: bool = False  # draw by the square root of a class's number of photos
    mixed_share: float = 1.0  # of the batches, where photos are mixed at all
    phone_share: float = 0.0  # of the photos, those that are made to look as phones take them


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
CALM = Phase(
    "calm",
    replace(
        SLOWLY,
        epochs=2,
        learning_rate=2.5e-4,
        warmup_epochs=0.07,
        ema=0.997,
        start_size=144,
        mixup=0.4,
        label_smoothing=0.05,
    ),
    176,
    0.5,
    is_by_class=True,
    mixed_share=0.5,
    phone_share=0.4,
)
# Of the calm lesson's weights, against those before it: by validation (diary.md).
CALM_TRAINED_SHARE = 0.7
# Of its labels, against what the network answered before it.
CALM_TAUGHT_SHARE = 0.6

# Of the validation photos, so many are called known. At 0.95 three in four of the test photos that
# were refused were classified rightly (diary.md).
KEPT_SHARE = 0.97

CARD = Path(__file__).parent / "card.md"

# Of a class's small photos in the draws of the calm lesson, also where sharp ones abound.
LEAST_SMALL_MASS = 0.002

# How often the head draws a sharp and a small photo.
HEAD_WEIGHTS = (2.0, 0.3)


def main() -> None:
    """Train, calibrate, measure and write the checkpoint."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=BUNDLED)
    parser.add_argument("--after", type=Path, help="a checkpoint: begin with step 5 from it")
    parser.add_argument("--smoke", action="store_true", help="few photos, into runs/smoke")
    arguments = parser.parse_args()
    states = Path("runs/smoke-state" if arguments.smoke else "runs/foodvision-101")
    output = Path("runs/smoke") if arguments.smoke else arguments.output
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_64px_more.tar.gz") as small_more_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
        open_source(arguments.data / "food101_sharp_more.zip") as sharp_more_folder,
        open_source(arguments.data / "pizza_steak_sushi.zip") as classic_folder,
        open_unlabelled(arguments.data / "not_food.zip") as not_food,
        open_unlabelled(arguments.data / "other_food.zip") as other_food,
    ):
        small = find_photos(small_folder).splits["train"]
        small_more = find_photos(small_more_folder).splits["train"]
        sharp = split_sharp(sharp_folder)
        both = with_more(sharp, find_photos(sharp_more_folder).splits["train"])
        trainings, lessons, calm = (LONG, BRIEF), LESSONS, CALM
        if arguments.smoke:
            small, small_more = a_few(small), a_few(small_more)
            sharp, both = (
                replace(photos, splits={name: a_few(of) for name, of in photos.splits.items()})
                for photos in (sharp, both)
            )
            trainings = tuple(replace(of, phases=tuple(map(once, of.phases))) for of in trainings)
            lessons, calm = tuple(map(once, lessons)), once(calm)
        before = read_checkpoint(arguments.after) if arguments.after else None
        # What other settings or another start began is not gone on with.
        begun = HEAD, trainings, lessons, calm, before and crc32(before.graph)
        state = states / f"{crc32(repr(begun).encode()):08x}"
        run = Run(HEAD, sharp, SERVED, state, Accelerator(cpu=True), find_start(BACKBONE), tell)
        keep_freed_memory()
        network = load_network(before) if before else train_network(run, small, trainings, lessons)
        run = replace(run, photos=both)
        network = calmed(network, calm, (*small, *small_more), run)
        body = export_body(network, run.preprocess)
        calibration, aurocs = calibrate(network, body, run, not_food[::2], KEPT_SHARE)
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
    """Return the network after steps 1 to 4."""
    torch.manual_seed(HEAD.seed)
    start = create_model(BACKBONE, len(run.photos.classes))
    fit_head("first head", start, [run.photos.splits["train"]], run)
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
    average_with(start, network, training.trained_share, but="classifier")
    fit_head(f"{training.name} head", network, [run.photos.splits["train"], small], run)
    return network


def calmed(network: nn.Module, phase: Phase, small: Sequence[LabelledPhoto], run: Run) -> nn.Module:
    """Return the network after the calm lesson, step 5."""
    student, teacher = deepcopy(network), Together([network])
    with held(student, STEM, statistics=True):
        fit_phase(
            phase,
            student,
            small,
            run,
            lambda batches: DistillationLoader(batches, teacher, CALM_TAUGHT_SHARE, 1.0),
        )
    average_with(network, student, CALM_TRAINED_SHARE)
    return student


def average_with(
    before: nn.Module, network: nn.Module, share: float, but: str | None = None
) -> None:
    """Set the network's weights to the mean of both, with so much of its own; `but` one layer's."""
    weights = before.state_dict()
    averaged = {
        name: torch.lerp(weights[name], value, share)
        if value.is_floating_point() and name.partition(".")[0] != but
        else value
        for name, value in network.state_dict().items()
    }
    network.load_state_dict(averaged)


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
    if phase.is_by_class:
        weights = weights_by_class(photos, few, phase.sharp_share)
    else:
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
            transform_of=crops(phase, square),
            finish=BatchTransform(square, mixed(phase, len(photos.classes))),
            before_batch=then.stop.check,
        ),
        then.batches(val_set, shuffle=False, finish=BatchTransform(SERVED)),
        phase.config.epochs,
        phase.config.learning_rate or 0.0,
        teach=teach,
    )
    fit(stage, then)


def weights_by_class(photos: Photos, small: Sequence[LabelledPhoto], share: float) -> torch.Tensor:
    """Return how often each sharp training photo, then each small one, is drawn: they sum to one.

    Classes share out the sharp draws by the square root of their photos. The small draws make all
    classes alike again, as far as they go.
    """
    counts = photos.counts("train")
    small_counts = Counter(photo.label for photo in small)
    roots = {name: counts[name] ** 0.5 for name in photos.classes}
    sharp_mass = {name: share * root / sum(roots.values()) for name, root in roots.items()}
    lacking = {
        name: max(LEAST_SMALL_MASS, 1 / len(photos.classes) - mass)
        for name, mass in sharp_mass.items()
    }
    small_mass = {
        name: (1 - share) * mass / sum(lacking.values()) for name, mass in lacking.items()
    }
    return torch.tensor(
        [sharp_mass[photo.label] / counts[photo.label] for photo in photos.splits["train"]]
        + [small_mass[photo.label] / small_counts[photo.label] for photo in small]
    )


def crops(phase: Phase, square: Preprocess) -> Callable[[int], v2.Transform]:
    """Return what gives an epoch's transform: random crops, some of them made worse."""
    resize = ProgressiveResize(square, phase.config)
    if not phase.phone_share:
        return resize
    return cache(lambda epoch: v2.Compose([resize(epoch), AsPhonesTakeIt(phase.phone_share)]))


def mixed(phase: Phase, classes: int) -> Callable[..., Any] | None:
    """Return what mixes the photos of a batch, or leaves them as they are."""
    mix = mixing(phase.config.mixup, 0.0, classes)
    if mix is None or phase.mixed_share == 1:
        return mix

    def sometimes(images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if torch.rand(()) < phase.mixed_share:
            return mix(images, labels)
        return images, nn.functional.one_hot(labels, classes).float()

    return sometimes


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


def with_more(sharp: Photos, more: Sequence[LabelledPhoto]) -> Photos:
    """Return both lots; of the second 8% of each class with at least eight photos validate."""
    many = Counter(photo.label for photo in more)
    stays, taken = carve(
        [photo for photo in more if many[photo.label] >= 8], share=0.08, seed="foodvision-101 more"
    )
    few = [photo for photo in more if many[photo.label] < 8]
    train, val = (*sharp.splits["train"], *stays, *few), (*sharp.splits["val"], *taken)
    return replace(sharp, splits={**sharp.splits, "train": train, "val": val})


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
