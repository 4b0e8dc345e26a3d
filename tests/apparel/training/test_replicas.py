"""Branches of a batch, on this machine and on others."""

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf

from apparel.errors import UserError
from apparel.training import replicas
from apparel.training.cluster import Cluster
from apparel.training.replicas import Replicas, watched, with_port
from tests.support import servers
from tests.support.repository import ROOT

MACHINE = """
import sys

import tensorflow as tf

from apparel import errors
from apparel.training import cluster
from apparel.training.replicas import Replicas, watched

def main():
    rank, addresses, key = int(sys.argv[1]), sys.argv[2].split(), sys.argv[3]
    machine = cluster.Cluster(rank, len(addresses), tuple(addresses))
    with watched(machine):
        replicas = Replicas(4, machine)
        variables = [tf.Variable([1.0 + rank, 2.0]), tf.Variable(7 - rank, dtype=tf.int64)]
        replicas.send(variables)
        large, number = (-1e8, 5.0) if rank else (1e8, 3.0)
        branches = [
            {"a": tf.constant([[large, 1.0]]), "b": tf.constant(number)},
            {"a": tf.constant([[1.0, 1.0]]), "b": tf.constant(number + 1)},
        ]
        summed = tf.function(replicas.sum)(branches)
        print([one.numpy().tolist() for one in variables], summed["a"].numpy().tolist(), float(summed["b"]))
        print(replicas.of_chief(rank + 40), flush=True)
        replicas.check_same(key)

errors.run(main)
"""


@pytest.mark.parametrize(
    ("address", "whole"),
    [
        ("node1", "node1:2222"), ("node1:9", "node1:9"), ("10.0.0.1", "10.0.0.1:2222"),
        ("fd00::1", "[fd00::1]:2222"), ("[fd00::1]:9", "[fd00::1]:9"), ("[fd00::1]", "[fd00::1]:2222"),
    ],
)  # fmt: skip
def test_addresses_without_a_port_get_that_of_vertex_ai(address, whole):
    assert with_port(address) == whole


def test_machines_that_do_not_divide_the_branches_are_refused():
    with pytest.raises(UserError, match=r"train\.replicas is 1, but 2 machines train: .* a multiple of 2"):
        Replicas(1, Cluster(0, 2, ("a", "b")))
    with pytest.raises(UserError, match="APPAREL_ADDRESSES"):
        Replicas(2, Cluster(0, 2))


def test_the_shares_of_all_machines_are_the_batch_in_order(monkeypatch):
    monkeypatch.setattr("apparel.training.replicas._strategy", lambda cluster: None)
    monkeypatch.setattr(Replicas, "_numbers", lambda replicas, number: [0, 1])  # the other machine does not answer here
    machines = [Replicas(4, Cluster(rank, 2, ("a", "b"))) for rank in range(2)]
    batch = {"image": tf.range(8), "epoch": tf.constant(3)}
    shares = [{"image": batch["image"][one.share(8)], "epoch": batch["epoch"]} for one in machines]
    branches = [branch for one, share in zip(machines, shares, strict=True) for branch in one.branches(share)]
    assert [branch["image"].numpy().tolist() for branch in branches] == [[0, 1], [2, 3], [4, 5], [6, 7]]
    assert {int(branch["epoch"]) for branch in branches} == {3}
    assert Replicas(4).share(8) == slice(None)


def test_branches_are_added_one_after_the_other():
    values = np.float32([1e8, 1.0, -1e8, 1.0])
    summed = Replicas(4).sum([{"one": tf.constant(value), "two": tf.constant([[value]])} for value in values])
    in_order = ((values[0] + values[1]) + values[2]) + values[3]
    assert summed["one"].numpy() == summed["two"].numpy()[0, 0] == in_order == 1.0
    assert np.float32(1e8) + np.float32(-1e8) + 2 != in_order  # of another order


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([[1, 2], [0, 0]], rf"machine 1 has another version of TensorFlow than machine 0, here {tf.__version__}: "),
        ([[1, 1], [3, 4], [0, 0]], "machine 1 has other data, parameters or code than machine 0"),
        ([[1, 1], [3, 3]], None),
    ],
)
def test_machines_that_would_train_something_else_are_named(monkeypatch, numbers, said):
    machine, answers = Replicas(2), iter(numbers)
    monkeypatch.setattr(machine, "_numbers", lambda number: next(answers))
    with pytest.raises(UserError, match=said) if said else nullcontext():
        machine.check_same("a" * 16)
    assert not list(answers)


def test_what_tensorflow_says_of_a_lost_machine_is_one_line():
    with pytest.raises(UserError, match=r"a machine is lost, so machine 1 of 2 ends; .* checkpoint: gone"):  # noqa: SIM117
        with watched(Cluster(1, 2)):
            raise tf.errors.UnavailableError(None, None, "gone")
    traced = """Graph execution error:

Detected at node CollectiveAllToAllV2 defined at (most recent call last):
  File "stages/train.py", line 92, in <module>

Collective ops is aborted by: Error reported from /job:worker/task:1: machine 1 ended: SIGTERM
The error could be from a previous operation. Restart your program to reset.
\t [[{{node CollectiveAllToAllV2}}]] [Op:__inference_sum_12]"""
    with pytest.raises(UserError, match=r"checkpoint: machine 1 ended: SIGTERM$"):  # noqa: SIM117
        with watched(Cluster(0, 2)):
            raise tf.errors.AbortedError(None, None, traced)
    with pytest.raises(tf.errors.UnavailableError), watched(Cluster()):
        raise tf.errors.UnavailableError(None, None, "gone")


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_kills_while_machines_wait_and_sigterm_is_pythons_again_afterwards():
    told = []
    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: told.append("SIGTERM"))}
    before[signal.SIGINT] = signal.getsignal(signal.SIGINT)
    try:
        with replicas._own_signals():
            assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
            ctypes.CDLL(None).signal(signal.SIGTERM, ctypes.c_void_p(signal.SIG_IGN))  # behind Python's back, as TF
        os.kill(os.getpid(), signal.SIGTERM)
        assert told == ["SIGTERM"]
        assert signal.getsignal(signal.SIGINT) == before[signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
def test_two_machines_get_the_sums_of_one_and_what_the_chief_has():
    addresses = " ".join(f"127.0.0.1:{servers.free_port()}" for _ in range(2))
    machines = [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, str(rank), addresses, key * 16],
            cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for rank, key in enumerate("ab")
    ]  # fmt: skip
    try:
        ended = [machine.communicate(timeout=servers.HANG) for machine in machines]
    finally:
        for machine in machines:
            machine.kill()
    for machine, (out, err) in zip(machines, ended, strict=True):
        assert out.splitlines()[1:] == ["[[1.0, 2.0], 7] [[1.0, 4.0]] 18.0", "40"], err
        assert err.splitlines()[-1].startswith("error: machine 1 has other data, parameters or code than machine 0")
        assert machine.returncode == 1
