"""What is fitted on validation photos, so that a model says how sure it is and means it."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

# Of the validation photos, so many are called known.
KEPT_SHARE = 0.95

# The temperature is taken for 1, give or take this factor's logarithm, until photos say otherwise:
# a few photos that are all answered right would else make the model as good as certain.
_PRIOR_WIDTH = 0.5


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes the probabilities most honest.

    It minimises the negative log-likelihood (Guo et al., "On Calibration of Modern Neural
    Networks", ICML 2017), with a weak prior around 1 that matters for few photos only.

    logits: (n, classes) float32. labels: (n,) class indices.
    """

    def cost(log_temperature: float) -> float:
        log_probabilities = log_softmax(logits / np.exp(log_temperature), axis=1)
        likelihood = log_probabilities[np.arange(len(labels)), labels].sum()
        return float((log_temperature / _PRIOR_WIDTH) ** 2 / 2 - likelihood)

    return float(np.exp(minimize_scalar(cost, bounds=(-3.0, 3.0), method="bounded").x))


def fit_known_threshold(scores: np.ndarray) -> float:
    """Return the score that `KEPT_SHARE` of the validation photos reach; scores: (n,) float32."""
    return float(np.quantile(scores, 1 - KEPT_SHARE, method="lower"))
