"""Tells what food is in a photo.

>>> import foodvision
>>> foodvision.load().predict("photo.jpg").label
'pizza'
>>> foodvision.train("photos/", epochs=20).figures.top1
0.96
"""

from importlib import import_module
from typing import TYPE_CHECKING

from foodvision.system.telemetry import switch_off_telemetry

__version__ = "0.6.0"

__all__ = ["Classifier", "FoodVisionError", "Prediction", "TrainingRun", "load", "train"]

switch_off_telemetry()  # ONNX Runtime looks once, when it is imported

if TYPE_CHECKING:
    from foodvision.classifier import Classifier, Prediction, load
    from foodvision.errors import FoodVisionError
    from foodvision.training.api import TrainingRun, train


# Where each is, loaded when asked for: `foodvision --help` does not wait for ONNX Runtime, and who
# only answers never loads torch.
_MODULES = {
    "Classifier": "classifier",
    "FoodVisionError": "errors",
    "Prediction": "classifier",
    "TrainingRun": "training.api",
    "load": "classifier",
    "train": "training.api",
}


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return getattr(import_module(f"foodvision.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'foodvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
