"""Speed of a training, beside the Object Detection API's own loop and beside trainings without one of its costs.

Each training has its own process, since what is compared are settings or patches of a whole process, and waits there
until it is its turn.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from statistics import median

import psutil
from tqdm import tqdm

from apparel import params, paths
from apparel.data.index import Index, read_index
from apparel.errors import UserError
from apparel.params import Train
from apparel.utils import processes
from benchmarks.side_by_side import Row, rows

ALL_LAYERS = {"freeze": "none", "mosaic": 0.0, "moving_average": 0.0, "class_balance": "none"}
"""Values of the section train for the same work as the API's loop does: it has nothing like the other values."""

AS_IN_THE_STAGE = "as in the stage"
COSTS = {
    "same_batch": "the same without an input pipeline: one batch again and again",
    "not_deterministic": "the same, not repeatable bit for bit",
    "memory_returned": "the same, returning memory to the system after each use",
}
"""Trainings without one of the costs of ours, by the argument of their process."""

STARTS = 2
"""How often each process is started for the seconds until the first step; the API's takes a minute or two."""

SETTLING_STEPS = 4
"""Steps before those that count in each turn: batches were prepared ahead while the other training had its turn."""

DONE = "steps done"

SUMMED = "numbers added up: "
"""Start of a line with `Replicas.summed`."""


def measure_all_layers(steps: int, rounds: int) -> list[Row]:
    """Our loop beside the API's, with params.yaml but all layers learning, on the records of the stage tfrecord.

    Args:
        steps: training steps of each way in each round.
        rounds: how often each way is run.

    Raises:
        UserError: params.yaml is not valid, or there are no records.
    """
    return _beside_api("training, all layers learn", _settings(ALL_LAYERS), steps, rounds)


def measure_params(steps: int, rounds: int) -> list[Row]:
    """The same as `measure_all_layers` with the values of params.yaml, as far as the API has the like."""
    train = _settings({})
    return [] if train == _settings(ALL_LAYERS) else _beside_api("training, params.yaml", train, steps, rounds)


def measure_costs(steps: int, rounds: int) -> list[Row]:
    """Our loop beside trainings without one of its costs."""
    train = _settings({})
    with merged(train) as file, ExitStack() as stack:
        kinds = (AS_IN_THE_STAGE, *COSTS)
        ways = {COSTS.get(kind, kind): stack.enter_context(started("train", file, kind)) for kind in kinds}
        seconds, busy = in_turns(ways, steps, rounds)
    photos = steps * train.batch_size
    work = f"{work_of(train)}; cores busy: {_cores(seconds[AS_IN_THE_STAGE], busy[AS_IN_THE_STAGE])}"
    return [Row("training", row.beside, row.ours, row.theirs, work, photos) for row in rows(seconds, "")]


def answer(step: Callable[[], object]) -> None:
    """Answers each line of standard input, a number of steps, after so many steps."""
    for line in sys.stdin:
        for _ in range(int(line)):
            step()
        print(DONE, flush=True)


class Process:
    """A training in a process of its own, which makes steps when it is asked to.

    Args:
        guard: the process that guards it, by `processes.guarded`.

    Attributes:
        summed: as of `Replicas`, once it has made a step.
    """

    def __init__(self, guard: subprocess.Popen):
        self._guard = guard
        self.summed = 0

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds, and seconds of processor time, that so many steps take.

        Raises:
            UserError: the process ended.
        """
        start, busy = time.perf_counter(), self._processor_seconds()
        with suppress(BrokenPipeError):  # it has ended, which shows below
            print(steps, file=self._guard.stdin, flush=True)
        for line in self._guard.stdout:
            if line.strip() == DONE:
                return time.perf_counter() - start, self._processor_seconds() - busy
            if line.startswith(SUMMED):
                self.summed = int(line.removeprefix(SUMMED))
        raise UserError("the training ended early; its output is above")

    def _processor_seconds(self) -> float:
        """Of the training alone: its guard looks at it ten times a second."""
        times = []
        with suppress(psutil.NoSuchProcess):  # it has ended, which `run` says
            times = [process.cpu_times() for process in psutil.Process(self._guard.pid).children(recursive=True)]
        return sum(one.user + one.system for one in times)


def _beside_api(what: str, train: Train, steps: int, rounds: int) -> list[Row]:
    modules = {"ours": ("train", AS_IN_THE_STAGE), "theirs": ("api_loop",)}
    first: dict[str, list[float]] = {name: [] for name in modules}
    with merged(train) as file:
        for start in range(starts := min(STARTS, rounds)):
            with ExitStack() as stack:
                ways = {}
                for name, (module, *arguments) in modules.items():
                    began = time.perf_counter()
                    ways[name] = stack.enter_context(started(module, file, *arguments))
                    ways[name].run(1)
                    first[name].append(time.perf_counter() - began)
                if start == starts - 1:
                    seconds, busy = in_turns(ways, steps, rounds)
    cores = {name: _cores(seconds[name], busy[name]) for name in modules}
    api, work = "the Object Detection API's own loop", work_of(train)
    photos = steps * train.batch_size
    return [
        Row(what, api, seconds["ours"], seconds["theirs"], work, photos),
        Row(
            f"{what}: processor seconds of {steps} steps",
            api,
            busy["ours"],
            busy["theirs"],
            f"{work}; cores busy: ours {cores['ours']}, theirs {cores['theirs']}",
        ),
        Row(f"{what}: start to first step", api, first["ours"], first["theirs"], f"{work}; imports included"),
    ]


def in_turns(ways: Mapping[str, Process], steps: int, rounds: int) -> tuple[dict, dict]:
    """Seconds, and seconds of processor time, of each round by way."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    for _ in tqdm(range(rounds), desc="rounds of training", unit="", leave=False, disable=None):
        for name, process in ways.items():
            process.run(SETTLING_STEPS)
            wall, processor = process.run(steps)
            seconds[name].append(wall)
            busy[name].append(processor)
    return seconds, busy


