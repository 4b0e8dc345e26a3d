"""Latency of a trained detector: `python -m apparel.sweeps.latency MODEL` prints milliseconds a photo.

It runs in a process of its own, since a worker does not load TensorFlow.
"""

import sys
import time
from pathlib import Path
from statistics import quantiles

from apparel import errors

ROUNDS = 100
"""Photos that are timed."""


def measure_latency(model: Path) -> float:
    """Milliseconds a photo at batch size 1, from pixels to boxes: the 10th percentile of `ROUNDS`.

    Other work on the machine can only slow a photo down, and moves a median with it.
    """
    import tensorflow as tf

    from apparel.models.detector import load_detector

    loaded = load_detector(model)
    side = loaded.resolution
    image, shape = tf.random.uniform([1, side, side, 3], 0, 255, seed=0), tf.constant([[side, side, 3]])
    loaded.detect(image, shape)  # traces the graph
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        loaded.detect(image, shape)
        seconds.append(time.perf_counter() - start)
    return 1000 * quantiles(seconds, n=10)[0]


if __name__ == "__main__":
    errors.run(lambda: print(measure_latency(Path(sys.argv[1]))))
