"""Speed of a training, beside trainings without its input pipeline, without determinism, and that return memory.

Determinism and memory are settings of a whole process, so each kind of training has its own process, and waits there
until it is its turn.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from apparel import params, paths
from apparel.data.index import Index, read_index
from apparel.errors import UserError
from benchmarks import side_by_side

PIPELINE, SAME_BATCH = "pipeline", "same batch"
"""Where a training gets its batches from."""

AS_IN_THE_STAGE, NOT_DETERMINISTIC, MEMORY_RETURNED = "as in the stage", "not deterministic", "memory returned"
"""Kinds of training, one a process."""


def measure(steps: int, rounds: int) -> str:
    """Trains with params.yaml on the records of the stage tfrecord; returns a table of photos per second.

    Args:
        steps: training steps of each way in each round.
        rounds: how often each way is run.

    Raises:
        UserError: params.yaml is not valid, or there are no records.
    """
    train, _ = _inputs()
    with (
        _training(AS_IN_THE_STAGE) as default,
        _training(NOT_DETERMINISTIC) as not_deterministic,
        _training(MEMORY_RETURNED) as memory_returned,
    ):
        ways = {
            "train": partial(_run, default, PIPELINE, steps),
            "train, same batch at each step": partial(_run, default, SAME_BATCH, steps),
            "train, not deterministic": partial(_run, not_deterministic, PIPELINE, steps),
            "train, memory returned": partial(_run, memory_returned, PIPELINE, steps),
        }
        seconds = side_by_side.time_in_turns(ways, rounds)
    title = f"train: {train.detector} at {train.resolution} pixels, {steps} steps of {train.batch_size} photos"
    return side_by_side.rates_table(f"{title}, {rounds} rounds", seconds, steps * train.batch_size, "photos")


def _inputs() -> tuple[params.Train, Index]:
    return params.load().train, read_index(paths.TFRECORD)


@contextmanager
def _training(kind: str) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "benchmarks.train", kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
            process.stdin.close()
        finally:
            process.kill()


def _run(process: subprocess.Popen, batches: str, steps: int) -> None:
    """Makes the process train, and waits until it has."""
    print(batches, steps, sep=",", file=process.stdin, flush=True)
    for line in process.stdout:
        if line.strip() == batches:
            return
    raise UserError("the training ended early; its output is above")


def _serve(kind: str) -> None:
    """Reads lines such as `pipeline,10` from standard input, and answers each one after so many training steps."""
    from apparel.models import pipeline_config
    from apparel.models.detector import Detector
    from apparel.models.tfod import determinism
    from apparel.models.weights import load_pretrained_weights
    from apparel.training import memory
    from apparel.training.loop import Training

    train, index = _inputs()
    if kind != MEMORY_RETURNED:
        memory.keep_freed_memory()
    if kind != NOT_DETERMINISTIC:
        determinism.enable(train.seed)
    detector = Detector(pipeline_config.merge(train, len(index.classes), steps=10**6), index.classes)
    load_pretrained_weights(detector, train)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(detector, index, train, Path(folder))
        stream = iter(training.batches())
        same_batch = next(stream)
        for line in sys.stdin:
            batches, steps = line.split(",")
            for _ in range(int(steps)):
                training.train_step(next(stream) if batches == PIPELINE else same_batch)
            int(training.step)  # waits for the last step
            print(batches, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
