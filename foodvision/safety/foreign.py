"""Models of other libraries: recognise them by name, file or folder, and say what to do instead."""

import re
import zipfile
from pathlib import Path
from typing import Any

from foodvision.errors import one_line
from foodvision.safety.files import FileError, read_json

# How others write a name on the Hub.
_PREFIX = re.compile(
    r"(local-dir:|hf[-_]hub:|hf://|(https?://)?(www\.)?(huggingface\.co|hf\.co)/)(models/)?"
)

_TIMM = "timm/"

_WEIGHTS = (
    *(".pth", ".pt", ".bin", ".ckpt", ".pth.tar", ".pkl", ".pickle", ".joblib", ".torchscript"),
    *(".safetensors", ".h5", ".hdf5", ".keras", ".onnx", ".tflite", ".pb", ".gguf", ".engine"),
)
_FILES_OF_OURS = ("config.json", "model.onnx", "model.safetensors")

# Files that only one library writes.
_LIBRARY_OF_FILE = {
    "model_index.json": "Diffusers",
    "adapter_config.json": "PEFT",
    "saved_model.pb": "TensorFlow",
    "pytorch_model.bin": "transformers or timm",
    "weights/best.pt": "Ultralytics",
}

_KEYS_OF_TRANSFORMERS = {"model_type", "transformers_version", "architectures"}
_KEYS_OF_TIMM = {"pretrained_cfg", "num_features", "input_size"}

_NETWORK = "efficientnet_lite0"
_LONGEST_PICKLE = 4_000_000


def plain_name(name: str) -> str:
    """Return the name of a model on the Hub without what other libraries write before it.

    >>> plain_name("hf_hub:timm/resnet18.a1_in1k")
    'timm/resnet18.a1_in1k'
    """
    match = _PREFIX.match(name)
    if not match:
        return name
    repository, _, place = name[match.end() :].rstrip("/").partition("/tree/")
    # An address copied from the browser names the revision, and perhaps a folder of it.
    revision = place.partition("/")[0]
    return f"{repository}@{revision}" if revision else repository


def timm_name(name: str) -> str | None:
    """Return timm's name of a network that is named as on the Hub, timm/NAME; None for others."""
    plain = plain_name(name)
    is_timm = plain.startswith(_TIMM) and plain.count("/") == 1
    return plain.removeprefix(_TIMM).partition("@")[0] if is_timm else None


def fault_of_network(name: str) -> str | None:
    """Say why a network of timm does not classify photos; None for any other name."""
    network = timm_name(name)
    if network is None:
        return None
    return (
        f"{name} is a pretrained network, not a model that was trained on your classes. Train it "
        f"first: foodvision train photos/ --model {network}"
    )


def fault_of_file(name: str, network: str = _NETWORK) -> str | None:
    """Say why a file cannot be the model, there or not; None for what is not named like one.

    network: what to start a training from instead.
    """
    path = Path(name)
    if path.is_dir() or not (path.is_file() or path.name.lower().endswith(_WEIGHTS)):
        return None
    if path.name in _FILES_OF_OURS and path.is_file():
        return f"{name} is only one file of a model. Give its folder: {path.parent}"
    if _is_ultralytics(path):
        return (
            f"{name} is an Ultralytics model, which foodvision cannot read. "
            f"{_start_from(network)}; the photo folders can stay as they are"
        )
    if not path.name.lower().endswith(_WEIGHTS):
        return f"{name} is a file. A model is a folder, or user/name on the Hub"
    return (
        f"{name} is a weights file of another library, without its network, classes and "
        f"preprocessing. A model is a folder, or user/name on the Hub. {_start_from(network)}"
    )


def fault_of_folder(folder: Path) -> str | None:
    """Say which library wrote a model's folder; None for one of ours, and for any other folder."""
    config = _config(folder)
    if "schema_version" in config:
        return None
    if library := _library_of(folder, config):
        network = _network_of(config)
        named = f" ({one_line(network, 60)})" if network else ""
        start = _with_tag(network, config) if library == "timm" and network else _NETWORK
        return f"{folder} is a model of {library}{named}, not of foodvision. {_start_from(start)}"
    return None


def fault_of_repository(at: str, library: str) -> str:
    """Say that a repository of the Hub belongs to another library."""
    return f"{at} is a model of {one_line(library, 40)}, not of foodvision. {_start_from(_NETWORK)}"


def _start_from(network: str) -> str:
    return f"To train on your photos, choose a network: --model {network}"


def _is_ultralytics(path: Path) -> bool:
    """Whether a file is named, or pickled, by Ultralytics; nothing of it is run."""
    if path.suffix.lower() == ".pt" and path.name.lower().startswith(("yolo", "rtdetr")):
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            names = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(next(names)) as pickled:
                return b"ultralytics" in pickled.read(_LONGEST_PICKLE)
    except (OSError, StopIteration, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False


def _config(folder: Path) -> dict[str, Any]:
    try:
        return read_json(folder / "config.json", dict[str, Any])
    except FileError:
        return {}


def _library_of(folder: Path, config: dict[str, Any]) -> str | None:
    if _KEYS_OF_TRANSFORMERS & config.keys():
        return "transformers"
    if "architecture" in config and _KEYS_OF_TIMM & config.keys():
        return "timm"
    found = (library for name, library in _LIBRARY_OF_FILE.items() if (folder / name).is_file())
    return next(found, None)


def _network_of(config: dict[str, Any]) -> str:
    names = config.get("architecture") or config.get("architectures") or config.get("model_type")
    return str(names[0] if isinstance(names, list) and names else names or "")


def _with_tag(network: str, config: dict[str, Any]) -> str:
    """Return timm's name of the weights, as resnet18.a1_in1k."""
    pretrained = config.get("pretrained_cfg")
    tag = pretrained.get("tag") if isinstance(pretrained, dict) else None
    return one_line(f"{network}.{tag}" if isinstance(tag, str) and tag else network, 100)
