"""A sweep resumes whatever is killed: no trial is lost or counted twice, and no run is left open."""

import signal
import sys
import time
from pathlib import Path

import optuna
import psutil
import pytest
from optuna.trial import TrialState

from apparel.sweeps import heartbeat
from apparel.training import trial_messages
from tests.support import postgres, project_copy, sweep_project
from tests.support.servers import HANG, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="kills by signals")]

SLOW_STEPS = {"SECONDS_A_STEP": "0.2"}


def study_of(folder: Path, storage: str | None = None) -> optuna.Study | None:
    if storage is None and not (folder / "optuna.db").exists():
        return None
    try:
        return optuna.load_study(study_name="tiny", storage=storage or f"sqlite:///{folder}/optuna.db")
    except (KeyError, optuna.exceptions.StorageInternalError):
        return None


def running(folder: Path) -> list[tuple[int, int]]:
    """Trial and process of each training that has a checkpoint and still runs."""
    if not list(folder.glob(".apparel/training/*/checkpoint")):
        return []
    return [(trial, pid) for trial, _, pid in sweep_project.trainings(folder) if psutil.pid_exists(pid)]


def workers(driver: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(driver).children() if "apparel.sweeps.worker" in command_of(child)]


def command_of(process: psutil.Process) -> str:
    """Empty for one that has ended."""
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return ""


def statuses(folder: Path) -> dict[str, str]:
    """MLflow's status of each run, by name; sends first what a busy machine has not sent yet."""
    project_copy.run(folder, "apparel", "sync")
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert len({run.info.run_name for run in runs}) == len(runs), "a trial has two runs"
    return {run.info.run_name: run.info.status for run in runs}


def test_a_training_a_worker_and_the_whole_sweep_are_killed(tmp_path):
    folder = sweep_project.copy(tmp_path / "project", budget={"trials": 3})
    with (tmp_path / "first.log").open("wb") as log:
        driver = sweep_project.start_sweep(folder, "--workers", "2", log=log, **SLOW_STEPS)
        _, training = wait_for(lambda: running(folder))[0]
        psutil.Process(training).kill()
        wait_for(lambda: any(first > 0 for _, first, _ in sweep_project.trainings(folder)))
        wait_for(lambda: workers(driver.pid))[0].kill()
        begun = len(sweep_project.trainings(folder))
        wait_for(lambda: len(sweep_project.trainings(folder)) > begun)
        descendants = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        driver.wait()
    trainings = [process for process in descendants if "stages.train" in command_of(process)]
    assert not psutil.wait_procs(trainings, timeout=HANG)[1], "trainings run without their sweep"

    status, printed = sweep_project.run_sweep(folder, "--workers", "2")
    assert status == 0, printed
    study = study_of(folder)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 3
    assert all(list(trial.intermediate_values) == [1, 2, 3, 4] for trial in study.trials)
    assert any(first > 0 for _, first, _ in sweep_project.trainings(folder)), "no training resumed from its checkpoint"
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert {f"tiny-{number:03}" for number in range(3)} < statuses(folder).keys()
    listed = project_copy.git(folder, "for-each-ref", "--format=%(refname)", "refs/exps")
    assert len(listed.split()) == 3
    assert project_copy.git(folder, "status", "--porcelain", "--untracked-files=no") == ""

    status, printed = sweep_project.run_sweep(folder)
    assert status == 0, printed
    assert len(study_of(folder).trials) == 3, "`--trials` is the total"
    applied = project_copy.run(folder, "dvc", "exp", "apply", "tiny-001")
    assert applied.returncode == 0, applied.stdout
    assert (folder / "data/results/train/model/weights").exists()


def test_pruned_and_failing_trials_and_repeated_values(tmp_path):
    space = {"train.learning_rate": {"choice": [0.004, 0.3, 0.9]}, "train.seed": {"choice": [0, 1]}}
    pruner = {"kind": "median", "after_trials": 1, "after_validations": 0}
    folder = sweep_project.copy(
        tmp_path / "project", space=space, sampler={"kind": "grid"}, pruner=pruner, budget={}, study="tiny"
    )
    status, printed = sweep_project.run_sweep(folder, **SLOW_STEPS)
    assert status == 0, printed
    trials = study_of(folder).trials
    outcome = {(trial.user_attrs["values"]["train.learning_rate"]): trial.state for trial in trials}
    assert outcome == {0.004: TrialState.COMPLETE, 0.3: TrialState.PRUNED, 0.9: TrialState.FAIL}
    pruned = next(trial for trial in trials if trial.state == TrialState.PRUNED)
    assert len(pruned.intermediate_values) < 4
    assert statuses(folder)[pruned.user_attrs["experiment"]] == "KILLED"
    failed = next(trial for trial in trials if trial.state == TrialState.FAIL)
    assert failed.user_attrs["failure"] == "error: the loss is no longer a finite number at step 16"
    assert failed.user_attrs["failure"] in failed.user_attrs["log"]
    assert not list(folder.glob(".apparel/training/*/checkpoint"))


