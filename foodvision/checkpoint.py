"""The checkpoint, the one folder between training and serving: read, write, verify.

Training writes it, serving reads it, the Hub carries it. What is in it: docs/architecture.md.
"""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from foodvision.errors import CheckpointError, SettingsError
from foodvision.graph_check import examine
from foodvision.graph_cost import GraphFault
from foodvision.graph_trial import remember_graph, try_graph
from foodvision.image import SUFFIXES, check_publishable
from foodvision.preprocess import Preprocess
from foodvision.storage import recover_folder, write_folder

SCHEMA_VERSION = 1

BUNDLED = Path(__file__).parent / "bundled"
"""The checkpoint that ships with the package."""

WEIGHTS = "model.safetensors"
"""The file of the network's weights, which serving does not read."""

_GRAPH, _CONFIG, _CARD = "model.onnx", "config.json", "README.md"
_PICTURES = "pictures"

FILES = (_CONFIG, _GRAPH, WEIGHTS, "page.json")
FOLDERS = ("examples", _PICTURES)
"""What is published of a checkpoint's folder, beside its card."""

# What the folder of a run has, around its checkpoint.
_RUN = "run.json"

# Far above any network that this package trains; a graph is read whole into memory.
_MAX_GRAPH_BYTES = 2_000_000_000


@dataclass(frozen=True)
class CheckpointConfig:
    """`config.json`: what the graph does not say of itself.

    classes: class names (folder names) in the order of the graph's outputs.
    preprocess: how a photo becomes the graph's input.
    architecture: the network's name, as `foodvision.models.create_model` takes it.
    known_threshold: a photo whose `known_score` is below it is called none of the classes.
    sure_from, likely_from: confidence from which on an answer is called sure, or likely; above 1
        where no answer is, for want of validation photos that justify it.
    base_model: the Hub's name of the model whose weights the training started from; "" if none.
    figures: what was measured, each figure with n and interval.
    training: the settings that repeat the run.
    data: where the photos came from, their number and fingerprint.
    versions: of the libraries that made the checkpoint.
    export: how closely graph and network agree, and on how many photos.
    """

    classes: tuple[str, ...]
    preprocess: Preprocess
    architecture: str
    known_threshold: float
    sure_from: float = 2.0
    likely_from: float = 2.0
    base_model: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    export: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read and verified."""

    folder: Path
    config: CheckpointConfig
    graph: bytes

    @property
    def sha256(self) -> str:
        """SHA-256 of `model.onnx`, in hexadecimal."""
        return _sha256(self.graph)


def read_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint folder, or the `checkpoint/` inside a run folder, and verify it.

    Raises CheckpointError when a file is missing or spoiled, when the schema is another version's,
    or when the graph is not one of ours: weights outside the file, operators beyond the ONNX
    standard, inputs and outputs of another shape, or costs out of bounds. A graph is run the first
    time that it is read, in a process with limits.
    """
    path = _find(Path(folder))
    raw = _read_json(path / _CONFIG)
    config = _parse_config(raw, path / _CONFIG)
    graph = _read_graph(path / _GRAPH)
    sha256 = _sha256(graph)
    if sha256 != raw.get("sha256"):
        raise CheckpointError(
            f"{path / _GRAPH} is not the file that {_CONFIG} was written for: get the folder again"
        )
    if path != BUNDLED:
        _try_graph(graph, sha256, config, path / _GRAPH)
    return Checkpoint(path, config, graph)


def checkpoint_files(folder: Path) -> list[Path]:
    """Return what of a folder belongs to a checkpoint, its card left out: all that is published.

    Raises PhotoError for an example that tells where it was taken.
    """
    inside = [path for name in FOLDERS for path in sorted((folder / name).glob("[!.]*"))]
    found = [path for path in (*(folder / name for name in FILES), *inside) if path.is_file()]
    for path in found:
        if path.suffix.lower() in SUFFIXES:
            check_publishable(path)
    return found


def read_card(checkpoint: Checkpoint) -> str:
    """Return the text of a checkpoint's `README.md`, without what the Hub reads of it."""
    path = checkpoint.folder / _CARD
    text = path.read_text("utf-8") if path.is_file() else ""
    _, end, rest = text.partition("\n---\n")
    return rest.lstrip() if text.startswith("---\n") and end else text


def weights_file(checkpoint: Checkpoint) -> Path:
    """Return the file of the network's weights.

    Raises CheckpointError for a checkpoint that is for serving only.
    """
    path = checkpoint.folder / WEIGHTS
    if not path.is_file():
        raise CheckpointError(
            f"{checkpoint.folder} has no {WEIGHTS}, it is for serving only: choose another model"
        )
    return path


