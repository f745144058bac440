"""How long an answer takes and how much the model weighs."""

import statistics
import time

import numpy as np
import onnxruntime

from foodvision.classifier import Classifier
from foodvision.figures import Speed

_MOST_RUNS = 30
_SECONDS = 1.0


def measure_speed(classifier: Classifier) -> Speed:
    """Time one photo on one thread: 30 times, or as often as a second allows."""
    graph, size = classifier.checkpoint.graph, classifier.config.preprocess.size
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    # Noise, as a photo of one colour could be quicker than others.
    pixels = np.random.default_rng(0).integers(256, size=(1, size, size, 3), dtype=np.uint8)

    def answer_once() -> float:
        started = time.perf_counter()
        session.run(["probabilities", "known_score"], {"pixels": pixels})
        return time.perf_counter() - started

    answer_once()  # the first answer also takes memory, and is slower
    taken = [answer_once()]
    while len(taken) < _MOST_RUNS and sum(taken) < _SECONDS:
        taken.append(answer_once())
    return Speed(1000 * statistics.median(taken), len(taken), len(graph))
