"""Beam's runners: what is wrong with their options is told in one line; a job server and its workers do the work."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from apparel.errors import UserError
from apparel.utils import beam, beam_runners, processes
from tests.support import squares
from tests.support.repository import ROOT


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--runner=DirektRunner", "there is no runner 'DirektRunner'; did you mean 'DirectRunner'"),
        ("--runner=PrismRunner", "there is no runner 'PrismRunner'"),  # it would download itself
        ("--direct_num_workers=2", "options '--direct_num_workers=2' name no runner, such as --runner=DirectRunner"),
        ("--runner=DirectRunner --direct_num_workers=-1", "direct_num_workers is -1: expected a number of processes"),
        ("--runner=DirectRunner --direct_running_mode=x", "argument --direct_running_mode: invalid choice: 'x'"),
        (
            "--runner=DirectRunner --direct_num_wokers=2",
            "no option '--direct_num_wokers'; did you mean '--direct_num_w",
        ),
        ("--runner=DirectRunner stray", "Beam has no option 'stray'"),
        ("--runner=DirectRunner --direct_num_workers=x", "argument --direct_num_workers: invalid int value: 'x'"),
        ("--runner=DirectRunner 'x", "cannot be read: No closing quotation"),
        (
            "--runner=FlinkRunner --flink_master=h:1",
            "FlinkRunner needs --job_endpoint=HOST:PORT of a job server, or --fl",
        ),
        ("--runner=SparkRunner --spark_job_server_jar=gone", "or --spark_job_server_jar=FILE"),
        ("--runner=PortableRunner", "PortableRunner needs the address of a job server"),
        ("--runner=PortableRunner --job_endpoint=localhost:1", "no job server answers at --job_endpoint=localhost:1"),
        ("--runner=PortableRunner --job_endpoint=nowhere", "no job server answers at --job_endpoint=nowhere"),
    ],
)
def test_what_cannot_work_is_told_in_one_line(line, told, capfd):
    with pytest.raises(UserError) as error:
        beam_runners.check(line)
    assert told in str(error.value)
    assert "\n" not in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_dataflow_needs_its_packages_and_a_project(monkeypatch):
    monkeypatch.setattr(beam_runners.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'apache-beam\[gcp\]==\d"):
        beam_runners.check("--runner=DataflowRunner --project=p --region=r --temp_location=gs://b/t")
    monkeypatch.setattr(beam_runners.importlib.util, "find_spec", lambda name: name)
    with pytest.raises(UserError, match="DataflowRunner needs --region, --temp_location"):
        beam_runners.check("--runner=DataflowRunner --project=p")


def test_options_that_only_a_job_server_knows_are_passed_on(monkeypatch):
    with closing(socket.create_server(("localhost", 0))) as server:
        address = f"localhost:{server.getsockname()[1]}"
        options = beam_runners.check(f"--runner=FlinkRunner --job_endpoint={address} --max_parallel=9")
    assert options.get_all_options(retain_unknown_options=True)["max_parallel"] == "9"


@contextmanager
def server(module: str, option: str, port: int) -> Iterator[None]:
    """One of Beam's servers at work, started in another folder, its `python` being this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", f"apache_beam.runners.{module}", f"{option}={port}"]
    with Path(f"{option.strip('-')}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd="/", env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}, stdout=log, stderr=log
        )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with socket.socket() as connection:
                if connection.connect_ex(("localhost", port)) == 0:
                    break
            time.sleep(0.2)
        yield
    finally:
        processes.end(processes.describe(process.pid))
        process.wait()


@pytest.mark.slow
@pytest.mark.parametrize("runner", ["PortableRunner", "FlinkRunner", "SparkRunner"])
def test_a_job_server_and_a_worker_elsewhere_do_the_shards(runner, tmp_path, monkeypatch):
    """The way that pipelines take to Flink and Spark, with Beam's own job server in Python in their place, and a worker
    as on another machine that has the same folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam, "ITEMS_A_SHARD", 10)
    with closing(socket.create_server(("localhost", 0))) as one, closing(socket.create_server(("localhost", 0))) as two:
        job, pool = one.getsockname()[1], two.getsockname()[1]
    options = f"--job_endpoint=localhost:{job} --environment_type=EXTERNAL --environment_config=localhost:{pool}"
    with (
        server("portability.local_job_service_main", "--job_port", job),
        server("worker.worker_pool_main", "--service_port", pool),
    ):
        monkeypatch.setenv(beam.VARIABLE, f"--runner={runner} {options}")
        assert squares.squares(range(100)) == [number**2 for number in range(100)]
        (worker,) = {process for process, _ in squares.done()}
        assert worker != os.getpid()