def _cores(seconds: Sequence[float], busy: Sequence[float]) -> str:
    """How many cores a training kept busy, median of the rounds, of those there are: all only if nothing else runs."""
    shares = [processor / wall for wall, processor in zip(seconds, busy, strict=True)]
    return f"{median(shares):.2f} of {psutil.cpu_count()}"


def _settings(changes: Mapping[str, object]) -> Train:
    return params.load().train.model_copy(update=dict(changes))


def work_of(train: Train) -> str:
    """What both trainings do, and what ours does besides."""
    text = f"{train.detector} {train.depth_multiplier}, {train.resolution} pixels, batches of {train.batch_size}"
    only_ours = {
        f"freeze: {train.freeze}": train.freeze in ("early", "backbone"),
        f"mosaic: {train.mosaic}": train.mosaic,
        f"class_balance: {train.class_balance}": train.class_balance != "none",
        f"the weights of {train.checkpoint}": train.checkpoint_type == "backbone",
    }
    text += f", moving averages {train.moving_average}" if train.moving_average else ""
    differences = [name for name, there in only_ours.items() if there]
    return f"{text}; the API has no {', '.join(differences)}" if differences else text


@contextmanager
def merged(train: Train) -> Iterator[Path]:
    """A pipeline file with the values of `train`, as the stage train writes it, complete for the API's reader."""
    from object_detection.protos import train_pb2

    from apparel.models import pipeline_config
    from apparel.models.tfod import pipeline_file

    index = _index()
    config = pipeline_config.merge(train, len(index.classes), steps=pipeline_config.steps_of(train, 10**6))
    config.train_input_reader.max_number_of_boxes = max(1, index.splits["train"].most_boxes)
    config.train_config.fine_tune_checkpoint_version = train_pb2.V2
    if train.checkpoint_type == "backbone":
        config.train_config.fine_tune_checkpoint = ""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "pipeline.config")
        pipeline_file.write(config, file)
        file.with_name("train.json").write_text(train.model_dump_json(), encoding="utf-8")
        yield file


def _index() -> Index:
    return read_index(paths.TFRECORD)


@contextmanager
def started(module: str, pipeline_file: Path, *arguments: str, **variables: str) -> Iterator[Process]:
    """A training in a process of its own, with further environment variables; it ends with this one."""
    command = [sys.executable, "-m", f"benchmarks.{module}", str(pipeline_file), *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with processes.guarded(command, env=os.environ | variables, **pipes) as guard:
        yield Process(guard)


def _serve(file: Path, kind: str) -> None:
    """A training as the stage train makes it, or one of `COSTS`, that makes steps on demand."""
    from apparel.models.detector import Detector
    from apparel.models.tfod import determinism, pipeline_file
    from apparel.models.weights import load_pretrained_weights
    from apparel.training import cluster, memory
    from apparel.training.loop import Training
    from apparel.training.replicas import Replicas

    train, index = Train.model_validate_json(file.with_name("train.json").read_text(encoding="utf-8")), _index()
    if kind != "memory_returned":
        memory.keep_freed_memory()
    if kind != "not_deterministic":
        determinism.enable(train.seed)
    replicas = Replicas(train.replicas, cluster.read())
    detector = Detector(pipeline_file.read(file), index.classes)
    load_pretrained_weights(detector, train)
    with tempfile.TemporaryDirectory() as folder:
        training = Training(detector, index, train, Path(folder), replicas)
        batches = iter(training.batches())
        first = next(batches)
        training.train_step.get_concrete_function(first)
        print(f"{SUMMED}{replicas.summed}", flush=True)
        same_batch = kind == "same_batch"
        answer(lambda: float(training.train_step(first if same_batch else next(batches))["train/loss"]))


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
