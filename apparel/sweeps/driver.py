"""A sweep's head on one machine: begins or goes on with the study, keeps its workers alive, shows how it goes."""

import shutil
import time
import uuid
from typing import TYPE_CHECKING

from apparel.errors import UserError
from apparel.sweeps import failure_log, mlflow_runs, snapshot, storage, trial_runner
from apparel.sweeps.progress_bar import Progress
from apparel.sweeps.trial_claims import Claims, Watch
from apparel.sweeps.worker import Job, folder_of
from apparel.sweeps.worker_pool import Crew
from apparel.utils import files

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

    from apparel.sweeps.plan import Plan

SECONDS_BETWEEN_LOOKS = 1.0


def begin(plan: "Plan") -> "Study":
    """The study of a plan, made if there is none: by one of all who ask at once."""
    import optuna

    from apparel.sweeps import plan as plans

    name, opened = plan.settings.study, storage.open_storage(plan.storage)
    metrics = [objective.metric for objective in plan.settings.objectives]
    study = optuna.create_study(
        study_name=name,
        storage=opened,
        directions=[objective.direction for objective in plan.settings.objectives],
        load_if_exists=True,
    )
    if "snapshot" not in study.user_attrs:
        study.set_metric_names(metrics)
        for key, value in {
            "id": uuid.uuid4().hex,
            "settings": plans.plain(plan.settings),
            "start": plan.space.start,
            "snapshot": vars(plan.snapshot),  # the last: without it the study counts as not begun
        }.items():
            study.set_user_attr(key, value)
    snapshot.keep(name, plan.snapshot)
    _own_folder(study)
    _first_trials(plan, study)
    return study


def run(plan: "Plan") -> "Study":
    """Trains until the study has its trials; what was begun before goes on.

    Raises:
        UserError: the same failure came three times in a row, or workers end as soon as they begin.
    """
    study = begin(plan)
    minutes = plan.settings.budget.minutes
    folder = folder_of(plan.settings.study)
    claims = Claims(study, folder, plan.trials, None if minutes is None else 60 * minutes)
    jobs = [
        Job(storage.absolute(plan.storage), study.study_name, number, plan.trials, minutes, plan.snapshot.state)
        for number in range(plan.workers)
    ]
    crew, watch = Crew(jobs, folder), Watch()
    before = {trial.number for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()}
    with mlflow_runs.Parent(study, plan.params) as parent, Progress(plan, study) as progress, crew:
        while True:
            trials = study.get_trials(deepcopy=False)
            progress.show(trials)
            parent.improve()
            _stop_at_the_same_failure(plan, trials, before)
            for trial in watch.gone(trials):
                trial_runner.end_leftovers(trial_runner.folder(folder, trial.number))
                claims.release(trial)
            if claims.is_done(trials) and not crew.alive():
                return study
            crew.fill(claims.open_places(trials), sum(trial.state.is_finished() for trial in trials))
            time.sleep(SECONDS_BETWEEN_LOOKS)


def _own_folder(study: "Study") -> None:
    """Empties this machine's folder of the study when it is of an earlier one of the same name."""
    folder = folder_of(study.study_name)
    record, name = folder / "study", study.user_attrs["id"]
    if not record.exists() or record.read_text(encoding="utf-8") != name:
        shutil.rmtree(folder, ignore_errors=True)
        files.write_text(record, name)


def _first_trials(plan: "Plan", study: "Study") -> None:
    """Trials with values of their own: today's first, and for a grid all others."""
    wanted = plan.space.grid() if plan.settings.sampler.kind == "grid" else [plan.space.start]
    for values in wanted[len(study.get_trials(deepcopy=False)) :][: plan.trials]:
        study.enqueue_trial(plan.space.names(values))


def _stop_at_the_same_failure(plan: "Plan", trials: "list[FrozenTrial]", before: set[int]) -> None:
    reason = failure_log.repeated(trials, before)
    if reason:
        raise UserError(
            f"three trials in a row failed alike: {reason}\nMend that; the same command then goes on. "
            f"`{plan.command} --report` has their last lines"
        )
