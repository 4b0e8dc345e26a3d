"""A training on several machines, as far as processes of one machine show what it costs, and the rest on paper.

All train the same parts of the same batches, with as many threads in all: the work is the same whatever the number of
processes. What they add is the exchange of gradients, here through memory, and what each does for itself: the ratio is
the efficiency but for the network. What that adds follows from the bytes and the speed of a link. Left out: latencies,
the slowest machine of a step, and how much faster more cores are.
"""

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import psutil

from apparel import params
from apparel.errors import UserError
from apparel.params import Train
from apparel.training import cluster
from benchmarks import train
from benchmarks.side_by_side import Row

COUNTS = (1, 2, 4)
"""Processes; a batch has as many parts as the most."""

STEPS = 5
"""Steps a round by default: with five rounds it takes some 6 minutes on 2 cores, half of them until all have begun."""

LINKS = (1, 10, 100)
"""Gbit/s between machines: of an office, of a cloud's common machines, of those with GPUs."""

ON_PAPER = (2, 4, 8, 16, 32)
"""Machines."""


class Machines:
    """Trainings in processes of their own, which together train one model."""

    def __init__(self, processes: Sequence[train.Process]) -> None:
        self._processes = processes

    @property
    def summed(self) -> int:
        """Numbers that a part of a batch adds to the sum, once a step is made."""
        return self._processes[0].summed

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds of the slowest, and seconds of processor time of all, that so many steps take."""
        with ThreadPoolExecutor(len(self._processes)) as threads:
            measured = list(threads.map(lambda process: process.run(steps), self._processes))
        return max(wall for wall, _ in measured), sum(busy for _, busy in measured)


def measure(steps: int, rounds: int) -> tuple[list[Row], str]:
    """A batch in parts beside the whole batch at once, and several processes beside one, in turn; and `on_paper`.

    Args:
        steps: training steps of each in each round.
        rounds: how often each is run.

    Raises:
        UserError: params.yaml is not valid, or its batches cannot be divided, or there are no records.
    """
    whole, parts = _settings(max(COUNTS))
    with ExitStack() as stack:
        at_once, divided = (stack.enter_context(train.merged(one)) for one in (whole, parts))
        ways = {"at once": stack.enter_context(_machines(at_once, 1))}
        ways |= {str(count): stack.enter_context(_machines(divided, count)) for count in COUNTS}
        seconds, busy = train.in_turns(ways, steps, rounds)
    work, photos = f"{train.work_of(whole)}, in {parts.replicas} parts", steps * whole.batch_size
    rows = [Row("training, a batch in parts", "at once", seconds["1"], seconds["at once"], work, photos)]
    for count in map(str, COUNTS[1:]):
        name = f"training, {count} processes"
        rows.append(Row(name, "one process", seconds[count], seconds["1"], work, photos))
        rows.append(Row(f"{name}: processor seconds of {steps} steps", "one process", busy[count], busy["1"], work))
    return rows, on_paper(ways["1"].summed, median(seconds["at once"]) / steps, whole.batch_size)


def _settings(replicas: int) -> tuple[Train, Train]:
    """The section train of params.yaml without and with parts of a batch; a teacher has batches of one part alone."""
    whole = params.load().train.model_copy(update={"teacher": "none", "replicas": 1})
    if whole.batch_size % replicas:
        raise UserError(f"train.batch_size is {whole.batch_size}: set it to a multiple of {replicas} to divide batches")
    return whole, whole.model_copy(update={"replicas": replicas})


def bytes_of_a_step(summed: int, machines: int, parts: int = 1) -> float:
    """What each machine sends, and gets, in a step.

    Args:
        summed: float32 numbers that a part of a batch adds to the sum: gradients, statistics and losses.
        machines: that train.
        parts: of each machine; see `apparel.training.replicas`.
    """
    return 4 * summed * (parts + 1) * (machines - 1) / machines


def on_paper(summed: int, seconds: float, photos: int) -> str:
    """A table of what links of some speeds add to a step, and the share of the time that is left for work.

    Args:
        summed: as for `bytes_of_a_step`.
        seconds: of a step of one machine.
        photos: of that step.
    """
    lines = [
        f"On paper, {photos} photos a machine, one part each, {seconds:.2f} s a step on one: seconds of the exchange, "
        "and the share of the time for work",
        "",
        "| machines | MB a machine sends a step | " + " | ".join(f"{link} Gbit/s" for link in LINKS) + " |",
        "|---" * (2 + len(LINKS)) + "|",
    ]
    for machines in ON_PAPER:
        sent = bytes_of_a_step(summed, machines)
        waits = [8 * sent / (link * 1e9) for link in LINKS]
        shown = " | ".join(f"{wait:.3f} s, {seconds / (seconds + wait):.0%}" for wait in waits)
        lines.append(f"| {machines} | {sent / 1e6:.1f} | {shown} |")
    return "\n".join(lines)


@contextmanager
def _machines(pipeline_file: Path, count: int) -> Iterator[Machines]:
    threads = max(1, (psutil.cpu_count() or 1) // count)
    with ExitStack() as free:
        ports = [free.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]
    variables = {cluster.SIZE: str(count), cluster.ADDRESSES: " ".join(f"127.0.0.1:{port}" for port in ports)}
    variables["TF_NUM_INTRAOP_THREADS"] = str(threads)
    with ExitStack() as stack:
        machines = [
            train.started("train", pipeline_file, train.AS_IN_THE_STAGE, **variables, **{cluster.RANK: str(rank)})
            for rank in range(count)
        ]
        yield Machines([stack.enter_context(machine) for machine in machines])
