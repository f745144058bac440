"""Scores of known or not: what each is fitted from, and the nodes that it is in the graph.

Every score is higher for what is more surely one of the classes. Which one is best differs from
network to network, so all are fitted and photos decide (`foodvision.training.package`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from torch import nn

# What is kept of the training photos is small: the graph has no room for all of them.
_MOST_NEIGHBOURS = 505
_MOST_DIRECTIONS = 128

# Inverse strength of the contrast's regularisation: there are more dimensions than photos.
_CONTRAST_C = 0.01

# React cuts off what only so many of all activations exceed (Sun et al., 2021, table 3).
_CUT_SHARE = 0.1

# An embedding of zeros has the cosine 0 to everything.
_SHORTEST = 1e-12

_COSINE = """
    tail_norm = ReduceL2 (embedding, tail_axis)
    tail_length = Max (tail_norm, tail_shortest)
    tail_unit = Div (embedding, tail_length)
    tail_cosines = MatMul (tail_unit, tail_columns)
    known_score = ReduceMax <keepdims = 0> (tail_cosines, tail_axis)
"""

NODES: Mapping[str, str] = MappingProxyType(
    {
        "softmax": """
    tail_plain = Softmax <axis = 1> (tail_logits)
    known_score = ReduceMax <keepdims = 0> (tail_plain, tail_axis)
""",
        "logit": "known_score = ReduceMax <keepdims = 0> (tail_logits, tail_axis)",
        "energy": "known_score = ReduceLogSumExp <keepdims = 0> (tail_logits, tail_axis)",
        "react": """
    tail_cut = Min (embedding, tail_ceiling)
    tail_cut_logits = Gemm <transB = 1> (tail_cut, tail_head_weight, tail_head_bias)
    known_score = ReduceLogSumExp <keepdims = 0> (tail_cut_logits, tail_axis)
""",
        "prototypes": _COSINE,
        "neighbours": _COSINE,
        "residual": """
    tail_moved = Sub (embedding, tail_origin)
    tail_within = MatMul (tail_moved, tail_directions)
    tail_whole = ReduceSumSquare <keepdims = 0> (tail_moved, tail_axis)
    tail_inside = ReduceSumSquare <keepdims = 0> (tail_within, tail_axis)
    tail_outside = Sub (tail_whole, tail_inside)
    tail_positive = Relu (tail_outside)
    tail_length = Sqrt (tail_positive)
    tail_virtual = Mul (tail_length, tail_scale)
    tail_energy = ReduceLogSumExp <keepdims = 0> (tail_logits, tail_axis)
    known_score = Sub (tail_energy, tail_virtual)
""",
        "mahalanobis": """
    tail_moved = Sub (embedding, tail_origin)
    tail_within = MatMul (tail_moved, tail_within_whitening)
    tail_products = MatMul (tail_within, tail_means)
    tail_affinities = Sub (tail_products, tail_half_norms)
    tail_nearest = ReduceMax <keepdims = 0> (tail_affinities, tail_axis)
    tail_half_square = ReduceSumSquare <keepdims = 0> (tail_within, tail_axis)
    tail_half = Mul (tail_half_square, tail_one_half)
    tail_all = MatMul (tail_moved, tail_overall_whitening)
    tail_all_square = ReduceSumSquare <keepdims = 0> (tail_all, tail_axis)
    tail_all_half = Mul (tail_all_square, tail_one_half)
    tail_class_distance = Sub (tail_half, tail_nearest)
    known_score = Sub (tail_all_half, tail_class_distance)
""",
        "contrast": """
    tail_weighed = Mul (embedding, tail_direction)
    tail_sum = ReduceSum <keepdims = 0> (tail_weighed, tail_axis)
    known_score = Add (tail_sum, tail_offset)
