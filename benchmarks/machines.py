"""A training on several machines, as far as processes of one machine show what it costs.

All train the same parts of the same batches, with as many threads in all: the work is the same whatever the number of
processes. What they add is the exchange of gradients, here through memory, and what each does for itself. Not measured:
a network, and how much faster more cores are.
"""

import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from apparel import params
from apparel.params import Train
from apparel.training import cluster
from benchmarks import train
from benchmarks.side_by_side import Row

COUNTS = (1, 2, 4)
"""Processes; a batch has as many parts as the most."""


class Machines:
    """Trainings in processes of their own, which together train one model."""

    def __init__(self, processes: Sequence[train.Process]) -> None:
        self._processes = processes

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds of the slowest, and seconds of processor time of all, that so many steps take."""
        with ThreadPoolExecutor(len(self._processes)) as threads:
            measured = list(threads.map(lambda process: process.run(steps), self._processes))
        return max(wall for wall, _ in measured), sum(busy for _, busy in measured)


def measure(steps: int, rounds: int) -> list[Row]:
    """A batch in parts beside the whole batch at once, and several processes beside one, in turn.

    Args:
        steps: training steps of each in each round.
        rounds: how often each is run.

    Raises:
        UserError: params.yaml is not valid, or there are no records.
    """
    whole = params.load().train
    parts = Train.model_validate(whole.model_dump() | {"replicas": max(COUNTS)})
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
    return rows


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
