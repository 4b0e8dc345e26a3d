"""How long a trained detector takes for a photo: `python -m apparel.sweeps.latency MODEL`, in a process of its own."""

import sys
import time
from pathlib import Path
from statistics import quantiles

from apparel import errors

ROUNDS = 100


def measure(model: Path) -> float:
    """Milliseconds a photo, one at a time, from pixels to boxes: the 10th percentile of 100.

    What else runs on the machine only ever slows one down, and moves a median with it.
    """
    import tensorflow as tf

    from apparel.models import detector

    loaded = detector.load(model)
    side = loaded.resolution
    image, shape = tf.random.uniform([1, side, side, 3], 0, 255, seed=0), tf.constant([[side, side, 3]])
    loaded._find(image, shape)  # traced once
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        loaded._find(image, shape)
        taken.append(time.perf_counter() - began)
    return 1000 * quantiles(taken, n=10)[0]


if __name__ == "__main__":
    errors.run(lambda: print(measure(Path(sys.argv[1]))))