""",
    }
)
"""By the name of a score, its nodes in ONNX's text form: from `embedding` and `tail_logits` to
`known_score`, (n,). None takes the probabilities: the temperature is fitted after the score."""


@dataclass(frozen=True)
class KnownScore:
    """A score that was fitted: its name in `NODES`, and its tensors, float32."""

    kind: str
    values: Mapping[str, np.ndarray] = field(default_factory=dict)


def fit_known_scores(
    embeddings: np.ndarray, labels: np.ndarray, head: nn.Linear
) -> Iterator[KnownScore]:
    """Fit every score that needs no photos of other things to the embeddings of training photos.

    embeddings: (n, d) float32. labels: (n,) class indices, of each class at least one.
    head: the layer that turns embeddings into logits.

    softmax: largest probability (Hendrycks and Gimpel, ICLR 2017). logit: largest logit, energy:
    logarithm of the sum of their exponentials (Liu et al., NeurIPS 2020). react: energy after the
    largest activations are cut off (Sun et al., NeurIPS 2021). prototypes: cosine to the nearest
    class mean. neighbours: cosine to the nearest of several centres a class, for the nearest
    neighbour of Sun et al., ICML 2022. residual: energy less what lies outside of the main
    directions (ViM; Wang et al., CVPR 2022). mahalanobis: distance to the nearest class less that
    to all of them (Ren et al., 2021).
    """
    # First who needs no photos of other things to be chosen by: of equal ones the first is taken.
    for kind, centres in (("prototypes", 1), ("neighbours", _centres_per_class(labels))):
        yield _cosine(kind, _centres(embeddings, labels, centres))
    yield from (KnownScore(kind) for kind in ("softmax", "logit", "energy"))
    yield KnownScore("react", {"ceiling": np.quantile(embeddings, 1 - _CUT_SHARE)})
    directions = min(_MOST_DIRECTIONS, len(embeddings) - 1, embeddings.shape[1] // 2)
    yield _fit_residual(embeddings, head, directions)
    yield _fit_mahalanobis(embeddings, labels, directions)


def fit_contrast(embeddings: np.ndarray, unknown: np.ndarray) -> KnownScore:
    """Fit the log-odds of a logistic regression, known against unknown, both counted alike.

    embeddings, unknown: (n, d) float32, of training photos and of other things. The simplest
    form of outlier exposure (Hendrycks, Mazeika and Dietterich, ICLR 2019): the network stays.
    """
    rows = np.concatenate([embeddings, unknown])
    is_known = np.r_[np.ones(len(embeddings)), np.zeros(len(unknown))]
    scaler = StandardScaler().fit(rows)
    regression = LogisticRegression(C=_CONTRAST_C, class_weight="balanced", max_iter=1000)
    regression.fit(scaler.transform(rows), is_known)
    direction = regression.coef_[0] / scaler.scale_
    offset = regression.intercept_[0] - direction @ scaler.mean_
    return KnownScore("contrast", {"direction": direction, "offset": offset})


def prototypes(embeddings: np.ndarray, labels: np.ndarray) -> KnownScore:
    """Return the score that needs no photos of other things to be chosen by."""
    return _cosine("prototypes", _centres(embeddings, labels, 1))


def _cosine(kind: str, centres: np.ndarray) -> KnownScore:
    return KnownScore(kind, {"columns": _unit(centres).T, "shortest": np.array(_SHORTEST)})


def _centres_per_class(labels: np.ndarray) -> int:
    return max(1, min(8, _MOST_NEIGHBOURS // (int(labels.max()) + 1)))


def _centres(embeddings: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Return up to `most` centres of each class, (centres, d), in the order of the classes."""
    parts = [embeddings[labels == label] for label in range(labels.max() + 1)]
    if most == 1:
        return np.stack([part.mean(axis=0) for part in parts])
    return np.concatenate([_clusters(_unit(part), most) for part in parts])


def _clusters(rows: np.ndarray, most: int) -> np.ndarray:
    count = min(most, len(np.unique(rows, axis=0)))
    centres: np.ndarray = KMeans(count, n_init=1, random_state=0).fit(rows).cluster_centers_
    return centres


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: np.ndarray = rows / np.maximum(lengths, _SHORTEST)
    return unit


@torch.inference_mode()
def _fit_residual(embeddings: np.ndarray, head: nn.Linear, directions: int) -> KnownScore:
    weight, bias = head.weight.numpy(), head.bias.numpy()
    origin = -np.linalg.pinv(weight) @ bias
    moved = embeddings - origin
    values, vectors = np.linalg.eigh(moved.T @ moved)
    main = vectors[:, np.argsort(values)[-directions:]]
    outside = np.sqrt(np.maximum((moved**2).sum(axis=1) - ((moved @ main) ** 2).sum(axis=1), 0))
    largest = (embeddings @ weight.T + bias).max(axis=1)
    scale = largest.mean() / max(float(outside.mean()), 1e-6)
    return KnownScore("residual", {"origin": origin, "directions": main, "scale": scale})


def _fit_mahalanobis(embeddings: np.ndarray, labels: np.ndarray, directions: int) -> KnownScore:
    reduced = PCA(directions, svd_solver="covariance_eigh").fit(embeddings)
    main = reduced.components_.T
    within = (embeddings - reduced.mean_) @ main
    means = _centres(within, labels, 1)
    inner, overall = _whitening(within - means[labels]), _whitening(within)
    white_means = means @ inner
    return KnownScore(
        "mahalanobis",
        {
            "origin": reduced.mean_,
            "within_whitening": main @ inner,
            "means": white_means.T,
            "half_norms": (white_means**2).sum(axis=1) / 2,
            "one_half": np.array(0.5),
            "overall_whitening": main @ overall,
        },
    )


def _whitening(rows: np.ndarray) -> np.ndarray:
    """Return the matrix behind which centred rows have the covariance 1."""
    covariance, _ = ledoit_wolf(rows, assume_centered=True)
    values, vectors = np.linalg.eigh(covariance)
    whitening: np.ndarray = vectors / np.sqrt(np.maximum(values, 1e-8))
    return whitening
