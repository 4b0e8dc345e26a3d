"""Latency of trained models side by side: milliseconds a photo, measured in turn on this machine."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import quantiles

import numpy as np

from apparel.inference import networks

ROUNDS = 100
"""Photos that are timed with each model."""


def measure_in_turn(models: Sequence[Path]) -> list[float]:
    """Milliseconds a photo of each model folder, one photo at a time, from the network's input to boxes.

    A photo with each model, then the next in the opposite order: what slows the machine down for a while slows all
    models down. The 10th percentile, since other work can only slow a photo down, and moves a median with it.
    """
    runners = [_runner(folder) for folder in models]
    seconds: list[list[float]] = [[] for _ in runners]
    turn = list(zip(runners, seconds, strict=True))
    for _ in range(ROUNDS):
        for runner, measured in turn:
            start = time.perf_counter()
            runner()
            measured.append(time.perf_counter() - start)
        turn.reverse()  # what runs first in a turn finds the caches of the one before
    return [1000 * quantiles(measured, n=10)[0] for measured in seconds]


def _runner(folder: Path) -> Callable[[], object]:
    """A call that detects on one photo of the size that the model in a folder takes."""
    network = networks.load(folder)
    photo = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    images = network.prepare(photo)[np.newaxis]
    network.detect(images)  # the first call builds the graph
    return lambda: network.detect(images)
