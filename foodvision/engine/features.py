"""Features of a frozen backbone, computed once and cached; the epochs train the head alone."""

import hashlib
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from foodvision.data import LabelledPhoto, digests
from foodvision.data.batches import seeded
from foodvision.data.transforms import augmentation, normalise
from foodvision.errors import CacheWarning
from foodvision.image import load_image
from foodvision.preprocess import Preprocess
from foodvision.system.progress import progress
from foodvision.system.storage import cache_folder, write_atomically

Embed = Callable[[np.ndarray], np.ndarray]
"""From squares, (n, size, size, 3) uint8, to embeddings, (n, d) float32."""

_BATCH = 32

# torch's random generator is shared by all threads.
_TORCHS_CHANCE = threading.Lock()


class FeatureCache:
    """A cache of embeddings, keyed by network, preprocessing, view, and the photos' contents."""

    def __init__(self, embed: Embed, network: str, preprocess: Preprocess, seed: int) -> None:
        """Take the function that embeds, the fingerprint of its weights, and the crops' seed."""
        self._embed, self._network, self._preprocess, self._seed = embed, network, preprocess, seed

    def features(self, photos: Sequence[LabelledPhoto], views: int = 1) -> torch.Tensor:
        """Return (n, views, d) float32, in the order of the photos.

        The first view is the square as served, the second its mirror image, others are random
        crops. The user's cache folder keeps them for the next run.

        Warns (CacheWarning) if the cache cannot be written. Raises PhotoError at the first photo
        that cannot be read.
        """
        names = sorted({photo.path for photo in photos})
        contents = "".join(digests(names))
        columns = [self._view(names, contents, view) for view in range(views)]
        rows = {path: row for row, path in enumerate(names)}
        order = torch.tensor([rows[photo.path] for photo in photos])
        return torch.stack(columns, dim=1)[order]

    def _view(self, paths: Sequence[Path], contents: str, view: int) -> torch.Tensor:
        seed = self._seed if view > 1 else ""
        key = f"{self._network} {self._preprocess} {view} {seed} {contents}"
        name = hashlib.sha256(key.encode()).hexdigest()
        file = cache_folder() / "features" / f"{name}.safetensors"
        features = _kept(file)
        if features is None:
            features = torch.from_numpy(np.concatenate(list(self._compute(paths, view))))
            _keep(file, features)
        return features

    def _compute(self, paths: Sequence[Path], view: int) -> Iterator[np.ndarray]:
        starts = range(0, len(paths), _BATCH)
        with (
            ThreadPoolExecutor() as threads,
            progress(None, "features", total=len(paths)) as bar,
        ):
            # One batch is decoded while the network works on another.
            ahead = [threads.submit(self._square, path, view) for path in paths[:_BATCH]]
            for start in starts:
                squares = [future.result() for future in ahead]
                following = paths[start + _BATCH : start + 2 * _BATCH]
                ahead = [threads.submit(self._square, path, view) for path in following]
                yield self._embed(np.stack(squares))
                bar.update(len(squares))

    def _square(self, path: Path, view: int) -> np.ndarray:
        image = load_image(path, self._preprocess.short_side, self._preprocess.white)
        if view <= 1:
            square = self._preprocess(image)
            return square if view == 0 else square[:, ::-1].copy()
        with _TORCHS_CHANCE, seeded(self._seed, "view", view, path.name):
            crop: np.ndarray = augmentation(self._preprocess)(image).permute(1, 2, 0).numpy()
        return crop


def embed_with_graph(graph: bytes) -> Embed:
    """Return a function that runs a graph on ONNX Runtime, on CPUs much faster than torch."""
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])

    def embed(squares: np.ndarray) -> np.ndarray:
        (embeddings,) = session.run(["embedding"], {"pixels": squares})
        return np.asarray(embeddings)

    return embed


def embed_with_network(body: nn.Module, preprocess: Preprocess, device: torch.device) -> Embed:
    """Return a function that runs a network without its head on a device."""
    body.eval().to(device)
    scale = normalise(preprocess)

    @torch.inference_mode()
    def embed(squares: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(squares).permute(0, 3, 1, 2).to(device)
        embeddings: np.ndarray = body(scale(images)).float().cpu().numpy()
        return embeddings

    return embed


def weights_fingerprint(network: nn.Module) -> str:
    """Return the SHA-256 over a network's weights and their names, in hexadecimal."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _kept(file: Path) -> torch.Tensor | None:
    """Return cached features, or None if they are missing or were changed."""
    try:
        with safe_open(file, "pt") as kept:
            features: torch.Tensor = kept.get_tensor("features")
            is_whole = (kept.metadata() or {}).get("sha256") == _sha256_of(features)
    except (OSError, SafetensorError, ValueError):
        return None
    return features if is_whole else None


def _keep(file: Path, features: torch.Tensor) -> None:
    """Write features to the cache; if that fails, warn, and let the training continue."""
    try:
        metadata = {"sha256": _sha256_of(features)}
        write_atomically(file, save({"features": features}, metadata))
    except OSError as error:
        warnings.warn(
            f"the features of the photos cannot be cached in {file.parent} "
            f"({error.strerror or error}), so every run computes them again: free some space "
            "there, or set FOODVISION_CACHE to another folder",
            CacheWarning,
            stacklevel=2,
        )


def _sha256_of(features: torch.Tensor) -> str:
    digest = hashlib.sha256(f"{features.dtype} {tuple(features.shape)}".encode())
    digest.update(features.contiguous().numpy().data)
    return digest.hexdigest()
