"""Driver of a sweep on one machine: opens the study, keeps workers running, shows progress until it is complete.

Ours in place of `study.optimize`: a trial is a training in a process that takes minutes, and each of driver, worker and
training may be killed. With `study.optimize` the trial would be lost with its process.
"""

import shutil
import time
import uuid
from typing import TYPE_CHECKING

from apparel.errors import UserError
from apparel.sweeps import failure_log, mlflow_runs, snapshot, storage, trial_runner
from apparel.sweeps.heartbeat import StaleTrialDetector
from apparel.sweeps.plan import to_plain
from apparel.sweeps.progress_bar import ProgressBar
from apparel.sweeps.trial_queue import TrialQueue
from apparel.sweeps.worker import Job
from apparel.sweeps.worker_pool import WorkerPool
from apparel.sweeps.workspace import study_folder, trial_folder
from apparel.utils import files

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from apparel.sweeps.plan import Plan

SECONDS_BETWEEN_POLLS = 1.0


def open_study(plan: "Plan") -> "Study":
    """The plan's study, created if there is none; drivers that do so at the same time get the same one."""
    import optuna

    name, opened = plan.config.study, storage.open_storage(plan.storage)
    directions = [objective.direction for objective in plan.config.objectives]
    try:
        study = optuna.create_study(study_name=name, storage=opened, directions=directions)
        storage.set_creator(study)
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=name, storage=opened)
        storage.wait_for_creator(study, "snapshot")
    if "snapshot" not in study.user_attrs:
        study.set_metric_names([objective.metric for objective in plan.config.objectives])
        for key, value in {
            "id": uuid.uuid4().hex,
            "settings": to_plain(plan.config),
            "start": plan.space.initial_values,
            "snapshot": vars(plan.snapshot),  # the last: without it the study counts as not created
        }.items():
            study.set_user_attr(key, value)
    snapshot.keep(plan.config.study, plan.snapshot)
    _clear_folder_of_namesake(study)
    _enqueue_first_trials(plan, study)
    return study


def run(plan: "Plan") -> "Study":
    """Trains until the study is complete; interrupted trials resume.

    Raises:
        UserError: the same failure came three times in a row, or workers crash as soon as they start.
    """
    study = open_study(plan)
    minutes, folder = plan.config.budget.minutes, study_folder(plan.config.study)
    queue = TrialQueue(study, folder, plan.trials, None if minutes is None else 60 * minutes)
    jobs = [
        Job(storage.absolute(plan.storage), study.study_name, number, plan.trials, minutes, plan.snapshot.state)
        for number in range(plan.workers)
    ]
    pool, detector = WorkerPool(jobs, folder), StaleTrialDetector()
    ended_before = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    with mlflow_runs.StudyRun(study, plan.params) as study_run, ProgressBar(plan, study) as progress_bar, pool:
        while True:
            trials = study.get_trials(deepcopy=False)
            progress_bar.show(trials)
            study_run.log_progress()
            _stop_at_repeated_failure(plan, trials, ended_before)
            for trial in detector.stale(trials):
                trial_runner.end_orphaned_training(trial_folder(folder, trial.number))
                queue.release(trial)
            if queue.is_done(trials) and not pool.count_alive():
                return study
            pool.start_workers(queue.workers_needed(trials), sum(trial.state.is_finished() for trial in trials))
            time.sleep(SECONDS_BETWEEN_POLLS)


def _clear_folder_of_namesake(study: "Study") -> None:
    """Empties the study's folder on this machine if it is of an earlier study of the same name."""
    folder, study_id = study_folder(study.study_name), study.user_attrs["id"]
    record = folder / "study"
    if not record.exists() or record.read_text(encoding="utf-8") != study_id:
        shutil.rmtree(folder, ignore_errors=True)
        files.write_text(record, study_id)


def _enqueue_first_trials(plan: "Plan", study: "Study") -> None:
    """Queues the trials whose values are given: the first one with those of params.yaml, and for a grid all."""
    points = plan.space.grid() if plan.config.sampler.kind == "grid" else [plan.space.initial_values]
    for values in points[len(study.get_trials(deepcopy=False)) :][: plan.trials]:
        study.enqueue_trial(plan.space.to_optuna(values))


def _stop_at_repeated_failure(plan: "Plan", trials: "list[FrozenTrial]", ended_before: set[int]) -> None:
    reason = failure_log.repeated_failure(trials, ended_before)
    if reason:
        raise UserError(
            f"three trials in a row failed with the same error: {reason}\nFix that, then run the same command again. "
            f"`{plan.command} --report` shows the last lines of their logs"
        )