def test_the_same_failure_three_times_in_a_row_stops_the_sweep(tmp_path):
    space = {"train.batch_size": {"choice": [4, 8, 12, 16, 20, 24, 28, 32]}}
    fixed = sweep_project.CONFIG["fixed"] | {"train.learning_rate": 0.9}
    folder = sweep_project.copy(tmp_path / "project", space=space, fixed=fixed, sampler={"kind": "grid"}, budget={})
    status, printed = sweep_project.run_sweep(folder)
    assert status == 1
    assert "three trials in a row failed with the same error: error: the loss is no longer a finite number" in printed
    ended = [trial for trial in study_of(folder).trials if trial.state.is_finished()]
    assert len(ended) < 8
    assert "RUNNING" not in statuses(folder).values()


def test_four_workers_on_postgresql_outlive_a_restart_of_the_server(tmp_path):
    with postgres.server() as server:
        folder = sweep_project.copy(tmp_path / "project", budget={"trials": 6})
        with (tmp_path / "sweep.log").open("wb") as log:
            driver = sweep_project.start_sweep(
                folder, "--workers", "4", "--storage", server.address, log=log, **SLOW_STEPS
            )
            wait_for(lambda: len(sweep_project.trainings(folder)) >= 2)
            server.stop("immediate")
            time.sleep(20)
            server.start()
            assert driver.wait() == 0, (tmp_path / "sweep.log").read_text()
        study = study_of(folder, server.address)
        assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 6
        assert all(list(trial.intermediate_values) == [1, 2, 3, 4] for trial in study.trials)
        assert len(sweep_project.trainings(folder)) == 6, "the server's restart costs no training"
        assert len({trial.user_attrs["worker"]["pid"] for trial in study.trials}) == 4
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert heartbeat.SECONDS_UNTIL_STALE > 20


def test_a_sweep_beside_a_repro_waits_for_the_same_training(tmp_path):
    folder = sweep_project.copy(tmp_path / "project", budget={"trials": 2})
    project_copy.set_params(folder / "params.yaml", train={"epochs": 4, "validate_every": 1})
    project_copy.git(folder, "commit", "--quiet", "--all", "--message", "as the first trial")
    with (tmp_path / "repro.log").open("wb") as log, (tmp_path / "sweep.log").open("wb") as other_log:
        repro = sweep_project.start_module(folder, "dvc", "repro", log=log, **SLOW_STEPS)
        wait_for(lambda: running(folder))
        with project_copy.held(repro):
            driver = sweep_project.start_sweep(folder, log=other_log)
            trial_log = folder / ".apparel/sweeps/tiny/trials/000/log.txt"
            wait_for(lambda: trial_log.exists() and trial_messages.TRAINING_UNDER_WAY in trial_log.read_text())
        assert repro.wait() == 0, (tmp_path / "repro.log").read_text()
        assert driver.wait() == 0, (tmp_path / "sweep.log").read_text()
    trials = study_of(folder).trials
    assert [(trial.state, trial.user_attrs["from_cache"]) for trial in trials] == [
        (TrialState.COMPLETE, True),
        (TrialState.COMPLETE, False),
    ]
    assert [trial for trial, _, _ in sweep_project.trainings(folder)] == [-1, 1]


def test_sigterm_stops_the_sweep_and_leaves_no_run_open(tmp_path):
    folder = sweep_project.copy(tmp_path / "project", budget={"trials": 2})
    with (tmp_path / "first.log").open("wb") as log:
        driver = sweep_project.start_sweep(folder, log=log, **SLOW_STEPS)
        wait_for(lambda: running(folder))
        driver.send_signal(signal.SIGTERM)
        assert driver.wait() == 128 + signal.SIGTERM
    assert set(statuses(folder).values()) == {"KILLED"}
    assert sweep_project.run_sweep(folder)[0] == 0
    assert set(statuses(folder).values()) == {"FINISHED"}
    assert [first for trial, first, _ in sweep_project.trainings(folder) if trial == 0][-1] > 0
