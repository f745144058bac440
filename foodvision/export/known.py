"""Scores of known or not: what each is fitted from, and the nodes that it is in the graph.

Every score is higher for what is more surely one of the classes. Which one is best differs from
network to network, so all are fitted and photos decide (`foodvision.training.package`). Six more
were tried and never won (models/foodvision-101/diary.md).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

# Inverse strength of the contrast's regularisation: there are more dimensions than photos.
_CONTRAST_C = 0.01

# An embedding of zeros has the cosine 0 to everything.
_SHORTEST = 1e-12

NODES: Mapping[str, str] = MappingProxyType(
    {
        "prototypes": """
    tail_norm = ReduceL2 (embedding, tail_axis)
    tail_length = Max (tail_norm, tail_shortest)
    tail_unit = Div (embedding, tail_length)
    tail_cosines = MatMul (tail_unit, tail_columns)
    known_score = ReduceMax <keepdims = 0> (tail_cosines, tail_axis)
""",
        "energy": "known_score = ReduceLogSumExp <keepdims = 0> (tail_logits, tail_axis)",
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
    """A score that was fitted: its name in `NODES`, and its tensors, float32.

    energy: the logarithm of the sum of the logits' exponentials (Liu et al., NeurIPS 2020), which
        needs none.
    """

    kind: str
    values: Mapping[str, np.ndarray] = field(default_factory=dict)


def fit_prototypes(embeddings: np.ndarray, labels: np.ndarray) -> KnownScore:
    """Fit the cosine to the nearest class mean.

    embeddings: (n, d) float32, of training photos. labels: (n,) class indices, of each class at
        least one.
    """
    means = np.stack(
        [embeddings[labels == label].mean(axis=0) for label in range(labels.max() + 1)]
    )
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    columns = (means / np.maximum(lengths, _SHORTEST)).T
    return KnownScore("prototypes", {"columns": columns, "shortest": np.array(_SHORTEST)})


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