def write_checkpoint(
    folder: str | os.PathLike[str],
    config: CheckpointConfig,
    graph: bytes,
    card: str,
    weights: bytes | None = None,
    pictures: Mapping[str, bytes] = MappingProxyType({}),
) -> Path:
    """Write a checkpoint so that a crash at any moment leaves the old one, or the new one, whole.

    graph, weights: the contents of `model.onnx` and `model.safetensors`.
    card: the text of `README.md`.
    pictures: what the card shows, by their place in the folder, below `pictures/`.

    What people put beside them stays (`page.json`, `examples/`). Returns the folder. Raises
    CheckpointError if the graph does not fit the configuration, OSError if the disk does not take
    it.
    """
    target = Path(folder)
    recover_folder(target)
    check_target(target)
    check_graph(graph, config, target / _GRAPH)
    raw = {"schema_version": SCHEMA_VERSION, "sha256": _sha256(graph), **asdict(config)}
    files = {_GRAPH: graph, _CONFIG: _to_json(raw).encode(), _CARD: card.encode(), **pictures}
    if weights is not None:
        files[WEIGHTS] = weights
    write_folder(target, files, replaced=(WEIGHTS, _PICTURES))
    remember_graph(raw["sha256"], config.preprocess.size, len(config.classes))
    return target


def measured_on(graph: bytes, weights: bytes | None) -> dict[str, str]:
    """Return what figures carry: the SHA-256 of the graph and weights that they were measured on.

    `config.figures["measured_on"]` is this, so that figures of another model are found out.
    """
    files = {_GRAPH: graph} | ({WEIGHTS: weights} if weights is not None else {})
    return {name: _sha256(content) for name, content in files.items()}


def check_figures(checkpoint: Checkpoint) -> None:
    """See that the figures of a checkpoint were measured on its own graph and weights.

    Raises CheckpointError if they were not, or do not say; not if there are none.
    """
    path = checkpoint.folder / WEIGHTS
    weights = path.read_bytes() if path.is_file() else None
    figures = checkpoint.config.figures
    claimed, found = figures.get("measured_on", {}), measured_on(checkpoint.graph, weights)
    if figures and any(claimed.get(name) != sha256 for name, sha256 in found.items()):
        raise CheckpointError(
            f"the figures in {checkpoint.folder / _CONFIG} were not measured on the graph and "
            "weights beside it: train it again, or get the folder again"
        )


def check_target(folder: Path) -> None:
    """See that a checkpoint can be written to a folder, before there is one.

    Raises CheckpointError if it holds something else, or cannot be made or written.
    """
    if folder.exists() and not (folder / _CONFIG).is_file() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} holds something else than a checkpoint: name another one")
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise CheckpointError(f"{folder} cannot be written: {nearest} is no folder of yours")


def check_graph(graph: bytes, config: CheckpointConfig, name: Path) -> None:
    """Hold a graph of our own against the contract with the configuration, and against bounds.

    Raises CheckpointError, naming the file, if it does not keep them.
    """
    try:
        examine(graph, config.preprocess.size, len(config.classes))
    except GraphFault as fault:
        raise CheckpointError(f"{name} {fault}") from None


def _try_graph(graph: bytes, sha256: str, config: CheckpointConfig, name: Path) -> None:
    """Do the same with a stranger's graph, and run it: once, in a process with limits."""
    try:
        try_graph(graph, sha256, config.preprocess.size, len(config.classes))
    except GraphFault as fault:
        raise CheckpointError(f"{name} {fault}") from None


def _find(folder: Path) -> Path:
    # A run has a config.json of its own, of its settings: what lies in checkpoint/ goes first.
    for candidate in (folder / "checkpoint", folder):
        recover_folder(candidate)
        if (candidate / _CONFIG).is_file() and not (candidate / _RUN).exists():
            return candidate
    if (folder / _RUN).exists():
        raise CheckpointError(
            f"{folder} is a run that is not finished: go on with --resume {folder}"
        )
    if not folder.exists():
        raise CheckpointError(
            f"{folder}: no such folder (a model is a folder, user/name on the Hub, or "
            "foodvision_101)"
        )
    raise CheckpointError(f"{folder} holds no checkpoint: it has no {_CONFIG}")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): get the folder again") from None
    if not isinstance(raw, dict):
        raise CheckpointError(f"{path} is no configuration of a checkpoint: get the folder again")
    return raw


def _parse_config(raw: dict[str, Any], path: Path) -> CheckpointConfig:
    version = raw.get("schema_version")
    if version != SCHEMA_VERSION:
        way_out = "update foodvision" if isinstance(version, int) else "is it one of foodvision's?"
        raise CheckpointError(
            f"{path} has schema version {version}, this program reads {SCHEMA_VERSION}: {way_out}"
        )
    fields = {name: raw[name] for name in CheckpointConfig.__dataclass_fields__ if name in raw}
    try:
        square = fields.pop("preprocess")
        for name in ("mean", "std"):
            square[name] = tuple(float(value) for value in square[name])
        classes = fields.pop("classes")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise TypeError("classes should be a list of names")
        if not isinstance(fields.get("base_model", ""), str):
            raise TypeError("base_model should be a name")
        for name in ("known_threshold", "sure_from", "likely_from"):
            if name in fields:
                fields[name] = _number(name, fields[name])
        return CheckpointConfig(classes=tuple(classes), preprocess=Preprocess(**square), **fields)
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise CheckpointError(
            f"{path} lacks or misstates a field ({error}): get the folder again"
        ) from None


def _number(name: str, value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{name} should be a number")
    return number


def _read_graph(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MAX_GRAPH_BYTES:
            raise CheckpointError(f"{path} is over {_MAX_GRAPH_BYTES // 10**9} GB: not one of ours")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be read ({error.strerror}): get the folder again"
        ) from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _to_json(raw: dict[str, Any]) -> str:
    return json.dumps(raw, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
