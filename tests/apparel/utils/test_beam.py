"""Work over shards: results in order whatever the runner, killed and gone on with, refused at once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from apparel.errors import UserError
from apparel.utils import beam, shard_files
from tests.support import beam_in_process, squares
from tests.support.repository import ROOT

SQUARES = [number**2 for number in range(100)]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beam, "ITEMS_A_SHARD", 10)
    monkeypatch.delenv(beam.VARIABLE, raising=False)


def first_numbers() -> list[int]:
    return sorted(number for _, number in squares.done())


def test_results_are_in_order_and_shards_begin_at_the_same_items_when_the_first_are_done(here, monkeypatch):
    beam_in_process.install(monkeypatch)
    assert squares.squares(range(100)) == SQUARES
    assert first_numbers() == list(range(0, 100, 10))
    squares.LOG.unlink()
    assert squares.squares(range(23, 100), first=23) == SQUARES[23:]
    assert first_numbers() == [23]  # the others are there
    beam.forget("squares")
    assert squares.squares([]) == []


def test_an_interrupted_run_goes_on_and_what_changed_since_is_done_again(here, monkeypatch):
    beam_in_process.install(monkeypatch, killed_after=4)
    with pytest.raises(KeyboardInterrupt):
        squares.squares(range(100))
    assert first_numbers() == [60, 70, 80, 90]
    beam_in_process.install(monkeypatch)
    assert squares.squares(range(100), states=[75]) == SQUARES
    assert first_numbers() == [0, 10, 20, 30, 40, 50, 60, 70, 70, 80, 90]


def test_the_first_refusal_in_the_order_of_the_items_is_told(here, monkeypatch):
    beam_in_process.install(monkeypatch)
    with pytest.raises(UserError, match=r"^-1 is no photo$"):
        squares.squares([*range(30), -1])
    assert first_numbers() == [-1, 0, 10, 20]


def test_a_second_run_at_once_is_refused(here, monkeypatch):
    beam_in_process.install(monkeypatch)
    with beam.shard_folder("squares"), pytest.raises(UserError, match="squares: another command does this with Beam"):
        squares.squares(range(10))


def test_files_of_a_folder_are_mapped_and_a_shard_whose_file_changed_is_done_again(here, monkeypatch):
    beam_in_process.install(monkeypatch)
    names = [f"{number}.txt" for number in range(12)]
    for name in names:
        Path(name).write_text(name, encoding="utf-8")
    calls = Path("calls")
    calls.mkdir()

    assert list(beam.map_files(_read, Path(), names, "files")) == names
    Path("11.txt").write_text("other", encoding="utf-8")
    assert list(beam.map_files(_read, Path(), names, "files")) == [*names[:-1], "other"]
    assert len(list(Path(beam.FOLDER, "files").glob("*.result"))) == 3


def _read(name):
    return Path(name).read_text(encoding="utf-8")


def test_options_of_a_command_become_the_variable_that_stages_read(here, monkeypatch):
    monkeypatch.setenv(beam.VARIABLE, "")
    beam.ask(None, [])
    assert not beam.is_asked()
    with pytest.raises(UserError, match="name it with --runner"):
        beam.ask(None, ["direct_num_workers=4"])
    beam.ask("DirectRunner", ["direct_num_workers=4", "--direct_running_mode=in_memory"])
    assert os.environ[beam.VARIABLE] == "--runner=DirectRunner --direct_num_workers=4 --direct_running_mode=in_memory"


def test_the_direct_runner_works_in_this_process(here, monkeypatch, capfd):
    monkeypatch.setenv(beam.VARIABLE, "--runner=DirectRunner")
    assert squares.squares(range(100)) == SQUARES
    assert {process for process, _ in squares.done()} == {os.getpid()}
    with pytest.raises(UserError, match=r"^-1 is no photo$"):
        squares.squares([*range(30), -1])
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 0)  # a progress bar at most


def _start(seconds: float) -> subprocess.Popen:
    environment = os.environ | {
        beam.VARIABLE: "--runner=DirectRunner --direct_num_workers=4",
        "PYTHONPATH": str(ROOT),
        "TQDM_DISABLE": "1",
        squares.SECONDS: str(seconds),
    }
    command = [sys.executable, "-m", "tests.support.squares"]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )


def _wait_for_shards(process: subprocess.Popen, count: int) -> None:
    while len(squares.done()) < count and process.poll() is None:
        time.sleep(0.1)


@pytest.mark.slow
def test_four_processes_give_the_same_after_kills_of_a_worker_of_the_run_and_ctrl_c(here):
    run = _start(0.3)
    _wait_for_shards(run, 1)
    workers = psutil.Process(run.pid).children()
    assert len(workers) == 4
    os.kill(squares.done()[0][0], signal.SIGKILL)
    _, said = run.communicate(timeout=200)
    assert run.returncode == 1
    assert said.startswith("error: a worker of Beam was killed") and said.count("\n") == 1

    for kill in (lambda run: run.kill(), lambda run: os.killpg(run.pid, signal.SIGINT)):
        before = len(squares.done())
        run = _start(2)
        _wait_for_shards(run, before + 1)
        workers = psutil.Process(run.pid).children()
        kill(run)
        _, said = run.communicate(timeout=200)
        assert said in ("", "interrupted\n")
        _, alive = psutil.wait_procs(workers, timeout=20)
        assert not alive

    finished = shard_files.finished(beam.FOLDER / "squares")
    before = len(squares.done())
    out, said = _start(0).communicate(timeout=200)
    assert (out, said) == (f"{sum(number**2 for number in range(400))}\n", "")
    assert 0 < len(squares.done()) - before == 40 - len(finished)
