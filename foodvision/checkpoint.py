"""The checkpoint, the one folder between training and serving: read, write, verify.

Training writes it, serving reads it, the Hub carries it. What is in it: docs/architecture.md.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator

from foodvision.errors import CheckpointError, SettingsError
from foodvision.figures import Claims, as_json
from foodvision.graph.check import examine
from foodvision.graph.cost import GraphFault
from foodvision.graph.trial import remember_graph, try_graph
from foodvision.image import SUFFIXES, check_publishable, load_image
from foodvision.preprocess import Preprocess
from foodvision.safety.files import (
    FileError,
    check_file,
    check_inside,
    parse_json,
    read_file,
    read_text,
)
from foodvision.safety.foreign import fault_of_file, fault_of_folder
from foodvision.safety.schema import (
    Agreement,
    Architecture,
    ClassNames,
    DataOrigin,
    Number,
    Positive,
    Repository,
    Sha256,
    Training,
    Versions,
    read_as,
)
from foodvision.system.storage import recover_folder, write_folder

SCHEMA_VERSION = 1

BUNDLED = Path(__file__).parent / "bundled"
"""The checkpoint that ships with the package."""

WEIGHTS = "model.safetensors"
"""The file of the network's weights, which serving does not read."""

_GRAPH, _CONFIG, _CARD = "model.onnx", "config.json", "README.md"
_PICTURES = "pictures"
_AGAIN = "download the folder again"
_TAKE_AWAY = "replace it with a copy, or remove it"

FILES = (_CONFIG, _GRAPH, WEIGHTS, "page.json")
FOLDERS = ("examples", _PICTURES)
"""What is published of a checkpoint's folder, beside its card."""

NO_THRESHOLD = -1e9
"""The `known_threshold` of a model that refuses no photo: it saw too few to know what to refuse."""

# What the folder of a run has, around its checkpoint.
_RUN = "run.json"

# Far above any network that this package trains; a graph is read whole into memory.
_MAX_GRAPH_BYTES = 2_000_000_000

_CLAIMS = Annotated[Claims, AfterValidator(partial(as_json, kind=Claims))]


@dataclass(frozen=True)
class CheckpointConfig:
    """`config.json`: what the graph does not say of itself.

    classes: class names (folder names) in the order of the graph's outputs.
    preprocess: how a photo becomes the graph's input.
    architecture: the network's name, as `foodvision.models.create_model` takes it.
    known_threshold: a photo whose `known_score` is below it is called none of the classes;
        `NO_THRESHOLD` where none ever is.
    sure_from, likely_from: confidence from which on an answer is called sure, or likely; above 1
        where no answer is, for want of validation photos that justify it.
    base_model: the Hub's name of the model whose weights the training started from; "" if none.
    figures: what was measured, each figure with n and interval.
    training: the settings that repeat the run.
    data: where the photos came from, their number and fingerprint.
    versions: of the libraries that made the checkpoint.
    export: how closely graph and network agree, and on how many photos.
    """

    classes: ClassNames
    preprocess: Preprocess
    architecture: Architecture
    known_threshold: Number
    sure_from: Positive = 2.0
    likely_from: Positive = 2.0
    base_model: Repository = ""
    figures: Annotated[dict[str, Any], read_as(_CLAIMS)] = field(default_factory=dict)
    training: Annotated[dict[str, Any], read_as(Training)] = field(default_factory=dict)
    data: Annotated[dict[str, Any], read_as(DataOrigin)] = field(default_factory=dict)
    versions: Versions = field(default_factory=dict)
    export: Annotated[dict[str, Any], read_as(Agreement)] = field(default_factory=dict)

    @property
    def refuses(self) -> bool:
        """Whether the model ever says that a photo shows none of its classes."""
        return self.known_threshold > NO_THRESHOLD


@dataclass(frozen=True)
class _Head:
    """What `config.json` says of itself and of the graph beside it."""

    schema_version: int
    sha256: Sha256


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
    with translate_faults(path / _CONFIG):
        content = read_file(path / _CONFIG, path)
    try:
        head, config = _parse_config(content, path / _CONFIG)
    except CheckpointError as error:
        raise CheckpointError(fault_of_folder(path) or error) from None
    with translate_faults(path / _GRAPH):
        graph = read_file(path / _GRAPH, path, _MAX_GRAPH_BYTES)
    sha256 = _sha256(graph)
    if sha256 != head.sha256:
        raise CheckpointError(
            f"{path / _GRAPH} does not match {_CONFIG}: download or copy the folder again"
        )
    if path != BUNDLED:
        with translate_faults(path / _GRAPH):
            try_graph(graph, sha256, config.preprocess.size, len(config.classes))
    return Checkpoint(path, config, graph)


def checkpoint_files(folder: Path) -> list[Path]:
    """Return what of a folder belongs to a checkpoint, its card left out: all that is published.

    Raises CheckpointError for a link that leaves the folder and for what is not a regular file,
    PhotoError for what is named as a photo and is none, or tells where it was taken.
    """
    top = [folder / name for name in FILES if os.path.lexists(folder / name)]
    found = [*top, *(path for name in FOLDERS for path in files_inside(folder, name))]
    for path in found:
        check_published(path, folder)
    return found


def files_inside(folder: Path, name: str) -> list[Path]:
    """Return what lies in one of a checkpoint's folders, hidden files and folders left out.

    Raises CheckpointError for a folder that is a link to another place.
    """
    place = folder / name
    if not os.path.lexists(place):
        return []
    with translate_faults(place, _TAKE_AWAY):
        check_inside(place, folder)
    # Not the hidden ones: macOS puts a ._pizza.jpg, which is no photo, beside each on other disks.
    return [path for path in sorted(place.glob("[!.]*")) if not path.is_dir()]


