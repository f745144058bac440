"""On what a run ran: the machine, and the versions of the libraries."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import foodvision

_LIBRARIES = (
    *("torch", "torchvision", "timm", "onnxruntime", "onnx", "numpy", "pillow"),
    *("accelerate", "scikit-learn", "scipy", "torchmetrics"),
)


def describe_system() -> dict[str, Any]:
    """Return the machine: python, platform, cpu_count, and memory_gb where the system tells it."""
    described: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
    }
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):  # Windows has none
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        described["memory_gb"] = round(size / 1e9, 1)
    return described


def describe_versions() -> dict[str, str]:
    """Return the versions of foodvision and of a run's libraries, as far as they are installed."""
    versions = {"foodvision": foodvision.__version__}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
