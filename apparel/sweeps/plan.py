"""Plan of a sweep: everything that can be wrong is checked before the first trial, and shown with `--dry-run`."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from apparel import params, paths
from apparel.analysis import run_plan
from apparel.errors import UserError
from apparel.models import prerequisites
from apparel.sweeps import search_space, snapshot, storage, workspace
from apparel.sweeps.config import LATENCY, Range, SweepConfig, load_config, parse_config
from apparel.sweeps.search_space import SearchSpace
from apparel.sweeps.snapshot import Snapshot
from apparel.tracking import local_runs
from apparel.utils import nested, yaml
from apparel.utils.addresses import address_only
from apparel.utils.sections import Section

if TYPE_CHECKING:
    from optuna import Study

SECONDS_BESIDE_TRAINING = 30
"""Of a trial, besides its training: DVC's checks, imports and keeping of results; `python -m benchmarks sweep` measures
it, about eleven times what 20 steps on the drawn photos take."""


@dataclass(frozen=True)
class Plan:
    """A valid sweep.

    Attributes:
        config: the configuration, with changes of the command line.
        space: its search space.
        snapshot: the state of the project that all trials train.
        storage: address of the storage.
        workers: trainings at a time on this machine.
        study: the study, None while it does not exist.
    """

    config: SweepConfig
    space: SearchSpace
    snapshot: Snapshot
    storage: str
    workers: int
    study: "Study | None"

    @property
    def params(self) -> params.Params:
        """params.yaml as the first trial has it."""
        return params.parse(nested.nest(self.space.base | self.space.initial_values))

    @property
    def trials(self) -> int | None:
        """Number of trials of the study in all; None if only the budget's minutes end it."""
        budget = self.config.budget.trials
        if self.config.sampler.kind != "grid":
            return budget
        points = len(self.space.grid())
        return points if budget is None else min(budget, points)

    @property
    def command(self) -> str:
        """The command that finds the study without its file; `--report` or `--finish` is appended."""
        is_default = self.storage == storage.default_address()
        option = "" if is_default else f" --storage {address_only(self.storage)}"
        return f"apparel sweep --study {self.config.study}{option}"

    def text(self) -> str:
        """The plan as it is printed before the sweep starts."""
        objectives = " and ".join(f"{objective.metric} ({objective.direction})" for objective in self.config.objectives)
        folds = f", mean of {self.config.folds} folds" if self.config.objective == "crossval" else ""
        title = f"sweep {self.config.study}: {objectives}{folds}"
        return "\n".join([title, *self._space_lines(), *self._method_lines(), *self._location_lines()])

    def _space_lines(self) -> list[str]:
        ranges = [
            (search_space.parameter_name(key, range_), range_)
            for key, ranges in self.space.ranges.items()
            for range_ in ranges
        ]
        width = max(len(name) for name, _ in ranges)
        lines = ["space"]
        lines += [f"  {name.replace('|', ' if '):<{width + 3}}  {_describe(range_)}" for name, range_ in ranges]
        lines += [f"  fixed: {key} {value!r}" for key, value in self.config.fixed.items()]
        lines += [f"  note: {note}" for note in self.space.notes]
        initial = ", ".join(f"{key} {value}" for key, value in self.space.initial_values.items())
        return [*lines, f"  first trial, values of params.yaml: {initial}"]

    def _method_lines(self) -> list[str]:
        config, budget = self.config, self.config.budget
        limits = [f"{self.trials} trials"] if self.trials else []
        limits += [f"no new trial after {budget.minutes:g} minutes"] if budget.minutes else []
        lines = [
            f"budget   {', '.join(limits)}; {self.workers} at a time{self._ended_trials()}",
            f"sampler  {config.sampler.kind}, seed {config.sampler.seed}",
            *self._pruner_lines(),
        ]
        if self.workers > 1 and LATENCY in {objective.metric for objective in config.objectives}:
            lines.append("note     latency is measured beside other trainings; --workers 1 measures it alone")
        return [*lines, f"time     {self._time()}"]

    def _pruner_lines(self) -> list[str]:
        pruner = self.config.pruner
        if self.config.can_prune and pruner.kind == "median":
            first_validation = pruner.after_validations + 1
            return [
                f"pruner   median, not the first {pruner.after_trials} trials, nor before validation {first_validation}"
            ]
        if self.config.can_prune and pruner.kind == "wilcoxon":
            return [
                f"pruner   wilcoxon, where the folds are worse than those of the best trial with p below {pruner.p}"
            ]
        if self.config.can_prune:
            return [f"pruner   {pruner.kind}"]
        if pruner.kind == "none":
            return []
        reason = "two objectives" if len(self.config.objectives) > 1 else LATENCY
        return [f"pruner   none: with {reason} there is no value to prune a training by"]

    def _location_lines(self) -> list[str]:
        code = f"commit {self.snapshot.commit[:7]}" + (", with uncommitted changes" if self.snapshot.is_changed else "")
        return [
            f"storage  {address_only(self.storage)}",
            f"code     {code}",
            f"watch    make dashboard, make ui, {self.command} --report; "
            f"logs in {(workspace.study_folder(self.config.study) / 'trials').as_posix()}",
        ]

    def _ended_trials(self) -> str:
        if self.study is None:
            return ""
        ended = sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))
        return f"; {ended} have ended"

    def _time(self) -> str:
        from apparel.sweeps import trial_queue

        seconds, source = self._seconds_per_trial()
        if seconds is None:
            return "unknown until the first trial has ended"
        text = f"about {seconds / 60:.1f} minutes a trial ({source})"
        if not self.trials:
            return text
        trials = self.study.get_trials(deepcopy=False) if self.study else []
        left = max(0, self.trials - len(trials)) * seconds / self.workers / 60
        budget = self.config.budget.minutes
        if budget and (rest := trial_queue.minutes_left(budget, trials)) < left:
            return f"{text}: all would take {left:.0f} minutes, new ones begin for {rest:.0f}"
        return f"{text}: {left:.0f} minutes" + (", less what is pruned" if self.config.can_prune else "")

    def _seconds_per_trial(self) -> tuple[float | None, str]:
        trials = self.study.get_trials(deepcopy=False) if self.study else []
        totals = [trial.user_attrs["seconds"]["total"] for trial in trials if "seconds" in trial.user_attrs]
        if totals:
            return median(totals), "median of those that have ended"
        if local_runs.last_training() is None:
            return None, ""
        try:
            seconds, judged_by = run_plan.expected_seconds(self.params, ["train"])
        except UserError:  # the TFRecords are not there, so the number of photos is unknown
            return None, ""
        trainings = self.config.folds if self.config.objective == "crossval" else 1
        beside = f"{judged_by}; {SECONDS_BESIDE_TRAINING} s a training beside it"
        return trainings * (seconds + SECONDS_BESIDE_TRAINING), beside