def check_published(path: Path, folder: Path) -> None:
    """Check that everybody may have a file of a checkpoint's folder.

    Raises as `checkpoint_files` does.
    """
    with translate_faults(path, _TAKE_AWAY):
        check_file(path, folder)
    if path.suffix.lower() in SUFFIXES:
        check_publishable(path)
        load_image(path)


def read_card(checkpoint: Checkpoint) -> str:
    """Return the text of a checkpoint's `README.md`, without what the Hub reads of it.

    Raises CheckpointError for one that is not UTF-8, too large, or a link that leaves the folder.
    """
    path = checkpoint.folder / _CARD
    text = ""
    if os.path.lexists(path):
        with translate_faults(path):
            text = read_text(path, checkpoint.folder)
    _, end, rest = text.partition("\n---\n")
    return rest.lstrip() if text.startswith("---\n") and end else text


def weights_file(checkpoint: Checkpoint) -> Path:
    """Return the file of the network's weights.

    Raises CheckpointError for a checkpoint that is for serving only, and for a link that leaves its
    folder.
    """
    path = checkpoint.folder / WEIGHTS
    if not os.path.lexists(path):
        raise CheckpointError(
            f"{checkpoint.folder} has no {WEIGHTS}, so it can only be served: choose another model"
        )
    with translate_faults(path):
        check_file(path, checkpoint.folder)
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
    CheckpointError if the graph does not fit the configuration, or if no reader would take that;
    OSError if the disk does not take it.
    """
    target = Path(folder)
    recover_folder(target)
    check_target(target)
    check_graph(graph, config, target / _GRAPH)
    raw = {"schema_version": SCHEMA_VERSION, "sha256": _sha256(graph), **asdict(config)}
    content = f"{json.dumps(raw, indent=2, ensure_ascii=False)}\n".encode()
    _parse_config(content, target / _CONFIG)  # what is written can be read
    files = {_GRAPH: graph, _CONFIG: content, _CARD: card.encode(), **pictures}
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
    """Check that the figures of a checkpoint were measured on its own graph and weights.

    Raises CheckpointError if they were not, or do not say; not if there are none.
    """
    has_weights = os.path.lexists(checkpoint.folder / WEIGHTS)
    weights = weights_file(checkpoint).read_bytes() if has_weights else None
    figures = checkpoint.config.figures
    claimed, found = figures.get("measured_on", {}), measured_on(checkpoint.graph, weights)
    if figures and any(claimed.get(name) != sha256 for name, sha256 in found.items()):
        raise CheckpointError(
            f"the figures in {checkpoint.folder / _CONFIG} were not measured on its graph and "
            "weights: train again, or download or copy the folder again"
        )


def check_target(folder: Path) -> None:
    """Check that a checkpoint can be written to a folder, before there is one.

    Raises CheckpointError if it holds something else, or cannot be made or written.
    """
    if folder.exists() and not (folder / _CONFIG).is_file() and any(folder.iterdir()):
        raise CheckpointError(f"{folder} is not empty and not a checkpoint: choose another folder")
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise CheckpointError(f"{folder} cannot be written: {nearest} is not a writable folder")


def check_graph(graph: bytes, config: CheckpointConfig, name: Path) -> None:
    """Check a graph of our own against the contract with the configuration, and against bounds.

    Raises CheckpointError, naming the file, if it does not keep them.
    """
    with translate_faults(name):
        examine(graph, config.preprocess.size, len(config.classes))


def _find(folder: Path) -> Path:
    # A run has a config.json of its own, of its settings: what lies in checkpoint/ goes first.
    for candidate in (folder / "checkpoint", folder):
        recover_folder(candidate)
        if (candidate / _CONFIG).is_file() and not (candidate / _RUN).exists():
            with translate_faults(candidate, "give the folder that it links to"):
                check_inside(candidate, folder)
            return candidate
    if (folder / _RUN).exists():
        raise CheckpointError(f"{folder} is an unfinished run: continue it with --resume {folder}")
    if fault := fault_of_file(str(folder)) or fault_of_folder(folder):
        raise CheckpointError(fault)
    if not folder.exists():
        raise CheckpointError(
            f"{folder} does not exist: give a checkpoint or run folder, user/name on the Hub, or "
            "foodvision_101"
        )
    raise CheckpointError(f"{folder} is not a checkpoint: it has no {_CONFIG}")


def _parse_config(content: bytes, path: Path) -> tuple[_Head, CheckpointConfig]:
    with translate_faults(path):
        head = parse_json(content, _Head)
        if head.schema_version != SCHEMA_VERSION:
            raise CheckpointError(
                f"{path} has schema version {head.schema_version}, but this foodvision reads "
                f"{SCHEMA_VERSION}: update foodvision"
            )
        config = parse_json(content, CheckpointConfig)
        _check_classes_of(config)
        return head, config


def _check_classes_of(config: CheckpointConfig) -> None:
    """Check that figures are of the model's classes. Raises FileError."""
    test = config.figures.get("test")
    if not test:
        return
    claimed = set(test["per_class"])
    for pair in test.get("confused", ()):
        claimed |= {pair["label"], pair["answer"]}
    if strange := claimed - set(config.classes):
        raise FileError(f"figures.test names {min(strange)!r}, which is not among the classes")


@contextmanager
def translate_faults(path: Path, way_out: str = _AGAIN) -> Iterator[None]:
    """Turn faults of a checkpoint's file into CheckpointError, with its name and what to do."""
    try:
        yield
    except FileError as fault:
        raise CheckpointError(f"{path}: {fault}; {way_out}") from None
    except GraphFault as fault:
        raise CheckpointError(f"{path} {fault}") from None
    except SettingsError as error:
        raise CheckpointError(f"{path}: preprocess: {error}; {way_out}") from None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
