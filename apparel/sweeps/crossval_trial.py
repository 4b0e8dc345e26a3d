"""One trial of a sweep that is judged by cross-validation: a training a fold, whose metrics are reported one by one.

The folds are those of `apparel crossval`: `split.fold` makes each val in turn, test is never read. Optuna's Wilcoxon
pruner compares the folds of a trial with those of the best one, and stops a trial that is behind on nearly all of them.
"""

from pathlib import Path

from optuna.trial import TrialState

from apparel.errors import UserError
from apparel.sweeps import mlflow_runs
from apparel.sweeps.trial_runner import TrialOutcome, TrialRunner
from apparel.tracking import local_runs, runs
from apparel.training import trial_messages


class CrossvalTrialRunner(TrialRunner):
    """Runs the folds that a trial has not reported yet, after a kill those that are left.

    What `TrialRunner` does for its one training is done for each fold: a folder, a log, restarts after kills. Epochs
    are not reported, since Optuna's steps are the folds, from 1.
    """

    def _train_and_save(self, start: float) -> TrialOutcome:
        """Trains fold by fold until the trial is complete, pruned or failed."""
        run = self._open_run()
        outcome = self._run_folds(self._folder)
        if self._heartbeat.lost.is_set():
            return outcome
        scores = self._scores()
        metric = self._context.config.objectives[0].metric
        run.log_metrics({f"{metric}/fold-{fold}": score for fold, score in scores.items()})
        if outcome.state == TrialState.COMPLETE:
            mean = sum(scores.values()) / len(scores)
            run.log_metrics({metric: mean})
            outcome = TrialOutcome(TrialState.COMPLETE, [mean], outcome.attributes | {"metrics": {metric: mean}})
        mlflow_runs.end_trial_run(run, outcome.state, outcome.attributes.get("failure", ""))
        return outcome

    def _open_run(self) -> runs.Run:
        """The trial's run in MLflow: that of an earlier start, or a new one."""
        if self._run:
            return runs.attach_run(self._run, self._params())
        run = mlflow_runs.create_trial_run(self._study, self._trial, self._params())
        self._trial.set_user_attr("run", local_runs.mlflow_id(run.id) or run.id)
        return run

    def _scores(self) -> dict[int, float]:
        """The metric of each fold that was reported."""
        return dict(sorted(self._study._storage.get_trial(self._trial._trial_id).intermediate_values.items()))

    def _run_folds(self, trial_folder: Path) -> TrialOutcome:
        """Trains the folds that are left; the outcome has no values yet."""
        folds = self._context.config.folds
        values, experiment, attributes = self._values, self._experiment, {}
        for fold in range(1, folds + 1):
            if fold in self._scores():
                continue
            self._folder = trial_folder / f"fold-{fold}"
            self._folder.mkdir(exist_ok=True)
            self._log, self._messages_read = self._folder / "log.txt", 0
            self._values, self._experiment = values | {"split.fold": f"{fold}/{folds}"}, f"{experiment}-f{fold}"
            self._set_environment(parent=self._run)
            outcome = self._train()
            if outcome.state != TrialState.COMPLETE:
                return outcome
            try:
                score = self._objective_value(self._context.config.objectives[0].metric)
            except UserError as error:  # a class that the fold has no boxes of
                return TrialOutcome(TrialState.FAIL, attributes={"failure": f"error: fold {fold}: {error}"})
            message = f"{self._experiment}: fold {fold} of {folds}"
            attributes = {"revision": self._context.workspace.save(self._experiment, message)}
            self._trial.report(score, fold)
            if fold < folds and self._trial.should_prune():
                return TrialOutcome(TrialState.PRUNED, attributes=attributes)
        return TrialOutcome(TrialState.COMPLETE, attributes=attributes)

    def _handle_messages(self) -> None:
        """Counts the messages of a fold's training; its validations are none of Optuna's steps."""
        self._messages_read = len(trial_messages.read_messages(self._folder))
