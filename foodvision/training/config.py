"""The settings of a run: one frozen object, from which flags, files, report and checkpoint come."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeAlias

from cyclopts import Group, Parameter

from foodvision.errors import SettingsError

TrackerName: TypeAlias = Literal["tensorboard", "trackio", "mlflow", "swanlab", "wandb"]
"""Those of accelerate's trackers that can write to this machine only."""

_NETWORK = Parameter(group=Group("Network", sort_key=1))
_LENGTH = Parameter(group=Group("How long, and what is trained", sort_key=2))
_STEPS = Parameter(group=Group("Steps of the optimiser", sort_key=3))
_PHOTOS = Parameter(group=Group("What is done to the photos", sort_key=4))
_GOAL = Parameter(group=Group("What is asked of the network", sort_key=5))
_DATA = Parameter(group=Group("Which photos", sort_key=6))
_RUN = Parameter(group=Group("The run", sort_key=7))

# What only the recipe of a shipped model needs is no part of the help.
_OF_A_RECIPE = Parameter(show=False)

# How a help text reads best: one option a setting, no --no-... beside what is off anyway.
_SWITCH = Parameter(negative="")


# Settings, what is asked of their values, and whether a value keeps it.
_RULES: tuple[tuple[tuple[str, ...], str, Callable[[Any], bool]], ...] = (
    (
        ("epochs", "batch_size", "views", "accumulate", "early_stopping"),
        "1 to 1,000,000,000",
        lambda value: 1 <= value <= 10**9,
    ),
    # What is read back from a checkpoint has the same limit.
    (("hidden_units",), "1 to 4096", lambda value: 1 <= value <= 4096),
    (
        ("finetune_epochs", "weight_decay", "warmup_epochs", "mixup", "cutmix"),
        "0 or more",
        lambda value: value >= 0,
    ),
    (
        ("learning_rate", "finetune_learning_rate", "clip", "teacher_temperature"),
        "above 0",
        lambda value: value > 0,
    ),
    (("val_share", "test_share", "ema"), "between 0 and 1", lambda value: 0 < value < 1),
    (
        ("label_smoothing", "low_resolution", "teacher_share"),
        "0 to 1",
        lambda value: 0 <= value <= 1,
    ),
    (("layer_decay",), "above 0, at most 1", lambda value: 0 < value <= 1),
    (("image_size", "start_size"), "8 to 2048", lambda value: 8 <= value <= 2048),
    (("seed",), "0 to 2**63 - 1, what torch's generator takes", lambda value: 0 <= value < 2**63),
    (
        (
            *("learning_rate", "finetune_learning_rate", "weight_decay", "warmup_epochs"),
            *("clip", "mixup", "cutmix", "teacher_temperature"),
        ),
        "finite",
        lambda value: not math.isinf(value),
    ),
)


