"""Cross-validation: each fold and seed a training in a copy of the project, a DVC experiment and a run in MLflow.

Stopped or killed, the same command goes on: finished trainings are recorded, one under way has checkpoints, what DVC
ran before with the same values comes from its cache. The trainings run one after another, each on all cores.
"""

import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from apparel import paths
from apparel.analysis import crossval_results, result_sets
from apparel.analysis.crossval_results import CrossValidation
from apparel.errors import UserError
from apparel.sweeps import failure_log
from apparel.sweeps.crossval_plan import RECORD, Plan, Training
from apparel.sweeps.workspace import Workspace
from apparel.tracking import local_runs, runs
from apparel.tracking.outbox import find_outbox
from apparel.utils import files, locking
from apparel.versioning import dvc_hash, dvc_lock, provenance

SECONDS_BETWEEN_POLLS = 1.0

INTERRUPTED = "the cross-validation was interrupted; the same `apparel crossval` continues it"
"""Tag `stopped` of its run in MLflow."""


def run(plan: Plan) -> CrossValidation:
    """Runs what is not finished, pools all, writes the results, and tells MLflow.

    Raises:
        UserError: a training failed, or the same cross-validation is under way.
    """
    folder = crossval_results.folder(plan.name)
    with locking.only_one(folder / "lock", f"{plan.name} is under way in another process; wait for it to end"):
        parent = _open_parent(plan, folder)
        try:
            records = _run_all(plan, folder, parent.id)
            result = _pool(plan)
            for path in crossval_results.write(result, _settings(plan, records[0], parent.id)):
                parent.log_file(path, "crossval")
            parent.log_metrics(crossval_results.figures(result))
            parent.describe(crossval_results.markdown(result))
        except Exception as error:
            parent.fail(str(error))
            raise
        except BaseException:
            parent.kill(stopped=INTERRUPTED)
            raise
        parent.finish()
    return result


def _open_parent(plan: Plan, folder: Path) -> runs.Run:
    """The cross-validation's run in MLflow: that of an earlier start with the same parameters, or a new one."""
    record = folder / "run"
    identity, _, earlier = record.read_text(encoding="utf-8").partition(" ") if record.exists() else ("", "", "")
    if earlier and identity == plan.identity():
        return runs.attach_run(earlier, plan.config)
    run = runs.start_run(plan.config, f"crossval {plan.name}")
    files.write_text(record, f"{plan.identity()} {run.id}")
    run.log_params(plan.flat() | {"crossval.folds": plan.folds})
    run.set_tags(provenance.tags(plan.config) | {"crossval": plan.name})
    run.log_inputs(provenance.data(plan.config), "training")
    return run


def _run_all(plan: Plan, folder: Path, parent: str) -> list[dict[str, Any]]:
    """Runs the trainings that are not finished; returns the record of each."""
    trainings = list(plan.trainings())
    records = [plan.record_of(training) for training in trainings]
    workspace = Workspace(folder / "copy", plan.snapshot)
    if not all(records):
        workspace.create()
    with tqdm(trainings, desc=plan.name, unit=" trainings", disable=None) as bar:
        for position, training in enumerate(bar):
            bar.set_postfix_str(f"seed {training.seed}, fold {training.fold}")
            if records[position] is None:
                records[position] = _run_one(plan, training, workspace, parent, bar)
    files.remove_tree(workspace.folder)
    return records


def _run_one(plan: Plan, training: Training, workspace: Workspace, parent: str, bar: tqdm) -> dict[str, Any]:
    """One training and its eval, saved as an experiment; returns its record."""
    folder = plan.folder_of(training)
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    variables = {paths.PARENT_RUN_VARIABLE: parent, "DVC_EXP_NAME": training.experiment}
    with log.open("wb") as output, workspace.repro(training.values, output, variables) as process:
        while process.poll() is None:
            time.sleep(SECONDS_BETWEEN_POLLS)
            bar.refresh()
    if process.returncode:
        reason = failure_log.failure_reason(failure_log.last_lines(log))
        raise UserError(f"fold {training.fold} with train.seed {training.seed} failed: {reason}\nall of its log: {log}")
    crossval_results.keep_results(workspace.folder, folder)
    run = _child_run(plan, training, workspace.folder, parent)
    message = f"Cross-validation {plan.name}: fold {training.fold} of {plan.folds}, train.seed {training.seed}"
    revision = workspace.save(training.experiment, message, evaluated=True)
    record = {"tree": plan.snapshot.tree, "values": training.values, "experiment": training.experiment}
    record |= {"revision": revision, "run": run}
    files.write_json(folder / RECORD, record)  # the last: with it the training is finished
    return record


def _child_run(plan: Plan, training: Training, copy: Path, parent: str) -> str:
    """The training's run in MLflow: the one it opened under the parent, else a new one, as DVC had it in its cache."""
    record = local_runs.model_record(dvc_hash.path_hash(copy / paths.MODEL))
    trained = record.read_text(encoding="utf-8") if record.exists() else ""
    outbox = find_outbox(trained) if trained else None
    if outbox is not None and outbox.header.parent == parent:
        return trained
    config = plan.params_of(training)
    with runs.start_run(config, training.experiment, parent=parent) as run:
        run.log_params(config.flat())
        run.set_tags({"trained": "earlier: an equal training was in DVC's cache", "crossval": plan.name})
        for path in (copy / paths.HISTORY, copy / paths.METRICS, copy / paths.EVAL_PAGE):
            run.log_file(path, "eval")
        figures = crossval_results.fold_metrics(plan.folder_of(training))
        run.log_metrics({f"fold/{name}": value for name, value in figures.items()})
    return run.id


def _pool(plan: Plan) -> CrossValidation:
    results = [
        crossval_results.read_fold(training.seed, training.fold, training.experiment, plan.folder_of(training))
        for training in plan.trainings()
    ]
    return crossval_results.pool(plan.name, results)


def _settings(plan: Plan, record: dict[str, Any], run: str) -> dict[str, Any]:
    """What `compare` shows as different between two cross-validations: parameters, data and code."""
    data, code = result_sets.inputs_of(dvc_lock.read_commit(record["revision"]))
    values = plan.flat() | {"split.fold": f"{plan.folds} folds{' of all' if plan.of_all else ''}"}
    return {
        "params": {name: str(value) for name, value in values.items()},
        "data": data,
        "code": code,
        "run": run,
    }
