"""The stage train on several machines: processes of this one, killed and cut off. On one: tests/end_to_end."""

import os
import signal
import subprocess
import time

import pytest

from tests.support import servers, training_machines

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="POSIX signals")]

DONE = "machine 1 of 2 did its part; the model is on machine 0"


@pytest.fixture(scope="module")
def of_one_machine(tmp_path_factory):
    """Results of one machine that computes both branches."""
    (folder,) = training_machines.projects(tmp_path_factory.mktemp("one"), 1)
    with training_machines.training([folder]) as (process,):
        assert process.wait(servers.HANG) == 0, training_machines.log(folder)
    return training_machines.results(folder)


def finish(folders):
    """The training of the machines, to its end; the chief's results."""
    with training_machines.training(folders) as processes:
        statuses = [process.wait(servers.HANG) for process in processes]
    assert statuses == [0] * len(folders), "\n".join(map(training_machines.log, folders))
    return training_machines.results(folders[0])


def test_two_machines_train_the_weights_of_one(of_one_machine, tmp_path):
    folders = training_machines.projects(tmp_path, 2)
    assert finish(folders) == of_one_machine
    assert training_machines.log(folders[1]).splitlines()[-1] == DONE
    assert training_machines.results(folders[1]) == {}
    assert not (folders[1] / ".apparel" / "runs").exists()


def test_four_machines_and_mosaics_train_the_weights_of_two(tmp_path):
    folders = training_machines.projects(tmp_path, 4, replicas=4, mosaic=0.5, steps=4)
    assert finish(folders[:2]) == finish(folders)


@pytest.mark.parametrize(
    ("lost", "number", "step"),
    [(1, signal.SIGKILL, 3), (1, signal.SIGTERM, 3), (0, signal.SIGKILL, 3), (0, signal.SIGKILL, 12)],
    ids=["worker", "worker_told_to_end", "chief", "chief_after_the_last_step"],
)
def test_a_lost_machine_ends_the_training_which_goes_on_from_the_checkpoint(
    of_one_machine, tmp_path, lost, number, step
):
    folders = training_machines.projects(tmp_path, 2)
    with training_machines.training(folders) as processes:
        servers.wait_for(
            lambda: (
                any(process.poll() is not None for process in processes)
                or training_machines.has_checkpoint(folders[0], step)
            )
        )
        processes[lost].send_signal(number)
        statuses = [process.wait(servers.HANG) for process in processes]
    said = [training_machines.log(folder).splitlines()[-1] for folder in folders]
    if step < 12:  # later the others have done their part
        assert statuses[1 - lost] == 1
        assert said[1 - lost].startswith(f"error: a machine is lost, so machine {1 - lost} of 2 ends")
    if number == signal.SIGTERM:
        assert "the stage was ended by SIGTERM; the next run continues" in said[lost]
    assert statuses[lost] != 0
    assert training_machines.results(folders[0]) == {}
    assert finish(folders) == of_one_machine
    assert "resuming from step " in training_machines.log(folders[0])


def test_machines_that_are_cut_off_for_30_seconds_end_and_go_on_to_the_same_weights(of_one_machine, tmp_path):
    folders = training_machines.projects(tmp_path, 2)
    with training_machines.namespaces(2) as names:
        if names is None:
            pytest.skip("the system allows no network namespaces")
        prefixes = [["ip", "netns", "exec", name] for name in names]
        addresses = ["10.77.0.1", "10.77.0.2"]
        with training_machines.training(folders, addresses, prefixes) as processes:
            servers.wait_for(
                lambda: (
                    any(process.poll() is not None for process in processes)
                    or training_machines.has_checkpoint(folders[0], 3)
                )
            )
            subprocess.run(["ip", "-n", names[1], "link", "set", "eth", "down"], check=True)
            time.sleep(30)
            subprocess.run(["ip", "-n", names[1], "link", "set", "eth", "up"], check=True)
            statuses = [process.wait(servers.HANG) for process in processes]
        assert statuses in ([0, 0], [1, 1])  # where nothing was under way nothing is lost
        for rank, folder in enumerate(folders):
            if statuses[0]:
                last = training_machines.log(folder).splitlines()[-1]
                assert last.startswith(f"error: a machine is lost, so machine {rank} of 2 ends"), last
    assert (training_machines.results(folders[0]) if statuses == [0, 0] else finish(folders)) == of_one_machine


def test_machines_that_are_cut_off_from_each_other_end(tmp_path):
    folders = training_machines.projects(tmp_path, 2, steps=100_000)
    with training_machines.namespaces(2) as names:
        if names is None:
            pytest.skip("the system allows no network namespaces")
        prefixes = [["ip", "netns", "exec", name] for name in names]
        with training_machines.training(folders, ["10.77.0.1", "10.77.0.2"], prefixes) as processes:
            servers.wait_for(
                lambda: (
                    any(process.poll() is not None for process in processes)
                    or training_machines.has_checkpoint(folders[0])
                )
            )
            subprocess.run(["ip", "-n", names[1], "link", "set", "eth", "down"], check=True)
            assert [process.wait(servers.HANG) for process in processes] == [1, 1]
    for rank, folder in enumerate(folders):
        last = training_machines.log(folder).splitlines()[-1]
        assert last.startswith(f"error: a machine is lost, so machine {rank} of 2 ends"), last
