"""The settings of a run: one frozen object behind options, files, report and checkpoint."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from numbers import Integral
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

from cyclopts import Group, Parameter

from foodvision.errors import SettingsError

TrackerName: TypeAlias = Literal["tensorboard", "trackio", "mlflow", "swanlab", "wandb"]
"""accelerate's trackers that can keep their data on this machine."""

_NETWORK = Parameter(group=Group("Model", sort_key=1))
_LENGTH = Parameter(group=Group("Epochs and fine-tuning", sort_key=2))
_STEPS = Parameter(group=Group("Optimiser", sort_key=3))
_PHOTOS = Parameter(group=Group("Augmentation", sort_key=4))
_GOAL = Parameter(group=Group("Loss", sort_key=5))
_DATA = Parameter(group=Group("Photos", sort_key=6))
_RUN = Parameter(group=Group("Run", sort_key=7))

# Settings that only the recipe of a shipped model needs are not in the help.
_OF_A_RECIPE = Parameter(show=False)

# No --no-... in the help beside what is off by default.
_SWITCH = Parameter(negative="")


class _Range(NamedTuple):
    """The range of a setting, in words, and whether a value is in it."""

    words: str
    holds: Callable[[Any], bool]


_COUNT = _Range("1 to 1,000,000,000", lambda value: 1 <= value <= 10**9)
# A checkpoint is read with the same limit.
_UNITS = _Range("1 to 2048", lambda value: 1 <= value <= 2048)
_FROM_0 = _Range("0 or more", lambda value: value >= 0)
_ABOVE_0 = _Range("above 0", lambda value: value > 0)
_FINITE = _Range("finite", lambda value: not math.isinf(value))
_BETWEEN = _Range("between 0 and 1", lambda value: 0 < value < 1)
_SHARE = _Range("0 to 1", lambda value: 0 <= value <= 1)
_FACTOR = _Range("above 0, at most 1", lambda value: 0 < value <= 1)
_PIXELS = _Range("8 to 2048", lambda value: 8 <= value <= 2048)
_SEED = _Range("0 to 2**63 - 1, what torch's generator takes", lambda value: 0 <= value < 2**63)


