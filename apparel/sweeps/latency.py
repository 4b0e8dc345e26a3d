"""Latency of a trained detector: `python -m apparel.sweeps.latency MODEL` prints milliseconds a photo.

It runs in a process of its own, since a worker does not load TensorFlow.
"""

import sys
from pathlib import Path
from statistics import quantiles

import numpy as np

from apparel import errors
from apparel.inference import networks, timing

ROUNDS = 100
"""Photos that are timed."""


def measure_latency(model: Path) -> float:
    """Milliseconds a photo at batch size 1, from pixels to boxes: the 10th percentile of `ROUNDS`.

    Other work on the machine can only slow a photo down, and moves a median with it.
    """
    network = networks.load(model)
    size = (1, network.metadata.height, network.metadata.width, 3)
    image = np.random.default_rng(0).uniform(0, 255, size).astype(np.float32)
    seconds = timing.seconds_of_calls(lambda _: network.detect(image), ROUNDS)
    return 1000 * quantiles(seconds, n=10)[0]


if __name__ == "__main__":
    errors.run(lambda: print(measure_latency(Path(sys.argv[1]))))