def make_plan(file: Path, address: str, workers: int, changes: dict[str, Any]) -> Plan:
    """Validates everything that can be wrong before a trial runs.

    Args:
        file: the sweep's configuration.
        address: of the storage.
        workers: trainings at a time.
        changes: `study`, `trials` and `minutes` of the command line, which win over the file unless they are None.

    Raises:
        UserError: names what is wrong.
    """
    config = _with_changes(load_config(file), changes)
    study = _existing_study(address, config.study)
    taken = _study_snapshot(config.study, study, file)
    space = search_space.build(config, read_params(taken), str(file))
    _check_objectives(config, space, str(file))
    if study is None:
        first_trial = params.parse(nested.nest(space.base))
        prerequisites.check_parameters(first_trial)
        prerequisites.check_copies(first_trial)
    else:
        _check_same(study, config, file)
    plan = Plan(config, space, taken, address, workers, study)
    if config.sampler.kind == "grid":
        space.grid()
    return plan


def read_params(taken: Snapshot) -> dict[str, dict[str, Any]]:
    """params.yaml of a snapshot as nested plain values; raises a `UserError` if it is not valid."""
    values = yaml.parse(snapshot.read(taken, paths.PARAMS.as_posix()), paths.PARAMS.name)
    params.parse(values)
    return values


def to_plain(section: Section) -> dict[str, Any]:
    """The section as JSON has it, from which `parse_config` makes it again."""
    return json.loads(json.dumps(section.model_dump()))


def _with_changes(config: SweepConfig, changes: dict[str, Any]) -> SweepConfig:
    given = {name: value for name, value in changes.items() if value is not None}
    study = {"study": given.pop("study")} if "study" in given else {}
    budget = {"budget": to_plain(config.budget) | given}
    return parse_config(to_plain(config) | study | budget, "the command line")


def _existing_study(address: str, name: str) -> "Study | None":
    """The study of that name; a database that does not exist is not created."""
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        return None
    import optuna

    opened = storage.open_storage(address)
    if name not in optuna.get_all_study_names(opened):
        return None
    study = optuna.load_study(study_name=name, storage=opened)
    return study if "snapshot" in study.user_attrs else None  # without it a driver died while it created the study


def _study_snapshot(name: str, study: "Study | None", file: Path) -> Snapshot:
    """The snapshot that the study began with, or a new one for a new study."""
    if study is None:
        earlier = workspace.existing_experiments(name)
        if earlier:
            raise UserError(
                f"there are experiments of an earlier sweep '{name}', but not its study; "
                f"choose another --study, or remove them: dvc exp remove {' '.join(earlier)}"
            )
        return snapshot.take(file)
    first = Snapshot(**study.user_attrs["snapshot"])
    if snapshot.is_kept(first):
        return first
    current = snapshot.take(file)
    if (current.commit, current.tree) != (first.commit, first.tree):
        raise UserError(
            f"study '{name}' began from commit {first.commit[:7]} with content {first.tree[:7]}, which this clone "
            "does not have; fetch and check out the same commit, without changes of your own"
        )
    return current


def _check_objectives(config: SweepConfig, space: SearchSpace, where: str) -> None:
    metrics = ["val/mAP50", "val/loss", *(f"val/AP50/{name}" for name in space.base["data.classes"]), LATENCY]
    for objective in config.objectives:
        if objective.metric not in metrics:
            raise UserError(
                f"{where}: objectives: there is no metric '{objective.metric}'; choose one of {', '.join(metrics)}"
            )


def _check_same(study: "Study", config: SweepConfig, file: Path) -> None:
    """Raises a `UserError` if more than the budget and the pruner differs from what the study began with."""
    first = parse_config(study.user_attrs["settings"], f"study {config.study}")
    for part in ("objective", "folds", "objectives", "sampler", "fixed", "space"):
        if getattr(first, part) != getattr(config, part):
            raise UserError(
                f"study '{config.study}' began with other {part} than {file} has now; "
                "put that back, or choose another --study"
            )


def _describe(range_: Range) -> str:
    if range_.choice is not None:
        return "choice of " + ", ".join(map(str, range_.choice))
    kind, (low, high) = ("int", range_.int) if range_.int is not None else ("float", range_.float)
    return f"{'log ' if range_.log else ''}{kind} from {low} to {high}"
