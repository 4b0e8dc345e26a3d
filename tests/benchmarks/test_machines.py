"""Several processes that train one model, timed beside one."""

import pytest

from benchmarks import machines
from tests.benchmarks.test_train import small_project
from tests.support import project_copy


class Process:
    """Stands for a training."""

    def __init__(self, wall: float, busy: float) -> None:
        self.measured = wall, busy

    def run(self, steps: int) -> tuple[float, float]:
        return self.measured


def test_the_slowest_counts_and_the_processors_of_all():
    assert machines.Machines([Process(2.0, 3.0), Process(4.0, 1.5)]).run(1) == (4.0, 4.5)


@pytest.mark.slow
def test_processes_are_timed_beside_one(tmp_path):
    folder = small_project(tmp_path, batch_size=4)
    done = project_copy.run(folder, "benchmarks", "machines", "--steps", "1", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| training")]
    assert rows[0] == "training, a batch in parts"
    assert rows[1::2] == ["training, 2 processes", "training, 4 processes"]