# Settings that a head on a frozen backbone knows nothing of.
_OF_THE_WHOLE_NETWORK = (
    *("layer_decay", "augment", "mixup", "cutmix"),
    *("low_resolution", "start_size", "teacher"),
)


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Raises SettingsError for values out of range, all of them at once.
    """

    model: Annotated[str, _NETWORK] = "foodvision_101"
    """What to start from: a checkpoint (foodvision_101, which ships and has seen 45,000 photos of
    food; a folder; user/name, also @revision, on the Hub), whose head keeps what it knows of
    classes of the same name; any network of timm by its name, such as efficientnet_lite0, or
    torchvision/NAME, with ImageNet weights; or tinyvgg."""

    image_size: Annotated[int | None, _NETWORK] = None
    """Side of the square that the network sees, in pixels; the network's own if not given."""

    pretrained: Annotated[bool, _NETWORK] = True
    """Start from ImageNet weights; without them nothing is frozen."""

    hidden_units: Annotated[int, _NETWORK] = 10
    """Width of tinyvgg."""

    half_storage: Annotated[bool, _NETWORK, _SWITCH, _OF_A_RECIPE] = False
    """Store the weights as float16: half the size, answers nearly the same."""

    epochs: Annotated[int, _LENGTH] = 20
    """Passes over the training photos; of the head alone where the backbone is frozen."""

    freeze: Annotated[bool, _LENGTH] = True
    """Keep the pretrained backbone as it is and train the head alone: fast, safe on few photos."""

    finetune_epochs: Annotated[int, _LENGTH] = 0
    """Then unfreeze, keep the head, and train the whole network for so many more epochs: better
    from a few hundred photos a class on (Kumar et al., ICLR 2022). Without a frozen backbone there
    is no then, and epochs counts."""

    views: Annotated[int, _LENGTH] = 2
    """How often a frozen backbone looks at a photo: as it is, mirrored, then at random crops. What
    it saw is kept, so that the epochs cost nothing."""

    early_stopping: Annotated[int | None, _LENGTH] = None
    """Stop after so many epochs without a lower validation loss, and keep the best epoch."""

    batch_size: Annotated[int, _STEPS] = 32
    """Photos a step."""

    optimizer: Annotated[Literal["adam", "adamw", "sgd"], _STEPS] = "adamw"
    """adamw keeps weights small by itself; adam is the lecture's; sgd has Nesterov's
    momentum of 0.9."""

    learning_rate: Annotated[float | None, _STEPS] = None
    """If not given 0.003 for a head alone, 0.0005 for a pretrained network, else 0.001.
    `foodvision find-lr` draws how the loss answers to it."""

    finetune_learning_rate: Annotated[float, _STEPS] = 5e-4
    """Of the whole network, after the head was trained alone."""

    weight_decay: Annotated[float, _STEPS] = 0.01
    """How strongly weights are pulled to zero at each step; biases and norms are left alone, and by
    adam everything."""

    layer_decay: Annotated[float, _STEPS] = 1.0
    """Factor on the learning rate for each layer further from the head: below 1, early layers,
    which see edges and colours, change less. For networks of timm."""

    schedule: Annotated[Literal["cosine", "constant"], _STEPS] = "cosine"
    """cosine lets the learning rate fall to zero by the end, which calms the weights."""

    warmup_epochs: Annotated[float, _STEPS] = 0.0
    """Let the learning rate rise over so many epochs first, so that the start breaks nothing."""

    accumulate: Annotated[int, _STEPS] = 1
    """Batches a step: a larger batch than memory holds."""

    clip: Annotated[float | None, _STEPS] = None
    """Largest norm of the gradients; what is above is scaled down."""

    ema: Annotated[float | None, _STEPS] = None
    """Decay of a running average of the weights, which is validated and kept instead of the last
    ones, such as 0.99: smoother, and often better."""

    augment: Annotated[Literal["none", "light", "strong"], _PHOTOS] = "light"
    """none; light: random crops and flips; strong: also TrivialAugment and random erasing."""

    mixup: Annotated[float, _PHOTOS] = 0.0
    """Blend pairs of photos and labels; strength of the blend, such as 0.2 (Zhang et al., 2018)."""

    cutmix: Annotated[float, _PHOTOS] = 0.0
    """Paste a part of one photo into another; strength, such as 1 (Yun et al., 2019)."""

    low_resolution: Annotated[float, _PHOTOS, _OF_A_RECIPE] = 0.0
    """Share of photos that are made small before they are cropped, for training photos of mixed
    sizes: sharp ones then teach what small ones show."""

    start_size: Annotated[int | None, _PHOTOS, _OF_A_RECIPE] = None
    """Image size of the first epoch, growing to the full one by the last: faster, as calm."""

    label_smoothing: Annotated[float, _GOAL] = 0.0
    """Share of the label that is spread over all classes: less sure of wrong labels."""

    balance: Annotated[Literal["none", "loss", "sampler"], _GOAL] = "none"
    """For classes of unequal size: loss weighs rare ones more, sampler draws them more often."""

    teacher: Annotated[str | None, _GOAL] = None
    """A larger checkpoint to learn from: foodvision_101, a folder, user/name. It must know the
    classes."""

    teacher_share: Annotated[float, _GOAL] = 0.5
    """How much its answers count against the labels."""

    teacher_temperature: Annotated[float, _GOAL] = 2.0
    """Above 1, its second thoughts count more (Hinton et al., 2015)."""

    val_share: Annotated[float, _DATA] = 0.2
    """Part of the training photos that is set aside to watch the training, if there is no val/."""

    test_share: Annotated[float, _DATA] = 0.2
    """Part of the photos that is set aside for the final figures, if there is no test/."""

    exclude: Annotated[Path | None, _DATA] = None
    """A list of photos to leave out, as `foodvision data --write-exclude` makes it."""

    unknown: Annotated[Path | None, _DATA] = None
    """Photos of other things, in a folder, .zip or .tar.gz: half of them choose how the model tells
    that a photo is none of its classes; on the other half that is measured."""

    output: Annotated[Path | None, _RUN] = None
    """Run folder; a new one under runs/ if not given."""

    seed: Annotated[int, _RUN] = 42
    """Seed of splits, weights and order: the same seed gives the same run."""

    device: Annotated[Literal["auto", "cpu"], _RUN] = "auto"
    """cpu, or auto for the best there is."""

    precision: Annotated[Literal["float32", "bfloat16", "float16"], _RUN] = "float32"
    """Of the computations, on accelerators that gain by less."""

    track: Annotated[TrackerName | None, _RUN] = None
    """Also record the epochs with this tracker. It stays on this machine, unless the tracker's own
    environment variables send it elsewhere. `foodvision runs --dashboard` shows the first two."""

    def __post_init__(self) -> None:
        faults = [
            f"{_flag(name)} {value}: {words}"
            for names, words, holds in _RULES
            for name in names
            if (value := getattr(self, name)) is not None and not holds(value)
        ]
        if faults:
            raise SettingsError("settings out of range: " + "; ".join(faults))
        self._check_warmup()
        if not self.trains_network:
            self._check_frozen()

    def _check_warmup(self) -> None:
        lengths = ("epochs", "finetune_epochs") if self.trains_head_first else ("epochs",)
        for name in lengths:
            if 0 < (epochs := getattr(self, name)) <= self.warmup_epochs:
                raise SettingsError(
                    f"warmup-epochs {self.warmup_epochs} is not below {_flag(name)} {epochs}: the "
                    "training would end while the learning rate rises; lower the one or raise the "
                    "other"
                )

    def _check_frozen(self) -> None:
        of_network = (field for field in fields(self) if field.name in _OF_THE_WHOLE_NETWORK)
        idle = [f.name for f in of_network if getattr(self, f.name) != f.default]
        if idle:
            flags = ", ".join(f"--{_flag(name)}" for name in idle)
            raise SettingsError(
                f"{flags}: without effect on a frozen backbone; add --finetune-epochs 5, or "
                "--no-freeze"
            )

    @property
    def starts_from_weights(self) -> bool:
        """Whether there is something to build on: tinyvgg has no pretrained weights."""
        return self.pretrained and self.model != "tinyvgg"

    @property
    def trains_head_first(self) -> bool:
        """Whether the backbone stays as it is at first: it must be pretrained to be worth it."""
        return self.freeze and self.starts_from_weights

    @property
    def network_epochs(self) -> int:
        """Epochs in which the whole network is trained."""
        return self.finetune_epochs if self.trains_head_first else self.epochs

    @property
    def trains_network(self) -> bool:
        """Whether the whole network is ever trained."""
        return self.network_epochs > 0


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {"epochs": 5, "views": 1},
        "balanced": {"epochs": 20, "views": 2},
        "best": {
            "epochs": 20,
            "views": 4,
            "finetune_epochs": 10,
            "augment": "strong",
            "label_smoothing": 0.1,
            "layer_decay": 0.8,
            "warmup_epochs": 1.0,
            "ema": 0.99,
        },
    }
)
"""What `--preset` sets; flags and files win over it."""


def _flag(name: str) -> str:
    return name.replace("_", "-")
