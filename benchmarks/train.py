"""How fast a training goes with and without its input pipeline, determinism, and memory that it keeps.

The last two hold for a whole process, so there is a process for each way: all wait until it is their turn.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from apparel import params, paths
from apparel.data import shards
from apparel.errors import UserError
from benchmarks import side_by_side

PIPELINE, ONE_BATCH = "pipeline", "one batch"


def measure(steps: int, rounds: int) -> str:
    """The training that params.yaml asks for, on the records of the stage tfrecord, some steps at a time.

    Args:
        steps: training steps each way and round.
        rounds: how often each way is run.

    Raises:
        UserError: params.yaml is wrong, or there are no records.
    """
    chosen, _ = _inputs()
    with _training("whole") as whole, _training("not repeatable") as plain, _training("memory back") as back:
        ways = {
            "train": partial(_run, whole, PIPELINE, steps),
            "train, one batch again and again": partial(_run, whole, ONE_BATCH, steps),
            "train, not repeatable": partial(_run, plain, PIPELINE, steps),
            "train, memory handed back": partial(_run, back, PIPELINE, steps),
        }
        seconds = side_by_side.in_turn(ways, rounds)
    title = f"train: {chosen.detector} at {chosen.resolution} pixels, {steps} steps of {chosen.batch_size} photos"
    return side_by_side.report(f"{title}, {rounds} rounds", seconds, steps * chosen.batch_size, "photos")


def _inputs() -> tuple[params.Train, dict]:
    return params.load().train, shards.check(paths.TFRECORD)


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
    print(batches, steps, sep=",", file=process.stdin, flush=True)
    for line in process.stdout:
        if line.strip() == batches:
            return
    raise UserError("the training ended early; what it said is above")


def _serve(kind: str) -> None:
    """Takes lines such as `pipeline,10` from standard input and answers each once those steps are made."""
    from apparel.models import pipeline_config, weights
    from apparel.models.detector import Detector
    from apparel.models.tfod import determinism
    from apparel.training import memory
    from apparel.training.loop import Training

    train, index = _inputs()
    if kind != "memory back":
        memory.keep()
    if kind != "not repeatable":
        determinism.enable(train.seed)
    detector = Detector(pipeline_config.merge(train, len(index["classes"]), steps=10**6), tuple(index["classes"]))
    weights.load(detector, train)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(detector, index, train, Path(folder))
        stream = iter(training._batches())
        same = next(stream)
        for line in sys.stdin:
            batches, steps = line.split(",")
            for _ in range(int(steps)):
                training._train_step(next(stream) if batches == PIPELINE else same)
            int(training.step)  # waits for the last step
            print(batches, flush=True)


if __name__ == "__main__":
    _serve(sys.argv[1])
