"""The whole state of a training in one file, from which it resumes bit for bit.

Tensors are stored as safetensors, the rest as JSON in the header: nothing is unpickled.
"""

import json
import random
import signal
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from foodvision.engine.optimise import restore_order
from foodvision.errors import DataError, FoodVisionError, Stopped, first_line
from foodvision.system.signals import stop_signals_to
from foodvision.system.storage import write_atomically


class Stateful(Protocol):
    """What networks, optimisers and schedules have in common."""

    def state_dict(self) -> Any:
        """Return tensors, numbers, strings, and lists and dicts of them."""

    def load_state_dict(self, state: Any) -> Any:
        """Restore them."""


class Snapshot:
    """The state that a training resumes from, and its file."""

    def __init__(self, path: Path, parts: Mapping[str, Stateful], fingerprint: str) -> None:
        """Take the parts by name, and the fingerprint of the training photos."""
        self._path, self._parts, self._fingerprint = path, parts, fingerprint

    def save(self) -> None:
        """Replace the file with the current state, atomically.

        Raises FoodVisionError if the disk does not take it.
        """
        tensors: dict[str, torch.Tensor] = {}
        state = {name: part.state_dict() for name, part in self._parts.items()}
        state |= {"random": _random_states(), "photos": self._fingerprint}
        header = {"state": json.dumps(_flatten(state, tensors))}
        try:
            write_atomically(self._path, save(tensors, metadata=header))
        except OSError as error:
            raise FoodVisionError(
                f"{self._path} cannot be written ({error.strerror}): the last saved epoch is "
                "intact; free some space and continue with --resume"
            ) from None

    def restore(self) -> bool:
        """Restore the state, and return whether there was one.

        Raises DataError if it belongs to other photos, FoodVisionError if the file is damaged.
        """
        if not self._path.exists():
            return False
        state = self._read()
        if state.pop("photos") != self._fingerprint:
            raise DataError(
                f"{self._path.parent.parent} was trained on other photos: start a new run, or "
                "use the same photos"
            )
        _set_random_states(state.pop("random"))
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
            if isinstance(part, torch.optim.Optimizer):
                restore_order(part)
        return True

    def _read(self) -> dict[str, Any]:
        try:
            with safe_open(self._path, "pt") as file:
                state = _unflatten(json.loads(file.metadata()["state"]), file)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise FoodVisionError(
                f"{self._path} is damaged ({first_line(error)}): remove it to start again"
            ) from None
        assert isinstance(state, dict)
        return state


class StopSignal:
    """Stops a run between two batches after Ctrl-C or SIGTERM; a second Ctrl-C stops at once."""

    def __init__(self, accelerator: Accelerator) -> None:
        """Take the accelerator, by which all processes of the run agree to stop."""
        self._requested, self._accelerator = False, accelerator

    def check(self) -> None:
        """Raise Stopped if a signal came, to this process or another."""
        if self._requested:
            self._accelerator.set_trigger()
        if self._accelerator.check_trigger():
            raise Stopped("stopped")

    def listening(self) -> AbstractContextManager[None]:
        """Listen to signals inside of the block; outside they act as before."""
        return stop_signals_to(self._request)

    def _request(self, number: int, _: FrameType | None) -> None:
        if self._requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._requested = True


def _random_states() -> dict[str, Any]:
    numpy_state = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "numpy": [
            value.tolist() if isinstance(value, np.ndarray) else value for value in numpy_state
        ],
        "python": random.getstate(),
    }


def _set_random_states(states: Mapping[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    np.random.set_state(tuple(states["numpy"]))
    version, internal, gauss = states["python"]
    random.setstate((version, tuple(internal), gauss))


def _flatten(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """Return the value as JSON types, its tensors by their place in `tensors`."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _flatten(of, tensors)] for key, of in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_flatten(of, tensors) for of in value]
    if isinstance(value, (str, int, float, type(None))):
        return value
    raise TypeError(f"{type(value).__name__} has no place in a saved state")


def _unflatten(value: Any, file: Any) -> Any:
    if isinstance(value, list):
        return [_unflatten(of, file) for of in value]
    if isinstance(value, dict):
        if "tensor" in value:
            return file.get_tensor(value["tensor"])
        return {key: _unflatten(of, file) for key, of in value["dict"]}
    return value
