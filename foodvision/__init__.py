"""Tells what food is in a photo.

>>> import foodvision
>>> foodvision.load().predict("photo.jpg").label
'pizza'
"""

from typing import TYPE_CHECKING

from foodvision.telemetry import switch_off_telemetry

__version__ = "0.5.0"

__all__ = ["Classifier", "FoodVisionError", "Prediction", "load"]

switch_off_telemetry()  # ONNX Runtime looks once, when it is imported

if TYPE_CHECKING:
    from foodvision.classifier import Classifier, Prediction, load
    from foodvision.errors import FoodVisionError


def __getattr__(name: str) -> object:
    # Loaded when asked for: `foodvision --help` does not wait for ONNX Runtime.
    if name == "FoodVisionError":
        from foodvision.errors import FoodVisionError

        return FoodVisionError
    if name in __all__:
        from foodvision import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module 'foodvision' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
