"""What a sweep will do, before it does it."""

import json
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from apparel import params, paths
from apparel.errors import UserError
from apparel.params import Section
from apparel.sweeps import config as settings
from apparel.sweeps import search_space, snapshot, storage, workspace
from apparel.sweeps.config import LATENCY, Range, Settings
from apparel.sweeps.search_space import Space
from apparel.sweeps.snapshot import Snapshot
from apparel.tracking.outbox import OUTBOXES, find_outbox
from apparel.tracking.server import without_password
from apparel.utils import yaml

if TYPE_CHECKING:
    from optuna import Study


@dataclass(frozen=True)
class Plan:
    """A checked sweep. `study` is None while there is none of that name."""

    settings: Settings
    space: Space
    snapshot: Snapshot
    storage: str
    workers: int
    study: "Study | None"

    @property
    def params(self) -> params.Params:
        """params.yaml as the sweep began with it."""
        return params.parse(params.nest(self.space.base | self.space.start))

    @property
    def trials(self) -> int | None:
        """How many trials the study is to have; None when minutes alone end it."""
        budget = self.settings.budget.trials
        if self.settings.sampler.kind != "grid":
            return budget
        points = len(self.space.grid())
        return points if budget is None else min(budget, points)

    @property
    def command(self) -> str:
        """What finds the study again from any settings file, with `--report` or `--finish` behind it."""
        local = self.storage == storage.LOCAL
        place = "" if local else f" --storage {without_password(self.storage)}"
        return f"python -m apparel sweep --study {self.settings.study}{place}"

    def text(self) -> str:
        """What is shown before it starts."""
        chosen = self.settings
        objectives = " and ".join(f"{each.metric} ({each.direction})" for each in chosen.objectives)
        lines = [f"sweep {chosen.study}: {objectives}", *self._space_lines(), *self._how_lines(), *self._place_lines()]
        return "\n".join(lines)

    def _space_lines(self) -> list[str]:
        names = [(search_space.name(key, each), each) for key, ranges in self.space.ranges.items() for each in ranges]
        width = max(len(name) for name, _ in names)
        lines = ["space"]
        lines += [f"  {name.replace('|', ' if '):<{width + 3}}  {_describe(each)}" for name, each in names]
        lines += [f"  fixed: {key} {value!r}" for key, value in self.settings.fixed.items()]
        lines += [f"  note: {note}" for note in self.space.notes]
        start = ", ".join(f"{key} {value}" for key, value in self.space.start.items())
        return [*lines, f"  first trial, today's values: {start}"]

    def _how_lines(self) -> list[str]:
        chosen, budget = self.settings, self.settings.budget
        ends = [f"{self.trials} trials"] if self.trials else []
        ends += [f"no new trial after {budget.minutes:g} minutes"] if budget.minutes else []
        lines = [f"budget   {', '.join(ends)}; {self.workers} at a time{self._done()}"]
        lines.append(f"sampler  {chosen.sampler.kind}, seed {chosen.sampler.seed}")
        if chosen.prunes:
            trials, validations = chosen.pruner.after_trials, chosen.pruner.after_validations
            spared = f", not the first {trials} trials, nor before validation {validations + 1}"
            lines.append(f"pruner   {chosen.pruner.kind}{spared if chosen.pruner.kind == 'median' else ''}")
        elif chosen.pruner.kind != "none":
            lines.append(f"pruner   none: with {'two objectives' if len(chosen.objectives) > 1 else LATENCY} there is")
            lines[-1] += " nothing to stop a training by"
        if self.workers > 1 and LATENCY in {each.metric for each in chosen.objectives}:
            lines.append("note     latency is measured beside other trainings; --workers 1 measures it alone")
        return [*lines, f"time     {self._time()}"]

    def _place_lines(self) -> list[str]:
        code = f"commit {self.snapshot.commit[:7]}" + (", with uncommitted changes" if self.snapshot.is_changed else "")
        return [
            f"storage  {without_password(self.storage)}",
            f"code     {code}",
            f"watch    make dashboard, make ui, {self.command} --report; "
            f"logs in {(paths.LOCAL / 'sweeps' / self.settings.study / 'trials').as_posix()}",
        ]

    def _done(self) -> str:
        if self.study is None:
            return ""
        ended = sum(trial.state.is_finished() for trial in self.study.get_trials(deepcopy=False))
        return f"; {ended} are done"

    def _time(self) -> str:
        from apparel.sweeps import trial_claims

        seconds, source = self._seconds_a_trial()
        if seconds is None:
            return "not known before the first trial has ended"
        text = f"about {seconds / 60:.1f} minutes a trial ({source})"
        if not self.trials:
            return text
        trials = self.study.get_trials(deepcopy=False) if self.study else []
        left = max(0, self.trials - len(trials)) * seconds / self.workers / 60
        budget = self.settings.budget.minutes
        if budget and (rest := trial_claims.minutes_left(budget, trials)) < left:
            return f"{text}: all would take {left:.0f} minutes, new ones begin for {rest:.0f}"
        return f"{text}: {left:.0f} minutes" + (", less what is pruned" if self.settings.prunes else "")

    def _seconds_a_trial(self) -> tuple[float | None, str]:
        trials = self.study.get_trials(deepcopy=False) if self.study else []
        known = [trial.user_attrs["seconds"]["total"] for trial in trials if "seconds" in trial.user_attrs]
        if known:
            return median(known), "median of those that ended"
        last = last_training()
        if last is None:
            return None, ""
        seconds, epochs = last
        planned = self.space.base["train.epochs"]
        return seconds * planned / epochs, f"the last training took {seconds / 60:.1f} for {epochs} epochs"


