"""Several processes that train one model, timed beside one."""

import re

import pytest

from apparel.errors import UserError
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


def test_bytes_of_a_step_are_those_of_a_ring_all_reduce_where_each_machine_has_one_part():
    assert machines.bytes_of_a_step(1_000_000, 1) == 0
    assert machines.bytes_of_a_step(1_000_000, 2) == 4e6
    assert machines.bytes_of_a_step(1_000_000, 4) == 6e6
    assert machines.bytes_of_a_step(1_000_000, 2, parts=2) == 6e6


def test_what_links_add_to_a_step_on_paper():
    first, _, head, _, of_two, *others = machines.on_paper(12_500_000, 0.6, 24).splitlines()
    assert "24 photos a machine" in first and "0.60 s" in first
    assert head == "| machines | MB a machine sends a step | 1 Gbit/s | 10 Gbit/s | 100 Gbit/s |"
    assert of_two == "| 2 | 50.0 | 0.400 s, 60% | 0.040 s, 94% | 0.004 s, 99% |"
    assert others[0].startswith("| 4 | 75.0 | 0.600 s, 50% |")
    assert len(others) == 4


def test_batches_that_cannot_be_divided_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(small_project(tmp_path, batch_size=6))
    with pytest.raises(UserError, match="batch_size is 6: set it to a multiple of 4"):
        machines._settings(4)
    assert [one.replicas for one in machines._settings(2)] == [1, 2]


@pytest.mark.slow
def test_processes_are_timed_beside_one(tmp_path):
    folder = small_project(tmp_path, batch_size=4)
    done = project_copy.run(folder, "benchmarks", "machines", "--steps", "1", "--rounds", "1")
    assert done.returncode == 0, done.stdout
    rows = [line.split("|")[1].strip() for line in done.stdout.splitlines() if line.startswith("| training")]
    assert rows[0] == "training, a batch in parts"
    assert rows[1::2] == ["training, 2 processes", "training, 4 processes"]
    sent = re.search(r"^\| 2 \| (\d+\.\d) \| \d\.\d{3} s, \d+% \|", done.stdout, re.MULTILINE)
    assert float(sent[1]) > 0
