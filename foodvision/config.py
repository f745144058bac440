"""The settings of a run: one frozen object, from which flags, report and checkpoint come."""

from dataclasses import dataclass
from pathlib import Path

from foodvision.errors import SettingsError


@dataclass(frozen=True)
class TrainConfig:
    """How to train.

    Raises SettingsError for values out of range, all of them at once.
    """

    model: str = "efficientnet_lite0"
    """Network: tinyvgg, efficientnet_lite0, any of timm, or torchvision/NAME."""

    epochs: int = 5
    """Passes over the training photos."""

    output: Path | None = None
    """Run folder; a new one under runs/ if not given."""

    image_size: int | None = None
    """Side of the square that the network sees, in pixels; the network's own if not given."""

    batch_size: int = 32
    """Photos a step."""

    learning_rate: float | None = None
    """Adam's; if not given 0.01 for a head alone, 0.0005 for a pretrained network, else 0.001."""

    freeze: bool = True
    """Keep the pretrained backbone as it is and train the head alone: fast, safe on few photos."""

    pretrained: bool = True
    """Start from ImageNet weights; without them nothing is frozen."""

    hidden_units: int = 10
    """Width of tinyvgg."""

    half_storage: bool = False
    """Store the graph's weights as float16: half the size, answers nearly the same."""

    val_share: float = 0.2
    """Part of the training photos that is set aside to watch the training, if there is no val/."""

    test_share: float = 0.2
    """Part of the photos that is set aside for the final figures, if there is no test/."""

    seed: int = 42
    """Seed of splits, weights and shuffling: the same seed gives the same run."""

    device: str = "auto"
    """cpu, cuda, mps, or auto for the best there is."""

    def __post_init__(self) -> None:
        checks = {
            f"epochs {self.epochs}: at least 1": self.epochs >= 1,
            f"batch-size {self.batch_size}: at least 1": self.batch_size >= 1,
            f"learning-rate {self.learning_rate}: above 0": self.learning_rate is None
            or self.learning_rate > 0,
            f"hidden-units {self.hidden_units}: at least 1": self.hidden_units >= 1,
            f"val-share {self.val_share}: between 0 and 1": 0 < self.val_share < 1,
            f"test-share {self.test_share}: between 0 and 1": 0 < self.test_share < 1,
            f"image-size {self.image_size}: 8 to 2048": self.image_size is None
            or 8 <= self.image_size <= 2048,
        }
        if faults := [message for message, holds in checks.items() if not holds]:
            raise SettingsError("settings out of range: " + "; ".join(faults))

    @property
    def starts_from_weights(self) -> bool:
        """Whether there is something to build on: tinyvgg has no pretrained weights."""
        return self.pretrained and self.model != "tinyvgg"

    @property
    def trains_head_only(self) -> bool:
        """Whether the backbone stays as it is: it must be pretrained to be worth keeping."""
        return self.freeze and self.starts_from_weights