def make(config: Path, address: str, workers: int, changes: dict[str, Any]) -> Plan:
    """Checks everything that can be wrong before a trial runs.

    Args:
        config: the settings file.
        address: the storage.
        workers: trainings at a time.
        changes: `study`, `trials` and `minutes` where they win over the file.

    Raises:
        UserError: whatever is wrong, by name.
    """
    chosen = _changed(settings.load(config), changes)
    study = _existing(address, chosen.study)
    taken = _snapshot(chosen.study, study, config)
    built = search_space.build(chosen, today(taken), str(config))
    _check_objectives(chosen, built, str(config))
    if study is not None:
        _check_same(study, chosen, config)
    plan = Plan(chosen, built, taken, address, workers, study)
    if chosen.sampler.kind == "grid":
        built.grid()
    return plan


def today(taken: Snapshot) -> dict[str, dict[str, Any]]:
    """params.yaml of a snapshot, checked, as nested plain values."""
    values = yaml.parse(snapshot.read(taken, paths.PARAMS.as_posix()), paths.PARAMS.name)
    params.parse(values)
    return values


def plain(chosen: Section) -> dict[str, Any]:
    """The settings as JSON has them, which `settings.parse` takes."""
    return json.loads(json.dumps(chosen.model_dump()))


def last_training() -> tuple[float, int] | None:
    """Seconds and epochs of the last training that this clone finished; None where there is none."""
    runs = sorted(OUTBOXES.glob("*/run.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in runs[:20]:
        outbox = find_outbox(path.parent.name)
        lines = list(outbox.lines()) if outbox else []
        trained = [line.time for line in lines if line.kind == "metrics" and "train/loss" in line.values]
        epochs = next((line.values["train.epochs"] for line in lines if "train.epochs" in line.values), "")
        if any(line.values == {"status": "FINISHED"} for line in lines) and trained and epochs.isdecimal():
            return (trained[-1] - outbox.header.start) / 1000, int(epochs)
    return None


def _changed(chosen: Settings, changes: dict[str, Any]) -> Settings:
    given = {name: value for name, value in changes.items() if value is not None}
    study = {"study": given.pop("study")} if "study" in given else {}
    budget = {"budget": plain(chosen.budget) | given}
    return settings.parse(plain(chosen) | study | budget, "the command line")


def _existing(address: str, name: str) -> "Study | None":
    """The study of that name, without making a database to look for it in."""
    if address.startswith("sqlite:///") and not Path(address.removeprefix("sqlite:///")).exists():
        return None
    import optuna

    opened = storage.open_storage(address)
    if name not in optuna.get_all_study_names(opened):
        return None
    study = optuna.load_study(study_name=name, storage=opened)
    return study if "snapshot" in study.user_attrs else None  # its making was cut short


def _snapshot(name: str, study: "Study | None", config: Path) -> Snapshot:
    if study is None:
        there = workspace.existing(name)
        if there:
            raise UserError(
                f"there are experiments of an earlier sweep '{name}' ({there[0]} and others), but not its study; "
                "choose another --study, or remove them: dvc exp remove " + " ".join(there[:3])
            )
        return snapshot.take(config)
    known = Snapshot(**study.user_attrs["snapshot"])
    if snapshot.is_kept(known):
        return known
    here = snapshot.take(config)
    if (here.commit, here.tree) != (known.commit, known.tree):
        raise UserError(
            f"study '{name}' was begun from commit {known.commit[:7]} with content {known.tree[:7]}, which this clone "
            "does not have; fetch and check out the same commit, without changes of your own"
        )
    return here


def _check_objectives(chosen: Settings, built: Space, where: str) -> None:
    classes = built.base["data.classes"]
    known = ["val/mAP50", "val/loss", *(f"val/AP50/{name}" for name in classes), LATENCY]
    for objective in chosen.objectives:
        if objective.metric not in known:
            raise UserError(
                f"{where}: objectives: there is no metric '{objective.metric}'; known are {', '.join(known)}"
            )


def _check_same(study: "Study", chosen: Settings, config: Path) -> None:
    """A study stays what it was begun as; only its budget and its pruner may change."""
    begun = settings.parse(study.user_attrs["settings"], f"study {chosen.study}")
    for part in ("objectives", "sampler", "fixed", "space"):
        if getattr(begun, part) != getattr(chosen, part):
            raise UserError(
                f"study '{chosen.study}' was begun with other {part} than {config} has now; "
                "put that back, or choose another --study"
            )


def _describe(found: Range) -> str:
    if found.choice is not None:
        return "choice of " + ", ".join(map(str, found.choice))
    kind, (low, high) = ("int", found.int) if found.int is not None else ("float", found.float)
    return f"{'log ' if found.log else ''}{kind} from {low} to {high}"
