"""Cross-validation: what a linear head gets right of photos that it was not fitted on."""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer
from threadpoolctl import threadpool_limits

from foodvision.figures import Share

FEW_TEST_PHOTOS = 100
"""Of fewer, the 95% interval of an accuracy may be more than 20 points wide."""

_FOLDS = 5

# 64 or 200 components find as many wrong labels of the classic 300 photos; without reducing them,
# 5,761 photos of 101 classes took 273 s instead of 8.
_COMPONENTS = 128
_STRENGTH = 3.0


def unseen_probabilities(embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return probabilities, (n, classes), each row from a model fitted without that photo.

    embeddings: (n, d) float32. labels: (n,) indices of classes with at least two photos each. There
    are five folds, or as many as the smallest class has photos.
    """
    count = min(_FOLDS, int(np.bincount(labels).min()))
    components = min(_COMPONENTS, embeddings.shape[1], len(labels) * (count - 1) // count)
    model = make_pipeline(
        Normalizer(),
        PCA(components, random_state=0),
        LogisticRegression(C=_STRENGTH, max_iter=1000),
    )
    folds = StratifiedKFold(count, shuffle=True, random_state=0)
    # The matrices are small: with more threads, waiting for each other takes ten times as long.
    with threadpool_limits(1):
        answers: np.ndarray = cross_val_predict(
            model, embeddings, labels, cv=folds, method="predict_proba"
        )
    return answers


def cross_validate(embeddings: np.ndarray, labels: np.ndarray) -> Share:
    """Return how many photos such a model gets right; arguments as `unseen_probabilities`."""
    right = unseen_probabilities(embeddings, labels).argmax(axis=1) == labels
    return Share(int(right.sum()), len(labels))