# Settings without effect on a head on a frozen backbone.
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
    """The model to start from. A checkpoint: foodvision_101 (it ships, and was trained on 45,000
    photos of food), a folder, or user/name on the Hub, also with @revision. Known class names reuse
    the existing head weights. Or a network with ImageNet weights: a timm name such as
    efficientnet_lite0, or torchvision/NAME. Or tinyvgg, untrained."""

    image_size: Annotated[int | None, _NETWORK, _PIXELS] = None
    """Side of the square input image, in pixels. A larger one shows more detail and takes longer.
    The default is the model's own size."""

    pretrained: Annotated[bool, _NETWORK] = True
    """Start from pretrained weights. Without them the whole network is trained, which needs many
    more photos."""

    hidden_units: Annotated[int, _NETWORK, _UNITS] = 10
    """With --model tinyvgg: channels of its layers."""

    half_storage: Annotated[bool, _NETWORK, _SWITCH, _OF_A_RECIPE] = False
    """Store the weights as float16. This halves their size and changes predictions by almost
    nothing."""

    epochs: Annotated[int, _LENGTH, _COUNT] = 20
    """Passes over the training photos. With a frozen backbone, only the head is trained in them."""

    freeze: Annotated[bool, _LENGTH] = True
    """Keep the pretrained backbone fixed and train only the head. This is fast and safe on few
    photos. Use --no-freeze to train the whole network from the start."""

    finetune_epochs: Annotated[int, _LENGTH, _FROM_0] = 0
    """After the head, train the whole network for this many epochs. It helps from a few hundred
    photos per class on (Kumar et al., ICLR 2022). Where nothing is frozen, use --epochs."""

    views: Annotated[int, _LENGTH, _COUNT] = 2
    """Views of each photo for a frozen backbone: the photo, its mirror image, then random crops.
    Features are computed once, so more views slow down only the start."""

    early_stopping: Annotated[int | None, _LENGTH, _COUNT] = None
    """Stop after this many epochs without a lower validation loss, and keep the best epoch."""

    batch_size: Annotated[int, _STEPS, _COUNT] = 32
    """Photos per batch. Lower it if memory runs out."""

    optimizer: Annotated[Literal["adam", "adamw", "sgd"], _STEPS] = "adamw"
    """adamw decouples weight decay from the gradient and suits most cases. adam is the lecture's.
    sgd uses Nesterov momentum 0.9."""

    learning_rate: Annotated[float | None, _STEPS, _ABOVE_0, _FINITE] = None
    """Highest learning rate. The default is 0.003 for a head alone, 0.0005 for a pretrained
    network, and 0.001 for an untrained one. `foodvision find-lr` plots loss against learning
    rate."""

    finetune_learning_rate: Annotated[float, _STEPS, _ABOVE_0, _FINITE] = 5e-4
    """With --finetune-epochs: their highest learning rate. Lower it if the validation loss rises
    when they begin."""

    weight_decay: Annotated[float, _STEPS, _FROM_0, _FINITE] = 0.01
    """Weight decay of adamw and sgd. Raise it if the model overfits. Biases and norms have none."""

    layer_decay: Annotated[float, _STEPS, _FACTOR] = 1.0
    """Factor on the learning rate for each layer further from the head. Below 1, early layers
    change less. For timm networks."""

    schedule: Annotated[Literal["cosine", "constant"], _STEPS] = "cosine"
    """cosine lowers the learning rate to zero, which stabilises the final weights. constant keeps
    it."""

    warmup_epochs: Annotated[float, _STEPS, _FROM_0, _FINITE] = 0.0
    """Epochs in which the learning rate rises from zero. Use them if the loss jumps at the
    start."""

    accumulate: Annotated[int, _STEPS, _COUNT] = 1
    """Batches per optimiser step. Raise it for a larger effective batch than memory holds."""

    clip: Annotated[float | None, _STEPS, _ABOVE_0, _FINITE] = None
    """Largest gradient norm; larger gradients are scaled down. Use it if the loss jumps."""

    ema: Annotated[float | None, _STEPS, _BETWEEN] = None
    """Decay of a moving average of the weights, such as 0.99. The average is validated and kept
    instead of the last weights. It is often more accurate."""

    augment: Annotated[Literal["none", "light", "strong"], _PHOTOS] = "light"
    """none: no augmentation. light: random crops and flips. strong: also TrivialAugment and random
    erasing, against overfitting in long trainings."""

    mixup: Annotated[float, _PHOTOS, _FROM_0, _FINITE] = 0.0
    """Blend pairs of photos and their labels, with this alpha, such as 0.2 (Zhang et al., 2018).
    Use it against overfitting."""

    cutmix: Annotated[float, _PHOTOS, _FROM_0, _FINITE] = 0.0
    """Paste a part of one photo into another, with this alpha, such as 1 (Yun et al., 2019). Use it
    against overfitting."""

    low_resolution: Annotated[float, _PHOTOS, _OF_A_RECIPE, _SHARE] = 0.0
    """Share of photos that are shrunk before they are cropped. Use it if you train on photos of
    mixed sizes, so that sharp photos also teach what small ones show."""

    start_size: Annotated[int | None, _PHOTOS, _OF_A_RECIPE, _PIXELS] = None
    """Image size of the first epoch. It grows to the full size by the last epoch, which saves
    time."""

    label_smoothing: Annotated[float, _GOAL, _SHARE] = 0.0
    """Share of each label that is spread over all classes, such as 0.1. Use it if labels are noisy
    or the model is overconfident."""

    balance: Annotated[Literal["none", "loss", "sampler"], _GOAL] = "none"
    """For classes of unequal size. loss gives rare classes a higher weight. sampler draws them more
    often."""

    teacher: Annotated[str | None, _GOAL] = None
    """A larger checkpoint to learn from (distillation): foodvision_101, a folder, or user/name. It
    must know all classes."""

    teacher_share: Annotated[float, _GOAL, _SHARE] = 0.5
    """With --teacher: weight of its predictions in the loss; the labels have the rest."""

    teacher_temperature: Annotated[float, _GOAL, _ABOVE_0, _FINITE] = 2.0
    """With --teacher: softmax temperature of the distillation. Above 1, the teacher's less likely
    classes count more (Hinton et al., 2015)."""

    val_share: Annotated[float, _DATA, _BETWEEN] = 0.2
    """Share of the training photos set aside for validation if there is no val/."""

    test_share: Annotated[float, _DATA, _BETWEEN] = 0.2
    """Share of the photos set aside for the test if there is no test/."""

    exclude: Annotated[Path | None, _DATA] = None
    """A file that lists photos to leave out, as `foodvision data --write-exclude` writes it."""

    unknown: Annotated[Path | None, _DATA] = None
    """Photos of other things than your classes: a folder, .zip or .tar.gz. One half sets how the
    model detects such photos (out-of-distribution), the other half measures how well."""

    output: Annotated[Path | None, _RUN] = None
    """Run folder to create. The default is a new folder in runs/."""

    seed: Annotated[int, _RUN, _SEED] = 42
    """Random seed of splits, weights and order. The same seed repeats the run."""

    device: Annotated[Literal["auto", "cpu"], _RUN] = "auto"
    """auto uses a GPU if there is one. cpu uses none."""

    precision: Annotated[Literal["float32", "bfloat16", "float16"], _RUN] = "float32"
    """Mixed-precision dtype, for accelerators. bfloat16 is faster on recent GPUs, float16 on older
    ones."""

    track: Annotated[TrackerName | None, _RUN] = None
    """Also record the epochs with this tracker. Data stay on this machine unless the tracker's own
    environment variables say otherwise. `foodvision runs --dashboard` shows tensorboard and
    trackio."""

    def __post_init__(self) -> None:
        check_whole_numbers(vars(self))
        faults = [
            f"{_flag(field.name)} {value}: {asked.words}"
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
            for asked in get_args(field.type)[1:]
            if isinstance(asked, _Range) and not asked.holds(value)
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
                    f"warmup-epochs {self.warmup_epochs} is not below {_flag(name)} {epochs}: "
                    "training would end during the warm-up; lower the first or increase the "
                    "second"
                )

    def _check_frozen(self) -> None:
        of_network = (field for field in fields(self) if field.name in _OF_THE_WHOLE_NETWORK)
        idle = [f.name for f in of_network if getattr(self, f.name) != f.default]
        if idle:
            flags = ", ".join(f"--{_flag(name)}" for name in idle)
            raise SettingsError(
                f"{flags}: no effect on a frozen backbone; add --finetune-epochs 5, or --no-freeze"
            )

    @property
    def starts_from_weights(self) -> bool:
        """Whether the training starts from pretrained weights; tinyvgg has none."""
        return self.pretrained and self.model != "tinyvgg"

    @property
    def trains_head_first(self) -> bool:
        """Whether the backbone is frozen at first; it must be pretrained for that."""
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
"""What `--preset` sets; options and files override it."""


def check_whole_numbers(settings: Mapping[str, Any]) -> None:
    """Raise SettingsError for a setting that counts and is given as something else, as 3.5."""
    for field in fields(TrainConfig):
        value, kind = settings.get(field.name, field.default), get_args(field.type)[0]
        counts = kind is int or int in get_args(kind)
        is_whole = isinstance(value, Integral) and not isinstance(value, bool)
        if counts and not is_whole and (value is not None or field.default is not None):
            raise SettingsError(f"{_flag(field.name)} needs a whole number, not {value!r:.60}")


def _flag(name: str) -> str:
    return name.replace("_", "-")
